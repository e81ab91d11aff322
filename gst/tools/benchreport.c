/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/benchmodel.h"

#include <string.h>

#include "gst/tools/json.h"

/* What a model's speed is beside what the machine can do: as text and as JSON. */

static const struct
{
  const char *name, *key;
} stages[] = {
  [TOOL_BENCH_PREPROCESS] = { "resizing of a frame, 1280 x 720", "preprocess" },
  [TOOL_BENCH_ENCODE] = { "vision encoder", "encode" },
  [TOOL_BENCH_IMAGE] = { "keys and values of the image", "image" },
  [TOOL_BENCH_STEPS] = { "blocks and modules, all steps", "steps" },
  [TOOL_BENCH_VOCABULARY] = { "scores of the vocabulary", "vocabulary" },
  [TOOL_BENCH_SEARCH] = { "choice among them", "search" },
};

/* Tokens that are left of an image. */
static double
count_kept (const ToolBench *self)
{
  const gsize all = ituning_model_get_info (self->model)->vision.num_tokens;

  return (
      double) (self->visual_tokens > 0 ? MIN (self->visual_tokens, all) : all);
}

/* Multiply-adds x 2 of one image: in each layer the products with the four
 * weights of attention and the two of the MLP, for each of P tokens, and the
 * two products of attention itself; the patch embedding; the projection. Where
 * tokens are merged, each layer has so many fewer behind its attention. */
