/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/parameters.h"

#include <math.h>
#include <string.h>

#include "model/kernels/kernels.h"

static void
parameter_free (gpointer parameter)
{
  ItuningParameter *self = parameter;

  g_free (self->name);
  g_aligned_free (self->values);
  g_free (self);
}

/**
 * ituning_parameters_new:
 *
 * Returns: (transfer full): no parameters: all is frozen
 */
ItuningParameters *
ituning_parameters_new (void)
{
  ItuningParameters *self = g_new0 (ItuningParameters, 1);

  self->list = g_ptr_array_new_with_free_func (parameter_free);
  self->by_values = g_hash_table_new (NULL, NULL);
  return self;
}

/**
 * ituning_parameters_free:
 * @parameters: (nullable) (transfer full): parameters that no network uses any
 *   more
 */
void
ituning_parameters_free (ItuningParameters *parameters)
{
  if (parameters == NULL)
    return;
  g_hash_table_unref (parameters->by_values);
  g_ptr_array_unref (parameters->list);
  g_free (parameters);
}

/**
 * ituning_parameters_add:
 * @name: its name in a checkpoint
 * @dims: [@n_dims] its shape
 * @n_dims: 1 to %ITUNING_MAX_DIMS
 *
 * Weight decay acts on it until its `decay` is cleared.
 *
 * Returns: (transfer none): its values, zero, which live as long as
 *   @parameters
 */
float *
ituning_parameters_add (ItuningParameters *parameters, const char *name,
    const gsize *dims, gsize n_dims)
{
  ItuningParameter *self = g_new0 (ItuningParameter, 1);
  gsize stride;

  self->name = g_strdup (name);
  self->n_dims = (guint) n_dims;
  self->n = 1;
  self->decay = TRUE;
  for (gsize i = 0; i < n_dims; i++) {
    self->dims[i] = dims[i];
    self->n *= dims[i];
  }
  stride = (self->n + 15) / 16 * 16; /* each part begins a cache line */
  self->values = g_aligned_alloc0 (4 * stride, sizeof (float), 64);
  self->gradient = self->values + stride;
  self->exp_avg = self->gradient + stride;
  self->exp_avg_sq = self->exp_avg + stride;
  g_ptr_array_add (parameters->list, self);
  g_hash_table_insert (parameters->by_values, self->values, self);
  return self->values;
}

static float *
add_taken (gpointer parameters, const char *name, const gsize *dims,
    gsize n_dims)
{
  return ituning_parameters_add (parameters, name, dims, n_dims);
}

/**
 * ituning_parameters_adopt:
 * @parameters: parameters
 * @weights: weights of which nothing was taken yet
 *
 * All that is taken from @weights becomes a trained parameter of that name,
 * with the values it has there.
 */
void
ituning_parameters_adopt (ItuningParameters *parameters,
    ItuningWeights *weights)
{
  ituning_weights_set_store (weights, add_taken, parameters);
}

/**
 * ituning_parameters_gradient:
 * @values: (nullable): values that a network reads
 *
 * Returns: (transfer none) (nullable): where their gradient goes; %NULL when
 *   they are frozen
 */
float *
ituning_parameters_gradient (const ItuningParameters *parameters,
    const float *values)
{
  const ItuningParameter *found = g_hash_table_lookup (parameters->by_values,
      values);

  return found != NULL ? found->gradient : NULL;
}

/**
 * ituning_parameters_lookup:
 *
 * Returns: (transfer none) (nullable): the parameter of that name
 */
ItuningParameter *
ituning_parameters_lookup (const ItuningParameters *parameters,
    const char *name)
{
  for (guint i = 0; i < parameters->list->len; i++) {
    ItuningParameter *parameter = g_ptr_array_index (parameters->list, i);
    if (g_str_equal (parameter->name, name))
      return parameter;
  }
  return NULL;
}

/**
 * ituning_parameters_count:
 *
 * Returns: how many numbers are trained
 */
guint64
ituning_parameters_count (const ItuningParameters *parameters)
{
  guint64 n = 0;

  for (guint i = 0; i < parameters->list->len; i++)
    n +=
        ((const ItuningParameter *) g_ptr_array_index (parameters->list, i))->n;
  return n;
}

/**
 * ituning_parameters_clear_gradients:
 * @parameters: parameters whose gradients become 0
 */
void
ituning_parameters_clear_gradients (ItuningParameters *parameters)
{
  for (guint i = 0; i < parameters->list->len; i++) {
    ItuningParameter *parameter = g_ptr_array_index (parameters->list, i);
    memset (parameter->gradient, 0, parameter->n * sizeof (float));
  }
}

typedef struct
{
  const ItuningKernels *kernels;
  const ItuningParameters *parameters;
  double *squares; /* [parameters] */
} NormJob;

static void
run_norm_task (gsize task, guint worker, gpointer data)
{
  const NormJob *job = data;
  const ItuningParameter *parameter = g_ptr_array_index (job->parameters->list,
      task);
  const gsize block = 4096;

  for (gsize first = 0; first < parameter->n; first += block) {
    const float *part = parameter->gradient + first;
    job->squares[task] += (double) job->kernels->dot (part, part,
        MIN (block, parameter->n - first));
  }
}

/**
 * ituning_parameters_gradient_norm:
 * @pool: the threads to work with
 *
 * Returns: the Euclidean norm of all gradients together; not finite when one
 *   of them is not
 */
double
ituning_parameters_gradient_norm (const ItuningParameters *parameters,
    ItuningPool *pool)
{
  g_autofree double *squares = g_new0 (double, parameters->list->len + 1);
  NormJob job = { ituning_kernels_get (), parameters, squares };
  double sum = 0.0;

  ituning_pool_run (pool, parameters->list->len, run_norm_task, &job);
  for (guint i = 0; i < parameters->list->len; i++)
    sum += squares[i];
  return sqrt (sum);
}
