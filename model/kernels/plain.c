/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/tables.h"

#include <math.h>

/* What every other table is compared to: the formulas and nothing else. */

static float
plain_dot (const float *x, const float *y, gsize n)
{
  float sum = 0.0f;

  for (gsize i = 0; i < n; i++)
    sum += x[i] * y[i];
  return sum;
}

static void
plain_axpy (float *y, const float *x, float a, gsize n)
{
  for (gsize i = 0; i < n; i++)
    y[i] += a * x[i];
}

static void
plain_add (float *y, const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    y[i] += x[i];
}

static void
plain_scale (float *x, float a, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] *= a;
}

static void
plain_layernorm (float *y, const float *x, const float *gain, const float *bias,
    gsize C, float eps)
{
  double sum = 0.0, squares = 0.0;
  float mean, rstd;

  for (gsize i = 0; i < C; i++)
    sum += (double) x[i];
  mean = (float) (sum / (double) C);
  for (gsize i = 0; i < C; i++)
    squares += (double) (x[i] - mean) * (double) (x[i] - mean);
  rstd = 1.0f / sqrtf ((float) (squares / (double) C) + eps);
  for (gsize i = 0; i < C; i++)
    y[i] = (x[i] - mean) * rstd * gain[i] + bias[i];
}

static void
plain_softmax (float *x, gsize n)
{
  float max = x[0], sum = 0.0f;

  for (gsize i = 1; i < n; i++)
    max = fmaxf (max, x[i]);
  for (gsize i = 0; i < n; i++) {
    x[i] = expf (x[i] - max);
    sum += x[i];
  }
  for (gsize i = 0; i < n; i++)
    x[i] /= sum;
}

static float
plain_log_sum_exp (const float *x, gsize n)
{
  float max = x[0];
  double sum = 0.0;

  for (gsize i = 1; i < n; i++)
    max = fmaxf (max, x[i]);
  for (gsize i = 0; i < n; i++)
    sum += exp ((double) x[i] - (double) max);
  return max + (float) log (sum);
}

static gboolean
plain_all_finite (const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    if (!isfinite (x[i]))
      return FALSE;
  return TRUE;
}

static void
plain_none (float *x, gsize n)
{
}

static void
plain_quick_gelu (float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] /= 1.0f + expf (-1.702f * x[i]);
}

static void
plain_gelu (float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] = 0.5f * x[i] * (1.0f + erff (x[i] * (float) M_SQRT1_2));
}

static void
plain_gelu_tanh (float *x, gsize n)
{
  const float root = 0.7978845608028654f; /* sqrt (2 / pi) */

  for (gsize i = 0; i < n; i++) {
    const float inner = root * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
    x[i] = 0.5f * x[i] * (1.0f + tanhf (inner));
  }
}

static void
plain_relu (float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] = x[i] < 0.0f ? 0.0f : x[i]; /* keeps a NaN */
}

const ItuningKernels ituning_kernels_plain = {
  .name = "plain",
  .dot = plain_dot,
  .axpy = plain_axpy,
  .add = plain_add,
  .scale = plain_scale,
  .layernorm = plain_layernorm,
  .softmax = plain_softmax,
  .log_sum_exp = plain_log_sum_exp,
  .all_finite = plain_all_finite,
  .activate = { plain_none, plain_quick_gelu, plain_gelu, plain_gelu_tanh,
      plain_relu },
};
