/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/options.h"

#include <stdio.h>
#include <stdlib.h>

/**
 * tool_options_usage_error:
 * @error: set to one that main () takes for a wrong command line
 * @format: what is wrong with it
 *
 * Returns: FALSE
 */
gboolean
tool_options_usage_error (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error,
      g_error_new_valist (G_OPTION_ERROR, G_OPTION_ERROR_FAILED, format, args));
  va_end (args);
  return FALSE;
}

/* In place of GOption's own --help, which would print its "…" as "?" because
 * there is no setlocale (). */
static gboolean
show_help (const char *name, const char *value, gpointer context,
    GError **error)
{
  char *help = g_option_context_get_help (context, TRUE, NULL);

  fputs (help, stdout);
  g_free (help);
  exit (EXIT_SUCCESS);
}

/**
 * tool_options_new:
 * @arguments: (nullable): what follows the options, to show
 * @summary: what the subcommand does, for --help
 * @entries: (nullable): options, ended by %G_OPTION_ENTRY_NULL
 *
 * Returns: (transfer full): a context with @entries and --help
 */
GOptionContext *
tool_options_new (const char *arguments, const char *summary,
    const GOptionEntry *entries)
{
  const GOptionEntry help[] = {
    { "help", 'h', G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK,
        GSIZE_TO_POINTER ((gsize) show_help), "Show this", NULL },
    G_OPTION_ENTRY_NULL,
  };
  GOptionContext *context = g_option_context_new (arguments);
  GOptionGroup *group = g_option_group_new ("main", "", "", context, NULL);

  g_option_group_add_entries (group, help);
  g_option_context_set_main_group (context, group);
  g_option_context_set_help_enabled (context, FALSE);
  g_option_context_set_summary (context, summary);
  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, NULL);
  return context;
}

/**
 * tool_options_parse:
 * @context: what is understood
 * @argv: what was given, its first being the command; left as it is
 * @arguments: (out) (transfer full): gets what is left beside the options, %NULL
 *   at its end; to be freed with g_strfreev () whether this fails or not
 *
 * Returns: FALSE with a %G_OPTION_ERROR
 */
gboolean
tool_options_parse (GOptionContext *context, char **argv, char ***arguments,
    GError **error)
{
  const GOptionEntry entries[] = {
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, arguments, NULL,
        NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_auto (GStrv) parsed = g_strdupv (argv);

  *arguments = NULL;
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse_strv (context, &parsed, error))
    return FALSE;
  if (*arguments == NULL)
    *arguments = g_new0 (char *, 1);
  return TRUE;
}

/**
 * tool_options_get_only:
 * @arguments: what was given
 * @what: what it should be, for the message
 *
 * Returns: (transfer none): the one that was given; or %NULL with a
 *   %G_OPTION_ERROR when there is none or more than one
 */
char *
tool_options_get_only (char **arguments, const char *what, GError **error)
{
  if (arguments[0] == NULL)
    tool_options_usage_error (error, "no %s given", what);
  else if (arguments[1] != NULL)
    tool_options_usage_error (error, "%s: only one %s can be given",
        arguments[1], what);
  else
    return arguments[0];
  return NULL;
}

/**
 * tool_options_check_none:
 * @arguments: what was given
 *
 * Returns: FALSE with a %G_OPTION_ERROR when it is not nothing
 */
gboolean
tool_options_check_none (char **arguments, GError **error)
{
  return arguments[0] == NULL ||
      tool_options_usage_error (error, "%s: not understood", arguments[0]);
}

/**
 * tool_options_check_size:
 * @size: a size of a model
 *
 * Returns: FALSE with a %G_OPTION_ERROR when no model has that name
 */
gboolean
tool_options_check_size (const char *size, GError **error)
{
  static const char *const sizes[] = { "base", "medium", "large", NULL };

  return g_strv_contains (sizes, size) ||
      tool_options_usage_error (error,
          "--size %s: there are base, medium and large", size);
}

/**
 * tool_options_get_count:
 * @name: the option, for the message
 * @value: what was given
 * @min: the least that makes sense
 * @max: the most that does
 * @count: (out): gets it
 *
 * Returns: FALSE with a %G_OPTION_ERROR when it is out of range
 */
