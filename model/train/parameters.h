/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/kernels/pool.h"
#include "model/weights.h"

/**
 * ItuningParameter:
 * @name: (owned): its name in a checkpoint
 * @n_dims: dimensions
 * @dims: their lengths
 * @n: how many numbers
 * @decay: whether weight decay acts on it
 * @values: (owned): [@n] what the networks read
 * @gradient: [@n] of the loss by each; behind @values in memory, as are
 * @exp_avg: [@n] AdamW's average of the gradient
 * @exp_avg_sq: [@n] and of its square
 */
typedef struct
{
  char *name;
  guint n_dims;
  gsize dims[ITUNING_MAX_DIMS];
  gsize n;
  gboolean decay;
  float *values;
  float *gradient;
  float *exp_avg;
  float *exp_avg_sq;
} ItuningParameter;

/* The trained parameters of a run. Networks are opened on them through
 * ituning_parameters_adopt (); what they do not hold is frozen. Of one
 * thread. */
typedef struct
{
  GPtrArray *list; /* owned: ItuningParameter, in order of adoption */
  GHashTable *by_values; /* borrowed: values -> ItuningParameter */
} ItuningParameters;

ItuningParameters *ituning_parameters_new (void);
void ituning_parameters_free (ItuningParameters *parameters);
void ituning_parameters_adopt (ItuningParameters *parameters,
    ItuningWeights *weights);
float *ituning_parameters_add (ItuningParameters *parameters, const char *name,
    const gsize *dims, gsize n_dims);
float *ituning_parameters_gradient (const ItuningParameters *parameters,
    const float *values);
ItuningParameter *ituning_parameters_lookup (const ItuningParameters
                                                 *parameters,
    const char *name);
guint64 ituning_parameters_count (const ItuningParameters *parameters);
void ituning_parameters_clear_gradients (ItuningParameters *parameters);
double ituning_parameters_gradient_norm (const ItuningParameters *parameters,
    ItuningPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningParameters, ituning_parameters_free)
