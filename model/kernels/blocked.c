/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/blocked.h"

#include <string.h>

/* A product of blocks that stay in cache: a block of b is packed into panels of
 * the kernel's width once, then each panel of a's rows meets all of them
 * (Goto and van de Geijn 2008). For processors with vectors that this build of
 * OpenBLAS may not use: it takes AVX-512 from Intel's processors alone. */

#define ROWS ITUNING_PANEL_ROWS
#define COLUMNS ITUNING_PANEL_COLUMNS
#define K_BLOCK ((gsize) 256)
#define N_BLOCK ((gsize) 512)
/* Below this the packing of b costs more than it gains. */
#define MIN_ROWS 48
#define MIN_DEPTH 16

/* Of the thread: too large for its stack. */
static GPrivate packed_key = G_PRIVATE_INIT (g_free);

static float *
get_packed (void)
{
  float *packed = g_private_get (&packed_key);

  if (packed == NULL) {
    packed = g_new (float, N_BLOCK *K_BLOCK);
    g_private_set (&packed_key, packed);
  }
  return packed;
}

/* panel [K, width] of the n rows or columns of x from its first on: those of
 * x [K, n] when @by_depth, of x [n, K] else; zeros behind them. */
static void
pack_panel (float *panel, gsize width, const float *x, gsize ldx,
    gboolean by_depth, gsize n, gsize K)
{
  if (n < width)
    memset (panel, 0, K * width * sizeof (float));
  if (by_depth) {
    for (gsize k = 0; k < K; k++)
      memcpy (panel + k * width, x + k * ldx, n * sizeof (float));
    return;
  }
  for (gsize i = 0; i < n; i++)
    for (gsize k = 0; k < K; k++)
      panel[k * width + i] = x[i * ldx + k];
}

/* One block of K and N: all rows. */
static void
multiply_block (const ItuningKernels *kernels, const ItuningProduct *p,
    float *c, const float *a, const float *b, gsize n, gsize K, float beta)
{
  float *packed = get_packed ();
  float panel[ROWS * K_BLOCK];

  for (gsize j = 0; j < n; j += COLUMNS)
    pack_panel (packed + j * K, COLUMNS, b + (p->b_transposed ? j * p->ldb : j),
        p->ldb, !p->b_transposed, MIN (COLUMNS, n - j), K);
  for (gsize i = 0; i < p->M; i += ROWS) {
    const gsize m = MIN (ROWS, p->M - i);
    pack_panel (panel, ROWS, a + (p->a_transposed ? i : i * p->lda), p->lda,
        p->a_transposed, m, K);
    for (gsize j = 0; j < n; j += COLUMNS)
      kernels->multiply_panels (c + i * p->ldc + j, p->ldc, panel,
          packed + j * K, m, MIN (COLUMNS, n - j), K, p->alpha, beta);
  }
}

/**
 * ituning_blocked_multiply:
 * @c: [M, N] output, must not alias the inputs
 * @a: [M, K], or [K, M] when transposed
 * @b: [K, N], or [N, K] when transposed
 * @p: the rest: c = alpha a b + beta c, where a beta of 0 ignores @c
 *
 * Returns: whether it was done: FALSE when this processor has no kernel for it
 *   or the shape is too small to gain
 */
gboolean
ituning_blocked_multiply (float *c, const float *a, const float *b,
    const ItuningProduct *p)
{
  const ItuningKernels *kernels = ituning_kernels_get ();

  if (kernels->multiply_panels == NULL || p->M < MIN_ROWS || p->N < COLUMNS ||
      p->K < MIN_DEPTH)
    return FALSE;
  for (gsize j = 0; j < p->N; j += N_BLOCK) {
    for (gsize k = 0; k < p->K; k += K_BLOCK)
      multiply_block (kernels, p, c + j, a + (p->a_transposed ? k * p->lda : k),
          b + (p->b_transposed ? j * p->ldb + k : k * p->ldb + j),
          MIN (N_BLOCK, p->N - j), MIN (K_BLOCK, p->K - k),
          k == 0 ? p->beta : 1.0f);
  }
  return TRUE;
}
