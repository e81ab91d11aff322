/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/simd.h"

#include <math.h>

#include "model/kernels/tables.h"

/* The row kernels on vectors of ITUNING_LANES floats, in the compilers' own
 * vector types. Compiled once for each instruction set, which ITUNING_TABLE
 * names. The last, partial vector of a row is loaded with zeros behind it. */

/* What two vectors in a step of a loop take. */
#define TWO_VECTORS ((gsize) 2 * ITUNING_LANES)

typedef gint32 Ints __attribute__ ((vector_size (ITUNING_LANES * 4)));

/* Lanes of @a where @mask is set, of @b elsewhere. */
static inline Floats
choose (Ints mask, Floats a, Floats b)
{
  return (Floats) (((Ints) a & mask) | ((Ints) b & ~mask));
}

static inline Floats
larger (Floats a, Floats b)
{
  return choose (a > b, a, b);
}

static inline float
sum_lanes (Floats v)
{
  float sum = 0.0f;

  for (int i = 0; i < ITUNING_LANES; i++)
    sum += v[i];
  return sum;
}

static inline float
max_lanes (Floats v)
{
  float max = v[0];

  for (int i = 1; i < ITUNING_LANES; i++)
    max = v[i] > max ? v[i] : max;
  return max;
}

/* exp (x) = 2^n exp (r), r in +-ln 2 / 2, by a polynomial of degree 6 (Cephes'
 * coefficients); within 2 units in the last place. x is held to the range
 * whose result is a normal number: below -87 the result is about 1e-38 instead
 * of 0. A NaN stays one. */
static inline Floats
exp_floats (Floats x)
{
  const Floats shift = splat (0x1.8p23f);
  Floats n, r, p;
  Ints exponent; /* bits of 2^n */

  x = choose (x < -87.0f, splat (-87.0f), x);
  x = choose (x > 88.0f, splat (88.0f), x);
  n = x * (float) M_LOG2E + shift;
  exponent = ((Ints) n << 23) + 0x3f800000; /* n is in the low bits */
  n -= shift;
  r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return p * (Floats) exponent;
}

/* erf by Abramowitz and Stegun 7.1.26, whose error is 1.5e-7. */
static inline Floats
erf_floats (Floats x)
{
  const Ints sign = (Ints) x & G_MININT32;
  const Floats a = (Floats) ((Ints) x & G_MAXINT32);
  const Floats t = 1.0f / (1.0f + 0.3275911f * a);
  Floats p = t * 1.061405429f - 1.453152027f;

  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  p = 1.0f - p * t * exp_floats (-a * a);
  return (Floats) ((Ints) p | sign);
}

/* --- rows --------------------------------------------------------------- */

static float
simd_dot (const float *x, const float *y, gsize n)
{
  Floats a = { 0 }, b = { 0 };
  gsize i = 0;

  for (; i + TWO_VECTORS <= n; i += TWO_VECTORS) {
    a += load (x + i) * load (y + i);
    b += load (x + i + ITUNING_LANES) * load (y + i + ITUNING_LANES);
  }
  for (; i + ITUNING_LANES <= n; i += ITUNING_LANES)
    a += load (x + i) * load (y + i);
  if (i < n)
    b += load_part (x + i, n - i) * load_part (y + i, n - i);
  return sum_lanes (a + b);
}

static void
simd_axpy (float *y, const float *x, float a, gsize n)
{
  gsize i = 0;

  for (; i + ITUNING_LANES <= n; i += ITUNING_LANES)
    store (y + i, load (y + i) + a * load (x + i));
  if (i < n)
    store_part (y + i, load_part (y + i, n - i) + a * load_part (x + i, n - i),
        n - i);
}

static void
simd_add (float *y, const float *x, gsize n)
{
  simd_axpy (y, x, 1.0f, n);
}

static void
simd_scale (float *x, float a, gsize n)
{
  gsize i = 0;

  for (; i + ITUNING_LANES <= n; i += ITUNING_LANES)
    store (x + i, a * load (x + i));
  if (i < n)
    store_part (x + i, a * load_part (x + i, n - i), n - i);
}

/* @V vectors of the sum, of @U rows at a time each into sums of its own: an
 * addition need not wait for the one before it. */
