/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ROUGE-L (Lin, 2004): longest common subsequences, as COCO's evaluation
 * scores them. */

#include "model/train/scores.h"

/* How much more recall counts than precision. */
#define BETA 1.2

/* Words of the longest sequence that both hold, with gaps. @row: [b->len + 1]
 * scratch. */
static guint
measure_common (const GArray *a, const GArray *b, guint *row)
{
  for (guint j = 0; j <= b->len; j++)
    row[j] = 0;
  for (guint i = 0; i < a->len; i++) {
    guint diagonal = 0; /* of i - 1, j - 1 */
    for (guint j = 0; j < b->len; j++) {
      const guint above = row[j + 1];
      if (g_array_index (a, guint32, i) == g_array_index (b, guint32, j))
        row[j + 1] = diagonal + 1;
      else
        row[j + 1] = MAX (above, row[j]);
      diagonal = above;
    }
  }
  return row[b->len];
}

static double
score_image (const ItuningScored *image)
{
  const GArray *words = image->result->words;
  const guint length = words->len;
  g_autofree guint *row = g_new (guint, (gsize) length + 1);
  double precision = 0, recall = 0;

  for (guint i = 0; i < image->references->len; i++) {
    const ItuningNgrams *reference = image->references->pdata[i];
    const guint common = measure_common (reference->words, words, row);
    if (common == 0)
      continue;
    precision = MAX (precision, common / (double) length);
    recall = MAX (recall, common / (double) reference->words->len);
  }
  if (precision == 0 || recall == 0)
    return 0;
  return (1 + BETA * BETA) * precision * recall /
      (recall + BETA * BETA * precision);
}

/**
 * ituning_rouge_l:
 * @images: [@n_images] what to score
 * @n_images: at least 1
 *
 * Returns: the mean of the images' scores, each of the largest precision and
 *   the largest recall, perhaps of different references
 */
double
ituning_rouge_l (const ItuningScored *images, gsize n_images)
{
  double sum = 0;

  for (gsize i = 0; i < n_images; i++)
    sum += score_image (&images[i]);
  return sum / (double) n_images;
}
