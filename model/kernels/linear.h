/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/kernels/kernels.h"
#include "model/kernels/matrix.h"
#include "model/kernels/pool.h"

/**
 * ItuningLinear:
 * @weight: [n_out, n_in]; or [n_in, n_out] of F32 when @in_major, as GPT-2
 *   stores it; borrowed
 * @bias: [n_out]; or %NULL for none; borrowed likewise
 * @n_in: input width
 * @n_out: output width
 * @in_major: which index of @weight comes first
 * @activation: applied to the output
 *
 * A linear layer: y = activation (x W^T + b).
 */
typedef struct
{
  ItuningMatrix weight;
  const float *bias;
  gsize n_in;
  gsize n_out;
  gboolean in_major;
  ItuningActivation activation;
} ItuningLinear;

void ituning_linear_forward (ItuningPool *pool, float *y, const float *x,
    const ItuningLinear *layer, gsize M, float scale, gboolean accumulate);
void ituning_linear_backward (ItuningPool *pool, float *dx, float *dweight,
    float *dbias, const float *dy, const float *x, const ItuningLinear *layer,
    gsize M, gboolean accumulate);
