/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* CIDEr-D (Vedantam et al., 2015): n-grams weighted by how few images' 
 * references hold them. */

#include <math.h>

#include "model/train/scores.h"

/* Width of the penalty on a difference in length, in words. */
#define SIGMA 6.0

static void
count_images (guint32 *n_holding, const ItuningScored *image, GHashTable *seen)
{
  g_hash_table_remove_all (seen);
  for (guint i = 0; i < image->references->len; i++) {
    const ItuningNgrams *reference = image->references->pdata[i];
    for (gsize n = 0; n < ITUNING_NGRAM_MAX; n++) {
      const GArray *counts = reference->counts[n];
      for (guint j = 0; j < counts->len; j++) {
        const guint32 ngram =
            g_array_index (counts, ItuningNgramCount, j).ngram;
        if (g_hash_table_add (seen, GUINT_TO_POINTER (ngram)))
          n_holding[ngram]++;
      }
    }
  }
}

/* [@n_ngrams] weight of each: log (images / images whose references hold it) */
static double *
weigh_ngrams (const ItuningScored *images, gsize n_images, gsize n_ngrams)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  g_autofree guint32 *n_holding = g_new0 (guint32, n_ngrams);
  double *weights = g_new (double, n_ngrams);

  for (gsize i = 0; i < n_images; i++)
    count_images (n_holding, &images[i], seen);
  for (gsize i = 0; i < n_ngrams; i++)
    weights[i] = log ((double) n_images) - log (MAX (1.0, n_holding[i]));
  return weights;
}

static double
measure_norm (const GArray *counts, const double *weights)
{
  double sum = 0;

  for (guint i = 0; i < counts->len; i++) {
    const ItuningNgramCount *count = &g_array_index (counts, ItuningNgramCount,
        i);
    const double value = count->count * weights[count->ngram];
    sum += value * value;
  }
  return sqrt (sum);
}

/* The product of two sorted lists, the result's counts clipped to those of the
 * reference. */
static double
multiply (const GArray *result, const GArray *reference, const double *weights)
{
  double sum = 0;
  guint i = 0, j = 0;

  while (i < result->len && j < reference->len) {
    const ItuningNgramCount *a = &g_array_index (result, ItuningNgramCount, i);
    const ItuningNgramCount *b = &g_array_index (reference, ItuningNgramCount,
        j);
    if (a->ngram == b->ngram) {
      const double weight = weights[a->ngram];
      sum += MIN (a->count * weight, b->count * weight) * b->count * weight;
    }
    i += a->ngram <= b->ngram;
    j += b->ngram <= a->ngram;
  }
  return sum;
}

/* Pairs of words, by which COCO's evaluation measures the length. */
static double
count_pairs (const ItuningNgrams *ngrams)
{
  return ngrams->words->len > 1 ? ngrams->words->len - 1 : 0;
}

/* Sum over the lengths of n-grams. */
static double
score_pair (const ItuningNgrams *result, const ItuningNgrams *reference,
    const double *weights)
{
  const double difference = count_pairs (result) - count_pairs (reference);
  const double penalty = exp (-difference * difference / (2 * SIGMA * SIGMA));
  double sum = 0;

  for (gsize n = 0; n < ITUNING_NGRAM_MAX; n++) {
    const double norm = measure_norm (result->counts[n], weights) *
        measure_norm (reference->counts[n], weights);
    if (norm > 0)
      sum += multiply (result->counts[n], reference->counts[n], weights) / norm;
  }
  return sum * penalty;
}

/**
 * ituning_cider:
 * @images: [@n_images] what to score
 * @n_images: at least 1
 * @n_ngrams: n-grams that the table of @images numbered
 *
 * The weights come from the references of @images themselves, so that a score
 * depends on all of them; that of a single image is 0.
 *
 * Returns: the mean over images, references and lengths of n-grams, times 10
 */
double
ituning_cider (const ItuningScored *images, gsize n_images, gsize n_ngrams)
{
  g_autofree double *weights = weigh_ngrams (images, n_images, n_ngrams);
  double total = 0;

  for (gsize i = 0; i < n_images; i++) {
    const GPtrArray *references = images[i].references;
    double sum = 0;
    for (guint j = 0; j < references->len; j++)
      sum += score_pair (images[i].result, references->pdata[j], weights);
    total += sum / references->len;
  }
  return 10 * total / ITUNING_NGRAM_MAX / (double) n_images;
}
