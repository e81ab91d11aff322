/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/blocked.h"

#include <string.h>

/* A product of blocks that stay in cache: a block of b is packed into panels of
 * the kernel's width once, then each panel of a's rows meets all of them
 * (Goto and van de Geijn 2008). For processors with vectors that this build of
 * OpenBLAS may not use: it takes AVX-512 from Intel's processors alone. */

#define ROWS ITUNING_PANEL_ROWS
#define COLUMNS ITUNING_PANEL_COLUMNS
#define SIDE ITUNING_TRANSPOSE_SIDE
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

/* panel [K, width] = x [n, K] transposed, with zeros behind. A square that is
 * wider than what is left of the panel's row runs over into the next one, which
 * is written after it, and into SIDE values behind the last. */
static void
pack_transposed (const ItuningKernels *kernels, float *panel, gsize width,
    const float *x, gsize ldx, gsize n, gsize K)
{
  gsize k = 0;

  for (; k + SIDE <= K; k += SIDE)
    for (gsize i = 0; i < width; i += SIDE)
      kernels->transpose (panel + k * width + i, width, x + i * ldx + k, ldx,
          i < n ? MIN (SIDE, n - i) : 0);
  for (; k < K; k++)
    for (gsize i = 0; i < width; i++)
      panel[k * width + i] = i < n ? x[i * ldx + k] : 0.0f;
}

/* panel [K, width] = x [K, n], with zeros behind */
static void
pack_rows (float *panel, gsize width, const float *x, gsize ldx, gsize n,
    gsize K)
{
  for (gsize k = 0; k < K; k++) {
    memcpy (panel + k * width, x + k * ldx, n * sizeof (float));
    memset (panel + k * width + n, 0, (width - n) * sizeof (float));
  }
}

/* One block of K and N: all rows. */
static void
multiply_block (const ItuningKernels *kernels, const ItuningProduct *p,
    float *c, const float *a, const float *b, gsize n, gsize K, float beta)
{
  float *packed = get_packed ();
  float panel[ROWS * K_BLOCK + SIDE];

  for (gsize j = 0; j < n; j += COLUMNS) {
    if (p->b_transposed)
      pack_transposed (kernels, packed + j * K, COLUMNS, b + j * p->ldb, p->ldb,
          MIN (COLUMNS, n - j), K);
    else
      pack_rows (packed + j * K, COLUMNS, b + j, p->ldb, MIN (COLUMNS, n - j),
          K);
  }
  for (gsize i = 0; i < p->M; i += ROWS) {
    const gsize m = MIN (ROWS, p->M - i);
    if (p->a_transposed)
      pack_rows (panel, ROWS, a + i, p->lda, m, K);
    else
      pack_transposed (kernels, panel, ROWS, a + i * p->lda, p->lda, m, K);
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
