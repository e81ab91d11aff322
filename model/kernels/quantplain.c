/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/quantkernels.h"

#include <math.h>

#include "model/half.h"

#define BLOCK ITUNING_QUANT_BLOCK
#define PANEL ITUNING_QUANT_PANEL

/* Products with quantised matrices in plain C, in loops that compilers turn into
 * vectors; for processors without kernels of their own. */

/* NaN unless all are finite, since 0 times what is not is NaN. */
static float
find_largest (const float *x)
{
  float largest = 0.0f, check = 0.0f;

  for (gsize i = 0; i < BLOCK; i++) {
    largest = fabsf (x[i]) > largest ? fabsf (x[i]) : largest;
    check += 0.0f * x[i];
  }
  return largest + check;
}

static void
plain_quantize (const ItuningQuantRows *rows, gsize row, const float *x,
    guint bits)
{
  const int bias = bits == 8 ? 128 : 8;

  for (gsize block = 0; block < rows->n_blocks; block++, x += BLOCK) {
    const gsize at = ituning_quant_place (rows, row, block);
    const float largest = find_largest (x);
    const gboolean usable = ituning_quant_is_usable (largest);
    int sum = 0;

    for (gsize i = 0; i < BLOCK; i++) {
      const int value = usable ? (int) rintf (x[i] * (127.0f / largest)) : 0;
      rows->values[at * BLOCK + i] = (gint8) value;
      sum += value;
    }
    rows->scales[at] = largest / 127.0f;
    rows->offsets[at] = -bias * sum;
  }
}

/* weights [32, 32] = a block of a panel, biased, each input's outputs in a row */
static void
unpack (gint16 weights[BLOCK][PANEL], const guint8 *words, guint bits)
{
  for (gsize word = 0; word < bits; word++) {
    for (gsize i = 0; i < 4; i++) {
      gint16 *first = weights[word * 4 + i];
      gint16 *second = weights[(word * 4 + i + BLOCK / 2) % BLOCK];
      for (gsize lane = 0; lane < PANEL; lane++) {
        const guint8 q = words[(word * PANEL + lane) * 4 + i];
        first[lane] = (gint16) (bits == 8 ? q : q & 15);
        if (bits == 4)
          second[lane] = (gint16) (q >> 4);
      }
    }
  }
}

/* sums [32] += scale weight_scales (offset + weights^T x) */
static void
add_block (float sums[PANEL], gint16 weights[BLOCK][PANEL], const gint8 *x,
    const float weight_scales[PANEL], gint32 offset, float scale)
{
  gint32 dots[PANEL];

  for (gsize lane = 0; lane < PANEL; lane++)
    dots[lane] = offset;
  for (gsize i = 0; i < BLOCK; i++)
    for (gsize lane = 0; lane < PANEL; lane++)
      dots[lane] += weights[i][lane] * x[i];
  for (gsize lane = 0; lane < PANEL; lane++)
    sums[lane] += weight_scales[lane] * scale * (float) dots[lane];
}

/* y [R, n] += scale times the product of a group's rows with a panel */
static void
multiply_tile (float *y, gsize ldy, const ItuningQuantRows *rows, gsize row,
    gsize R, const ItuningQuantized *matrix, gsize panel, float scale)
{
  const gsize n = MIN (PANEL, matrix->n_out - panel * PANEL);
  float sums[ITUNING_QUANT_GROUP][PANEL] = { { 0.0f } };

  for (gsize block = 0; block < matrix->n_blocks; block++) {
    const gsize place = panel * matrix->n_blocks + block;
    gint16 weights[BLOCK][PANEL];
    float scales[PANEL];
    unpack (weights, matrix->words + place * matrix->bits * PANEL * 4,
        matrix->bits);
    ituning_half_to_float (scales, matrix->scales + place * PANEL, PANEL);
    for (gsize r = 0; r < R; r++) {
      const gsize at = ituning_quant_place (rows, row + r, block);
      add_block (sums[r], weights, rows->values + at * BLOCK, scales,
          rows->offsets[at], rows->scales[at]);
    }
  }
  for (gsize r = 0; r < R; r++)
    for (gsize lane = 0; lane < n; lane++)
      y[r * ldy + lane] += scale * sums[r][lane];
}

static void
plain_multiply (float *y, gsize ldy, const ItuningQuantRows *rows, gsize M,
    const ItuningQuantized *matrix, gsize first_panel, gsize n_panels,
    float scale)
{
  const gsize end = MIN (first_panel + n_panels, matrix->n_panels);

  for (gsize panel = first_panel; panel < end; panel++)
    for (gsize row = 0; row < M; row += ITUNING_QUANT_GROUP)
      multiply_tile (y + row * ldy + (panel - first_panel) * PANEL, ldy, rows,
          row, MIN (ITUNING_QUANT_GROUP, M - row), matrix, panel, scale);
}

const ItuningQuantKernels ituning_quant_kernels_plain = { "plain",
  plain_quantize, plain_multiply };