static inline __attribute__ ((always_inline)) void
combine_columns (float *y, const float *w, const float *x, gsize stride,
    gsize K, const gsize V, const gsize U)
{
  Floats sums[8] = { 0 };
  gsize k = 0;

  for (; k + U <= K; k += U)
    for (gsize u = 0; u < U; u++)
      for (gsize v = 0; v < V; v++)
        sums[u * V + v] += w[k + u] *
            load (x + (k + u) * stride + v * ITUNING_LANES);
  for (; k < K; k++)
    for (gsize v = 0; v < V; v++)
      sums[v] += w[k] * load (x + k * stride + v * ITUNING_LANES);
  for (gsize u = 1; u < U; u++)
    for (gsize v = 0; v < V; v++)
      sums[v] += sums[u * V + v];
  for (gsize v = 0; v < V; v++)
    store (y + v * ITUNING_LANES, sums[v]);
}

static void
simd_combine (float *y, const float *w, const float *x, gsize stride, gsize K,
    gsize n)
{
  Floats sum = { 0 };
  gsize i = 0;

  for (; i + 2 * TWO_VECTORS <= n; i += 2 * TWO_VECTORS)
    combine_columns (y + i, w, x + i, stride, K, 4, 2);
  for (; i + TWO_VECTORS <= n; i += TWO_VECTORS)
    combine_columns (y + i, w, x + i, stride, K, 2, 4);
  for (; i + ITUNING_LANES <= n; i += ITUNING_LANES)
    combine_columns (y + i, w, x + i, stride, K, 1, 8);
  for (gsize k = 0; k < K && i < n; k++)
    sum += w[k] * load_part (x + k * stride + i, n - i);
  if (i < n)
    store_part (y + i, sum, n - i);
}

static float
sum_row (const float *x, gsize n)
{
  Floats sum = { 0 };
  gsize i = 0;

  for (; i + ITUNING_LANES <= n; i += ITUNING_LANES)
    sum += load (x + i);
  if (i < n)
    sum += load_part (x + i, n - i);
  return sum_lanes (sum);
}

static float
sum_squares (const float *x, float mean, gsize n)
{
  Floats sum = { 0 };
  float rest = 0.0f;
  gsize i = 0;

  for (; i + ITUNING_LANES <= n; i += ITUNING_LANES) {
    const Floats d = load (x + i) - mean;
    sum += d * d;
  }
  for (; i < n; i++)
    rest += (x[i] - mean) * (x[i] - mean);
  return sum_lanes (sum) + rest;
}

static void
simd_layernorm (float *y, const float *x, const float *gain, const float *bias,
    gsize C, float eps)
{
  const float mean = sum_row (x, C) / (float) C;
  const float variance = sum_squares (x, mean, C) / (float) C;
  const float rstd = 1.0f / sqrtf (variance + eps);
  gsize i = 0;

  for (; i + ITUNING_LANES <= C; i += ITUNING_LANES)
    store (y + i,
        (load (x + i) - mean) * rstd * load (gain + i) + load (bias + i));
  for (; i < C; i++)
    y[i] = (x[i] - mean) * rstd * gain[i] + bias[i];
}

static float
max_row (const float *x, gsize n)
{
  float max = x[0];
  gsize i = 0;

  if (n >= ITUNING_LANES) {
    Floats v = load (x);
    for (i = ITUNING_LANES; i + ITUNING_LANES <= n; i += ITUNING_LANES)
      v = larger (load (x + i), v);
    max = max_lanes (v);
  }
  for (; i < n; i++)
    max = x[i] > max ? x[i] : max;
  return max;
}

static void
simd_softmax (float *x, gsize n)
{
  const float max = max_row (x, n);
  Floats sum = { 0 };
  float rest = 0.0f;
  gsize i = 0;

  for (; i + ITUNING_LANES <= n; i += ITUNING_LANES) {
    const Floats e = exp_floats (load (x + i) - max);
    store (x + i, e);
    sum += e;
  }
  if (i < n)
    store_part (x + i, exp_floats (load_part (x + i, n - i) - max), n - i);
  for (; i < n; i++)
    rest += x[i];
  simd_scale (x, 1.0f / (sum_lanes (sum) + rest), n);
}

static float
simd_log_sum_exp (const float *x, gsize n)
{
  const float max = max_row (x, n);
  double total = 0.0;
  gsize i = 0;

  /* In blocks, each summed in double: rows are as long as the vocabulary. */
  while (i + ITUNING_LANES <= n) {
    Floats sum = { 0 };
    for (int k = 0; k < 64 && i + ITUNING_LANES <= n; k++, i += ITUNING_LANES)
      sum += exp_floats (load (x + i) - max);
    total += (double) sum_lanes (sum);
  }
  for (; i < n; i++)
    total += exp ((double) x[i] - (double) max);
  return max + (float) log (total);
}

