/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/gstituningcaption.h"

G_BEGIN_DECLS

typedef struct _GstItuningCaptionMeta GstItuningCaptionMeta;

/**
 * GstItuningCaptionMeta:
 * @meta: the parent structure
 * @caption: the caption of the frame
 *
 * Says on a frame what it shows.
 */
struct _GstItuningCaptionMeta
{
  GstMeta meta;

  GstItuningCaption *caption;
};

#define GST_ITUNING_CAPTION_META_API_TYPE \
  (gst_ituning_caption_meta_api_get_type ())
#define GST_ITUNING_CAPTION_META_INFO (gst_ituning_caption_meta_get_info ())

GST_ITUNING_API
GType gst_ituning_caption_meta_api_get_type (void);

GST_ITUNING_API
const GstMetaInfo *gst_ituning_caption_meta_get_info (void);

GST_ITUNING_API
GstItuningCaptionMeta *gst_buffer_add_ituning_caption_meta (GstBuffer *buffer,
    GstItuningCaption *caption);

GST_ITUNING_API
GstItuningCaptionMeta *gst_buffer_get_ituning_caption_meta (GstBuffer *buffer);

GST_ITUNING_API
GstItuningCaptionMeta *
gst_buffer_iterate_ituning_caption_meta (GstBuffer *buffer, gpointer *state);

GST_ITUNING_API
GstItuningCaption *gst_ituning_caption_from_buffer (GstBuffer *buffer);

G_END_DECLS
