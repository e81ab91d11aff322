/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/settings.h"

#include "gst/gstituning.h"

/* Each property is a row: its place in GstItuningSettings, its range and what
 * it means. Ids count from 1 in the order of the table. */

typedef enum
{
  KIND_STRING,
  KIND_UINT,
  KIND_UINT64,
  KIND_DOUBLE,
  KIND_BOOLEAN,
  KIND_KEYFRAMES,
} Kind;

/* In the order of a reader's questions, whatever that costs in padding. */
typedef struct /* NOLINT(clang-analyzer-optin.performance.Padding) */
{
  const char *name;
  Kind kind;
  gsize offset;
  double min, max, standard; /* max 0 is the kind's largest value */
  GParamFlags mutable;
  const char *blurb;
} Property;

#define AT(field) G_STRUCT_OFFSET (GstItuningSettings, field)
#define READY GST_PARAM_MUTABLE_READY
#define PLAYING GST_PARAM_MUTABLE_PLAYING

static const Property properties[] = {
  { "model", KIND_STRING, AT (spec.model), 0, 0, 0, READY,
      "The model: a folder of vision, language and adapter, or a .gguf file of "
      "them (null = the built-in one)" },
  { "vision-model", KIND_STRING, AT (spec.vision), 0, 0, 0, READY,
      "Folder of the CLIP vision tower, instead of the model's" },
  { "language-model", KIND_STRING, AT (spec.language), 0, 0, 0, READY,
      "Folder of the GPT-2, instead of the model's" },
  { "adapter", KIND_STRING, AT (spec.adapter), 0, 0, 0, PLAYING,
      "Folder of the I-Tuning adapter, instead of the model's" },
  { "threads", KIND_UINT, AT (spec.threads), 0, 256, 0, READY,
      "Threads that inference works with (0 = one per processor)" },
  { "enabled", KIND_BOOLEAN, AT (enabled), 0, 0, TRUE, PLAYING,
      "Write captions; else the video only passes, and no model is needed" },
  { "num-beams", KIND_UINT, AT (generate.num_beams), 1, 64, 1, PLAYING,
      "Beams of the search (1 = greedy search)" },
  { "max-new-tokens", KIND_UINT, AT (generate.max_new_tokens), 1, 1024, 30,
      PLAYING, "Longest caption in tokens" },
  { "min-new-tokens", KIND_UINT, AT (generate.min_new_tokens), 0, 1024, 0,
      PLAYING, "Shortest caption in tokens" },
  { "length-penalty", KIND_DOUBLE, AT (generate.length_penalty), -10, 10, 1,
      PLAYING, "Beams rank by log-probability / length ^ this" },
  { "no-repeat-ngram-size", KIND_UINT, AT (generate.no_repeat_ngram_size), 0,
      1024, 0, PLAYING, "No n-gram of this size twice (0 = no such rule)" },
  { "do-sample", KIND_BOOLEAN, AT (generate.do_sample), 0, 0, FALSE, PLAYING,
      "Draw tokens instead of taking the likeliest" },
  { "temperature", KIND_DOUBLE, AT (generate.temperature), 1e-3, 100, 1,
      PLAYING, "Divides the logits before drawing" },
  { "top-k", KIND_UINT, AT (generate.top_k), 0, 0, 50, PLAYING,
      "Draw from the likeliest tokens, this many (0 = all)" },
  { "top-p", KIND_DOUBLE, AT (generate.top_p), 1e-6, 1, 1, PLAYING,
      "Draw from the fewest tokens that have this probability" },
  { "seed", KIND_UINT64, AT (generate.seed), 0, 0, 0, PLAYING,
      "Seed of the draws" },
  { "visual-tokens", KIND_UINT, AT (visual_tokens), 0, 0, 0, PLAYING,
      "Visual tokens to leave of an image, for speed (0 = all)" },
  { "keyframes", KIND_KEYFRAMES, AT (keyframes), 0, 0, 0, PLAYING,
      "Which frames are captioned" },
  { "min-interval", KIND_UINT64, AT (min_interval), 0, 0, 1e9, PLAYING,
      "Shortest time between two keyframes (ns)" },
  { "max-interval", KIND_UINT64, AT (max_interval), 1, 0, 10e9, PLAYING,
      "Longest time without a keyframe (ns)" },
  { "scene-threshold", KIND_DOUBLE, AT (scene_threshold), 0, 1, -1, PLAYING,
      "How different a frame must be to begin a new scene" },
  { "similarity-threshold", KIND_DOUBLE, AT (similarity_threshold), 0, 2, 2,
      PLAYING,
      "Keep the caption while the image embedding's cosine to that of the "
      "last caption is at least this (above 1 = caption every keyframe)" },
  { "min-confidence", KIND_DOUBLE, AT (min_confidence), 0, 1, 0, PLAYING,
      "Less confident captions are not shown" },
  { "max-cue-duration", KIND_UINT64, AT (max_cue_duration), 1e6, 0, 10e9,
      PLAYING, "Longest cue on the text pad (ns)" },
  { "live-cue-duration", KIND_UINT64, AT (live_cue_duration), 0, 0, 0, PLAYING,
      "Live, send text while it is shown, in cues of this length, one after "
      "the other (ns, 0 = each cue once, when it is over)" },
  { "max-held-time", KIND_UINT64, AT (max_held_time), 0, 0, 10e9, PLAYING,
      "In a file, hold back as much video as this so that each cue goes out "
      "before its video (ns, 0 = hold nothing)" },
  { "max-held-bytes", KIND_UINT, AT (max_held_bytes), 0, 0, 256u << 20, PLAYING,
      "Hold back no more video than this many bytes" },
  { "text-heartbeat", KIND_UINT64, AT (text_heartbeat), 0, 0, 0, PLAYING,
      "Send empty text this often where there is no cue, for muxers that "
      "ignore gaps, as mp4mux does (ns, 0 = never)" },
  { "max-age", KIND_UINT64, AT (max_age), 0, 0, 5e9, PLAYING,
      "Live, keyframes that have waited longer are not captioned (ns)" },
  { "max-queued", KIND_UINT, AT (max_queued), 1, 1000, 1, READY,
      "Keyframes that may wait; live, the oldest make room for newer ones" },
  { "drain-timeout", KIND_UINT64, AT (drain_timeout), 0, 0, 5e9, PLAYING,
      "Live, longest wait for the last caption at the end (ns)" },
  { "post-messages", KIND_BOOLEAN, AT (post_messages), 0, 0, TRUE, PLAYING,
      "Post captions, cues and dropped keyframes as messages on the bus" },
  { "language", KIND_STRING, AT (language), 0, 0, 0, READY,
      "Language code of the captions, for the text pad's tags" },
};

