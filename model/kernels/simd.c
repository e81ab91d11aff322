/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/tables.h"

#include <math.h>
#include <string.h>

/* The row kernels on vectors of ITUNING_LANES floats, in the compilers' own
 * vector types. Compiled once for each instruction set, which ITUNING_TABLE
 * names. The last, partial vector of a row is loaded with zeros behind it. */

typedef float Floats __attribute__ ((vector_size (ITUNING_LANES * 4)));
/* What two vectors in a step of a loop take. */
#define TWO_VECTORS ((gsize) 2 * ITUNING_LANES)

typedef gint32 Ints __attribute__ ((vector_size (ITUNING_LANES * 4)));

static inline Floats
load (const float *x)
{
  Floats v;

  memcpy (&v, x, sizeof (v));
  return v;
}

static inline void
store (float *x, Floats v)
{
  memcpy (x, &v, sizeof (v));
}

static inline Floats
load_part (const float *x, gsize n)
{
  Floats v = { 0 };

  memcpy (&v, x, n * sizeof (float));
  return v;
}

static inline void
store_part (float *x, Floats v, gsize n)
{
  memcpy (x, &v, n * sizeof (float));
}

static inline Floats
splat (float x)
{
  return (Floats){ 0 } + x;
}

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

#define TABLE_NAME_(isa) ituning_kernels_##isa
#define TABLE_NAME(isa) TABLE_NAME_ (isa)
#define STRING_(isa) #isa
#define STRING(isa) STRING_ (isa)

const ItuningKernels TABLE_NAME (ITUNING_TABLE) = {
  .name = STRING (ITUNING_TABLE),
  .dot = simd_dot,
  .axpy = simd_axpy,
  .add = simd_add,
  .scale = simd_scale,
  .layernorm = simd_layernorm,
  .softmax = simd_softmax,
  .log_sum_exp = simd_log_sum_exp,
  .all_finite = simd_all_finite,
  .activate = { simd_none, simd_quick_gelu, simd_gelu, simd_gelu_tanh,
      simd_relu },
};