static gboolean
simd_all_finite (const float *x, gsize n)
{
  const gint32 exponent = 0x7f800000;
  Ints bad = { 0 };
  gsize i = 0;

  for (; i + ITUNING_LANES <= n; i += ITUNING_LANES)
    bad |= ((Ints) load (x + i) & exponent) == exponent;
  if (i < n)
    bad |= ((Ints) load_part (x + i, n - i) & exponent) == exponent;
  for (int lane = 0; lane < ITUNING_LANES; lane++)
    if (bad[lane])
      return FALSE;
  return TRUE;
}

/* --- activations -------------------------------------------------------- */

static inline Floats
quick_gelu (Floats x)
{
  return x / (1.0f + exp_floats (-1.702f * x));
}

static inline Floats
gelu (Floats x)
{
  return 0.5f * x * (1.0f + erf_floats (x * (float) M_SQRT1_2));
}

/* 0.5 (1 + tanh (u)) = 1 / (1 + exp (-2 u)) */
static inline Floats
gelu_tanh (Floats x)
{
  const Floats inner = 0.7978845608028654f *
      (x + 0.044715f * x * x * x); /* sqrt (2 / pi) */

  return x / (1.0f + exp_floats (-2.0f * inner));
}

static inline Floats
relu (Floats x)
{
  return choose (x < 0.0f, splat (0.0f), x);
}

#define DEFINE_ACTIVATION(name) \
  static void simd_##name (float *x, gsize n) \
  { \
    gsize i = 0; \
\
    for (; i + ITUNING_LANES <= n; i += ITUNING_LANES) \
      store (x + i, name (load (x + i))); \
    if (i < n) \
      store_part (x + i, name (load_part (x + i, n - i)), n - i); \
  }

DEFINE_ACTIVATION (quick_gelu)
DEFINE_ACTIVATION (gelu)
DEFINE_ACTIVATION (gelu_tanh)
DEFINE_ACTIVATION (relu)

static void
simd_none (float *x, gsize n)
{
}

/* --- training ----------------------------------------------------------- */

/* Sums of dy gain and of dy gain xhat over a row. */
static void
sum_layernorm (float sums[2], const float *dy, const float *x,
    const float *gain, const float stats[2], gsize C)
{
  Floats g_sum = { 0 }, gx_sum = { 0 };
  gsize i = 0;

  for (; i + ITUNING_LANES <= C; i += ITUNING_LANES) {
    const Floats g = load (dy + i) * load (gain + i);
    g_sum += g;
    gx_sum += g * (load (x + i) - stats[0]);
  }
  if (i < C) {
    const Floats g = load_part (dy + i, C - i) * load_part (gain + i, C - i);
    g_sum += g;
    gx_sum += g * (load_part (x + i, C - i) - stats[0]);
  }
  sums[0] = sum_lanes (g_sum);
  sums[1] = sum_lanes (gx_sum) * stats[1];
}

static void
simd_layernorm_backward (float *dx, float stats[2], const float *dy,
    const float *x, const float *gain, gsize C, float eps)
{
  const float mean = sum_row (x, C) / (float) C;
  const float rstd = 1.0f / sqrtf (sum_squares (x, mean, C) / (float) C + eps);
  float sums[2], mean_g, slope;
  gsize i = 0;

  stats[0] = mean;
  stats[1] = rstd;
  sum_layernorm (sums, dy, x, gain, stats, C);
  mean_g = sums[0] / (float) C;
  slope = sums[1] / (float) C * rstd;
  for (; i + ITUNING_LANES <= C; i += ITUNING_LANES)
    store (dx + i,
        load (dx + i) +
            rstd *
                (load (dy + i) * load (gain + i) - mean_g -
                    (load (x + i) - mean) * slope));
  for (; i < C; i++)
    dx[i] += rstd * (dy[i] * gain[i] - mean_g - (x[i] - mean) * slope);
}

static void
simd_layernorm_gradients (float *dgain, float *dbias, const float *dy,
    const float *x, const float stats[2], gsize n)
{
  gsize i = 0;

  if (dbias != NULL)
    simd_add (dbias, dy, n);
  if (dgain == NULL)
    return;
  for (; i + ITUNING_LANES <= n; i += ITUNING_LANES)
    store (dgain + i,
        load (dgain + i) +
            load (dy + i) * (load (x + i) - stats[0]) * stats[1]);
  for (; i < n; i++)
    dgain[i] += dy[i] * (x[i] - stats[0]) * stats[1];
}