#define DEFAULT_LANGUAGE "en"

static gpointer
field (const GstItuningSettings *self, const Property *property)
{
  return G_STRUCT_MEMBER_P (self, property->offset);
}

static double
largest (const Property *property, double kinds)
{
  return property->max > 0 ? property->max : kinds;
}

static guint64
largest_uint64 (const Property *property)
{
  return property->max > 0 ? (guint64) property->max : G_MAXUINT64;
}

static double
get_standard (const Property *property)
{
  return property->standard >= 0 ? property->standard
                                 : GST_ITUNING_SAMPLER_DEFAULT_SCENE_THRESHOLD;
}

static GParamSpec *
make_spec (const Property *property)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      property->mutable;
  const char *name = property->name, *blurb = property->blurb;
  const double standard = get_standard (property);

  switch (property->kind) {
    case KIND_STRING:
      return g_param_spec_string (name, name, blurb,
          property->offset == AT (language) ? DEFAULT_LANGUAGE : NULL, flags);
    case KIND_UINT:
      return g_param_spec_uint (name, name, blurb, (guint) property->min,
          (guint) largest (property, G_MAXUINT), (guint) standard, flags);
    case KIND_UINT64:
      return g_param_spec_uint64 (name, name, blurb, (guint64) property->min,
          largest_uint64 (property), (guint64) standard, flags);
    case KIND_DOUBLE:
      return g_param_spec_double (name, name, blurb, property->min,
          property->max, standard, flags);
    case KIND_BOOLEAN:
      return g_param_spec_boolean (name, name, blurb, standard > 0, flags);
    case KIND_KEYFRAMES:
      return g_param_spec_enum (name, name, blurb, GST_TYPE_ITUNING_KEYFRAMES,
          (gint) standard, flags);
  }
  g_return_val_if_reached (NULL);
}

