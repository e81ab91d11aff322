/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Scores captions: pairs each result with its references, turns both into
 * words and n-grams, and has each metric look at them. */

#include "model/train/captions.h"
#include "model/train/ptbtokenize.h"
#include "model/train/scores.h"

static ItuningNgrams *
read_text (ItuningNgramTable *table, const char *text,
    ItuningMetricsFlags flags)
{
  g_autoptr (GPtrArray) tokens = g_ptr_array_new_with_free_func (g_free);

  ituning_ptb_tokenize (text, (flags & ITUNING_METRICS_KEEP_PUNCTUATION) != 0,
      tokens);
  return ituning_ngrams_new (table, (const char *const *) tokens->pdata,
      tokens->len);
}

static void
read_image (ItuningScored *scored, ItuningNgramTable *table,
    const ItuningCaptions *references, gsize reference,
    const ItuningCaptions *results, gsize result, ItuningMetricsFlags flags)
{
  gsize n_texts;
  const char *const *texts = ituning_captions_get_texts (results, result,
      &n_texts);

  scored->result = read_text (table, texts[0], flags);
  scored->references = g_ptr_array_new_with_free_func (
      (GDestroyNotify) ituning_ngrams_free);
  texts = ituning_captions_get_texts (references, reference, &n_texts);
  for (gsize i = 0; i < n_texts; i++)
    g_ptr_array_add (scored->references, read_text (table, texts[i], flags));
}

/* Each result has references; and, unless some may be missing, each image of
 * the references a result. */
static gboolean
check_images (const ItuningCaptions *references, const ItuningCaptions *results,
    gboolean partial, GError **error)
{
  const char *path = ituning_captions_get_path (results);
  gsize found, n_texts;

  for (gsize i = 0; i < ituning_captions_get_n_images (results); i++) {
    const char *id = ituning_captions_get_id (results, i);

    (void) ituning_captions_get_texts (results, i, &n_texts);
    if (n_texts != 1) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
          "%s: image %s has %zu captions, not one", path, id, n_texts);
      return FALSE;
    }
    if (!ituning_captions_find (references, id, &found)) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
          "%s: image %s is not in %s", path, id,
          ituning_captions_get_path (references));
      return FALSE;
    }
  }
  for (gsize i = 0; !partial && i < ituning_captions_get_n_images (references);
       i++) {
    const char *id = ituning_captions_get_id (references, i);

    if (!ituning_captions_find (results, id, &found)) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
          "%s: has no caption of image %s of %s", path, id,
          ituning_captions_get_path (references));
      return FALSE;
    }
  }
  return TRUE;
}

/**
 * ituning_metrics_compute:
 * @references: for each image, one or more captions
 * @results: for each image, the caption to score, which may be empty
 * @flags: how to
 * @metrics: (out): gets the scores
 * @error: gets %ITUNING_ERROR_INPUT when @results has no image, or two
 *   captions of one, or %ITUNING_ERROR_MISMATCH when one of its images has no
 *   references, or, without %ITUNING_METRICS_PARTIAL, when an image with
 *   references is not among them
 *
 * Captions are split as the Penn Treebank is, and written in small letters.
 *
 * Returns: FALSE with @error, @metrics left as it was
 */
gboolean
ituning_metrics_compute (const ItuningCaptions *references,
    const ItuningCaptions *results, ItuningMetricsFlags flags,
    ItuningMetrics *metrics, GError **error)
{
  const gsize n_images = ituning_captions_get_n_images (results);
  g_auto (ItuningNgramTable) table;
  g_autofree ItuningScored *images = g_new0 (ItuningScored, n_images);

  ituning_ngram_table_init (&table);
  if (n_images == 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s: no captions to score", ituning_captions_get_path (results));
    return FALSE;
  }
  if (!check_images (references, results,
          (flags & ITUNING_METRICS_PARTIAL) != 0, error))
    return FALSE;
  for (gsize i = 0; i < n_images; i++) {
    gsize reference = 0;
    (void) ituning_captions_find (references,
        ituning_captions_get_id (results, i), &reference);
    read_image (&images[i], &table, references, reference, results, i, flags);
  }
  ituning_bleu (metrics->bleu, images, n_images);
  metrics->rouge_l = ituning_rouge_l (images, n_images);
  metrics->cider = ituning_cider (images, n_images, table.n_ngrams);
  metrics->n_images = n_images;
  for (gsize i = 0; i < n_images; i++)
    ituning_scored_clear (&images[i]);
  return TRUE;
}
