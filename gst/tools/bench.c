/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning bench`: what is to be measured, and by which of benchmodel.c (a
 * caption), benchtrain.c (a training step) and elements.c (GStreamer). */

#include "gst/tools/benchmodel.h"
#include "gst/tools/benchtrain.h"
#include "gst/tools/command.h"
#include "gst/tools/elements.h"
#include "gst/tools/measure.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"
#include "gst/tools/types.h"

#define DEFAULT_TOKENS 16
#define DEFAULT_RUNS 7
#define DEFAULT_VISUAL_TOKENS 197 /* of ViT-B/16 at 224 pixels */
#define MAX_RUNS 1000000

/* What the user gave. */
typedef struct
{
  char *size;
  char *model;
  char *compare;
  char *type; /* of random weights */
  ItuningPartTypes types;
  gint64 num_beams, n_threads, n_tokens, n_runs, visual_tokens;
  gboolean elements, train, json;
} Arguments;

static const char *
get_name (const Arguments *given)
{
  return given->size != NULL ? given->size
      : given->model != NULL ? given->model
                             : "built-in";
}

static ItuningModel *
open_model (const Arguments *given, guint n_threads, GError **error)
{
  return given->size != NULL
      ? ituning_model_open_random (given->size, &given->types, n_threads, 0,
            error)
      : ituning_model_open (given->model,
            &(ItuningModelOptions){ .n_threads = n_threads }, error);
}

static gboolean
take_types (Arguments *given, GError **error)
{
  if (given->type != NULL && given->size == NULL)
    return tool_options_usage_error (error,
        "--type is of the random weights of --size; a --model has its own");
  return tool_types_parse (given->type, &given->types, error);
}

/* What every way of measuring a model is given. */
static gboolean
check_model (const Arguments *given, guint *n_threads, guint *n_runs,
    GError **error)
{
  const gboolean have_model = given->model != NULL ||
      ituning_model_is_built_in ();

  if (given->size != NULL ? given->model != NULL : !have_model)
    return tool_options_usage_error (error,
        "give either --size or --model, so that there is something to measure");
  return tool_options_get_count ("--threads", given->n_threads, 0, G_MAXINT,
             n_threads, error) &&
      tool_options_get_count ("--runs", given->n_runs, 1, MAX_RUNS, n_runs,
          error) &&
      (given->size == NULL || tool_options_check_size (given->size, error));
}

static gboolean
set_up (ToolBench *self, const Arguments *given, GError **error)
{
  guint n_threads = 0;

  if (!check_model (given, &n_threads, &self->n_runs, error) ||
      !tool_options_get_count ("--num-beams", given->num_beams, 1, G_MAXINT,
          &self->options.num_beams, error) ||
      !tool_options_get_count ("--new-tokens", given->n_tokens, 1, G_MAXINT,
          &self->options.max_new_tokens, error) ||
      !tool_options_get_count ("--visual-tokens", given->visual_tokens, 0,
          G_MAXINT, &self->visual_tokens, error))
    return FALSE;
  if (given->compare != NULL &&
      !tool_bench_saved_load (&self->saved, given->compare, error))
    return FALSE;
  self->options.min_new_tokens = self->options.max_new_tokens;
  self->name = get_name (given);
  /* Before the model, which needs the memory that this takes for a while. */
  tool_limits_measure (n_threads > 0 ? n_threads : g_get_num_processors (),
      &self->limits);
  tool_measure_reset_peak_memory ();
  self->model = open_model (given, n_threads, error);
  return self->model != NULL;
}

static gboolean
bench_train (const Arguments *given, ToolOutput *output,
    GCancellable *cancellable, GError **error)
{
  ItuningModel *model;
  guint n_threads = 0, n_runs = 0, num_tokens = 0;
  gboolean done;

  if (given->elements)
    return tool_options_usage_error (error, "give --elements or --train");
  if (!check_model (given, &n_threads, &n_runs, error) ||
      !tool_options_get_count ("--visual-tokens",
          given->visual_tokens != 0 ? given->visual_tokens
                                    : DEFAULT_VISUAL_TOKENS,
          1, 1 << 12, &num_tokens, error) ||
      (model = open_model (given, n_threads, error)) == NULL)
    return FALSE;
  done = tool_bench_train (model, get_name (given), num_tokens, n_runs,
      given->json, output, cancellable, error);
  ituning_model_unref (model);
  return done;
}

/* With --elements the model is only one of those that can be measured. */
static gboolean
bench_elements (const Arguments *given, ToolOutput *output,
    GCancellable *cancellable, GError **error)
{
  guint n_runs;

  if (given->size != NULL)
    return tool_options_usage_error (error,
        "--elements takes a --model, not a --size: the elements read files");
  return tool_options_get_count ("--runs", given->n_runs, 1, MAX_RUNS, &n_runs,
             error) &&
      tool_elements_bench (given->model, n_runs, given->json, output,
          cancellable, error);
}

static gboolean
bench_model (const Arguments *given, ToolOutput *output,
    GCancellable *cancellable, GError **error)
{
  ToolBench bench = { .name = "", .options = ITUNING_GENERATE_OPTIONS_INIT };
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean done = set_up (&bench, given, error) &&
      tool_bench_measure (&bench, cancellable, error);

  if (done) {
    (given->json ? tool_bench_append_json : tool_bench_append_text) (text,
        &bench);
    done = tool_output_write (output, text->str, text->len, error);
  }
  g_clear_pointer (&bench.model, ituning_model_unref);
  tool_bench_saved_clear (&bench.saved);
  return done;
}

gboolean
tool_bench_run (char **argv, GCancellable *cancellable, GError **error)
{
  Arguments given = { .num_beams = 1,
    .n_tokens = DEFAULT_TOKENS,
    .n_runs = DEFAULT_RUNS };
  const GOptionEntry entries[] = {
    { "size", 0, 0, G_OPTION_ARG_STRING, &given.size,
        "Measure random weights: base, medium or large", "SIZE" },
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &given.model,
        "Measure this model", "PATH" },
    { "type", 't', 0, G_OPTION_ARG_STRING, &given.type,
        "With --size: what weights are, as for convert (f32); of parts: "
        "q8_0,language=q4_0",
        "TYPE[,PART=TYPE...]" },
    { "num-beams", 0, 0, G_OPTION_ARG_INT64, &given.num_beams,
        "Beams of the search (1: greedy)", "N" },
    { "threads", 0, 0, G_OPTION_ARG_INT64, &given.n_threads,
        "Threads to compute with (one per processor)", "N" },
    { "new-tokens", 0, 0, G_OPTION_ARG_INT64, &given.n_tokens,
        "Tokens of a caption (16)", "N" },
    { "runs", 0, 0, G_OPTION_ARG_INT64, &given.n_runs,
        "Captions or steps to time, after one that is not (7)", "N" },
    { "train", 0, 0, G_OPTION_ARG_NONE, &given.train,
        "Measure a training step: 4 captions of 64 tokens", NULL },
    { "visual-tokens", 0, 0, G_OPTION_ARG_INT64, &given.visual_tokens,
        "Visual tokens to leave of an image (all); with --train: that it has "
        "(197)",
        "N" },
    { "elements", 0, 0, G_OPTION_ARG_NONE, &given.elements,
        "Measure what the GStreamer elements cost the video", NULL },
    { "compare", 0, 0, G_OPTION_ARG_FILENAME, &given.compare,
        "Print ratios to this saved output of --json", "FILE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &given.json, "Print one JSON object",
        NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new (NULL,
      "Times the encoding of an image (without its resizing), the decoding of "
      "a caption,\nand both, and measures what the machine could do at best.",
      entries);
  g_auto (GStrv) arguments = NULL;
  ToolOutput output = { .path = NULL };
  gboolean done = tool_options_parse (context, argv, &arguments, error) &&
      tool_options_check_none (arguments, error) &&
      take_types (&given, error) &&
      (given.train ? bench_train
              : given.elements
              ? bench_elements
              : bench_model) (&given, &output, cancellable, error);

  g_free (given.size);
  g_free (given.model);
  g_free (given.compare);
  g_free (given.type);
  return done;
}
