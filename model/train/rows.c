/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/rows.h"

#include <string.h>

#include "model/train/random.h"

#define TASK_VALUES ((gsize) 16384)

typedef struct
{
  const ItuningKernels *kernels;
  float *y;
  const float *x;
  ItuningActivation activation;
  float rate;
  guint64 seed;
  gsize n;
} Job;

static void
run (ItuningPool *pool, ItuningPoolFunc func, Job *job)
{
  job->kernels = ituning_kernels_get ();
  ituning_pool_run (pool, (job->n + TASK_VALUES - 1) / TASK_VALUES, func, job);
}

static gsize
count_task (const Job *job, gsize task)
{
  return MIN (TASK_VALUES, job->n - task * TASK_VALUES);
}

static void
activate (gsize task, guint worker, gpointer data)
{
  const Job *job = data;
  const gsize first = task * TASK_VALUES, n = count_task (job, task);

  memcpy (job->y + first, job->x + first, n * sizeof (float));
  job->kernels->activate[job->activation](job->y + first, n);
}

/**
 * ituning_rows_activate:
 * @y: [n] output, must not alias @x
 * @x: [n] input
 *
 * y = activation (x)
 */
void
ituning_rows_activate (ItuningPool *pool,
    float *y, /* NOLINT(readability-non-const-parameter): tasks write it */
    const float *x, ItuningActivation activation, gsize n)
{
  Job job = { .y = y, .x = x, .activation = activation, .n = n };

  run (pool, activate, &job);
}

static void
activate_backward (gsize task, guint worker, gpointer data)
{
  const Job *job = data;
  const gsize first = task * TASK_VALUES;

  job->kernels->activate_backward[job->activation](job->y + first,
      job->x + first, count_task (job, task));
}

/**
 * ituning_rows_activate_backward:
 * @dy: [n] gradient of the output, which becomes that of the input
 * @x: [n] input of the forward pass
 */
void
ituning_rows_activate_backward (ItuningPool *pool,
    float *dy, /* NOLINT(readability-non-const-parameter): tasks write it */
    const float *x, ItuningActivation activation, gsize n)
{
  Job job = { .y = dy, .x = x, .activation = activation, .n = n };

  run (pool, activate_backward, &job);
}

static void
drop (gsize task, guint worker, gpointer data)
{
  const Job *job = data;
  const gsize first = task * TASK_VALUES, n = count_task (job, task);
  const float kept = 1.0f / (1.0f - job->rate);
  ItuningRandom random = ituning_random_new (job->seed, task);

  for (gsize i = 0; i < n; i++)
    job->y[first + i] *= ituning_random_uniform (&random) < (double) job->rate
        ? 0.0f
        : kept;
}

/**
 * ituning_rows_dropout:
 * @x: [n] in place
 * @rate: probability that a value becomes 0, 0 <= rate < 1; others are divided
 *   by 1 - rate; 0 does nothing
 * @seed: the same seed drops the same values, so that the backward pass is
 *   this function on the gradient
 * @n: values
 */
void
ituning_rows_dropout (ItuningPool *pool,
    float *x, /* NOLINT(readability-non-const-parameter): tasks write it */
    float rate, guint64 seed, gsize n)
{
  Job job = { .y = x, .rate = rate, .seed = seed, .n = n };

  if (rate > 0.0f)
    run (pool, drop, &job);
}
