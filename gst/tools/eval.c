/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning eval`: two files in, or one and a model that captions its images; a
 * score a line out. */

#include <string.h>

#include "gst/tools/command.h"
#include "gst/tools/json.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"
#include "gst/tools/pairimages.h"
#include "gst/tools/progress.h"
#include "model/train/ituning-metrics.h"

/* Images that are captioned together. */
#define BATCH 16

/* What the user gave; strings are owned. */
typedef struct
{
  char *references, *results, *images, *split, *save;
  gboolean keep_punctuation, partial, as_json;
  ToolModelOptions model;
  ToolGenerateOptions decoding;
} Arguments;

static void
clear_arguments (Arguments *self)
{
  g_free (self->references);
  g_free (self->results);
  g_free (self->images);
  g_free (self->split);
  g_free (self->save);
  tool_model_options_clear (&self->model);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, clear_arguments)

/* --- scores ------------------------------------------------------------- */

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
score (const Arguments *given, const ItuningCaptions *references,
    const ItuningCaptions *results, GError **error)
{
  ItuningMetricsFlags flags = ITUNING_METRICS_DEFAULT;
  ItuningMetrics metrics;

  if (given->keep_punctuation)
    flags |= ITUNING_METRICS_KEEP_PUNCTUATION;
  if (given->partial)
    flags |= ITUNING_METRICS_PARTIAL;
  return ituning_metrics_compute (references, results, flags, &metrics,
             error) &&
      print_metrics (&metrics, given->as_json, error);
}

static gboolean
score_files (const Arguments *given, GError **error)
{
  g_autoptr (ItuningCaptions) references =
      ituning_captions_load (given->references, error);
  g_autoptr (ItuningCaptions) results = NULL;

  if (references == NULL)
    return FALSE;
  results = ituning_captions_load (given->results, error);
  return results != NULL && score (given, references, results, error);
}

/* --- captions of a model ------------------------------------------------ */

/* Captions the images [@first, @first + @n); those that cannot be read are
 * reported, and get none. */
static gboolean
caption_batch (ItuningSession *session, const ItuningGenerateOptions *options,
    const ItuningPairs *pairs, gsize first, gsize n, ItuningCaptions *results,
    GCancellable *cancellable, GError **error)
{
  ToolImage *images[BATCH] = { NULL };
  ItuningImage opened[BATCH];
  ItuningFeatures *features[BATCH] = { NULL };
  ItuningCaption *captions[BATCH] = { NULL };
  gsize n_opened = 0, next = 0;
  gboolean ok = !g_cancellable_set_error_if_cancelled (cancellable, error) &&
      tool_pair_images_open (pairs, first, n, FALSE, images, error);

  for (gsize i = 0; i < n; i++)
    if (images[i] != NULL)
      opened[n_opened++] = images[i]->image;
  ok = ok &&
      ituning_session_encode (session, opened, n_opened, features, cancellable,
          error) &&
      ituning_session_caption (session, features, n_opened, options, captions,
          cancellable, error);
  for (gsize i = 0; i < n; i++) {
    if (images[i] == NULL)
      continue;
    if (ok)
      ituning_captions_add (results, ituning_pairs_get_id (pairs, first + i),
          captions[next]->text);
    ituning_caption_free (captions[next]);
    ituning_features_unref (features[next++]);
    tool_image_free (images[i]);
  }
  return ok;
}

static gboolean
caption_all (const Arguments *given, const ItuningPairs *pairs,
    ItuningCaptions *results, GCancellable *cancellable, GError **error)
{
  const gsize n = ituning_pairs_get_n_images (pairs);
  ItuningGenerateOptions options;
  g_autoptr (ItuningModel) model = NULL;
  g_autoptr (ItuningSession) session = NULL;
  g_autoptr (ToolProgress) progress = NULL;

  if (!tool_generate_options_get (&given->decoding, &options, error))
    return FALSE;
  model = tool_model_options_open (&given->model, error);
  if (model == NULL)
    return FALSE;
  if (ituning_model_get_tokenizer (model) == NULL) {
    g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "the model has no tokenizer, so it writes no words to score");
    return FALSE;
  }
  session = ituning_session_new (model);
  if (!tool_generate_options_apply (&given->decoding, &options, session,
          &given->model, error))
    return FALSE;
  progress = tool_progress_new (given->references, "captioning");
  for (gsize first = 0; first < n; first += BATCH) {
    if (!caption_batch (session, &options, pairs, first, MIN (BATCH, n - first),
            results, cancellable, error))
      return FALSE;
    tool_progress_update (progress, (double) first / (double) n);
  }
  tool_progress_clear (progress);
  return TRUE;
}

/* Whether an id reads the same when it is a number: "007" does not. */
static gboolean
is_number (const char *id)
{
  char text[32];
  gint64 number;

  if (!g_ascii_string_to_signed (id, 10, G_MININT64, G_MAXINT64, &number, NULL))
    return FALSE;
  g_snprintf (text, sizeof text, "%" G_GINT64_FORMAT, number);
  return g_str_equal (id, text);
}

/* As COCO's results: an id that is a number is written as one. */
static gboolean
save_results (const char *path, const ItuningCaptions *results, GError **error)
{
  g_auto (ToolOutput) output = { .path = path };
  g_autoptr (GString) json = g_string_new ("[");

  for (gsize i = 0; i < ituning_captions_get_n_images (results); i++) {
    const char *id = ituning_captions_get_id (results, i);
    gsize n;
    const char *text = ituning_captions_get_texts (results, i, &n)[0];
    const gboolean number = is_number (id);

    g_string_append (json, i > 0 ? ",\n{\"image_id\": " : "{\"image_id\": ");
    if (number)
      g_string_append (json, id);
    else
      tool_json_append_string (json, id, strlen (id));
    g_string_append (json, ", \"caption\": ");
    tool_json_append_string (json, text, strlen (text));
    g_string_append_c (json, '}');
  }
  g_string_append (json, "]\n");
  return tool_output_write (&output, json->str, json->len, error) &&
      tool_output_finish (&output, error);
}

static ItuningCaptions *
take_references (const ItuningPairs *pairs)
{
  ItuningCaptions *references = ituning_captions_new ();

  for (gsize i = 0; i < ituning_pairs_get_n_images (pairs); i++) {
    const char *const *texts = ituning_pairs_get_captions (pairs, i);
    for (gsize k = 0; texts[k] != NULL; k++)
      ituning_captions_add (references, ituning_pairs_get_id (pairs, i),
          texts[k]);
  }
  return references;
}

/* What was captioned before something went wrong is saved, too. */
static gboolean
caption_and_save (const Arguments *given, const ItuningPairs *pairs,
    ItuningCaptions *results, GCancellable *cancellable, GError **error)
{
  const gboolean ok = caption_all (given, pairs, results, cancellable, error);
  const gsize n = ituning_captions_get_n_images (results);
  g_autoptr (GError) reason = NULL;

  if (given->save == NULL || n == 0)
    return ok;
  if (ok)
    return save_results (given->save, results, error);
  if (save_results (given->save, results, &reason))
    tool_report ("%s: the captions of %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT
                 " images",
        given->save, n, ituning_pairs_get_n_images (pairs));
  else
    tool_report ("%s", reason->message);
  return FALSE;
}

static gboolean
check_skipped (const Arguments *given, const ItuningPairs *pairs,
    const ItuningCaptions *results, GError **error)
{
  const gsize n = ituning_pairs_get_n_images (pairs);
  const gsize n_skipped = n - ituning_captions_get_n_images (results);

  if (n_skipped == 0 || (given->partial && n_skipped < n))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
      "%s: %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT
      " images were skipped, so there is no score%s",
      given->references, n_skipped, n,
      n_skipped < n ? "; --partial scores the others" : "");
  return FALSE;
}

static gboolean
score_model (const Arguments *given, GCancellable *cancellable, GError **error)
{
  g_autoptr (ItuningPairs) pairs = ituning_pairs_open (given->references,
      given->images, given->split, error);
  g_autoptr (ItuningCaptions) references = NULL;
  g_autoptr (ItuningCaptions) results = ituning_captions_new ();

  if (pairs == NULL ||
      !caption_and_save (given, pairs, results, cancellable, error) ||
      !check_skipped (given, pairs, results, error))
    return FALSE;
  references = take_references (pairs);
  return score (given, references, results, error);
}

/* --- the command -------------------------------------------------------- */

static gboolean
check (const Arguments *given, GError **error)
{
  if (given->references == NULL ||
      (given->results == NULL) == (given->images == NULL))
    return tool_options_usage_error (error,
        given->references == NULL
            ? "--references is missing"
            : "give --results, or --images for a model to caption them");
  if (given->results != NULL && (given->save != NULL || given->split != NULL))
    return tool_options_usage_error (error,
        "--save-results and --split are for captions that a model writes");
  return given->results != NULL ||
      (tool_model_options_check (&given->model, error) &&
          tool_output_check (given->save, error));
}

gboolean
tool_eval_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_auto (Arguments) given = { 0 };
  const GOptionEntry entries[] = {
    { "references", 0, 0, G_OPTION_ARG_FILENAME, &given.references,
        "What people wrote: COCO's annotations, or {id: [caption, ...]}",
        "FILE" },
    { "results", 0, 0, G_OPTION_ARG_FILENAME, &given.results,
        "What to score: COCO's results, or {id: caption}", "FILE" },
    { "images", 0, 0, G_OPTION_ARG_FILENAME, &given.images,
        "Or caption the references' images, which lie here, with a model",
        "DIR" },
    { "split", 0, 0, G_OPTION_ARG_STRING, &given.split,
        "With --images: split of Karpathy's file: train, val or test (all)",
        "NAME" },
    { "save-results", 0, 0, G_OPTION_ARG_FILENAME, &given.save,
        "With --images: write the captions here, as COCO's results", "FILE" },
    { "keep-punctuation", 0, 0, G_OPTION_ARG_NONE, &given.keep_punctuation,
        "Count punctuation as words", NULL },
    { "partial", 0, 0, G_OPTION_ARG_NONE, &given.partial,
        "Leave out images without a result", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &given.as_json, "Print one object",
        NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new (NULL,
      "Scores captions against references with BLEU, ROUGE-L and CIDEr-D, as\n"
      "the COCO caption evaluation does.",
      entries);
  g_auto (GStrv) arguments = NULL;

  tool_model_options_add (&given.model, context);
  tool_generate_options_add (&given.decoding, context);
  return tool_options_parse (context, argv, &arguments, error) &&
      tool_options_check_none (arguments, error) && check (&given, error) &&
      (given.results != NULL ? score_files (&given, error)
                             : score_model (&given, cancellable, error));
}
