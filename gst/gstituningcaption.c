/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/gstituningcaption.h"

#include <string.h>

/**
 * SECTION:gstituningcaption
 * @title: GstItuningCaption
 *
 * What a frame shows, in words: on frames (#GstItuningCaptionMeta), and as the
 * structure of element messages on the bus.
 */

GST_DEFINE_MINI_OBJECT_TYPE (GstItuningCaption, gst_ituning_caption)

static void
caption_free (GstMiniObject *object)
{
  GstItuningCaption *self = (GstItuningCaption *) object;

  g_free (self->text);
  g_free (self->model);
  g_free (self->embedding);
  g_free (self);
}

static GstMiniObject *
caption_copy (const GstMiniObject *object)
{
  const GstItuningCaption *self = (const GstItuningCaption *) object;

  return GST_MINI_OBJECT_CAST (
      gst_ituning_caption_copy_with_range (self, self->start, self->end));
}

/**
 * gst_ituning_caption_new:
 * @id: a number for it
 * @text: UTF-8
 * @confidence: 0..1
 * @keyframe: stream time of the captioned frame
 * @start: stream time from which it is shown
 * @end: stream time until which it is shown, or %GST_CLOCK_TIME_NONE
 * @age: how late it is
 * @model: (nullable): name of the model
 * @embedding: (array length=n_embedding) (nullable): embedding of the frame
 * @n_embedding: numbers of @embedding
 *
 * Returns: (transfer full): a caption; all arguments are copied
 */
GstItuningCaption *
gst_ituning_caption_new (guint64 id, const gchar *text, gdouble confidence,
    GstClockTime keyframe, GstClockTime start, GstClockTime end,
    GstClockTime age, const gchar *model, const gfloat *embedding,
    guint n_embedding)
{
  GstItuningCaption *self;

  g_return_val_if_fail (text != NULL, NULL);
  g_return_val_if_fail (embedding != NULL || n_embedding == 0, NULL);
  self = g_new0 (GstItuningCaption, 1);
  gst_mini_object_init (GST_MINI_OBJECT_CAST (self), 0,
      GST_TYPE_ITUNING_CAPTION, caption_copy, NULL, caption_free);
  self->id = id;
  self->text = g_strdup (text);
  self->confidence = confidence;
  self->keyframe = keyframe;
  self->start = start;
  self->end = end;
  self->age = age;
  self->model = g_strdup (model);
  self->embedding = g_memdup2 (embedding, n_embedding * sizeof (gfloat));
  self->n_embedding = n_embedding;
  return self;
}

/**
 * gst_ituning_caption_copy_with_range:
 * @caption: a caption
 * @start: stream time from which it is shown
 * @end: stream time until which it is shown, or %GST_CLOCK_TIME_NONE
 *
 * Returns: (transfer full): the same caption with another range
 */
GstItuningCaption *
gst_ituning_caption_copy_with_range (const GstItuningCaption *caption,
    GstClockTime start, GstClockTime end)
{
  g_return_val_if_fail (caption != NULL, NULL);
  return gst_ituning_caption_new (caption->id, caption->text,
      caption->confidence, caption->keyframe, start, end, caption->age,
      caption->model, caption->embedding, caption->n_embedding);
}

/**
 * gst_ituning_caption_get_id:
 * @caption: a caption
 *
 * Returns: the number its writer gave it
 */
guint64
gst_ituning_caption_get_id (const GstItuningCaption *caption)
{
  g_return_val_if_fail (caption != NULL, 0);
  return caption->id;
}

/**
 * gst_ituning_caption_get_text:
 * @caption: a caption
 *
 * Returns: (transfer none): what the frame shows, UTF-8
 */
const gchar *
gst_ituning_caption_get_text (const GstItuningCaption *caption)
{
  g_return_val_if_fail (caption != NULL, NULL);
  return caption->text;
}

/**
 * gst_ituning_caption_get_confidence:
 * @caption: a caption
 *
 * Returns: geometric mean of the tokens' probabilities, 0..1
 */
gdouble
gst_ituning_caption_get_confidence (const GstItuningCaption *caption)
{
  g_return_val_if_fail (caption != NULL, 0);
  return caption->confidence;
}

/**
 * gst_ituning_caption_get_keyframe:
 * @caption: a caption
 *
 * Returns: stream time of the captioned frame
 */
GstClockTime
gst_ituning_caption_get_keyframe (const GstItuningCaption *caption)
{
  g_return_val_if_fail (caption != NULL, GST_CLOCK_TIME_NONE);
  return caption->keyframe;
}

/**
 * gst_ituning_caption_get_start:
 * @caption: a caption
 *
 * Returns: stream time from which it is shown
 */
