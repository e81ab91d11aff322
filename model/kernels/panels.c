/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/simd.h"
#include "model/kernels/tables.h"

/* Products of panels, for blocked.c. Compiled once for each instruction set
 * that has registers for them, which ITUNING_TABLE names. */

#define PANEL_VECTORS ((gsize) 2)
#define PANEL_COLUMNS (PANEL_VECTORS * ITUNING_LANES)
#define LINE_FLOATS ((gsize) 16) /* of a line of cache */

#if ITUNING_LANES == 16
#define PANEL_ROWS ((gsize) 14)
#define MIN_ROWS 48
#define TAKES_ROWS FALSE
#else
#define PANEL_ROWS ((gsize) 6)
#define MIN_ROWS 9
#define TAKES_ROWS TRUE
#endif

#if ITUNING_LANES == 16
/* Interleaving row i with row i + 8 turns the bits of row and column together
 * by one place; four times swaps the two. */
static void
transpose_rows (Floats rows[ITUNING_LANES])
{
  Floats next[ITUNING_LANES];

#pragma GCC unroll 4
  for (int turn = 0; turn < 4; turn++) {
#pragma GCC unroll 8
    for (gsize i = 0; i < ITUNING_LANES / 2; i++) {
      const Floats a = rows[i], b = rows[i + ITUNING_LANES / 2];
      next[2 * i] = __builtin_shufflevector (a, b, 0, 16, 1, 17, 2, 18, 3, 19,
          4, 20, 5, 21, 6, 22, 7, 23);
      next[2 * i + 1] = __builtin_shufflevector (a, b, 8, 24, 9, 25, 10, 26, 11,
          27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
#pragma GCC unroll 16
    for (gsize i = 0; i < ITUNING_LANES; i++)
      rows[i] = next[i];
  }
}
#else
/* Four rows by four columns in each half of the vectors, then the halves: no
 * instruction but the last moves values from one half to the other. */
static inline __attribute__ ((always_inline)) void
transpose_rows (Floats rows[ITUNING_LANES])
{
  Floats t[ITUNING_LANES];

#pragma GCC unroll 4
  for (gsize i = 0; i < ITUNING_LANES; i += 2) {
    const Floats a = rows[i], b = rows[i + 1];
    t[i] = __builtin_shufflevector (a, b, 0, 8, 1, 9, 4, 12, 5, 13);
    t[i + 1] = __builtin_shufflevector (a, b, 2, 10, 3, 11, 6, 14, 7, 15);
  }
#pragma GCC unroll 4
  for (gsize i = 0; i < 4; i++) {
    const gsize from = i / 2 * 4 + i % 2, to = i / 2 * 4 + i % 2 * 2;
    const Floats a = t[from], b = t[from + 2];
    rows[to] = __builtin_shufflevector (a, b, 0, 1, 8, 9, 4, 5, 12, 13);
    rows[to + 1] = __builtin_shufflevector (a, b, 2, 3, 10, 11, 6, 7, 14, 15);
  }
#pragma GCC unroll 4
  for (gsize i = 0; i < 4; i++) {
    const Floats a = rows[i], b = rows[i + 4];
    rows[i] = __builtin_shufflevector (a, b, 0, 1, 2, 3, 8, 9, 10, 11);
    rows[i + 4] = __builtin_shufflevector (a, b, 4, 5, 6, 7, 12, 13, 14, 15);
  }
}
#endif

/* y [LANES, LANES] = x [n, LANES] transposed, with zeros behind its columns */
static inline __attribute__ ((always_inline)) void
transpose (float *y, gsize ldy, const float *x, gsize ldx, gsize n)
{
  Floats rows[ITUNING_LANES];

#pragma GCC unroll 16
  for (gsize i = 0; i < ITUNING_LANES; i++)
    rows[i] = i < n ? load (x + i * ldx) : splat (0.0f);
  transpose_rows (rows);
#pragma GCC unroll 16
  for (gsize i = 0; i < ITUNING_LANES; i++)
    store (y + i * ldy, rows[i]);
}

/* A square that is wider than what is left of the panel's row runs over into
 * the next one, which is written after it. The next panel's rows are short
 * streams, each of a few lines: too short for the processor to see them come. */
static void
pack (float *panel, gsize width, const float *x, gsize ldx, gsize n, gsize K)
{
  gsize k = 0;

  for (; k + ITUNING_LANES <= K; k += ITUNING_LANES) {
    gsize i = 0;
    for (gsize j = width; k % LINE_FLOATS == 0 && j < 2 * width; j++)
      __builtin_prefetch (x + j * ldx + k);
    for (; i + ITUNING_LANES <= n; i += ITUNING_LANES)
      transpose (panel + k * width + i, width, x + i * ldx + k, ldx,
          ITUNING_LANES);
    for (; i < width; i += ITUNING_LANES)
      transpose (panel + k * width + i, width, x + i * ldx + k, ldx,
          i < n ? n - i : 0);
  }
  for (; k < K; k++)
    for (gsize i = 0; i < width; i++)
      panel[k * width + i] = i < n ? x[i * ldx + k] : 0.0f;
}

/* c = tile + beta c, of a product's edge. */
static void
store_edge (float *c, gsize ldc, const float tile[PANEL_ROWS][PANEL_COLUMNS],
    gsize m, gsize n, float beta)
{
  for (gsize i = 0; i < m; i++)
    for (gsize j = 0; j < n; j++)
      c[i * ldc + j] = beta == 0.0f ? tile[i][j]
                                    : tile[i][j] + beta * c[i * ldc + j];
}

/* The sums stay in 28 of 32 registers, or 12 of 16, so the loops over them must
 * be unrolled. */
static void
multiply (float *c, gsize ldc, const float *a, gsize lda, const float *b,
    gsize m, gsize n, gsize K, float alpha, float beta)
{
  Floats sums[PANEL_ROWS][PANEL_VECTORS] = { 0 };
#if ITUNING_LANES == 16
  const gsize row = 1, step = PANEL_ROWS;
#else
  const gsize row = lda != 0 ? lda : 1, step = lda != 0 ? 1 : PANEL_ROWS;
#endif

  for (gsize i = 0; i < m; i++) {
    __builtin_prefetch (c + i * ldc, 1);
    __builtin_prefetch (c + i * ldc + n - 1, 1);
  }
  for (gsize k = 0; k < K; k++) {
    const Floats left = load (b), right = load (b + ITUNING_LANES);
#pragma GCC unroll 14
    for (gsize i = 0; i < PANEL_ROWS; i++) {
      sums[i][0] += left * a[i * row];
      sums[i][1] += right * a[i * row];
#if ITUNING_LANES == 8
      IN_ORDER (sums[i][0]);
      IN_ORDER (sums[i][1]);
#endif
    }
    a += step;
    b += PANEL_COLUMNS;
  }
  if (m < PANEL_ROWS || n < PANEL_COLUMNS) {
    float tile[PANEL_ROWS][PANEL_COLUMNS];
#pragma GCC unroll 14
    for (gsize i = 0; i < PANEL_ROWS; i++) {
      store (tile[i], sums[i][0] * alpha);
      store (tile[i] + ITUNING_LANES, sums[i][1] * alpha);
    }
    store_edge (c, ldc, (const float (*)[PANEL_COLUMNS]) tile, m, n, beta);
    return;
  }
#pragma GCC unroll 14
  for (gsize i = 0; i < PANEL_ROWS; i++) {
    float *to = c + i * ldc;
    sums[i][0] *= alpha;
    sums[i][1] *= alpha;
    if (beta != 0.0f) {
      sums[i][0] += load (to) * beta;
      sums[i][1] += load (to + ITUNING_LANES) * beta;
    }
    store (to, sums[i][0]);
    store (to + ITUNING_LANES, sums[i][1]);
  }
}

const ItuningPanels TABLE_NAME (ituning_panels, ITUNING_TABLE) = {
  .rows = PANEL_ROWS,
  .columns = PANEL_COLUMNS,
  .min_rows = MIN_ROWS,
  .takes_rows = TAKES_ROWS,
  .pack = pack,
  .multiply = multiply,
};
