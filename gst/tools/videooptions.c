/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/videooptions.h"

#include <math.h>

#define UNSET -1.0

/**
 * tool_video_options_add:
 * @options: gets the defaults now, and what was given when @context is parsed
 * @context: gets the options for videos
 */
void
tool_video_options_add (ToolVideoOptions *options, GOptionContext *context)
{
  const GOptionEntry entries[] = {
    { "keyframes", 0, 0, G_OPTION_ARG_STRING, &options->keyframes,
        "Caption scenes (scene), every --max-interval (interval), or the "
        "codec's own keyframes and decode no others: fast (codec)",
        "WHICH" },
    { "min-interval", 0, 0, G_OPTION_ARG_DOUBLE, &options->min_interval,
        "Shortest time between two captions (1)", "SECONDS" },
    { "max-interval", 0, 0, G_OPTION_ARG_DOUBLE, &options->max_interval,
        "Longest time without a new caption (10)", "SECONDS" },
    { "scene-threshold", 0, 0, G_OPTION_ARG_DOUBLE, &options->scene_threshold,
        "How different a frame must be to begin a scene, 0 to 1", "X" },
    { "similarity-threshold", 0, 0, G_OPTION_ARG_DOUBLE,
        &options->similarity_threshold,
        "Keep the caption of a frame as similar as this, 0 to 1", "X" },
    { "min-confidence", 0, 0, G_OPTION_ARG_DOUBLE, &options->min_confidence,
        "Leave out captions less confident than this (0)", "X" },
    { "max-cue-duration", 0, 0, G_OPTION_ARG_DOUBLE, &options->max_cue_duration,
        "Longest time to show one caption (10)", "SECONDS" },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "No progress",
        NULL },
    G_OPTION_ENTRY_NULL,
  };

  *options = (ToolVideoOptions){
    .min_interval = UNSET,
    .max_interval = UNSET,
    .scene_threshold = UNSET,
    .similarity_threshold = UNSET,
    .min_confidence = UNSET,
    .max_cue_duration = UNSET,
    .generate = ITUNING_GENERATE_OPTIONS_INIT,
  };
  g_option_context_add_main_entries (context, entries, NULL);
}

static gboolean
check (const char *name, double value, double min, double max, GError **error)
{
  if (isgreaterequal (value, min) && islessequal (value, max))
    return TRUE;
  return value == UNSET ||
      tool_options_usage_error (error, "%s is %g, not in %g..%g", name, value,
          min, max);
}

/**
 * tool_video_options_check:
 * @options: as parsed
 *
 * Returns: FALSE with a %G_OPTION_ERROR when a value makes no sense
 */
gboolean
tool_video_options_check (const ToolVideoOptions *options, GError **error)
{
  static const char *const keyframes[] = { "scene", "codec", "interval", NULL };
  const double day = 86400;

  if (options->keyframes != NULL &&
      !g_strv_contains (keyframes, options->keyframes))
    return tool_options_usage_error (error,
        "--keyframes %s: there are scene, codec and interval",
        options->keyframes);
  return check ("--min-interval", options->min_interval, 0, day, error) &&
      check ("--max-interval", options->max_interval, 0.001, day, error) &&
      check ("--scene-threshold", options->scene_threshold, 0, 1, error) &&
      check ("--similarity-threshold", options->similarity_threshold, 0, 1,
          error) &&
      check ("--min-confidence", options->min_confidence, 0, 1, error) &&
      check ("--max-cue-duration", options->max_cue_duration, 0.001, day,
          error);
}

/**
 * tool_video_options_want_codec:
 *
 * Returns: whether only the codec's keyframes are to be decoded
 */
gboolean
tool_video_options_want_codec (const ToolVideoOptions *options)
{
  return g_strcmp0 (options->keyframes, "codec") == 0;
}

static void
set_string (GstElement *captioner, const char *name, const char *value)
{
  if (value != NULL)
    g_object_set (captioner, name, value, NULL);
}

static void
set_time (GstElement *captioner, const char *name, double seconds)
{
  if (seconds >= 0)
    g_object_set (captioner, name, (guint64) (seconds * 1e9 + 0.5), NULL);
}

static void
set_double (GstElement *captioner, const char *name, double value)
{
  if (value >= 0)
    g_object_set (captioner, name, value, NULL);
}

/**
 * tool_video_options_apply:
 * @options: what was asked for; what was not stays as the element has it
 * @captioner: an `ituningcaptioner`
 */
void
tool_video_options_apply (const ToolVideoOptions *options,
    GstElement *captioner)
{
  const ItuningGenerateOptions *generate = &options->generate;

  set_string (captioner, "model", options->model->model);
  set_string (captioner, "vision-model", options->model->vision);
  set_string (captioner, "language-model", options->model->language);
  set_string (captioner, "adapter", options->model->adapter);
  g_object_set (captioner, "threads", (guint) options->model->n_threads,
      "num-beams", generate->num_beams, "max-new-tokens",
      generate->max_new_tokens, "min-new-tokens", generate->min_new_tokens,
      "length-penalty", generate->length_penalty, "no-repeat-ngram-size",
      generate->no_repeat_ngram_size, "do-sample", generate->do_sample,
      "temperature", generate->temperature, "top-k", generate->top_k, "top-p",
      generate->top_p, "seed", generate->seed, "visual-tokens",
      options->visual_tokens, "post-messages", TRUE, NULL);
  if (options->keyframes != NULL)
    gst_util_set_object_arg (G_OBJECT (captioner), "keyframes",
        options->keyframes);
  set_time (captioner, "min-interval", options->min_interval);
  set_time (captioner, "max-interval", options->max_interval);
  set_time (captioner, "max-cue-duration", options->max_cue_duration);
  set_double (captioner, "scene-threshold", options->scene_threshold);
  set_double (captioner, "similarity-threshold", options->similarity_threshold);
  set_double (captioner, "min-confidence", options->min_confidence);
}

/**
 * tool_video_options_clear:
 */
void
tool_video_options_clear (ToolVideoOptions *options)
{
  g_clear_pointer (&options->keyframes, g_free);
}
