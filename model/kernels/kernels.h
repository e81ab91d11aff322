/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * ItuningActivation:
 *
 * The activation functions of CLIP's and GPT-2's configs. `gelu` is exact (by
 * erf), `gelu_new` and `gelu_pytorch_tanh` are its tanh approximation,
 * `quick_gelu` is x * sigmoid (1.702 x).
 */
typedef enum
{
  ITUNING_ACTIVATION_NONE,
  ITUNING_ACTIVATION_QUICK_GELU,
  ITUNING_ACTIVATION_GELU,
  ITUNING_ACTIVATION_GELU_TANH,
  ITUNING_ACTIVATION_RELU,
  ITUNING_N_ACTIVATIONS
} ItuningActivation;

/**
 * ItuningKernels:
 * @name: the instruction set: "plain", "sse2", "avx2", "avx512", "neon"
 * @dot: sum of x[i] * y[i]
 * @axpy: y[i] += a * x[i]
 * @add: y[i] += x[i]
 * @scale: x[i] *= a
 * @layernorm: [C] one row: y = (x - mean) / sqrt (variance + eps) * gain +
 *   bias, with the biased variance; @y may be @x
 * @softmax: [n] in place: exp (x - max) / sum; n at least 1
 * @log_sum_exp: log of the sum of exp (x[i]); not finite if some x is NaN or
 *   +inf, or all are -inf
 * @all_finite: FALSE if some x is NaN or infinite
 * @activate: in place
 *
 * Arithmetic on rows of floats, of any length and alignment. Every table gives
 * what "plain" gives but for rounding: sums are taken in another order, exp ()
 * and its kin are within a few units in the last place.
 */
typedef struct
{
  const char *name;
  float (*dot) (const float *x, const float *y, gsize n);
  void (*axpy) (float *y, const float *x, float a, gsize n);
  void (*add) (float *y, const float *x, gsize n);
  void (*scale) (float *x, float a, gsize n);
  void (*layernorm) (float *y, const float *x, const float *gain,
      const float *bias, gsize C, float eps);
  void (*softmax) (float *x, gsize n);
  float (*log_sum_exp) (const float *x, gsize n);
  gboolean (*all_finite) (const float *x, gsize n);
  void (*activate[ITUNING_N_ACTIVATIONS]) (float *x, gsize n);
} ItuningKernels;

const ItuningKernels *ituning_kernels_get (void);
const ItuningKernels *const *ituning_kernels_list (gsize *n);