gboolean
tool_options_get_count (const char *name, gint64 value, guint min, guint max,
    guint *count, GError **error)
{
  if (value < min || value > max)
    return tool_options_usage_error (error,
        "%s is %" G_GINT64_FORMAT ", not in %u..%u", name, value, min, max);
  *count = (guint) value;
  return TRUE;
}

/**
 * tool_model_options_add:
 * @options: all zero; filled when @context is parsed
 * @context: gets the options that name a model
 */
void
tool_model_options_add (ToolModelOptions *options, GOptionContext *context)
{
  const GOptionEntry entries[] = {
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model,
        "The model: a folder with vision/, language/ and adapter/, or a .gguf "
        "file of them",
        "PATH" },
    { "vision", 0, 0, G_OPTION_ARG_FILENAME, &options->vision,
        "CLIP vision tower to take instead of the model's", "DIR" },
    { "language", 0, 0, G_OPTION_ARG_FILENAME, &options->language,
        "GPT-2 to take instead of the model's", "DIR" },
    { "adapter", 0, 0, G_OPTION_ARG_FILENAME, &options->adapter,
        "I-Tuning adapter to take instead of the model's", "DIR" },
    { "threads", 0, 0, G_OPTION_ARG_INT64, &options->n_threads,
        "Threads to compute with (one per processor)", "N" },
    G_OPTION_ENTRY_NULL,
  };

  g_option_context_add_main_entries (context, entries, NULL);
}

/**
 * tool_model_options_check:
 * @options: as parsed
 *
 * Returns: FALSE with a %G_OPTION_ERROR when they name no model
 */
gboolean
tool_model_options_check (const ToolModelOptions *options, GError **error)
{
  guint n_threads;

  if (!tool_options_get_count ("--threads", options->n_threads, 0, G_MAXINT,
          &n_threads, error))
    return FALSE;
  if (options->model == NULL &&
      (options->vision == NULL || options->language == NULL) &&
      !ituning_model_is_built_in ())
    return tool_options_usage_error (error,
        "no model: give one with --model PATH");
  return TRUE;
}

/**
 * tool_model_options_open:
 * @options: as parsed
 *
 * Opens the bundle, or the parts, when they are enough.
 *
 * Returns: (transfer full): the model; or %NULL with a %G_OPTION_ERROR or as
 *   ituning_model_open ()
 */
ItuningModel *
tool_model_options_open (const ToolModelOptions *options, GError **error)
{
  const ItuningModelOptions open = {
    .vision = options->vision,
    .language = options->language,
    .adapter = options->adapter,
    .n_threads = (guint) options->n_threads,
  };

  if (!tool_model_options_check (options, error))
    return NULL;
  return ituning_model_open (options->model, &open, error);
}

/**
 * tool_model_options_clear:
 */
void
tool_model_options_clear (ToolModelOptions *options)
{
  g_clear_pointer (&options->model, g_free);
  g_clear_pointer (&options->vision, g_free);
  g_clear_pointer (&options->language, g_free);
  g_clear_pointer (&options->adapter, g_free);
}

/**
 * tool_generate_options_add:
 * @options: gets the defaults now, and what was given when @context is parsed
 * @context: gets the decoding options
 */
