/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/augment.h"

#include <math.h>

/* Small changes of a picture that leave its captions true, so that a network
 * which sees it many times does not learn it by heart. */

#define ONE 256 /* weights are parts of this */

/* Where a pixel of a line comes from: between two neighbours. */
typedef struct
{
  guint32 before, after; /* places */
  guint32 weight; /* of the one after, of ONE */
} Source;

static void
find_sources (Source *sources, gsize I, int shift, double scale)
{
  const double middle = 0.5 * (double) I - 0.5, last = (double) I - 1.0;

  for (gsize i = 0; i < I; i++) {
    const double at = ((double) i - shift - middle) / scale + middle;
    const double within = CLAMP (at, 0.0, last);
    const double before = floor (within);
    sources[i] = (Source){ (guint32) before, (guint32) MIN (before + 1.0, last),
      (guint32) lrint ((within - before) * ONE) };
  }
}

static guint8
blend (guint32 before, guint32 after, guint32 weight)
{
  return (guint8) ((before * (ONE - weight) + after * weight + ONE / 2) / ONE);
}

static int
choose_shift (guint shift, ItuningRandom *random)
{
  return (int) (ituning_random_uniform (random) * (2 * shift + 1)) -
      (int) shift;
}

static double
choose_scale (double zoom, ItuningRandom *random)
{
  return 1.0 + zoom * (2.0 * ituning_random_uniform (random) - 1.0);
}

/**
 * ituning_augment_picture:
 * @augment: by how much at most
 * @to: [@I, @I, 3] output, other memory than @from
 * @from: [@I, @I, 3] a picture of @I x @I pixels
 * @random: what happens
 *
 * Moves a picture and stretches it, each side by its own chance. What comes into
 * sight goes on as the edge does.
 */
void
ituning_augment_picture (const ItuningAugment *augment, guint8 *to,
    const guint8 *from, gsize I, ItuningRandom *random)
{
  const int dx = choose_shift (augment->shift, random);
  const int dy = choose_shift (augment->shift, random);
  const double width = choose_scale (augment->zoom, random);
  const double height = choose_scale (augment->zoom, random);
  g_autofree Source *columns = g_new (Source, I), *rows = g_new (Source, I);
  g_autofree guint8 *line = g_malloc (3 * I);

  find_sources (columns, I, dx, width);
  find_sources (rows, I, dy, height);
  for (gsize y = 0; y < I; y++) {
    const guint8 *above = from + 3 * I * rows[y].before;
    const guint8 *below = from + 3 * I * rows[y].after;
    for (gsize i = 0; i < 3 * I; i++)
      line[i] = blend (above[i], below[i], rows[y].weight);
    for (gsize x = 0; x < I; x++, to += 3) {
      const guint8 *left = line + (gsize) columns[x].before * 3;
      const guint8 *right = line + (gsize) columns[x].after * 3;
      for (gsize c = 0; c < 3; c++)
        to[c] = blend (left[c], right[c], columns[x].weight);
    }
  }
}