GstClockTime
gst_ituning_caption_get_start (const GstItuningCaption *caption)
{
  g_return_val_if_fail (caption != NULL, GST_CLOCK_TIME_NONE);
  return caption->start;
}

/**
 * gst_ituning_caption_get_end:
 * @caption: a caption
 *
 * Returns: stream time until which it is shown;
 *   %GST_CLOCK_TIME_NONE while it is not over
 */
GstClockTime
gst_ituning_caption_get_end (const GstItuningCaption *caption)
{
  g_return_val_if_fail (caption != NULL, GST_CLOCK_TIME_NONE);
  return caption->end;
}

/**
 * gst_ituning_caption_get_age:
 * @caption: a caption
 *
 * Returns: how far the video had gone beyond the keyframe when it came
 */
GstClockTime
gst_ituning_caption_get_age (const GstItuningCaption *caption)
{
  g_return_val_if_fail (caption != NULL, GST_CLOCK_TIME_NONE);
  return caption->age;
}

/**
 * gst_ituning_caption_get_model:
 * @caption: a caption
 *
 * Returns: (transfer none) (nullable): name of the model
 */
const gchar *
gst_ituning_caption_get_model (const GstItuningCaption *caption)
{
  g_return_val_if_fail (caption != NULL, NULL);
  return caption->model;
}

/**
 * gst_ituning_caption_get_embedding:
 * @caption: a caption
 * @n_embedding: (out): its length; 0 without one
 *
 * Returns: (transfer none) (nullable) (array length=n_embedding): CLIP's
 *   embedding of the keyframe, of length 1; or %NULL
 */
const gfloat *
gst_ituning_caption_get_embedding (const GstItuningCaption *caption,
    guint *n_embedding)
{
  g_return_val_if_fail (caption != NULL, NULL);
  g_return_val_if_fail (n_embedding != NULL, NULL);
  *n_embedding = caption->n_embedding;
  return caption->embedding;
}

/**
 * gst_ituning_caption_ref: (skip)
 *
 * Returns: (transfer full): @caption
 */
GstItuningCaption *
gst_ituning_caption_ref (GstItuningCaption *caption)
{
  return (GstItuningCaption *) gst_mini_object_ref (
      GST_MINI_OBJECT_CAST (caption));
}

/**
 * gst_ituning_caption_unref: (skip)
 * @caption: (transfer full): a caption
 */
void
gst_ituning_caption_unref (GstItuningCaption *caption)
{
  gst_mini_object_unref (GST_MINI_OBJECT_CAST (caption));
}

/**
 * gst_ituning_caption_to_structure:
 *
 * Returns: (transfer full): a structure "ituning-caption" with all but the
 *   embedding: id, text, confidence, keyframe, start, end, age, and model if
 *   there is one; times are of type guint64, in nanoseconds
 */
GstStructure *
gst_ituning_caption_to_structure (const GstItuningCaption *caption)
{
  GstStructure *structure;

  g_return_val_if_fail (caption != NULL, NULL);
  structure = gst_structure_new ("ituning-caption", "id", G_TYPE_UINT64,
      caption->id, "text", G_TYPE_STRING, caption->text, "confidence",
      G_TYPE_DOUBLE, caption->confidence, "keyframe", G_TYPE_UINT64,
      caption->keyframe, "start", G_TYPE_UINT64, caption->start, "end",
      G_TYPE_UINT64, caption->end, "age", G_TYPE_UINT64, caption->age, NULL);
  if (caption->model != NULL)
    gst_structure_set (structure, "model", G_TYPE_STRING, caption->model, NULL);
  return structure;
}

/**
 * gst_ituning_caption_from_structure:
 * @structure: a structure of an element message, of whatever name
 *
 * Returns: (transfer full) (nullable): the caption in it; or %NULL if it lacks
 *   a field
 */
GstItuningCaption *
gst_ituning_caption_from_structure (const GstStructure *structure)
{
  guint64 id, keyframe, start, end, age;
  gdouble confidence;
  const gchar *text;

  g_return_val_if_fail (structure != NULL, NULL);
  text = gst_structure_get_string (structure, "text");
  if (text == NULL ||
      !gst_structure_get (structure, "id", G_TYPE_UINT64, &id, "confidence",
          G_TYPE_DOUBLE, &confidence, "keyframe", G_TYPE_UINT64, &keyframe,
          "start", G_TYPE_UINT64, &start, "end", G_TYPE_UINT64, &end, "age",
          G_TYPE_UINT64, &age, NULL))
    return NULL;
  return gst_ituning_caption_new (id, text, confidence, keyframe, start, end,
      age, gst_structure_get_string (structure, "model"), NULL, 0);
}
