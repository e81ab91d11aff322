/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/optimizer.h"

#include <math.h>

#include "model/kernels/kernels.h"

#define BETA1 0.9
#define BETA2 0.999
#define EPS 1e-8

/**
 * ituning_schedule_get_rate:
 * @step: which step, from 1
 *
 * Returns: the learning rate of that step: it grows in a line up to the last
 *   step of the warm-up, which has all of it; then the schedule
 */
double
ituning_schedule_get_rate (const ItuningTrainOptions *options, guint64 step)
{
  const guint64 warmup = options->warmup_steps;
  double part; /* of the steps after the warm-up that are over */

  if (step <= warmup)
    return options->learning_rate * (double) step / (double) warmup;
  part = options->steps > warmup && step <= options->steps
      ? (double) (step - warmup - 1) / (double) (options->steps - warmup)
      : 1.0;
  switch (options->schedule) {
    case ITUNING_SCHEDULE_LINEAR:
      return options->learning_rate * (1.0 - part);
    case ITUNING_SCHEDULE_COSINE:
      return options->learning_rate * 0.5 * (1.0 + cos (G_PI * part));
    case ITUNING_SCHEDULE_CONSTANT:
    default:
      return options->learning_rate;
  }
}

typedef struct
{
  const ItuningKernels *kernels;
  const ItuningParameters *parameters;
  ItuningAdamW how, without_decay;
} Job;

static void
run_task (gsize task, guint worker, gpointer data)
{
  const Job *job = data;
  const ItuningParameter *parameter = g_ptr_array_index (job->parameters->list,
      task);

  job->kernels->adamw (parameter->values, parameter->exp_avg,
      parameter->exp_avg_sq, parameter->gradient,
      parameter->decay ? &job->how : &job->without_decay, parameter->n);
}

/**
 * ituning_optimizer_step:
 * @parameters: with their gradients
 * @pool: the threads to work with
 * @options: learning rate, weight decay and clipping
 * @step: which step, from 1
 * @gradient_norm: ituning_parameters_gradient_norm ()
 *
 * AdamW with betas 0.9 and 0.999 and an eps of 1e-8. Gradients whose norm is
 * above max_grad_norm are scaled down to it first.
 */
void
ituning_optimizer_step (ItuningParameters *parameters, ItuningPool *pool,
    const ItuningTrainOptions *options, guint64 step, double gradient_norm)
{
  const double rate = ituning_schedule_get_rate (options, step);
  const double t = (double) step, limit = options->max_grad_norm;
  Job job = { .kernels = ituning_kernels_get (),
    .parameters = parameters,
    .how = { .decay = (float) (1.0 - rate * options->weight_decay),
        .beta1 = (float) BETA1,
        .beta2 = (float) BETA2,
        .step_size = (float) (rate / (1.0 - pow (BETA1, t))),
        .correction = (float) (1.0 / sqrt (1.0 - pow (BETA2, t))),
        .eps = (float) EPS,
        .gradient_scale = limit > 0.0 && gradient_norm > limit
            ? (float) (limit / gradient_norm)
            : 1.0f } };

  job.without_decay = job.how;
  job.without_decay.decay = 1.0f;
  ituning_pool_run (pool, parameters->list->len, run_task, &job);
}
