/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/layers.h"

/**
 * ituning_layernorm_take:
 * @weights: where to find it
 * @C: row width
 * @name: name of the module; its tensors are NAME.weight and NAME.bias
 *
 * Returns: a layer norm; see ituning_weights_take () for failures
 */
ItuningLayerNorm
ituning_layernorm_take (ItuningWeights *weights, gsize C, const char *name)
{
  return (ItuningLayerNorm){
    .gain = ituning_weights_take (weights, ITUNING_SHAPE (C), "%s.weight",
        name),
    .bias = ituning_weights_take (weights, ITUNING_SHAPE (C), "%s.bias", name),
  };
}

/* Rows, and columns, that one task takes. */
#define ROWS_TILE ((gsize) 32)
#define COLUMNS_TILE ((gsize) 64)

typedef struct
{
  const ItuningKernels *kernels;
  const ItuningLayerNorm *norm;
  float *out; /* y; or dx */
  float *dgain, *dbias;
  float *stats;
  const float *dy, *x;
  gsize T, C;
  float eps;
} NormJob;

static void
run_forward_task (gsize task, guint worker, gpointer data)
{
  const NormJob *job = data;
  const gsize end = MIN (job->T, (task + 1) * ROWS_TILE);

  for (gsize row = task * ROWS_TILE; row < end; row++)
    job->kernels->layernorm (job->out + row * job->C, job->x + row * job->C,
        job->norm->gain, job->norm->bias, job->C, job->eps);
}

/**
 * ituning_layernorm_forward:
 * @pool: (nullable): the threads to work with; %NULL for the calling one
 * @y: [T, C] output; may be @x itself
 * @x: [T, C] input
 * @norm: its parameters
 * @T: rows
 * @C: row width, at least 1
 * @eps: added to the variance, > 0
 *
 * Normalises each row to zero mean and unit (biased) variance, then applies
 * gain and bias.
 */
void
ituning_layernorm_forward (ItuningPool *pool,
    float *y, /* NOLINT(readability-non-const-parameter): tasks write it */
    const float *x, const ItuningLayerNorm *norm, gsize T, gsize C, double eps)
{
  NormJob job = { .kernels = ituning_kernels_get (),
    .norm = norm,
    .out = y,
    .x = x,
    .T = T,
    .C = C,
    .eps = (float) eps };
  const gsize n_tasks = (T + ROWS_TILE - 1) / ROWS_TILE;

  if (pool != NULL)
    ituning_pool_run (pool, n_tasks, run_forward_task, &job);
  else
    for (gsize task = 0; task < n_tasks; task++)
      run_forward_task (task, 0, &job);
}

static void
run_backward_task (gsize task, guint worker, gpointer data)
{
  const NormJob *job = data;
  const gsize end = MIN (job->T, (task + 1) * ROWS_TILE);

  for (gsize row = task * ROWS_TILE; row < end; row++)
    job->kernels->layernorm_backward (job->out + row * job->C,
        job->stats + 2 * row, job->dy + row * job->C, job->x + row * job->C,
        job->norm->gain, job->C, job->eps);
}

static void
run_gradient_task (gsize task, guint worker, gpointer data)
{
  const NormJob *job = data;
  const gsize first = task * COLUMNS_TILE;
  const gsize n = MIN (COLUMNS_TILE, job->C - first);

  for (gsize row = 0; row < job->T; row++)
    job->kernels->layernorm_gradients (job->dgain + first, job->dbias + first,
        job->dy + row * job->C + first, job->x + row * job->C + first,
        job->stats + 2 * row, n);
}

/**
 * ituning_layernorm_backward:
 * @pool: the threads to work with
 * @dx: [T, C] gradient of the input, added to
 * @dgain: [C] added to; or %NULL with @dbias when the layer is frozen
 * @dbias: [C] added to; or %NULL likewise
 * @stats: [T, 2] scratch: rows' means and 1 / standard deviations
 * @dy: [T, C] gradient of the output
 * @x: [T, C] input
 * @norm: its parameters
 * @T: rows
 * @C: row width
 * @eps: as in the forward pass
 *
 * With xhat the normalised row, r = 1 / standard deviation and g = gain dy:
 * dx = r (g - mean (g) - xhat mean (g xhat)), dgain = the sum over rows of
 * dy xhat, dbias of dy (Ba et al. 2016, section 3, by the chain rule).
 */
void
ituning_layernorm_backward (ItuningPool *pool,
    float *dx, /* NOLINT(readability-non-const-parameter): tasks write all */
    float *dgain, /* NOLINT(readability-non-const-parameter) */
    float *dbias, /* NOLINT(readability-non-const-parameter) */
    float *stats, /* NOLINT(readability-non-const-parameter) */
    const float *dy, const float *x, const ItuningLayerNorm *norm, gsize T,
    gsize C, double eps)
{
  NormJob job = { ituning_kernels_get (), norm, dx, dgain, dbias, stats, dy, x,
    T, C, (float) eps };

  ituning_pool_run (pool, (T + ROWS_TILE - 1) / ROWS_TILE, run_backward_task,
      &job);
  if (dgain != NULL)
    ituning_pool_run (pool, (C + COLUMNS_TILE - 1) / COLUMNS_TILE,
        run_gradient_task, &job);
}

/**
 * ituning_linear_take:
 * @weights: where to find it
 * @n_out: output width
 * @n_in: input width
 * @name: name of the module; its tensors are NAME.weight [n_out, n_in] and
 *   NAME.bias [n_out]
 *
 * Returns: a linear layer without activation; see ituning_weights_take () for
 *   failures
 */
ItuningLinear
ituning_linear_take (ItuningWeights *weights, gsize n_out, gsize n_in,
    const char *name)
{
  ItuningLinear layer = { .n_in = n_in, .n_out = n_out };

  layer.weight = ituning_weights_take_matrix (weights, n_out, n_in, "%s.weight",
      name);
  layer.bias = ituning_weights_take (weights, ITUNING_SHAPE (n_out), "%s.bias",
      name);
  return layer;
}

/**
 * ituning_conv1d_take:
 *
 * As ituning_linear_take (), for Hugging Face's Conv1D, whose weight is
 * [n_in, n_out]; but not in a packed file.
 */
ItuningLinear
ituning_conv1d_take (ItuningWeights *weights, gsize n_out, gsize n_in,
    const char *name)
{
  if (ituning_weights_is_packed (weights))
    return ituning_linear_take (weights, n_out, n_in, name);
  return (ItuningLinear){
    .weight.values = ituning_weights_take (weights, ITUNING_SHAPE (n_in, n_out),
        "%s.weight", name),
    .bias = ituning_weights_take (weights, ITUNING_SHAPE (n_out), "%s.bias",
        name),
    .n_in = n_in,
    .n_out = n_out,
    .in_major = TRUE,
  };
}