/* The plain one says why there is a pivot. */
static void
simd_softmax_backward (float *dp, const float *p, gsize n)
{
  const float max = max_row (p, n);
  Floats sums = { 0 };
  float pivot, sum;
  gsize i = 0;

  while (i + 1 < n && p[i] != max)
    i++;
  pivot = dp[i];
  for (i = 0; i + ITUNING_LANES <= n; i += ITUNING_LANES)
    sums += (load (dp + i) - pivot) * load (p + i);
  if (i < n)
    sums += (load_part (dp + i, n - i) - pivot) * load_part (p + i, n - i);
  sum = sum_lanes (sums);
  for (i = 0; i + ITUNING_LANES <= n; i += ITUNING_LANES)
    store (dp + i, load (p + i) * (load (dp + i) - pivot - sum));
  for (; i < n; i++)
    dp[i] = p[i] * (dp[i] - pivot - sum);
}

static inline Floats
quick_gelu_slope (Floats x)
{
  const Floats s = 1.0f / (1.0f + exp_floats (-1.702f * x));

  return s + 1.702f * x * s * (1.0f - s);
}

static inline Floats
gelu_slope (Floats x)
{
  return 0.5f * (1.0f + erf_floats (x * (float) M_SQRT1_2)) +
      0.3989422804014327f * x * exp_floats (-0.5f * x * x);
}

/* s = sigmoid (2 u): s + 2 x s (1 - s) u' */
static inline Floats
gelu_tanh_slope (Floats x)
{
  const float root = 0.7978845608028654f; /* sqrt (2 / pi) */
  const Floats square = x * x;
  const Floats s = 1.0f /
      (1.0f + exp_floats (-2.0f * root * x * (1.0f + 0.044715f * square)));

  return s + 2.0f * x * s * (1.0f - s) * root * (1.0f + 0.134145f * square);
}

static inline Floats
relu_slope (Floats x)
{
  return choose (x > 0.0f, splat (1.0f), splat (0.0f));
}

#define DEFINE_ACTIVATION_BACKWARD(name) \
  static void simd_##name##_backward (float *dy, const float *x, gsize n) \
  { \
    gsize i = 0; \
\
    for (; i + ITUNING_LANES <= n; i += ITUNING_LANES) \
      store (dy + i, load (dy + i) * name##_slope (load (x + i))); \
    if (i < n) \
      store_part (dy + i, \
          load_part (dy + i, n - i) * name##_slope (load_part (x + i, n - i)), \
          n - i); \
  }

DEFINE_ACTIVATION_BACKWARD (quick_gelu)
DEFINE_ACTIVATION_BACKWARD (gelu)
DEFINE_ACTIVATION_BACKWARD (gelu_tanh)
DEFINE_ACTIVATION_BACKWARD (relu)

static void
simd_none_backward (float *dy, const float *x, gsize n)
{
}

/* Written a lane at a time: the compiler has the vector square root. */
static void
simd_adamw (float *restrict value, float *restrict exp_avg,
    float *restrict exp_avg_sq, const float *restrict gradient,
    const ItuningAdamW *how, gsize n)
{
  const ItuningAdamW a = *how;

  for (gsize i = 0; i < n; i++) {
    const float g = gradient[i] * a.gradient_scale;
    const float m = a.beta1 * exp_avg[i] + (1.0f - a.beta1) * g;
    const float v = a.beta2 * exp_avg_sq[i] + (1.0f - a.beta2) * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    value[i] = a.decay * value[i] -
        a.step_size * m / (sqrtf (v) * a.correction + a.eps);
  }
}

#define STRING_(isa) #isa
#define STRING(isa) STRING_ (isa)

const ItuningKernels TABLE_NAME (ituning_kernels, ITUNING_TABLE) = {
  .name = STRING (ITUNING_TABLE),
  .dot = simd_dot,
  .axpy = simd_axpy,
  .add = simd_add,
  .scale = simd_scale,
  .combine = simd_combine,
  .layernorm = simd_layernorm,
  .softmax = simd_softmax,
  .log_sum_exp = simd_log_sum_exp,
  .all_finite = simd_all_finite,
  .activate = { simd_none, simd_quick_gelu, simd_gelu, simd_gelu_tanh,
      simd_relu },
  .layernorm_backward = simd_layernorm_backward,
  .layernorm_gradients = simd_layernorm_gradients,
  .softmax_backward = simd_softmax_backward,
  .activate_backward = { simd_none_backward, simd_quick_gelu_backward,
      simd_gelu_backward, simd_gelu_tanh_backward, simd_relu_backward },
  .adamw = simd_adamw,
#if ITUNING_LANES >= 8
  .panels = &TABLE_NAME (ituning_panels, ITUNING_TABLE),
#endif
#if ITUNING_LANES == 8
  .multiply_few = TABLE_NAME (ituning_multiply_few, ITUNING_TABLE),
#endif
#if ITUNING_LANES >= 8 /* who has AVX-512 has AVX2 */
  .multiply_few_halves = ituning_multiply_few_halves_avx2,
#endif
};
