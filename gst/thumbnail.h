/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

/* A tiny picture of a frame's luma, and how two of them differ. */

#define GST_ITUNING_THUMBNAIL_WIDTH 32
#define GST_ITUNING_THUMBNAIL_HEIGHT 18

typedef struct
{
  /* Means of the cells, less the mean of all, over the deviation: what is left
   * of a frame when brightness and contrast are taken away. */
  float cells[GST_ITUNING_THUMBNAIL_HEIGHT][GST_ITUNING_THUMBNAIL_WIDTH];
  float luma; /* mean, 0..255 */
  float chroma[2]; /* means, 0..255, 128 for grey */
  float deviation; /* of the cells' luma */
  float burnt; /* part of the cells that are as good as white */
  float noise; /* structure of a lower deviation is taken for noise */
} GstItuningThumbnail;

gboolean gst_ituning_thumbnail_take (GstItuningThumbnail *self,
    GstVideoFrame *frame);
gboolean gst_ituning_thumbnail_is_flat (const GstItuningThumbnail *self);
float gst_ituning_thumbnail_change (const GstItuningThumbnail *a,
    const GstItuningThumbnail *b);
float gst_ituning_thumbnail_distance (const GstItuningThumbnail *a,
    const GstItuningThumbnail *b);
