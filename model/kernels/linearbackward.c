/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/gemm.h"
#include "model/kernels/linear.h"
#include "model/kernels/scratch.h"
#include "model/kernels/tiles.h"

/* Outputs of a task that sums their gradients. */
#define BIASES_TILE ((gsize) 32)
/* Of halves: outputs whose weights become F32 at a time, and inputs of a task at
 * least. */
#define DEPTH ((gsize) 256)
#define MIN_INPUTS ((gsize) 96)

typedef struct
{
  const ItuningKernels *kernels;
  float *sums; /* [n], added to */
  const float *rows; /* [M, n] */
  gsize M, n;
} SumJob;

static void
run_sum_task (gsize task, guint worker, gpointer data)
{
  const SumJob *job = data;
  const gsize first = task * BIASES_TILE;
  const gsize n = MIN (BIASES_TILE, job->n - first);

  for (gsize row = 0; row < job->M; row++)
    job->kernels->add (job->sums + first, job->rows + row * job->n + first, n);
}

typedef struct
{
  const ItuningLinear *layer; /* of halves */
  float *dx;
  const float *dy;
  gsize M, tile;
  gboolean accumulate;
} GradientJob;

static void
run_gradient_task (gsize task, guint worker, gpointer data)
{
  const GradientJob *job = data;
  const gsize n_in = job->layer->n_in, n_out = job->layer->n_out;
  const gsize first = task * job->tile, n = MIN (job->tile, n_in - first);
  float *part = ituning_scratch_reserve (DEPTH * n * sizeof (float));

  for (gsize o = 0; o < n_out; o += DEPTH) {
    const gsize count = MIN (DEPTH, n_out - o);
    ituning_matrix_widen (part, &job->layer->weight, n_in, o, first, count, n);
    ituning_gemm (job->dx + first, n_in, job->dy + o, n_out, FALSE, part, n,
        FALSE, job->M, n, count, 1.0f, o > 0 || job->accumulate ? 1.0f : 0.0f);
  }
}

/* dx = dy W, of halves */
static void
run_gradients (ItuningPool *pool,
    float *dx, /* NOLINT(readability-non-const-parameter): tasks write it */
    const float *dy, const ItuningLinear *layer, gsize M, gboolean accumulate)
{
  GradientJob job = { layer, dx, dy, M,
    MAX (ituning_split_evenly (layer->n_in, ITUNING_WANTED_TASKS,
             ITUNING_COLUMNS_UNIT),
        MIN_INPUTS),
    accumulate };

  ituning_pool_run (pool, ituning_count_tiles (layer->n_in, job.tile),
      run_gradient_task, &job);
}

/**
 * ituning_linear_backward:
 * @pool: the threads to work with
 * @dx: [M, n_in] output: gradient of the input; or %NULL
 * @dweight: shaped as the layer's weight: added to; or %NULL when it is frozen
 * @dbias: [n_out]: added to; or %NULL
 * @dy: [M, n_out] gradient of x W^T + b, before any activation
 * @x: [M, n_in] input; not used when @dweight is %NULL
 * @layer: the layer
 * @M: rows
 * @accumulate: add to what @dx holds instead of replacing it
 *
 * dx = dy W, dW = dy^T x, db = the sum of dy's rows. The result does not
 * depend on the number of threads.
 */
void
ituning_linear_backward (ItuningPool *pool, float *dx, float *dweight,
    float *dbias, /* NOLINT(readability-non-const-parameter): tasks write it */
    const float *dy, const float *x, const ItuningLinear *layer, gsize M,
    gboolean accumulate)
{
  const gsize n_in = layer->n_in, n_out = layer->n_out;
  SumJob sum = { ituning_kernels_get (), dbias, dy, M, n_out };

  g_assert (layer->weight.quantized == NULL);
  if (dx != NULL && layer->weight.halves != NULL)
    run_gradients (pool, dx, dy, layer, M, accumulate);
  else if (dx != NULL)
    ituning_gemm_run (pool, dx, n_in, dy, n_out, FALSE, layer->weight.values,
        layer->in_major ? n_out : n_in, layer->in_major, M, n_in, n_out,
        accumulate ? 1.0f : 0.0f);
  if (dweight != NULL && layer->in_major)
    ituning_gemm_run (pool, dweight, n_out, x, n_in, TRUE, dy, n_out, FALSE,
        n_in, n_out, M, 1.0f);
  else if (dweight != NULL)
    ituning_gemm_run (pool, dweight, n_in, dy, n_out, TRUE, x, n_in, FALSE,
        n_out, n_in, M, 1.0f);
  if (dbias != NULL)
    ituning_pool_run (pool, ituning_count_tiles (n_out, BIASES_TILE),
        run_sum_task, &sum);
}
