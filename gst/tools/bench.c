/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning bench`: random pixels through the vision encoder, then a caption of
 * fixed length, over and over; what came of it beside what the machine can do.
 */

#include <string.h>

#include "gst/tools/benchcompare.h"
#include "gst/tools/benchtrain.h"
#include "gst/tools/command.h"
#include "gst/tools/elements.h"
#include "gst/tools/json.h"
#include "gst/tools/limits.h"
#include "gst/tools/measure.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"
#include "gst/tools/types.h"

#define DEFAULT_TOKENS 16
#define DEFAULT_RUNS 7
#define DEFAULT_VISUAL_TOKENS 197 /* of ViT-B/16 at 224 pixels */
#define MAX_RUNS 1000000

/* A measured time. */
typedef struct
{
  double min_ms;
  double median_ms;
} Times;

typedef struct
{
  const char *name; /* borrowed: the size or path */
  ItuningModel *model; /* owned */
  ItuningGenerateOptions options;
  guint n_runs;
  ToolLimits limits;
  Times encode, decode, caption;
  guint64 peak_bytes;
  ToolBenchSaved saved; /* owned: what to compare with; no name for nothing */
} Bench;

static Times
summarise (double *ms, gsize n)
{
  const double median_ms = tool_measure_median (ms, n);

  return (Times){ .min_ms = ms[0], .median_ms = median_ms };
}

/* Multiply-adds x 2 of one image: in each layer the products with the four
 * weights of attention and the two of the MLP, for each of P tokens, and the
 * two products of attention itself; the patch embedding; the projection. */
static double
count_encode_flops (const ItuningModelInfo *info)
{
  const double P = (double) info->vision.num_tokens;
  const double D = (double) info->vision.hidden_size;
  const double I = (double) info->vision.intermediate_size;
  const double patch = 3.0 * (double) info->vision.patch_size *
      (double) info->vision.patch_size;
  const double layer = P * (4.0 * D * D + 2.0 * D * I) + 2.0 * P * P * D;

  return 2.0 *
      ((double) info->vision.num_hidden_layers * layer + (P - 1.0) * patch * D +
          D * (double) info->vision.projection_dim);
}

/* Bytes of weights that one step of decoding reads, whatever the number of
 * beams: the four weights of attention and the two of the MLP in each block,
 * the query and output of each adapter module, the token embedding as output
 * layer. Biases, norms, caches and the keys and values of the image, made once,
 * are left out: together less than a hundredth. A parameter has as many bytes
 * as it takes where it is used. */
static double
count_step_bytes (const ItuningModelInfo *info)
{
  const ItuningPartInfo *language = &info->language.part;
  const ItuningPartInfo *adapter = &info->adapter.part;
  const double C = (double) info->language.n_embd;
  const double block = 4.0 * C * C + 2.0 * C * (double) info->language.n_inner;
  const double module = 2.0 * C * (double) info->adapter.bottleneck_size;
  const double parameter = (double) (language->mapped_size +
                               language->owned_size) /
      (double) MAX (language->n_parameters, 1);
  const double adapter_parameter = (double) (adapter->mapped_size +
                                       adapter->owned_size) /
      (double) MAX (adapter->n_parameters, 1);

  return parameter *
      ((double) info->language.n_layer * block +
          (double) info->language.vocab_size * C) +
      adapter_parameter * (double) info->adapter.n_layers * module;
}

static gboolean
run_once (Bench *self, ItuningSession *session, const float *pixel_values,
    double ms[3], GCancellable *cancellable, GError **error)
{
  g_autoptr (ItuningFeatures) features = NULL;
  g_autoptr (ItuningCaption) caption = NULL;
  const gint64 start = g_get_monotonic_time ();
  gint64 encoded, decoded;

  if (!ituning_session_encode_pixels (session, pixel_values, 1, &features,
          cancellable, error))
    return FALSE;
  encoded = g_get_monotonic_time ();
  if (!ituning_session_caption (session, &features, 1, &self->options, &caption,
          cancellable, error))
    return FALSE;
  decoded = g_get_monotonic_time ();
  ms[0] = (double) (encoded - start) / 1e3;
  ms[1] = (double) (decoded - encoded) / 1e3;
  ms[2] = (double) (decoded - start) / 1e3;
  return TRUE;
}

static gboolean
measure (Bench *self, GCancellable *cancellable, GError **error)
{
  const ItuningModelInfo *info = ituning_model_get_info (self->model);
  const gsize n_values = 3 * info->vision.image_size * info->vision.image_size;
  g_autoptr (ItuningSession) session = ituning_session_new (self->model);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autofree float *pixel_values = g_new (float, n_values);
  g_autofree double *ms = g_new (double, (gsize) 3 * self->n_runs);
  double run_ms[3];

  for (gsize i = 0; i < n_values; i++)
    pixel_values[i] = (float) g_rand_double_range (rand, -2.0, 2.0);
  if (!run_once (self, session, pixel_values, run_ms, cancellable, error))
    return FALSE;
  for (guint run = 0; run < self->n_runs; run++) {
    if (!run_once (self, session, pixel_values, run_ms, cancellable, error))
      return FALSE;
    for (guint i = 0; i < 3; i++)
      ms[i * self->n_runs + run] = run_ms[i];
  }
  self->encode = summarise (ms, self->n_runs);
  self->decode = summarise (ms + self->n_runs, self->n_runs);
  self->caption = summarise (ms + 2 * (gsize) self->n_runs, self->n_runs);
  self->peak_bytes = tool_measure_peak_memory ();
  return TRUE;
}

/* What follows from the medians. */
typedef struct
{
  double token_ms;
  double tokens_per_s;
  double encode_gflops;
  double decode_gbs;
} Rates;

static Rates
derive_rates (const Bench *self)
{
  const ItuningModelInfo *info = ituning_model_get_info (self->model);
  const double n_tokens = (double) self->options.max_new_tokens;
  const double token_ms = self->decode.median_ms / n_tokens;

  return (Rates){
    .token_ms = token_ms,
    .tokens_per_s = 1e3 / token_ms,
    .encode_gflops = count_encode_flops (info) / self->encode.median_ms / 1e6,
    .decode_gbs = count_step_bytes (info) / token_ms / 1e6,
  };
}

/* How many times as fast as the saved run. */
static void
append_ratios (GString *text, const Bench *self)
{
  const ToolBenchSaved *saved = &self->saved;

  g_string_append_printf (text,
      "\n  times as fast as %s (medians): encode %.2f, decode %.2f, caption "
      "%.2f\n",
      saved->name, saved->encode_ms / self->encode.median_ms,
      saved->decode_ms / self->decode.median_ms,
      saved->caption_ms / self->caption.median_ms);
}

static void
append_text (GString *text, const Bench *self)
{
  const Rates rates = derive_rates (self);
  const ToolLimits *limits = &self->limits;

  g_string_append_printf (text,
      "%s: %u thread%s, %u beam%s, %u tokens, %u runs after a warm-up\n\n"
      "%14s%12s%12s\n",
      self->name, ituning_model_get_n_threads (self->model),
      ituning_model_get_n_threads (self->model) == 1 ? "" : "s",
      self->options.num_beams, self->options.num_beams == 1 ? "" : "s",
      self->options.max_new_tokens, self->n_runs, "", "min ms", "median ms");
  g_string_append_printf (text,
      "  %-12s%12.2f%12.2f    %.1f GFLOP/s: %.0f %% of the machine's\n",
      "encode", self->encode.min_ms, self->encode.median_ms,
      rates.encode_gflops, 100.0 * rates.encode_gflops / limits->gflops);
  g_string_append_printf (text,
      "  %-12s%12.2f%12.2f    %.1f GB/s of weights: %.0f %% of the machine's\n",
      "decode", self->decode.min_ms, self->decode.median_ms, rates.decode_gbs,
      100.0 * rates.decode_gbs / limits->gbs);
  g_string_append_printf (text, "  %-12s%12.2f%12.2f\n", "caption",
      self->caption.min_ms, self->caption.median_ms);
  g_string_append_printf (text, "  %-12s%12.2f%12.2f    %.1f tokens/s\n\n",
      "a token", self->decode.min_ms / (double) self->options.max_new_tokens,
      rates.token_ms, rates.tokens_per_s);
  g_string_append_printf (text,
      "  this machine, F32: %.0f GFLOP/s (%.0f with one thread), reads %.1f "
      "GB/s (%.1f with one thread)\n"
      "  peak memory: %.0f MiB\n",
      limits->gflops, limits->gflops_single, limits->gbs, limits->gbs_single,
      (double) self->peak_bytes / 1048576.0);
  if (self->saved.name != NULL)
    append_ratios (text, self);
}

static void
append_number (GString *json, const char *name, double value)
{
  g_string_append_printf (json, ", \"%s\": ", name);
  tool_json_append_double (json, value);
}

static void
append_ratios_json (GString *json, const Bench *self)
{
  const ToolBenchSaved *saved = &self->saved;

  g_string_append (json, ", \"times_as_fast\": {\"as\": ");
  tool_json_append_string (json, saved->name, strlen (saved->name));
  append_number (json, "encode", saved->encode_ms / self->encode.median_ms);
  append_number (json, "decode", saved->decode_ms / self->decode.median_ms);
  append_number (json, "caption", saved->caption_ms / self->caption.median_ms);
  g_string_append_c (json, '}');
}

static void
append_times (GString *json, const char *name, const Times *times)
{
  g_string_append_printf (json, ", \"%s\": {\"min\": ", name);
  tool_json_append_double (json, times->min_ms);
  append_number (json, "median", times->median_ms);
  g_string_append_c (json, '}');
}

static void
append_json (GString *json, const Bench *self)
{
  const Rates rates = derive_rates (self);
  const ToolLimits *limits = &self->limits;

  g_string_append (json, "{\"model\": ");
  tool_json_append_string (json, self->name, strlen (self->name));
  g_string_append_printf (json,
      ", \"threads\": %u, \"num_beams\": %u, \"new_tokens\": %u, \"runs\": %u",
      ituning_model_get_n_threads (self->model), self->options.num_beams,
      self->options.max_new_tokens, self->n_runs);
  append_times (json, "encode_ms", &self->encode);
  append_times (json, "decode_ms", &self->decode);
  append_times (json, "caption_ms", &self->caption);
  append_number (json, "token_ms", rates.token_ms);
  append_number (json, "tokens_per_s", rates.tokens_per_s);
  append_number (json, "encode_gflops", rates.encode_gflops);
  append_number (json, "decode_gbs", rates.decode_gbs);
  g_string_append_printf (json,
      ", \"peak_memory_bytes\": %" G_GUINT64_FORMAT ", \"limits\": {",
      self->peak_bytes);
  g_string_append (json, "\"gflops_single\": ");
  tool_json_append_double (json, limits->gflops_single);
  append_number (json, "gflops", limits->gflops);
  append_number (json, "gbs_single", limits->gbs_single);
  append_number (json, "gbs", limits->gbs);
  g_string_append_c (json, '}');
  if (self->saved.name != NULL)
    append_ratios_json (json, self);
  g_string_append (json, "}\n");
}

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
  return tool_types_parse (given->type, FALSE, &given->types, error);
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
set_up (Bench *self, const Arguments *given, GError **error)
{
  guint n_threads = 0;

  if (!check_model (given, &n_threads, &self->n_runs, error) ||
      !tool_options_get_count ("--num-beams", given->num_beams, 1, G_MAXINT,
          &self->options.num_beams, error) ||
      !tool_options_get_count ("--new-tokens", given->n_tokens, 1, G_MAXINT,
          &self->options.max_new_tokens, error))
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
      !tool_options_get_count ("--visual-tokens", given->visual_tokens, 1,
          1 << 12, &num_tokens, error) ||
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
  Bench bench = { .name = "", .options = ITUNING_GENERATE_OPTIONS_INIT };
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean done = set_up (&bench, given, error) &&
      measure (&bench, cancellable, error);

  if (done) {
    (given->json ? append_json : append_text) (text, &bench);
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
    .n_runs = DEFAULT_RUNS,
    .visual_tokens = DEFAULT_VISUAL_TOKENS };
  const GOptionEntry entries[] = {
    { "size", 0, 0, G_OPTION_ARG_STRING, &given.size,
        "Measure random weights: base, medium or large", "SIZE" },
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &given.model,
        "Measure this model", "PATH" },
    { "type", 't', 0, G_OPTION_ARG_STRING, &given.type,
        "With --size: what weights are: f32, q8_0 or q4_0 (f32); of parts: "
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
        "With --train: visual tokens of an image (197)", "N" },
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