static double
count_encode_flops (const ToolBench *self)
{
  const ItuningModelInfo *info = ituning_model_get_info (self->model);
  const double P = (double) info->vision.num_tokens;
  const double D = (double) info->vision.hidden_size;
  const double I = (double) info->vision.intermediate_size;
  const double patch = 3.0 * (double) info->vision.patch_size *
      (double) info->vision.patch_size;
  const gsize n_layers = info->vision.num_hidden_layers;
  const double merged = (P - count_kept (self)) / (double) n_layers;
  double sum = (P - 1.0) * patch * D + D * (double) info->vision.projection_dim;

  for (gsize layer = 0; layer < n_layers; layer++) {
    const double before = P - (double) layer * merged, behind = before - merged;
    sum += before * 4.0 * D * D + 2.0 * before * before * D +
        behind * 2.0 * D * I;
  }
  return 2.0 * sum;
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

/* What follows from the medians. */
typedef struct
{
  double token_ms;
  double tokens_per_s;
  double encode_gflops;
  double decode_gbs;
  gboolean int8; /* the encoder's products are of whole numbers */
  double encode_percent, decode_percent; /* of what the machine can do */
} Rates;

static Rates
derive_rates (const ToolBench *self)
{
  const ItuningModelInfo *info = ituning_model_get_info (self->model);
  const double n_tokens = (double) self->options.max_new_tokens;
  const double token_ms = self->decode.median_ms / n_tokens;
  Rates rates = {
    .token_ms = token_ms,
    .tokens_per_s = 1e3 / token_ms,
    .encode_gflops = count_encode_flops (self) / self->encode.median_ms / 1e6,
    .decode_gbs = count_step_bytes (info) / token_ms / 1e6,
    .int8 = info->vision.part.type == ITUNING_TYPE_Q8_0 ||
        info->vision.part.type == ITUNING_TYPE_Q4_0,
  };

  rates.encode_percent = 100.0 * rates.encode_gflops /
      (rates.int8 ? self->limits.gops_int8 : self->limits.gflops);
  rates.decode_percent = 100.0 * rates.decode_gbs / self->limits.gbs;
  return rates;
}

/* How many times as fast as the saved run. */
static void
append_ratios (GString *text, const ToolBench *self)
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
append_rates (GString *text, const ToolBench *self)
{
  const Rates rates = derive_rates (self);
  const double n_tokens = (double) self->options.max_new_tokens;

  g_string_append_printf (text,
      "  %-12s%12.2f%12.2f    %.1f %s: %.0f %% of the machine's\n", "encode",
      self->encode.min_ms, self->encode.median_ms, rates.encode_gflops,
      rates.int8 ? "Gop/s of 8 bits" : "GFLOP/s", rates.encode_percent);
  g_string_append_printf (text,
      "  %-12s%12.2f%12.2f    %.1f GB/s of weights: %.0f %% of the machine's\n",
      "decode", self->decode.min_ms, self->decode.median_ms, rates.decode_gbs,
      rates.decode_percent);
  g_string_append_printf (text, "  %-12s%12.2f%12.2f\n", "caption",
      self->caption.min_ms, self->caption.median_ms);
  g_string_append_printf (text, "  %-12s%12.2f%12.2f    %.1f tokens/s\n\n",
      "a token", self->decode.min_ms / n_tokens, rates.token_ms,
      rates.tokens_per_s);
}

/* Of the resizing, the encoder and all that decode is made of. */
static void
append_stages (GString *text, const ToolBench *self)
{
  for (gsize i = 0; i < TOOL_BENCH_N_STAGES; i++)
    g_string_append_printf (text, "  %-34s%12.2f\n", stages[i].name,
        self->stages_ms[i]);
  g_string_append_c (text, '\n');
}

/**
 * tool_bench_append_text:
 * @text: gets it
 * @bench: what was measured
 */
void
tool_bench_append_text (GString *text, const ToolBench *bench)
{
  const ToolLimits *limits = &bench->limits;
  const guint n_threads = ituning_model_get_n_threads (bench->model);

  g_string_append_printf (text,
      "%s: %u thread%s, %u beam%s, %u tokens, %u runs after a warm-up\n\n"
      "%14s%12s%12s\n",
      bench->name, n_threads, n_threads == 1 ? "" : "s",
      bench->options.num_beams, bench->options.num_beams == 1 ? "" : "s",
      bench->options.max_new_tokens, bench->n_runs, "", "min ms", "median ms");
  append_rates (text, bench);
  append_stages (text, bench);
  g_string_append_printf (text,
      "  this machine, F32: %.0f GFLOP/s (%.0f with one thread)\n"
      "  8 bits, by %s: %.0f Gop/s (%.0f with one thread)\n"
      "  memory: reads %.1f GB/s (%.1f with one thread)\n"
      "  peak memory: %.0f MiB\n",
      limits->gflops, limits->gflops_single, limits->int8_by, limits->gops_int8,
      limits->gops_int8_single, limits->gbs, limits->gbs_single,
      (double) bench->peak_bytes / 1048576.0);
  if (bench->saved.name != NULL)
    append_ratios (text, bench);
}

static void
append_number (GString *json, const char *name, double value)
{
  g_string_append_printf (json, ", \"%s\": ", name);
  tool_json_append_double (json, value);
}

static void
append_ratios_json (GString *json, const ToolBench *self)
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
append_times (GString *json, const char *name, const ToolBenchTimes *times)
{
  g_string_append_printf (json, ", \"%s\": {\"min\": ", name);
  tool_json_append_double (json, times->min_ms);
  append_number (json, "median", times->median_ms);
  g_string_append_c (json, '}');
}

static void
append_rates_json (GString *json, const ToolBench *self)
{
  const Rates rates = derive_rates (self);

  append_number (json, "token_ms", rates.token_ms);
  append_number (json, "tokens_per_s", rates.tokens_per_s);
  append_number (json, "encode_gflops", rates.encode_gflops);
  append_number (json, "decode_gbs", rates.decode_gbs);
  append_number (json, "encode_percent", rates.encode_percent);
  append_number (json, "decode_percent", rates.decode_percent);
  g_string_append_printf (json, ", \"encode_limit\": \"%s\"",
      rates.int8 ? "gops_int8" : "gflops");
}

static void
append_stages_json (GString *json, const ToolBench *self)
{
  g_string_append (json, ", \"stages_ms\": {");
  for (gsize i = 0; i < TOOL_BENCH_N_STAGES; i++) {
    g_string_append_printf (json, "%s\"%s\": ", i > 0 ? ", " : "",
        stages[i].key);
    tool_json_append_double (json, self->stages_ms[i]);
  }
  g_string_append_c (json, '}');
}

static void
append_limits_json (GString *json, const ToolLimits *limits)
{
  g_string_append (json, ", \"limits\": {\"gflops_single\": ");
  tool_json_append_double (json, limits->gflops_single);
  append_number (json, "gflops", limits->gflops);
  append_number (json, "gops_int8_single", limits->gops_int8_single);
  append_number (json, "gops_int8", limits->gops_int8);
  g_string_append_printf (json, ", \"int8_by\": \"%s\"", limits->int8_by);
  append_number (json, "gbs_single", limits->gbs_single);
  append_number (json, "gbs", limits->gbs);
  g_string_append_c (json, '}');
}

/**
 * tool_bench_append_json:
 * @json: gets one object and a line's end
 * @bench: what was measured
 */
void
tool_bench_append_json (GString *json, const ToolBench *bench)
{
  g_string_append (json, "{\"model\": ");
  tool_json_append_string (json, bench->name, strlen (bench->name));
  g_string_append_printf (json,
      ", \"threads\": %u, \"num_beams\": %u, \"new_tokens\": %u, "
      "\"visual_tokens\": %.0f, \"runs\": %u",
      ituning_model_get_n_threads (bench->model), bench->options.num_beams,
      bench->options.max_new_tokens, count_kept (bench), bench->n_runs);
  append_times (json, "encode_ms", &bench->encode);
  append_times (json, "decode_ms", &bench->decode);
  append_times (json, "caption_ms", &bench->caption);
  append_rates_json (json, bench);
  append_stages_json (json, bench);
  g_string_append_printf (json, ", \"peak_memory_bytes\": %" G_GUINT64_FORMAT,
      bench->peak_bytes);
  append_limits_json (json, &bench->limits);
  if (bench->saved.name != NULL)
    append_ratios_json (json, bench);
  g_string_append (json, "}\n");
}
