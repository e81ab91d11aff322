/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/gemm.h"

#include <cblas.h>
#include <string.h>

/* The only file that calls BLAS. OpenBLAS computes on the calling thread; the
 * split over threads is ours. It depends on the shape alone, never on the
 * number of threads, so that results do not either. */

/* Up to this many rows a product is bound by reading the weights: then a tile
 * of them is kept in cache and each row multiplied with it by itself. */
#define FEW_ROWS 8
#define FEW_ROWS_TILE_BYTES (192u << 10)
#define MANY_ROWS_TILE 256

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

/**
 * ituning_gemm:
 * @c: [M, N] with row stride @ldc: output, must not alias the inputs
 * @a: [M, K] with row stride @lda
 * @b: [K, N], or [N, K] when @b_transposed, with row stride @ldb
 * @alpha: scale of the product
 * @beta: scale of what @c held; 0 ignores it
 *
 * c = alpha a b + beta c, on the calling thread.
 */
void
ituning_gemm (float *c, gsize ldc, const float *a, gsize lda, const float *b,
    gsize ldb, gboolean b_transposed, gsize M, gsize N, gsize K, float alpha,
    float beta)
{
  cblas_sgemm (CblasRowMajor, CblasNoTrans,
      b_transposed ? CblasTrans : CblasNoTrans, (blasint) M, (blasint) N,
      (blasint) K, alpha, a, (blasint) lda, b, (blasint) ldb, beta, c,
      (blasint) ldc);
}

typedef struct
{
  const ItuningKernels *kernels;
  const ItuningLinear *layer;
  float *y;
  const float *x;
  gsize M;
  gsize tile; /* outputs of a task */
  float scale;
  gboolean accumulate;
} LinearJob;

/* Adds the bias to what is there, or puts it there. */
static void
start_tile (const LinearJob *job, gsize first, gsize n)
{
  const ItuningLinear *layer = job->layer;

  for (gsize row = 0; row < job->M; row++) {
    float *y = job->y + row * layer->n_out + first;
    if (!job->accumulate && layer->bias != NULL)
      memcpy (y, layer->bias + first, n * sizeof (float));
    else if (!job->accumulate)
      memset (y, 0, n * sizeof (float));
    if (layer->bias != NULL && job->accumulate)
      job->kernels->axpy (y, layer->bias + first, job->scale, n);
    else if (layer->bias != NULL && job->scale != 1.0f)
      job->kernels->scale (y, job->scale, n);
  }
}

static const float *
find_tile (const ItuningLinear *layer, gsize first)
{
  return layer->weight + (layer->in_major ? first : first * layer->n_in);
}

static void
multiply_rows (const LinearJob *job, gsize first, gsize n)
{
  const ItuningLinear *layer = job->layer;
  const float *weight = find_tile (layer, first);

  for (gsize row = 0; row < job->M; row++) {
    const float *x = job->x + row * layer->n_in;
    float *y = job->y + row * layer->n_out + first;
    if (layer->in_major)
      cblas_sgemv (CblasRowMajor, CblasTrans, (blasint) layer->n_in,
          (blasint) n, job->scale, weight, (blasint) layer->n_out, x, 1, 1.0f,
          y, 1);
    else
      cblas_sgemv (CblasRowMajor, CblasNoTrans, (blasint) n,
          (blasint) layer->n_in, job->scale, weight, (blasint) layer->n_in, x,
          1, 1.0f, y, 1);
  }
}

static void
run_linear_task (gsize task, guint worker, gpointer data)
{
  const LinearJob *job = data;
  const ItuningLinear *layer = job->layer;
  const gsize first = task * job->tile;
  const gsize n = MIN (job->tile, layer->n_out - first);

  start_tile (job, first, n);
  if (job->M <= FEW_ROWS)
    multiply_rows (job, first, n);
  else
    ituning_gemm (job->y + first, layer->n_out, job->x, layer->n_in,
        find_tile (layer, first), layer->in_major ? layer->n_out : layer->n_in,
        !layer->in_major, job->M, n, layer->n_in, job->scale, 1.0f);
  if (layer->activation != ITUNING_ACTIVATION_NONE)
    for (gsize row = 0; row < job->M; row++)
      job->kernels->activate[layer->activation](job->y + row * layer->n_out +
              first,
          n);
}

static gsize
choose_tile (const ItuningLinear *layer, gsize M)
{
  gsize tile;

  if (M > FEW_ROWS)
    return MANY_ROWS_TILE;
  tile = FEW_ROWS_TILE_BYTES / sizeof (float) / MAX (layer->n_in, 1);
  return MAX (tile / 16 * 16, 16);
}

/**
 * ituning_linear_forward:
 * @pool: the threads to work with
 * @y: [M, n_out] output, must not alias @x
 * @x: [M, n_in] input
 * @layer: the layer
 * @M: rows
 * @scale: multiplies x W^T + b
 * @accumulate: add to what @y holds instead of replacing it
 *
 * y = activation (scale (x W^T + b)), or of the sum with what @y held. The
 * result does not depend on the number of threads.
 */
void
ituning_linear_forward (ItuningPool *pool,
    float *y, /* NOLINT(readability-non-const-parameter): tasks write it */
    const float *x, const ItuningLinear *layer, gsize M, float scale,
    gboolean accumulate)
{
  LinearJob job = { .kernels = ituning_kernels_get (),
    .layer = layer,
    .y = y,
    .x = x,
    .M = M,
    .tile = choose_tile (layer, M),
    .scale = scale,
    .accumulate = accumulate };

  ituning_pool_run (pool, (layer->n_out + job.tile - 1) / job.tile,
      run_linear_task, &job);
}
