/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/kernels/linear.h"
#include "model/weights.h"

/* What the three networks are made of, and how it is found in their weights. */

typedef struct
{
  const float *gain; /* [C], borrowed from the weights */
  const float *bias; /* [C], borrowed likewise */
} ItuningLayerNorm;

ItuningLayerNorm ituning_layernorm_take (ItuningWeights *weights, gsize C,
    const char *name);
void ituning_layernorm_forward (ItuningPool *pool, float *y, const float *x,
    const ItuningLayerNorm *norm, gsize T, gsize C, double eps);
void ituning_layernorm_backward (ItuningPool *pool, float *dx, float *dgain,
    float *dbias, float *stats, const float *dy, const float *x,
    const ItuningLayerNorm *norm, gsize T, gsize C, double eps);

ItuningLinear ituning_linear_take (ItuningWeights *weights, gsize n_out,
    gsize n_in, const char *name);
ItuningLinear ituning_conv1d_take (ItuningWeights *weights, gsize n_out,
    gsize n_in, const char *name);
