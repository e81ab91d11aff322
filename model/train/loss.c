/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/loss.h"

#include <math.h>
#include <string.h>

/* The product with the vocabulary is made for so many rows at a time: few enough
 * that the logits take little memory, many enough that reading the vocabulary
 * counts little. */
#define SLICE_VALUES ((gsize) 16 << 20)
#define MIN_SLICE ((gsize) 16)

typedef struct
{
  const ItuningKernels *kernels;
  const guint32 *targets; /* [n] */
  float *logits; /* [n, V]; become their gradient */
  float *losses; /* [n] */
  gsize V;
  float scale, smoothing;
  gboolean backward;
} RowsJob;

/* Loss and gradient of one row. With smoothing s the target has 1 - s + s / V
 * of the probability, every other token s / V. */
static void
run_row (gsize row, guint worker, gpointer data)
{
  const RowsJob *job = data;
  const gsize V = job->V;
  const guint32 target = job->targets[row];
  const float uniform = job->smoothing / (float) V;
  float *z = job->logits + row * V;
  float lse, mean = 0.0f;

  job->losses[row] = 0.0f;
  if (target == ITUNING_NO_TARGET) {
    memset (z, 0, V * sizeof (float));
    return;
  }
  lse = job->kernels->log_sum_exp (z, V);
  if (job->smoothing > 0.0f) {
    double sum = 0.0;
    for (gsize i = 0; i < V; i++)
      sum += (double) z[i];
    mean = (float) (sum / (double) V);
  }
  job->losses[row] = lse - (1.0f - job->smoothing) * z[target] -
      job->smoothing * mean;
  if (!job->backward)
    return;
  job->kernels->softmax (z, V);
  z[target] -= 1.0f - job->smoothing;
  for (gsize i = 0; i < V && uniform > 0.0f; i++)
    z[i] -= uniform;
  job->kernels->scale (z, job->scale, V);
}

static double
sum_losses (const float *losses, gsize n)
{
  double sum = 0.0;

  for (gsize i = 0; i < n; i++)
    sum += (double) losses[i];
  return sum;
}

/**
 * ituning_loss_run:
 * @language: whose final norm and head predict
 * @parameters: what is trained
 * @pool: the threads to work with
 * @scratch: the caller's
 * @dx: [M, C] output: gradient of @x; or %NULL for the loss alone
 * @x: [M, C] the residual stream after the last block
 * @targets: [M] the token that each row is to predict; or %ITUNING_NO_TARGET
 * @M: rows
 * @scale: of the gradients: 1 / the number of targets of the step for a mean
 * @label_smoothing: 0 <= this < 1
 *
 * Cross entropy of softmax (LNf (x) wte^T) (Luo et al. 2023, section 2: the
 * language modelling loss of the caption), in slices of rows.
 *
 * Returns: the sum over the targets, not scaled
 */
double
ituning_loss_run (const ItuningLanguage *language,
    const ItuningParameters *parameters, ItuningPool *pool,
    ItuningLossScratch *scratch, float *dx, const float *x,
    const guint32 *targets, gsize M, double scale, double label_smoothing)
{
  const ItuningLayerNorm *norm = &language->final_norm;
  const gsize C = language->config.n_embd, V = language->config.vocab_size;
  const double eps = language->config.layer_norm_epsilon;
  const gsize slice = CLAMP (SLICE_VALUES / V, MIN_SLICE, MAX (M, MIN_SLICE));
  float *u = ituning_buffer_reserve (&scratch->u, slice * C);
  float *du = ituning_buffer_reserve (&scratch->du, slice * C);
  float *stats = ituning_buffer_reserve (&scratch->stats, 2 * slice);
  RowsJob job = { ituning_kernels_get (), NULL,
    ituning_buffer_reserve (&scratch->logits, slice * V),
    ituning_buffer_reserve (&scratch->losses, slice), V, (float) scale,
    (float) label_smoothing, dx != NULL };
  double loss = 0.0;

  for (gsize first = 0; first < M; first += slice) {
    const gsize n = MIN (slice, M - first);
    job.targets = targets + first;
    ituning_layernorm_forward (pool, u, x + first * C, norm, n, C, eps);
    ituning_linear_forward (pool, job.logits, u, &language->head, n, 1.0f,
        FALSE);
    ituning_pool_run (pool, n, run_row, &job);
    loss += sum_losses (job.losses, n);
    if (dx == NULL)
      continue;
    ituning_linear_backward (pool, du,
        ituning_parameters_gradient (parameters, language->head.weight.values),
        NULL, job.logits, u, &language->head, n, FALSE);
    memset (dx + first * C, 0, n * C * sizeof (float));
    ituning_layernorm_backward (pool, dx + first * C,
        ituning_parameters_gradient (parameters, norm->gain),
        ituning_parameters_gradient (parameters, norm->bias), stats, du,
        x + first * C, norm, n, C, eps);
  }
  return loss;
}

/**
 * ituning_loss_scratch_clear:
 * @scratch: its memory is given back
 */
void
ituning_loss_scratch_clear (ItuningLossScratch *scratch)
{
  ituning_buffer_clear (&scratch->u);
  ituning_buffer_clear (&scratch->du);
  ituning_buffer_clear (&scratch->logits);
  ituning_buffer_clear (&scratch->losses);
  ituning_buffer_clear (&scratch->stats);
}
