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
plain_combine (float *y, const float *w, const float *x, gsize stride, gsize K,
    gsize n)
{
  for (gsize i = 0; i < n; i++) {
    y[i] = 0.0f;
    for (gsize k = 0; k < K; k++)
      y[i] += w[k] * x[k * stride + i];
  }
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

/* --- training ----------------------------------------------------------- */

static void
plain_layernorm_backward (float *dx, float stats[2], const float *dy,
    const float *x, const float *gain, gsize C, float eps)
{
  double sum = 0.0, squares = 0.0, mean_g = 0.0, mean_gx = 0.0;
  float mean, rstd;

  for (gsize i = 0; i < C; i++)
    sum += (double) x[i];
  mean = (float) (sum / (double) C);
  for (gsize i = 0; i < C; i++)
    squares += (double) (x[i] - mean) * (double) (x[i] - mean);
  rstd = 1.0f / sqrtf ((float) (squares / (double) C) + eps);
  for (gsize i = 0; i < C; i++) {
    const float g = dy[i] * gain[i];
    mean_g += (double) g;
    mean_gx += (double) (g * (x[i] - mean) * rstd);
  }
  mean_g /= (double) C;
  mean_gx /= (double) C;
  for (gsize i = 0; i < C; i++)
    dx[i] += rstd *
        (dy[i] * gain[i] - (float) mean_g -
            (x[i] - mean) * rstd * (float) mean_gx);
  stats[0] = mean;
  stats[1] = rstd;
}

static void
plain_layernorm_gradients (float *dgain, float *dbias, const float *dy,
    const float *x, const float stats[2], gsize n)
{
  for (gsize i = 0; i < n && dgain != NULL; i++)
    dgain[i] += dy[i] * (x[i] - stats[0]) * stats[1];
  for (gsize i = 0; i < n && dbias != NULL; i++)
    dbias[i] += dy[i];
}

/* p (dp - sum of dp p), where dp of the likeliest is taken from all dp first:
 * where one p is nearly 1 the rest would be lost in its rounding. */
static void
plain_softmax_backward (float *dp, const float *p, gsize n)
{
  gsize likeliest = 0;
  float pivot, sum = 0.0f;

  for (gsize i = 1; i < n; i++)
    likeliest = p[i] > p[likeliest] ? i : likeliest;
  pivot = dp[likeliest];
  for (gsize i = 0; i < n; i++)
    sum += (dp[i] - pivot) * p[i];
  for (gsize i = 0; i < n; i++)
    dp[i] = p[i] * (dp[i] - pivot - sum);
}

static void
plain_none_backward (float *dy, const float *x, gsize n)
{
}

/* s = sigmoid (1.702 x): s + 1.702 x s (1 - s) */
static void
plain_quick_gelu_backward (float *dy, const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    const float s = 1.0f / (1.0f + expf (-1.702f * x[i]));
    dy[i] *= s + 1.702f * x[i] * s * (1.0f - s);
  }
}

/* Phi (x) + x phi (x) */
static void
plain_gelu_backward (float *dy, const float *x, gsize n)
{
  const float root = 0.3989422804014327f; /* 1 / sqrt (2 pi) */

  for (gsize i = 0; i < n; i++)
    dy[i] *= 0.5f * (1.0f + erff (x[i] * (float) M_SQRT1_2)) +
        x[i] * root * expf (-0.5f * x[i] * x[i]);
}

/* t = tanh (u): 0.5 (1 + t) + 0.5 x (1 - t^2) u' */
static void
plain_gelu_tanh_backward (float *dy, const float *x, gsize n)
{
  const float root = 0.7978845608028654f; /* sqrt (2 / pi) */

  for (gsize i = 0; i < n; i++) {
    const float square = x[i] * x[i];
    const float t = tanhf (root * x[i] * (1.0f + 0.044715f * square));
    dy[i] *= 0.5f * (1.0f + t) +
        0.5f * x[i] * (1.0f - t * t) * root * (1.0f + 0.134145f * square);
  }
}

static void
plain_relu_backward (float *dy, const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    dy[i] = x[i] > 0.0f ? dy[i] : 0.0f;
}

static void
plain_adamw (float *value, float *exp_avg, float *exp_avg_sq,
    const float *gradient, const ItuningAdamW *how, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    const float g = gradient[i] * how->gradient_scale;
    exp_avg[i] = how->beta1 * exp_avg[i] + (1.0f - how->beta1) * g;
    exp_avg_sq[i] = how->beta2 * exp_avg_sq[i] + (1.0f - how->beta2) * g * g;
    value[i] = how->decay * value[i] -
        how->step_size * exp_avg[i] /
            (sqrtf (exp_avg_sq[i]) * how->correction + how->eps);
  }
}

const ItuningKernels ituning_kernels_plain = {
  .name = "plain",
  .dot = plain_dot,
  .axpy = plain_axpy,
  .add = plain_add,
  .scale = plain_scale,
  .combine = plain_combine,
  .layernorm = plain_layernorm,
  .softmax = plain_softmax,
  .log_sum_exp = plain_log_sum_exp,
  .all_finite = plain_all_finite,
  .activate = { plain_none, plain_quick_gelu, plain_gelu, plain_gelu_tanh,
      plain_relu },
  .layernorm_backward = plain_layernorm_backward,
  .layernorm_gradients = plain_layernorm_gradients,
  .softmax_backward = plain_softmax_backward,
  .activate_backward = { plain_none_backward, plain_quick_gelu_backward,
      plain_gelu_backward, plain_gelu_tanh_backward, plain_relu_backward },
  .adamw = plain_adamw,
};
