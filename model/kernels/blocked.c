/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/blocked.h"

#include <string.h>

/* A product of blocks that stay in cache: a block of b is packed into panels of
 * the kernel's width once, then each panel of a's rows meets all of them
 * (Goto and van de Geijn 2008). For AVX-512 that this build of OpenBLAS may not
 * use, since it takes it from Intel's processors alone; and for AVX2, where it
 * needs no copy of a, unless a is transposed. */

#define K_BLOCK ((gsize) 256)
#define N_BLOCK ((gsize) 512)
/* Rows of a transposed a that are packed at once: whole panels of 6 and of 14. */
#define M_BLOCK ((gsize) 168)
/* Below this the packing of b costs more than it gains. */
#define MIN_DEPTH 16
/* Between panels, which would compete for the same lines of the first cache. */
#define PANEL_GAP ITUNING_PANEL_MARGIN
#define ROWS_AHEAD ((gsize) 8) /* that are on their way from memory */
#define LINE_FLOATS ((gsize) 16) /* of a line of cache */

/* Of the thread: too large for its stack. No panel is narrower than 6 rows or 16
 * columns. */
typedef struct
{
  float a[M_BLOCK * K_BLOCK + M_BLOCK / 6 * PANEL_GAP];
  float b[N_BLOCK * K_BLOCK + N_BLOCK / 16 * PANEL_GAP];
} Packed;

/* Floats from one panel to the next. */
static inline gsize
panel_stride (gsize width, gsize K)
{
  return width * K + PANEL_GAP;
}

static Packed *
get_packed (void)
{
  static GPrivate key = G_PRIVATE_INIT (g_aligned_free);
  Packed *packed = g_private_get (&key);

  if (packed == NULL) {
    packed = g_aligned_alloc (1, sizeof (Packed), 64);
    g_private_set (&key, packed);
  }
  return packed;
}

/* Panels [K, width] = x [K, n], with zeros behind. Row by row: what is next in
 * memory is read next. */
static inline __attribute__ ((always_inline)) void
copy_rows (float *panels, const gsize width, const float *x, gsize ldx, gsize n,
    gsize K)
{
  const gsize n_whole = n / width, rest = n % width;
  const gsize stride = panel_stride (width, K);

  for (gsize k = 0; k < K; k++) {
    const float *row = x + k * ldx;
    float *to = panels + k * width;
    for (gsize i = 0; i < n; i += LINE_FLOATS)
      __builtin_prefetch (row + ROWS_AHEAD * ldx + i);
    for (gsize i = 0; i < n_whole; i++)
      memcpy (to + i * stride, row + i * width, width * sizeof (float));
    if (rest > 0) {
      to += n_whole * stride;
      memcpy (to, row + n_whole * width, rest * sizeof (float));
      memset (to + rest, 0, (width - rest) * sizeof (float));
    }
  }
}

/* A copy whose size is known needs no call; these are all widths there are. */
static void
pack_rows (float *panels, gsize width, const float *x, gsize ldx, gsize n,
    gsize K)
{
  switch (width) {
    case 6:
      copy_rows (panels, 6, x, ldx, n, K);
      break;
    case 14:
      copy_rows (panels, 14, x, ldx, n, K);
      break;
    case 16:
      copy_rows (panels, 16, x, ldx, n, K);
      break;
    case 32:
      copy_rows (panels, 32, x, ldx, n, K);
      break;
    default:
      g_assert_not_reached ();
  }
}

/* Panels [K, width] = x [n, K] transposed */
static void
pack_columns (const ItuningPanels *kernels, float *panels, gsize width,
    const float *x, gsize ldx, gsize n, gsize K)
{
  for (gsize i = 0; i < n; i += width) {
    kernels->pack (panels, width, x + i * ldx, ldx, MIN (width, n - i), K);
    panels += panel_stride (width, K);
  }
}

/* Those that come after the ones in use. */
static void
prefetch_rows (const float *x, gsize ldx, gsize n, gsize K)
{
  for (gsize i = 0; i < n; i++)
    for (gsize k = 0; k < K; k += LINE_FLOATS)
      __builtin_prefetch (x + i * ldx + k, 0, 2);
}

/* One block of K and N: all rows. */
static void
multiply_block (const ItuningPanels *panels, const ItuningProduct *p, float *c,
    const float *a, const float *b, gsize n, gsize K, float beta)
{
  Packed *packed = get_packed ();

  if (p->b_transposed)
    pack_columns (panels, packed->b, panels->columns, b, p->ldb, n, K);
  else
    pack_rows (packed->b, panels->columns, b, p->ldb, n, K);
  for (gsize i = 0; i < p->M; i += panels->rows) {
    const gsize m = MIN (panels->rows, p->M - i), block = i % M_BLOCK;
    const float *rows = packed->a, *columns = packed->b;
    gsize lda = 0;
    if (p->a_transposed) {
      if (block == 0)
        pack_rows (packed->a, panels->rows, a + i, p->lda,
            MIN (M_BLOCK, p->M - i), K);
      rows += block / panels->rows * panel_stride (panels->rows, K);
    } else if (panels->takes_rows && m == panels->rows) {
      rows = a + i * p->lda;
      lda = p->lda;
      prefetch_rows (rows + m * lda, lda, MIN (m, p->M - i - m), K);
    } else {
      panels->pack (packed->a, panels->rows, a + i * p->lda, p->lda, m, K);
    }
    for (gsize j = 0; j < n; j += panels->columns) {
      panels->multiply (c + i * p->ldc + j, p->ldc, rows, lda, columns, m,
          MIN (panels->columns, n - j), K, p->alpha, beta);
      columns += panel_stride (panels->columns, K);
    }
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
 *   or does not gain by it: the shape is too small
 */
gboolean
ituning_blocked_multiply (float *c, const float *a, const float *b,
    const ItuningProduct *p)
{
  const ItuningPanels *panels = ituning_kernels_get ()->panels;

  if (panels == NULL || p->M < panels->min_rows || p->N < panels->columns ||
      p->K < MIN_DEPTH)
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
