/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/gstituningcaptionmeta.h"

/**
 * SECTION:gstituningcaptionmeta
 * @title: GstItuningCaptionMeta
 *
 * Captions on frames. The metadata has no tags and goes along with every copy
 * and transformation of a frame: what a frame shows stays true when it is
 * scaled, converted or encoded.
 */

/**
 * gst_ituning_caption_meta_api_get_type: (skip)
 */
GType
gst_ituning_caption_meta_api_get_type (void)
{
  static gsize type = 0;
  static const gchar *tags[] = { NULL };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        gst_meta_api_type_register ("GstItuningCaptionMetaAPI", tags));
  return (GType) type;
}

static gboolean
meta_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  ((GstItuningCaptionMeta *) meta)->caption = NULL;
  return TRUE;
}

static void
meta_free (GstMeta *meta, GstBuffer *buffer)
{
  GstItuningCaptionMeta *self = (GstItuningCaptionMeta *) meta;

  g_clear_pointer (&self->caption, gst_ituning_caption_unref);
}

/* Captions are immutable, so a copy of a frame shares them. */
static gboolean
meta_transform (GstBuffer *to, GstMeta *meta, GstBuffer *from, GQuark type,
    gpointer data)
{
  gst_buffer_add_ituning_caption_meta (to,
      ((GstItuningCaptionMeta *) meta)->caption);
  return TRUE;
}

#if GST_CHECK_VERSION(1, 24, 0)
/* Version 1 is the text of the caption's structure. */
static gboolean
meta_serialize (const GstMeta *meta, GstByteArrayInterface *data,
    guint8 *version)
{
  const GstItuningCaptionMeta *self = (const GstItuningCaptionMeta *) meta;
  g_autoptr (GstStructure) structure = gst_ituning_caption_to_structure (
      self->caption);
  g_autofree gchar *text = gst_structure_serialize (structure,
      GST_SERIALIZE_FLAG_NONE);

  *version = 1;
  return gst_byte_array_interface_append_data (data, (const guint8 *) text,
      strlen (text) + 1);
}

static GstMeta *
meta_deserialize (const GstMetaInfo *info, GstBuffer *buffer,
    const guint8 *data, gsize size, guint8 version)
{
  g_autoptr (GstStructure) structure = NULL;
  g_autoptr (GstItuningCaption) caption = NULL;

  if (version != 1 || size == 0 || data[size - 1] != '\0')
    return NULL;
  structure = gst_structure_from_string ((const gchar *) data, NULL);
  if (structure != NULL)
    caption = gst_ituning_caption_from_structure (structure);
  return caption != NULL
      ? (GstMeta *) gst_buffer_add_ituning_caption_meta (buffer, caption)
      : NULL;
}
#endif

/**
 * gst_ituning_caption_meta_get_info: (skip)
 */
const GstMetaInfo *
gst_ituning_caption_meta_get_info (void)
{
  static const GstMetaInfo *info = NULL;

  if (g_once_init_enter ((GstMetaInfo **) &info)) {
#if GST_CHECK_VERSION(1, 24, 0)
    GstMetaInfo *made = gst_meta_info_new (GST_ITUNING_CAPTION_META_API_TYPE,
        "GstItuningCaptionMeta", sizeof (GstItuningCaptionMeta));
    made->init_func = meta_init;
    made->free_func = meta_free;
    made->transform_func = meta_transform;
    made->serialize_func = meta_serialize;
    made->deserialize_func = meta_deserialize;
    const GstMetaInfo *registered = gst_meta_info_register (made);
#else
    const GstMetaInfo *registered =
        gst_meta_register (GST_ITUNING_CAPTION_META_API_TYPE,
            "GstItuningCaptionMeta", sizeof (GstItuningCaptionMeta), meta_init,
            meta_free, meta_transform);
#endif
    g_once_init_leave ((GstMetaInfo **) &info, (GstMetaInfo *) registered);
  }
  return info;
}

/**
 * gst_buffer_add_ituning_caption_meta:
 * @buffer: a writable frame
 * @caption: what it shows
 *
 * Returns: (transfer none): the metadata, which holds a reference to @caption
 */
GstItuningCaptionMeta *
gst_buffer_add_ituning_caption_meta (GstBuffer *buffer,
    GstItuningCaption *caption)
{
  GstItuningCaptionMeta *meta;

  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  g_return_val_if_fail (caption != NULL, NULL);
  meta = (GstItuningCaptionMeta *) gst_buffer_add_meta (buffer,
      GST_ITUNING_CAPTION_META_INFO, NULL);
  meta->caption = gst_ituning_caption_ref (caption);
  return meta;
}

/**
 * gst_buffer_get_ituning_caption_meta:
 * @buffer: a frame
 *
 * Returns: (transfer none) (nullable): its first caption metadata
 */
GstItuningCaptionMeta *
gst_buffer_get_ituning_caption_meta (GstBuffer *buffer)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  return (GstItuningCaptionMeta *) gst_buffer_get_meta (buffer,
      GST_ITUNING_CAPTION_META_API_TYPE);
}

/**
 * gst_buffer_iterate_ituning_caption_meta: (skip)
 * @buffer: a frame
 * @state: (inout): %NULL at first
 *
 * Returns: (transfer none) (nullable): its next caption metadata, for frames
 *   that passed several captioners
 */
GstItuningCaptionMeta *
gst_buffer_iterate_ituning_caption_meta (GstBuffer *buffer, gpointer *state)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  return (GstItuningCaptionMeta *) gst_buffer_iterate_meta_filtered (buffer,
      state, GST_ITUNING_CAPTION_META_API_TYPE);
}

/**
 * gst_ituning_caption_from_buffer:
 * @buffer: a frame
 *
 * Returns: (transfer full) (nullable): what the frame shows, if it is known
 */
GstItuningCaption *
gst_ituning_caption_from_buffer (GstBuffer *buffer)
{
  GstItuningCaptionMeta *meta = gst_buffer_get_ituning_caption_meta (buffer);

  return meta != NULL ? gst_ituning_caption_ref (meta->caption) : NULL;
}
