/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/gstituningcaptionmeta.h"

#include <string.h>

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
/* Version 1: the text of the caption's structure and a zero byte, then the
 * embedding's numbers, little-endian. */
static gboolean
meta_serialize (const GstMeta *meta, GstByteArrayInterface *data,
    guint8 *version)
{
  const GstItuningCaption *caption =
      ((const GstItuningCaptionMeta *) meta)->caption;
  g_autoptr (GstStructure) structure = gst_ituning_caption_to_structure (
      caption);
  g_autofree gchar *text = gst_structure_to_string (structure);

  *version = 1;
  if (!gst_byte_array_interface_append_data (data, (const guint8 *) text,
          strlen (text) + 1))
    return FALSE;
  for (guint i = 0; i < caption->n_embedding; i++) {
    guint8 number[4];
    GST_WRITE_FLOAT_LE (number, caption->embedding[i]);
    if (!gst_byte_array_interface_append_data (data, number, sizeof (number)))
      return FALSE;
  }
  return TRUE;
}

static GstMeta *
meta_deserialize (const GstMetaInfo *info, GstBuffer *buffer,
    const guint8 *data, gsize size, guint8 version)
{
  const guint8 *end = size > 0 ? memchr (data, 0, size) : NULL;
  g_autoptr (GstStructure) structure = NULL;
  g_autoptr (GstItuningCaption) read = NULL, caption = NULL;
  g_autofree gfloat *embedding = NULL;
  gsize n;

  if (version != 1 || end == NULL)
    return NULL;
  n = (size - (gsize) (end + 1 - data)) / sizeof (gfloat);
  if (n <= G_MAXUINT)
    structure = gst_structure_from_string ((const gchar *) data, NULL);
  if (structure != NULL)
    read = gst_ituning_caption_from_structure (structure);
  if (read == NULL)
    return NULL;
  embedding = g_new (gfloat, n);
  for (gsize i = 0; i < n; i++)
    embedding[i] = GST_READ_FLOAT_LE (end + 1 + i * sizeof (gfloat));
  caption = gst_ituning_caption_new (read->id, read->text, read->confidence,
      read->keyframe, read->start, read->end, read->age, read->model, embedding,
      (guint) n);
  return (GstMeta *) gst_buffer_add_ituning_caption_meta (buffer, caption);
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
  g_return_val_if_fail (gst_buffer_is_writable (buffer), NULL);
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
