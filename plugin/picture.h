/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

#include "plugin/engine.h"

/* Turns video frames into small RGB pictures that look as a viewer sees them:
 * cropped, with square pixels, turned the right way up. Belongs to one thread;
 * zero-initialised it is empty. */
typedef struct
{
  GstVideoInfo info;
  gsize edge; /* the model's image size */
  GstVideoOrientationMethod orientation;

  GstVideoConverter *converter; /* owned: for @crop; or NULL */
  GstVideoRectangle crop;
  GstVideoInfo out_info;
} GstItuningPictures;

void gst_ituning_pictures_set_info (GstItuningPictures *self,
    const GstVideoInfo *info, gsize edge);
void gst_ituning_pictures_set_orientation (GstItuningPictures *self,
    GstVideoOrientationMethod orientation);
GstItuningJob *gst_ituning_pictures_take (GstItuningPictures *self,
    GstVideoFrame *frame);
void gst_ituning_pictures_clear (GstItuningPictures *self);
