/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_ITUNING_API __attribute__ ((visibility ("default")))

typedef struct _GstItuningCaption GstItuningCaption;

/**
 * GstItuningCaption:
 * @mini_object: the parent structure
 * @id: number of the caption, counted by the element that wrote it
 * @text: what the frame shows, UTF-8
 * @confidence: geometric mean of the tokens' probabilities, 0..1
 * @keyframe: stream time of the frame that was captioned
 * @start: stream time from which the caption is shown
 * @end: stream time until which it is shown; %GST_CLOCK_TIME_NONE while it is
 *   not over
 * @age: how far the video had gone beyond the keyframe when the caption came
 * @model: name of the model
 * @embedding: (array length=n_embedding) (nullable): CLIP's embedding of the
 *   keyframe, of length 1
 * @n_embedding: numbers of @embedding
 *
 * A caption. Immutable, so its fields are only to be read; reference-counted.
 */
struct _GstItuningCaption
{
  GstMiniObject mini_object;

  guint64 id;
  gchar *text;
  gdouble confidence;
  GstClockTime keyframe;
  GstClockTime start;
  GstClockTime end;
  GstClockTime age;
  gchar *model;
  gfloat *embedding;
  guint n_embedding;
};

#define GST_TYPE_ITUNING_CAPTION (gst_ituning_caption_get_type ())

GST_ITUNING_API
GType gst_ituning_caption_get_type (void);

GST_ITUNING_API
GstItuningCaption *gst_ituning_caption_new (guint64 id, const gchar *text,
    gdouble confidence, GstClockTime keyframe, GstClockTime start,
    GstClockTime end, GstClockTime age, const gchar *model,
    const gfloat *embedding, guint n_embedding);

GST_ITUNING_API
GstItuningCaption *gst_ituning_caption_copy_with_range (const GstItuningCaption
                                                            *caption,
    GstClockTime start, GstClockTime end);

GST_ITUNING_API
guint64 gst_ituning_caption_get_id (const GstItuningCaption *caption);

GST_ITUNING_API
const gchar *gst_ituning_caption_get_text (const GstItuningCaption *caption);

GST_ITUNING_API
gdouble gst_ituning_caption_get_confidence (const GstItuningCaption *caption);

GST_ITUNING_API
GstClockTime gst_ituning_caption_get_keyframe (
    const GstItuningCaption *caption);

GST_ITUNING_API
GstClockTime gst_ituning_caption_get_start (const GstItuningCaption *caption);

GST_ITUNING_API
GstClockTime gst_ituning_caption_get_end (const GstItuningCaption *caption);

GST_ITUNING_API
GstClockTime gst_ituning_caption_get_age (const GstItuningCaption *caption);

GST_ITUNING_API
const gchar *gst_ituning_caption_get_model (const GstItuningCaption *caption);

GST_ITUNING_API
const gfloat *gst_ituning_caption_get_embedding (const GstItuningCaption
                                                     *caption,
    guint *n_embedding);

GST_ITUNING_API
GstItuningCaption *gst_ituning_caption_ref (GstItuningCaption *caption);

GST_ITUNING_API
void gst_ituning_caption_unref (GstItuningCaption *caption);

GST_ITUNING_API
GstStructure *gst_ituning_caption_to_structure (
    const GstItuningCaption *caption);

GST_ITUNING_API
GstItuningCaption *gst_ituning_caption_from_structure (
    const GstStructure *structure);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstItuningCaption, gst_ituning_caption_unref)

G_END_DECLS
