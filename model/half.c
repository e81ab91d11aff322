/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/half.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static float
from_bits (guint32 bits)
{
  float value;

  memcpy (&value, &bits, sizeof (value));
  return value;
}

static guint16
read_16 (const guint8 *bytes)
{
  guint16 value;

  memcpy (&value, bytes, sizeof (value));
  return value;
}

static float
half_value (guint16 half)
{
  const guint32 sign = (guint32) (half & 0x8000) << 16;
  const guint32 exponent = half >> 10 & 0x1f;
  const guint32 mantissa = half & 0x3ff;

  if (exponent == 0x1f) /* infinity or NaN */
    return from_bits (sign | 0x7f800000 | mantissa << 13);
  if (exponent == 0) /* zero or subnormal: mantissa * 2^-24 */
    return (sign != 0 ? -1.0f : 1.0f) * (float) mantissa * 0x1p-24f;
  return from_bits (sign | (exponent + 112) << 23 | mantissa << 13);
}

/* By instructions for it, which are exact, where the processor has them. Returns
 * how many they took: what is left over is less than eight. */

#if defined(__x86_64__)

__attribute__ ((target ("avx,f16c"))) static gsize
convert_eights (float *out, const guint8 *half, gsize n)
{
  gsize i = 0;

  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps (out + i,
        _mm256_cvtph_ps (_mm_loadu_si128 (
            (const __m128i_u *) (const void *) (half + 2 * i))));
  return i;
}

/* Compilers know the name of no f16c to ask for; who has AVX2 has it. */
static gsize
convert_whole (float *out, const guint8 *half, gsize n)
{
  return n >= 8 && __builtin_cpu_supports ("avx2")
      ? convert_eights (out, half, n)
      : 0;
}

#elif defined(__aarch64__)

static gsize
convert_whole (float *out, const guint8 *half, gsize n)
{
  gsize i = 0;

  for (; i + 4 <= n; i += 4) {
    float16x4_t halves;
    memcpy (&halves, half + 2 * i, sizeof (halves));
    vst1q_f32 (out + i, vcvt_f32_f16 (halves));
  }
  return i;
}

#else

static gsize
convert_whole (float *out, const guint8 *half, gsize n)
{
  return 0;
}

#endif

/**
 * ituning_half_to_float:
 * @out: [@n] output
 * @half: [@n] IEEE 754 binary16, at any address
 */
void
ituning_half_to_float (float *out, const void *half, gsize n)
{
  const guint8 *bytes = half;

  for (gsize i = convert_whole (out, bytes, n); i < n; i++)
    out[i] = half_value (read_16 (bytes + 2 * i));
}

/**
 * ituning_bfloat16_to_float:
 * @out: [@n] output
 * @bfloat16: [@n] the upper halves of binary32, at any address
 */
void
ituning_bfloat16_to_float (float *out, const void *bfloat16, gsize n)
{
  const guint8 *bytes = bfloat16;

  for (gsize i = 0; i < n; i++)
    out[i] = from_bits ((guint32) read_16 (bytes + 2 * i) << 16);
}

/**
 * ituning_floats_read:
 * @out: [@n] output
 * @data: [@n] values of @type, at any address
 * @type: F32, F16 or BF16
 */
void
ituning_floats_read (float *out, const void *data, ItuningType type, gsize n)
{
  if (type == ITUNING_TYPE_F16)
    ituning_half_to_float (out, data, n);
  else if (type == ITUNING_TYPE_BF16)
    ituning_bfloat16_to_float (out, data, n);
  else
    memcpy (out, data, n * sizeof (float));
}

/**
 * ituning_halves_are_finite:
 * @halves: [@n] binary16, or bfloat16 if @is_bfloat16, at any address
 *
 * Returns: FALSE if one of them is a NaN or an infinity
 */
gboolean
ituning_halves_are_finite (const void *halves, gsize n, gboolean is_bfloat16)
{
  /* Four at a time: an exponent of all ones, and no other, carries into the
   * place of the sign when its lowest one is added. */
  const guint64 ones = is_bfloat16 ? 0x7f807f807f807f80u : 0x7c007c007c007c00u;
  const guint64 lowest = is_bfloat16 ? 0x0080008000800080u
                                     : 0x0400040004000400u;
  const guint8 *bytes = halves;
  guint64 carried = 0;

  for (gsize i = 0; i < n; i += 4) {
    guint64 word = 0;
    if (i + 4 <= n)
      memcpy (&word, bytes + 2 * i, sizeof (word));
    else
      memcpy (&word, bytes + 2 * i, 2 * (n - i));
    carried |= (word & ones) + lowest;
  }
  return (carried & 0x8000800080008000u) == 0;
}

static guint32
to_bits (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof (bits));
  return bits;
}

/* @value / 2^@shift to the nearest whole number, halves to the even one. */
static guint32
round_shift (guint32 value, guint shift)
{
  const guint32 odd = value >> shift & 1;

  return (value + (1u << (shift - 1)) - 1 + odd) >> shift;
}

/* A finite value. Its mantissa, rounded, may carry into the exponent. */
static guint16
value_half (float value)
{
  const guint32 bits = to_bits (value);
  const guint32 sign = bits >> 16 & 0x8000;
  const guint32 magnitude = bits & 0x7fffffff;
  const guint32 exponent = magnitude >> 23;

  if (exponent >= 143) /* from 2^16 on */
    return (guint16) (sign | 0x7c00);
  if (exponent >= 113) /* normal */
    return (guint16) (sign | round_shift (magnitude - (112u << 23), 13));
  if (exponent < 102) /* less than half of 2^-24 */
    return (guint16) sign;
  return (guint16) (sign |
      round_shift ((magnitude & 0x7fffff) | 0x800000, 126 - exponent));
}

/**
 * ituning_half_from_float:
 * @out: [@n] output: IEEE 754 binary16, rounded to nearest, halves to even
 * @x: [@n] finite values
 *
 * Returns: FALSE when one is too large
 */
gboolean
ituning_half_from_float (guint16 *out, const float *x, gsize n)
{
  gboolean finite = TRUE;

  for (gsize i = 0; i < n; i++) {
    const guint16 half = value_half (x[i]);
    finite = finite && (half & 0x7c00) != 0x7c00;
    out[i] = GUINT16_TO_LE (half);
  }
  return finite;
}

/**
 * ituning_bfloat16_from_float:
 * @out: [@n] output: upper halves of binary32, rounded likewise
 * @x: [@n] finite values
 *
 * Returns: FALSE when one is too large
 */
gboolean
ituning_bfloat16_from_float (guint16 *out, const float *x, gsize n)
{
  gboolean finite = TRUE;

  for (gsize i = 0; i < n; i++) {
    const guint32 bits = to_bits (x[i]);
    const guint32 rounded = (bits >> 31) << 15 |
        round_shift (bits & 0x7fffffff, 16);
    finite = finite && (rounded & 0x7f80) != 0x7f80;
    out[i] = GUINT16_TO_LE ((guint16) rounded);
  }
  return finite;
}
