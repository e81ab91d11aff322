/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/gemm.h"

#include <cblas.h>

#include "model/kernels/blocked.h"
#include "model/kernels/tiles.h"

/* The only file that calls BLAS. OpenBLAS computes on the calling thread; the
 * split over threads is ours. */

/* What a task has at least, since each packs the columns of b that it takes. */
#define MIN_ROWS ((gsize) 48)
#define MIN_COLUMNS ((gsize) 96)

/**
 * ituning_gemm_init:
 *
 * Makes OpenBLAS compute on the calling thread, once for the process.
 */
void
ituning_gemm_init (void)
{
  static gsize done = 0;

  if (g_once_init_enter (&done)) {
    openblas_set_num_threads (1);
    g_once_init_leave (&done, 1);
  }
}

/* OpenBLAS knows AVX-512 on Intel's processors only; where it takes it, it is
 * as fast. By AVX2 it is slower than we are. */
static gboolean
prefer_blocked (void)
{
  static gsize answer = 0;

  if (g_once_init_enter (&answer)) {
    const char *core = openblas_get_corename ();
    const gboolean wide = g_ascii_strcasecmp (core, "SkylakeX") == 0 ||
        g_ascii_strcasecmp (core, "Cooperlake") == 0 ||
        g_ascii_strcasecmp (core, "SapphireRapids") == 0;
    g_once_init_leave (&answer, wide ? 1 : 2);
  }
  return answer == 2;
}

/**
 * ituning_gemm:
 * @c: [M, N] with row stride @ldc: output, must not alias the inputs
 * @a: [M, K], or [K, M] when @a_transposed, with row stride @lda
 * @b: [K, N], or [N, K] when @b_transposed, with row stride @ldb
 * @alpha: scale of the product
 * @beta: scale of what @c held; 0 ignores it
 *
 * c = alpha a b + beta c, on the calling thread.
 */
void
ituning_gemm (float *c, gsize ldc, const float *a, gsize lda,
    gboolean a_transposed, const float *b, gsize ldb, gboolean b_transposed,
    gsize M, gsize N, gsize K, float alpha, float beta)
{
  const ItuningProduct product = { M, N, K, ldc, lda, ldb, a_transposed,
    b_transposed, alpha, beta };

  if (prefer_blocked () && ituning_blocked_multiply (c, a, b, &product))
    return;
  cblas_sgemm (CblasRowMajor, a_transposed ? CblasTrans : CblasNoTrans,
      b_transposed ? CblasTrans : CblasNoTrans, (blasint) M, (blasint) N,
      (blasint) K, alpha, a, (blasint) lda, b, (blasint) ldb, beta, c,
      (blasint) ldc);
}

/**
 * ituning_gemv:
 * @y: [n] added to
 * @x: [K]
 * @w: [n, K], or [K, n] when @in_major, with row stride @ldw
 * @n: outputs
 * @K: inputs
 * @scale: multiplies the product
 *
 * y += scale x w^T, on the calling thread.
 */
void
ituning_gemv (float *y, const float *x, const float *w, gsize ldw,
    gboolean in_major, gsize n, gsize K, float scale)
{
  const gsize rows = in_major ? K : n, columns = in_major ? n : K;

  cblas_sgemv (CblasRowMajor, in_major ? CblasTrans : CblasNoTrans,
      (blasint) rows, (blasint) columns, scale, w, (blasint) ldw, x, 1, 1.0f, y,
      1);
}

/* --- products on all threads -------------------------------------------- */

typedef struct
{
  float *c;
  const float *a, *b;
  gsize ldc, lda, ldb;
  gboolean a_transposed, b_transposed;
  gsize M, N, K;
  gsize tile_m, tile_n;
  float beta;
} GemmJob;

static void
run_gemm_task (gsize task, guint worker, gpointer data)
{
  const GemmJob *job = data;
  const gsize n_tiles = ituning_count_tiles (job->N, job->tile_n);
  const gsize m = task / n_tiles * job->tile_m;
  const gsize n = task % n_tiles * job->tile_n;

  ituning_gemm (job->c + m * job->ldc + n, job->ldc,
      job->a + (job->a_transposed ? m : m * job->lda), job->lda,
      job->a_transposed, job->b + (job->b_transposed ? n * job->ldb : n),
      job->ldb, job->b_transposed, MIN (job->tile_m, job->M - m),
      MIN (job->tile_n, job->N - n), job->K, 1.0f, job->beta);
}

/* Splits columns rather than rows, each of whose parts packs the same columns of
 * b again, until there are tasks enough or the parts are small. */
static void
choose_tiles (GemmJob *job)
{
  gsize n_m = ituning_count_tiles (job->M, ITUNING_ROWS_TILE);
  gsize n_n = ituning_count_tiles (job->N, ITUNING_ROWS_TILE);

  while (n_m * n_n < ITUNING_WANTED_TASKS) {
    if (job->N / (2 * n_n) >= MIN_COLUMNS)
      n_n *= 2;
    else if (job->M / (2 * n_m) >= MIN_ROWS)
      n_m *= 2;
    else
      break;
  }
  job->tile_m = ituning_split_evenly (job->M, n_m, ITUNING_ROWS_UNIT);
  job->tile_n = ituning_split_evenly (job->N, n_n, ITUNING_COLUMNS_UNIT);
}

/**
 * ituning_gemm_run:
 * @pool: the threads to work with
 *
 * As ituning_gemm () with an alpha of 1, on all threads. The split, and so the
 * result, depends on the shape alone.
 */
void
ituning_gemm_run (ItuningPool *pool,
    float *c, /* NOLINT(readability-non-const-parameter): tasks write it */
    gsize ldc, const float *a, gsize lda, gboolean a_transposed, const float *b,
    gsize ldb, gboolean b_transposed, gsize M, gsize N, gsize K, float beta)
{
  GemmJob job = { c, a, b, ldc, lda, ldb, a_transposed, b_transposed, M, N, K,
    0, 0, beta };

  if (M == 0 || N == 0)
    return;
  choose_tiles (&job);
  ituning_pool_run (pool,
      ituning_count_tiles (M, job.tile_m) * ituning_count_tiles (N, job.tile_n),
      run_gemm_task, &job);
}
