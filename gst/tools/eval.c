/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning eval`: two files in, a score a line out. */

#include "gst/tools/command.h"
#include "gst/tools/json.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"
#include "model/train/ituning-metrics.h"

static gboolean
print_metrics (const ItuningMetrics *metrics, gboolean as_json, GError **error)
{
  const struct
  {
    const char *key;
    double value;
  } scores[] = {
    { "Bleu_1", metrics->bleu[0] },
    { "Bleu_2", metrics->bleu[1] },
    { "Bleu_3", metrics->bleu[2] },
    { "Bleu_4", metrics->bleu[3] },
    { "ROUGE_L", metrics->rouge_l },
    { "CIDEr", metrics->cider },
  };
  g_autoptr (GString) out = g_string_new (as_json ? "{" : NULL);
  ToolOutput output = { .path = NULL };

  for (gsize i = 0; i < G_N_ELEMENTS (scores); i++) {
    if (as_json) {
      g_string_append_printf (out, "%s\"%s\": ", i > 0 ? ", " : "",
          scores[i].key);
      tool_json_append_double (out, scores[i].value);
    } else {
      g_string_append_printf (out, "%-8s %.4f\n", scores[i].key,
          scores[i].value);
    }
  }
  if (as_json)
    g_string_append (out, "}\n");
  return tool_output_write (&output, out->str, out->len, error);
}

static gboolean
evaluate (const char *references_path, const char *results_path,
    ItuningMetricsFlags flags, gboolean as_json, GError **error)
{
  g_autoptr (ItuningCaptions) references = NULL;
  g_autoptr (ItuningCaptions) results = NULL;
  ItuningMetrics metrics;

  references = ituning_captions_load (references_path, error);
  if (references == NULL)
    return FALSE;
  results = ituning_captions_load (results_path, error);
  return results != NULL &&
      ituning_metrics_compute (references, results, flags, &metrics, error) &&
      print_metrics (&metrics, as_json, error);
}

gboolean
tool_eval_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_autofree char *references = NULL, *results = NULL;
  gboolean keep_punctuation = FALSE, partial = FALSE, as_json = FALSE;
  const GOptionEntry entries[] = {
    { "references", 0, 0, G_OPTION_ARG_FILENAME, &references,
        "What people wrote: COCO's annotations, or {id: [caption, ...]}",
        "FILE" },
    { "results", 0, 0, G_OPTION_ARG_FILENAME, &results,
        "What to score: COCO's results, or {id: caption}", "FILE" },
    { "keep-punctuation", 0, 0, G_OPTION_ARG_NONE, &keep_punctuation,
        "Count punctuation as words", NULL },
    { "partial", 0, 0, G_OPTION_ARG_NONE, &partial,
        "Leave out images without a result", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print one object", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new (NULL,
      "Scores captions against references with BLEU, ROUGE-L and CIDEr-D, as\n"
      "the COCO caption evaluation does.",
      entries);
  g_auto (GStrv) arguments = NULL;
  ItuningMetricsFlags flags = ITUNING_METRICS_DEFAULT;

  if (!tool_options_parse (context, argv, &arguments, error) ||
      !tool_options_check_none (arguments, error))
    return FALSE;
  if (references == NULL || results == NULL)
    return tool_options_usage_error (error, "%s is missing",
        references == NULL ? "--references" : "--results");
  if (keep_punctuation)
    flags |= ITUNING_METRICS_KEEP_PUNCTUATION;
  if (partial)
    flags |= ITUNING_METRICS_PARTIAL;
  return evaluate (references, results, flags, as_json, error);
}