/**
 * gst_ituning_settings_install:
 * @klass: a class to give the properties
 *
 * Returns: the first id that is free
 */
guint
gst_ituning_settings_install (GObjectClass *klass)
{
  for (guint i = 0; i < G_N_ELEMENTS (properties); i++)
    g_object_class_install_property (klass, i + 1, make_spec (&properties[i]));
  return G_N_ELEMENTS (properties) + 1;
}

/**
 * gst_ituning_settings_init:
 *
 * Sets all properties to their defaults.
 */
void
gst_ituning_settings_init (GstItuningSettings *self)
{
  const ItuningGenerateOptions generate = ITUNING_GENERATE_OPTIONS_INIT;

  self->generate = generate;
  for (guint i = 0; i < G_N_ELEMENTS (properties); i++) {
    g_autoptr (GParamSpec) spec = g_param_spec_ref_sink (
        make_spec (&properties[i]));
    gst_ituning_settings_set (self, i + 1,
        g_param_spec_get_default_value (spec));
  }
}

/**
 * gst_ituning_settings_clear:
 *
 * Frees the strings.
 */
void
gst_ituning_settings_clear (GstItuningSettings *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (properties); i++)
    if (properties[i].kind == KIND_STRING)
      g_clear_pointer ((char **) field (self, &properties[i]), g_free);
}

/**
 * gst_ituning_settings_copy:
 * @to: (out caller-allocates): to be cleared after use
 * @from: settings
 */
void
gst_ituning_settings_copy (GstItuningSettings *to,
    const GstItuningSettings *from)
{
  *to = *from;
  for (guint i = 0; i < G_N_ELEMENTS (properties); i++) {
    char **string = field (to, &properties[i]);
    if (properties[i].kind == KIND_STRING)
      *string = g_strdup (*string);
  }
}

/**
 * gst_ituning_settings_set:
 *
 * Returns: FALSE when @id is no property of these
 */
gboolean
gst_ituning_settings_set (GstItuningSettings *self, guint id,
    const GValue *value)
{
  gpointer to;

  if (id < 1 || id > G_N_ELEMENTS (properties))
    return FALSE;
  to = field (self, &properties[id - 1]);
  switch (properties[id - 1].kind) {
    case KIND_STRING:
      g_free (*(char **) to);
      *(char **) to = g_value_dup_string (value);
      break;
    case KIND_UINT:
      *(guint *) to = g_value_get_uint (value);
      break;
    case KIND_UINT64:
      *(guint64 *) to = g_value_get_uint64 (value);
      break;
    case KIND_DOUBLE:
      *(double *) to = g_value_get_double (value);
      break;
    case KIND_BOOLEAN:
      *(gboolean *) to = g_value_get_boolean (value);
      break;
    case KIND_KEYFRAMES:
      *(int *) to = g_value_get_enum (value);
      break;
  }
  return TRUE;
}

/**
 * gst_ituning_settings_get:
 *
 * Returns: FALSE when @id is no property of these
 */
gboolean
gst_ituning_settings_get (const GstItuningSettings *self, guint id,
    GValue *value)
{
  gpointer from;

  if (id < 1 || id > G_N_ELEMENTS (properties))
    return FALSE;
  from = field (self, &properties[id - 1]);
  switch (properties[id - 1].kind) {
    case KIND_STRING:
      g_value_set_string (value, *(char **) from);
      break;
    case KIND_UINT:
      g_value_set_uint (value, *(guint *) from);
      break;
    case KIND_UINT64:
      g_value_set_uint64 (value, *(guint64 *) from);
      break;
    case KIND_DOUBLE:
      g_value_set_double (value, *(double *) from);
      break;
    case KIND_BOOLEAN:
      g_value_set_boolean (value, *(gboolean *) from);
      break;
    case KIND_KEYFRAMES:
      g_value_set_enum (value, *(int *) from);
      break;
  }
  return TRUE;
}
