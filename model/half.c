/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/half.h"

#include <string.h>

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

/**
 * ituning_half_to_float:
 * @out: [@n] output
 * @half: [@n] IEEE 754 binary16, at any address
 */
void
ituning_half_to_float (float *out, const void *half, gsize n)
{
  const guint8 *bytes = half;

  for (gsize i = 0; i < n; i++)
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
