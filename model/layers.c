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

/**
 * ituning_layernorm_forward:
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
ituning_layernorm_forward (float *y, const float *x,
    const ItuningLayerNorm *norm, gsize T, gsize C, double eps)
{
  const ItuningKernels *kernels = ituning_kernels_get ();

  for (gsize row = 0; row < T; row++)
    kernels->layernorm (y + row * C, x + row * C, norm->gain, norm->bias, C,
        (float) eps);
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
  return (ItuningLinear){
    .weight = ituning_weights_take (weights, ITUNING_SHAPE (n_out, n_in),
        "%s.weight", name),
    .bias = ituning_weights_take (weights, ITUNING_SHAPE (n_out), "%s.bias",
        name),
    .n_in = n_in,
    .n_out = n_out,
  };
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
    .weight = ituning_weights_take (weights, ITUNING_SHAPE (n_in, n_out),
        "%s.weight", name),
    .bias = ituning_weights_take (weights, ITUNING_SHAPE (n_out), "%s.bias",
        name),
    .n_in = n_in,
    .n_out = n_out,
    .in_major = TRUE,
  };
}
