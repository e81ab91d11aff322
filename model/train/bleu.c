/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* BLEU (Papineni et al., 2002) of a corpus, smoothed as COCO's evaluation
 * does it. */

#include <math.h>
#include <stdlib.h>

#include "model/train/scores.h"

/* Keep a quotient of zeros finite. */
#define TINY 1e-15
#define SMALL 1e-9

typedef struct
{
  double length; /* words of the results */
  double reference_length; /* of the references closest in length */
  double guesses[ITUNING_NGRAM_MAX]; /* n-grams of the results */
  double correct[ITUNING_NGRAM_MAX]; /* of those, in a reference */
} Totals;

/* The length closest to the result's; of two, the shorter. */
static guint
find_closest_length (const ItuningScored *image)
{
  const guint length = image->result->words->len;
  guint closest = 0, least = G_MAXUINT;

  for (guint i = 0; i < image->references->len; i++) {
    const ItuningNgrams *reference = image->references->pdata[i];
    const guint found = reference->words->len;
    const guint distance = found > length ? found - length : length - found;
    if (distance < least || (distance == least && found < closest)) {
      least = distance;
      closest = found;
    }
  }
  return closest;
}

static int
compare_to_ngram (const void *key, const void *element)
{
  const guint32 ngram = *(const guint32 *) key;
  const ItuningNgramCount *count = element;

  return (ngram > count->ngram) - (ngram < count->ngram);
}

/* How often the reference that has @ngram most often has it. */
static guint32
find_largest_count (const ItuningScored *image, gsize n, guint32 ngram)
{
  guint32 largest = 0;

  for (guint i = 0; i < image->references->len; i++) {
    const ItuningNgrams *reference = image->references->pdata[i];
    const GArray *counts = reference->counts[n];
    const ItuningNgramCount *found = counts->len == 0
        ? NULL
        : bsearch (&ngram, counts->data, counts->len,
              sizeof (ItuningNgramCount), compare_to_ngram);
    if (found != NULL)
      largest = MAX (largest, found->count);
  }
  return largest;
}

static void
add_image (Totals *totals, const ItuningScored *image)
{
  const guint length = image->result->words->len;

  totals->length += length;
  totals->reference_length += find_closest_length (image);
  for (guint n = 0; n < ITUNING_NGRAM_MAX; n++) {
    const GArray *counts = image->result->counts[n];
    totals->guesses[n] += length > n ? length - n : 0;
    for (guint i = 0; i < counts->len; i++) {
      const ItuningNgramCount *count = &g_array_index (counts,
          ItuningNgramCount, i);
      totals->correct[n] += MIN (count->count,
          find_largest_count (image, n, count->ngram));
    }
  }
}

/**
 * ituning_bleu:
 * @bleu: gets BLEU-1 to BLEU-4
 * @images: [@n_images] what to score
 * @n_images: at least 1
 *
 * Counts are summed over all images and clipped by the largest count of a
 * reference; the length of the references is that of the closest, of two the
 * shorter; a short corpus is penalised once.
 */
void
ituning_bleu (double bleu[ITUNING_NGRAM_MAX], const ItuningScored *images,
    gsize n_images)
{
  Totals totals = { 0 };
  double ratio, penalty, product = 1;

  for (gsize i = 0; i < n_images; i++)
    add_image (&totals, &images[i]);
  ratio = (totals.length + TINY) / (totals.reference_length + SMALL);
  penalty = ratio < 1 ? exp (1 - 1 / ratio) : 1;
  for (gsize n = 0; n < ITUNING_NGRAM_MAX; n++) {
    product *= (totals.correct[n] + TINY) / (totals.guesses[n] + SMALL);
    bleu[n] = pow (product, 1 / (double) (n + 1)) * penalty;
  }
}
