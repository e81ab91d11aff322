/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/thumbnail.h"

/* Where scenes begin, from one thumbnail to the next. */
typedef struct
{
  float threshold; /* distance of two scenes, to be set */

  GstClockTime last; /* time of the last frame, or NONE */
  float motion; /* how far frames are from each other, of late */
  float fade[3]; /* the last change of luma and chroma */
  GstClockTime rest; /* since when the picture is like the anchor's */
  GstClockTime blank; /* since when it is very light or black, or NONE */
  GstItuningThumbnail key, previous, before_blank, anchor;
} GstItuningScenes;

void gst_ituning_scenes_reset (GstItuningScenes *self);
void gst_ituning_scenes_skip (GstItuningScenes *self);
gboolean gst_ituning_scenes_push (GstItuningScenes *self,
    const GstItuningThumbnail *thumbnail, GstClockTime pts);
gboolean gst_ituning_scenes_is_another (const GstItuningScenes *self,
    const GstItuningThumbnail *thumbnail);
void gst_ituning_scenes_set_key (GstItuningScenes *self,
    const GstItuningThumbnail *thumbnail);
