/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/blocked.h"

#include <string.h>

/* A product of blocks that stay in cache: a block of b is packed into panels of
 * the kernel's width once, then each panel of a's rows meets all of them
 * (Goto and van de Geijn 2008). For AVX-512 that this build of OpenBLAS may not
 * use, since it takes it from Intel's processors alone; and for AVX2, where it
 * needs no copy of a. */

#define K_BLOCK ((gsize) 256)
#define N_BLOCK ((gsize) 512)
/* Below this the packing of b costs more than it gains. */
#define MIN_DEPTH 16

/* Of the thread: too large for its stack. */
static GPrivate packed_key = G_PRIVATE_INIT (g_aligned_free);

static float *
get_packed (void)
{
  float *packed = g_private_get (&packed_key);

  if (packed == NULL) {
    packed = g_aligned_alloc (N_BLOCK * K_BLOCK + ITUNING_PANEL_MARGIN,
        sizeof (float), 64);
    g_private_set (&packed_key, packed);
  }
  return packed;
}

static inline __attribute__ ((always_inline)) void
copy_rows (float *panel, const float *x, gsize ldx, gsize K, const gsize width)
{
  for (gsize k = 0; k < K; k++)
    memcpy (panel + k * width, x + k * ldx, width * sizeof (float));
}

/* panel [K, width] = x [K, n], with zeros behind. A copy whose size is known
 * needs no call. */
static void
pack_rows (float *panel, gsize width, const float *x, gsize ldx, gsize n,
    gsize K)
{
  switch (n == width ? width : 0) {
    case 16:
      copy_rows (panel, x, ldx, K, 16);
      break;
    default:
      for (gsize k = 0; k < K; k++) {
        memcpy (panel + k * width, x + k * ldx, n * sizeof (float));
        memset (panel + k * width + n, 0, (width - n) * sizeof (float));
      }
  }
}

static void
pack_columns (const ItuningPanels *panels, const ItuningProduct *p,
    float *packed, const float *b, gsize n, gsize K)
{
  const gsize width = panels->columns;

  for (gsize j = 0; j < n; j += width) {
    if (p->b_transposed)
      panels->pack (packed + j * K, width, b + j * p->ldb, p->ldb,
          MIN (width, n - j), K);
    else
      pack_rows (packed + j * K, width, b + j, p->ldb, MIN (width, n - j), K);
  }
}

/* One block of K and N: all rows. */
static void
multiply_block (const ItuningPanels *panels, const ItuningProduct *p, float *c,
    const float *a, const float *b, gsize n, gsize K, float beta)
{
  float *packed = get_packed ();
  float panel[ITUNING_PANEL_MAX_ROWS * K_BLOCK + ITUNING_PANEL_MARGIN];

  pack_columns (panels, p, packed, b, n, K);
  for (gsize i = 0; i < p->M; i += panels->rows) {
    const gsize m = MIN (panels->rows, p->M - i);
    const float *rows = panel;
    gsize lda = 0;
    if (p->a_transposed) {
      pack_rows (panel, panels->rows, a + i, p->lda, m, K);
    } else if (panels->takes_rows && m == panels->rows) {
      rows = a + i * p->lda;
      lda = p->lda;
    } else {
      panels->pack (panel, panels->rows, a + i * p->lda, p->lda, m, K);
    }
    for (gsize j = 0; j < n; j += panels->columns)
      panels->multiply (c + i * p->ldc + j, p->ldc, rows, lda, packed + j * K,
          m, MIN (panels->columns, n - j), K, p->alpha, beta);
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
 *   or does not gain by it: the shape is too small, or a would have to be copied
 *   in pieces that are shorter than a line of cache
 */
gboolean
ituning_blocked_multiply (float *c, const float *a, const float *b,
    const ItuningProduct *p)
{
  const ItuningPanels *panels = ituning_kernels_get ()->panels;

  if (panels == NULL || p->M < panels->min_rows || p->N < panels->columns ||
      p->K < MIN_DEPTH || (panels->takes_rows && p->a_transposed))
    return FALSE;
  for (gsize j = 0; j < p->N; j += N_BLOCK) {
    for (gsize k = 0; k < p->K; k += K_BLOCK)
      multiply_block (panels, p, c + j, a + (p->a_transposed ? k * p->lda : k),
          b + (p->b_transposed ? j * p->ldb + k : k * p->ldb + j),
          MIN (N_BLOCK, p->N - j), MIN (K_BLOCK, p->K - k),
          k == 0 ? p->beta : 1.0f);
  }
  return TRUE;
}
