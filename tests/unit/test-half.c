/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/half.h"

#include <math.h>
#include <string.h>

/* All 65536 values of binary16 and of bfloat16. */

#define N ((gsize) 1 << 16)

static double
half_value (guint bits)
{
  const int exponent = (int) (bits >> 10 & 31);
  const guint mantissa = bits & 0x3ff;
  const double value = exponent == 31
      ? (mantissa != 0 ? (double) NAN : (double) INFINITY)
      : exponent == 0 ? ldexp (mantissa, -24)
                      : ldexp (mantissa | 0x400, exponent - 25);

  return bits & 0x8000 ? -value : value;
}

static double
bfloat16_value (guint bits)
{
  const guint32 wide = (guint32) bits << 16;
  float value;

  memcpy (&value, &wide, sizeof (value));
  return (double) value;
}

static void
test_every_value_is_read (void)
{
  g_autofree guint16 *bits = g_new (guint16, N);
  g_autofree float *values = g_new (float, N);

  for (gsize i = 0; i < N; i++)
    bits[i] = (guint16) i;
  for (int is_bfloat16 = 0; is_bfloat16 < 2; is_bfloat16++) {
    if (is_bfloat16)
      ituning_bfloat16_to_float (values, bits, N);
    else
      ituning_half_to_float (values, bits, N);
    for (guint i = 0; i < N; i++) {
      const double want = is_bfloat16 ? bfloat16_value (i) : half_value (i);
      float alone; /* which no vector instruction takes */
      ituning_floats_read (&alone, bits + i,
          is_bfloat16 ? ITUNING_TYPE_BF16 : ITUNING_TYPE_F16, 1);
      if (isnan (want)) {
        g_assert_true (isnan (values[i]) && isnan (alone));
      } else {
        g_assert_cmpfloat (want, ==, (double) values[i]);
        g_assert_cmpfloat (want, ==, (double) alone);
      }
    }
  }
}

static void
test_every_value_is_written (void)
{
  for (guint i = 0; i < N; i++) {
    const float half = (float) half_value (i);
    const float bfloat16 = (float) bfloat16_value (i);
    guint16 bits;
    if (isfinite (half)) {
      g_assert_true (ituning_half_from_float (&bits, &half, 1));
      g_assert_cmpuint (bits, ==, i);
    }
    if (isfinite (bfloat16)) {
      g_assert_true (ituning_bfloat16_from_float (&bits, &bfloat16, 1));
      g_assert_cmpuint (bits, ==, i);
    }
  }
}

/* Each value, in one place or another of a row, which lies at an odd address. */
static void
test_what_is_not_finite_is_found (void)
{
  for (int is_bfloat16 = 0; is_bfloat16 < 2; is_bfloat16++) {
    for (guint i = 0; i < N; i++) {
      const guint16 bits = (guint16) i;
      const gsize n = 1 + i % 9, place = i / 9 % n;
      guint8 row[1 + 2 * 9];
      const double value = is_bfloat16 ? bfloat16_value (i) : half_value (i);
      memset (row, 0x3b, sizeof (row));
      memcpy (row + 1 + 2 * place, &bits, sizeof (bits));
      g_assert_cmpint (ituning_halves_are_finite (row + 1, n, is_bfloat16), ==,
          isfinite (value) != 0);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/half/every-value-is-read", test_every_value_is_read);
  g_test_add_func ("/half/every-value-is-written", test_every_value_is_written);
  g_test_add_func ("/half/what-is-not-finite-is-found",
      test_what_is_not_finite_is_found);
  return g_test_run ();
}
