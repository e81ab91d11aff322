/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

/* A tiny picture of a frame's luma, and how two of them differ. Reading a frame
 * is in thumbnail.c, comparing two in scenedistance.c. */

#define GST_ITUNING_THUMBNAIL_WIDTH 32
#define GST_ITUNING_THUMBNAIL_HEIGHT 18
#define GST_ITUNING_THUMBNAIL_CELLS \
  ((gsize) GST_ITUNING_THUMBNAIL_WIDTH * GST_ITUNING_THUMBNAIL_HEIGHT)

/* Luma below this, in full and in video range, may be black. */
#define GST_ITUNING_THUMBNAIL_BLACK 32.0f
/* Structure of a lower deviation is noise, however even the pixels are. */
#define GST_ITUNING_THUMBNAIL_NOISE 5.0f

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
  guint8 top, bottom, left, right; /* rows and columns that are black bars */
  float black; /* luma of the bars */
} GstItuningThumbnail;

gboolean gst_ituning_thumbnail_take (GstItuningThumbnail *self,
    const GstVideoFrame *frame, GByteArray *scratch);

gboolean gst_ituning_thumbnail_is_flat (const GstItuningThumbnail *self);
gboolean gst_ituning_thumbnail_is_black (const GstItuningThumbnail *self);
gboolean gst_ituning_thumbnail_is_lit (const GstItuningThumbnail *self,
    const GstItuningThumbnail *before);
float gst_ituning_thumbnail_change (const GstItuningThumbnail *a,
    const GstItuningThumbnail *b);
float gst_ituning_thumbnail_distance (const GstItuningThumbnail *a,
    const GstItuningThumbnail *b);
