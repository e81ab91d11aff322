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
 * ItuningAdamW:
 * @decay: 1 - learning rate * weight decay
 * @beta1, @beta2: decay of the averages
 * @step_size: learning rate / (1 - beta1^t)
 * @correction: 1 / sqrt (1 - beta2^t)
 * @eps: added to the root
 * @gradient_scale: multiplies the gradient first (clipping)
 *
 * A step of AdamW (Loshchilov and Hutter 2019, algorithm 2, with the bias
 * corrections taken together as PyTorch does):
 *
 *   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
 *   x = decay x - step_size m / (sqrt (v) correction + eps)
 */
typedef struct
{
  float decay;
  float beta1, beta2;
  float step_size;
  float correction;
  float eps;
  float gradient_scale;
} ItuningAdamW;

/**
 * ItuningPanels:
 * @rows, @columns: most of both in @multiply
 * @min_rows: a product of fewer rows is not worth packing
 * @takes_rows: whether @multiply takes rows of a as they lie in memory
 * @pack: panel [K, width] = x [n, K] transposed, with zeros behind, and any
 *   values in the %ITUNING_PANEL_MARGIN ones after it
 * @multiply: c [m, n] = alpha a b + beta c; @b is [K, @columns], whole; @a too,
 *   [K, @rows], if @lda is 0; else [@rows, K], whole; a @beta of 0 ignores @c
 *
 * What a product of blocks that are packed into panels is made of.
 */
typedef struct
{
  gsize rows, columns;
  gsize min_rows;
  gboolean takes_rows;
  void (*pack) (float *panel, gsize width, const float *x, gsize ldx, gsize n,
      gsize K);
  void (*multiply) (float *c, gsize ldc, const float *a, gsize lda,
      const float *b, gsize m, gsize n, gsize K, float alpha, float beta);
} ItuningPanels;

#define ITUNING_PANEL_MARGIN ((gsize) 16)

/**
 * ItuningKernels:
 * @name: the instruction set: "plain", "sse2", "avx2", "avx512", "neon"
 * @dot: sum of x[i] * y[i]
 * @axpy: y[i] += a * x[i]
 * @add: y[i] += x[i]
 * @scale: x[i] *= a
 * @combine: y[i] = sum of w[k] * x[k * stride + i] over @K rows; @y must not
 *   alias @w or @x
 * @layernorm: [C] one row: y = (x - mean) / sqrt (variance + eps) * gain +
 *   bias, with the biased variance; @y may be @x
 * @softmax: [n] in place: exp (x - max) / sum; n at least 1
 * @log_sum_exp: log of the sum of exp (x[i]); not finite if some x is NaN or
 *   +inf, or all are -inf
 * @all_finite: FALSE if some x is NaN or infinite
 * @activate: in place
 * @layernorm_backward: [C] one row: adds to @dx the gradient of @x where that
 *   of @y is @dy; @stats (out): the row's mean and 1 / standard deviation
 * @layernorm_gradients: [n] part of a row: dgain += dy (x - mean) rstd,
 *   dbias += dy, with the row's @stats; either may be %NULL
 * @softmax_backward: [n] in place: the gradient @dp of a softmax's result @p
 *   becomes that of its input
 * @activate_backward: @dy, the gradient of the result, becomes that of @x
 * @adamw: see ItuningAdamW
 * @panels: for products of matrices; %NULL in tables of short vectors
 * @multiply_few: y [M, n] += scale x w^T, of few rows, so that @w is read once:
 *   [n, K]; or [K, n] when @in_major; a row's result does not depend on M;
 *   %NULL where BLAS is better
 * @multiply_few_halves: likewise, of @w [n, K] of binary16, or of bfloat16, at
 *   any address; %NULL where it is better made F32 first
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
  void (*combine) (float *y, const float *w, const float *x, gsize stride,
      gsize K, gsize n);
  void (*layernorm) (float *y, const float *x, const float *gain,
      const float *bias, gsize C, float eps);
  void (*softmax) (float *x, gsize n);
  float (*log_sum_exp) (const float *x, gsize n);
  gboolean (*all_finite) (const float *x, gsize n);
  void (*activate[ITUNING_N_ACTIVATIONS]) (float *x, gsize n);

  /* What training needs besides. */
  void (*layernorm_backward) (float *dx, float stats[2], const float *dy,
      const float *x, const float *gain, gsize C, float eps);
  void (*layernorm_gradients) (float *dgain, float *dbias, const float *dy,
      const float *x, const float stats[2], gsize n);
  void (*softmax_backward) (float *dp, const float *p, gsize n);
  void (*activate_backward[ITUNING_N_ACTIVATIONS]) (float *dy, const float *x,
      gsize n);
  void (*adamw) (float *value, float *exp_avg, float *exp_avg_sq,
      const float *gradient, const ItuningAdamW *how, gsize n);

  const ItuningPanels *panels;
  void (*multiply_few) (float *y, gsize ldy, const float *x, gsize ldx,
      const float *w, gsize ldw, gboolean in_major, gsize M, gsize n, gsize K,
      float scale);
  void (*multiply_few_halves) (float *y, gsize ldy, const float *x, gsize ldx,
      const void *w, gsize ldw, gboolean is_bfloat16, gsize M, gsize n, gsize K,
      float scale);
} ItuningKernels;

const ItuningKernels *ituning_kernels_get (void);
const ItuningKernels *const *ituning_kernels_list (gsize *n);