void
tool_generate_options_add (ToolGenerateOptions *options,
    GOptionContext *context)
{
  const ItuningGenerateOptions init = ITUNING_GENERATE_OPTIONS_INIT;
  const GOptionEntry entries[] = {
    { "num-beams", 0, 0, G_OPTION_ARG_INT64, &options->num_beams,
        "Beams of the search (1: greedy)", "N" },
    { "max-new-tokens", 0, 0, G_OPTION_ARG_INT64, &options->max_new_tokens,
        "Longest caption (30)", "N" },
    { "min-new-tokens", 0, 0, G_OPTION_ARG_INT64, &options->min_new_tokens,
        "Shortest caption (0)", "N" },
    { "length-penalty", 0, 0, G_OPTION_ARG_DOUBLE, &options->length_penalty,
        "Beams rank by log-probability / length ^ X (1)", "X" },
    { "no-repeat-ngram-size", 0, 0, G_OPTION_ARG_INT64,
        &options->no_repeat_ngram_size,
        "No N tokens in a row twice (0: no such rule)", "N" },
    { "do-sample", 0, 0, G_OPTION_ARG_NONE, &options->do_sample,
        "Draw tokens instead of taking the likeliest", NULL },
    { "temperature", 0, 0, G_OPTION_ARG_DOUBLE, &options->temperature,
        "Divides the logits before drawing (1)", "X" },
    { "top-k", 0, 0, G_OPTION_ARG_INT64, &options->top_k,
        "Draw from the likeliest N tokens (50; 0: from all)", "N" },
    { "top-p", 0, 0, G_OPTION_ARG_DOUBLE, &options->top_p,
        "Draw from the fewest tokens with this probability (1)", "X" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &options->seed,
        "The same seed draws the same caption (0)", "N" },
    { "visual-tokens", 0, 0, G_OPTION_ARG_INT64, &options->visual_tokens,
        "Visual tokens to leave of an image, for speed (0: all)", "N" },
    G_OPTION_ENTRY_NULL,
  };

  *options = (ToolGenerateOptions){
    .num_beams = init.num_beams,
    .max_new_tokens = init.max_new_tokens,
    .min_new_tokens = init.min_new_tokens,
    .length_penalty = init.length_penalty,
    .no_repeat_ngram_size = init.no_repeat_ngram_size,
    .do_sample = init.do_sample,
    .temperature = init.temperature,
    .top_k = init.top_k,
    .top_p = init.top_p,
    .seed = (gint64) init.seed,
  };
  g_option_context_add_main_entries (context, entries, NULL);
}

/**
 * tool_generate_options_apply:
 * @options: as parsed
 * @generate: how to decode
 * @session: with which model; is set to leave as many visual tokens
 * @model: the one it was opened as
 *
 * Tells before any image is read that @session's model cannot do it.
 *
 * Returns: FALSE as ituning_session_caption ()
 */
gboolean
tool_generate_options_apply (const ToolGenerateOptions *options,
    const ItuningGenerateOptions *generate, ItuningSession *session,
    const ToolModelOptions *model, GError **error)
{
  ItuningCaption *none = NULL;

  ituning_session_set_visual_tokens (session, (gsize) options->visual_tokens);

  if (ituning_session_caption (session, NULL, 0, generate, &none, NULL, error))
    return TRUE;
  g_prefix_error (error, "%s: ",
      model->model != NULL          ? model->model
          : model->language != NULL ? model->language
                                    : "the built-in model");
  return FALSE;
}

/**
 * tool_generate_options_get:
 * @options: as parsed
 * @generate: (out): gets the same for the library
 *
 * Returns: FALSE with a %G_OPTION_ERROR when a value makes no sense
 */
gboolean
tool_generate_options_get (const ToolGenerateOptions *options,
    ItuningGenerateOptions *generate, GError **error)
{
  g_autoptr (GError) reason = NULL;
  guint visual_tokens;

  generate->length_penalty = options->length_penalty;
  generate->do_sample = options->do_sample;
  generate->temperature = options->temperature;
  generate->top_p = options->top_p;
  generate->seed = (guint64) options->seed;
  if (!tool_options_get_count ("--num-beams", options->num_beams, 1, G_MAXINT,
          &generate->num_beams, error) ||
      !tool_options_get_count ("--max-new-tokens", options->max_new_tokens, 1,
          G_MAXINT, &generate->max_new_tokens, error) ||
      !tool_options_get_count ("--min-new-tokens", options->min_new_tokens, 0,
          G_MAXINT, &generate->min_new_tokens, error) ||
      !tool_options_get_count ("--no-repeat-ngram-size",
          options->no_repeat_ngram_size, 0, G_MAXINT,
          &generate->no_repeat_ngram_size, error) ||
      !tool_options_get_count ("--top-k", options->top_k, 0, G_MAXINT,
          &generate->top_k, error) ||
      !tool_options_get_count ("--visual-tokens", options->visual_tokens, 0,
          G_MAXINT, &visual_tokens, error))
    return FALSE;
  if (!ituning_generate_options_check (generate, &reason))
    return tool_options_usage_error (error, "%s", reason->message);
  return TRUE;
}
