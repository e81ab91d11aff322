/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/limits.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* How fast products of bytes are added up, by the instructions that products
 * with quantised weights are made of: twelve sums, so that none waits for the one
 * before. Inputs are hidden from the compiler, which would know the sums. */

#define SUMS 12
#define HIDE(x) __asm__ volatile("" : "+x"(x))
#define UNROLL _Pragma ("GCC unroll 12")

/* Each product is two operations. */
#define OPS_OF(BYTES) (2.0 * SUMS * (BYTES))

#if defined(__x86_64__)

__attribute__ ((target ("avx512f,avx512vnni"))) static gint32
spin_vnni512 (guint loops)
{
  __m512i sums[SUMS], a = _mm512_set1_epi8 (3), b = _mm512_set1_epi8 (2);

  UNROLL
  for (gsize i = 0; i < SUMS; i++)
    sums[i] = _mm512_setzero_si512 ();
  for (guint loop = 0; loop < loops; loop++) {
    __asm__ volatile("" : "+v"(a), "+v"(b));
    UNROLL
    for (gsize i = 0; i < SUMS; i++)
      sums[i] = _mm512_dpbusd_epi32 (sums[i], a, b);
  }
  UNROLL
  for (gsize i = 1; i < SUMS; i++)
    sums[0] = _mm512_add_epi32 (sums[0], sums[i]);
  return _mm_cvtsi128_si32 (_mm512_castsi512_si128 (sums[0]));
}

__attribute__ ((target ("avx2"))) static gint32
spin_avx2 (guint loops)
{
  const __m256i ones = _mm256_set1_epi16 (1);
  __m256i sums[SUMS], a = _mm256_set1_epi8 (3), b = _mm256_set1_epi8 (2);

  UNROLL
  for (gsize i = 0; i < SUMS; i++)
    sums[i] = _mm256_setzero_si256 ();
  for (guint loop = 0; loop < loops; loop++) {
    UNROLL
    for (gsize i = 0; i < SUMS; i++) {
      HIDE (a);
      sums[i] = _mm256_add_epi32 (sums[i],
          _mm256_madd_epi16 (_mm256_maddubs_epi16 (a, b), ones));
    }
  }
  UNROLL
  for (gsize i = 1; i < SUMS; i++)
    sums[0] = _mm256_add_epi32 (sums[0], sums[i]);
  return _mm_cvtsi128_si32 (_mm256_castsi256_si128 (sums[0]));
}

#endif

/* What the compiler makes of it. */
#define PLAIN_BYTES 16

static gint32
spin_plain (guint loops)
{
  gint8 a[PLAIN_BYTES] = { 3, 3, 3 }, b[PLAIN_BYTES] = { 2, 2, 2 };
  gint32 sums[PLAIN_BYTES] = { 0 }, sum = 0;

  for (guint loop = 0; loop < loops * SUMS; loop++) {
    __asm__ volatile("" : : "r"(a), "r"(b) : "memory");
    for (gsize i = 0; i < PLAIN_BYTES; i++)
      sums[i] += a[i] * b[i];
  }
  for (gsize i = 0; i < PLAIN_BYTES; i++)
    sum += sums[i];
  return sum;
}

/**
 * tool_limits_get_int8:
 *
 * Returns: (transfer none): the fastest that this processor has
 */
const ToolLimitsInt8 *
tool_limits_get_int8 (void)
{
  static const ToolLimitsInt8 plain = { "plain C", spin_plain,
    OPS_OF (PLAIN_BYTES) };
#if defined(__x86_64__)
  static const ToolLimitsInt8 avx2 = { "AVX2 maddubs and madd", spin_avx2,
    OPS_OF (32) };
  static const ToolLimitsInt8 vnni = { "AVX-512 VNNI", spin_vnni512,
    OPS_OF (64) };

  if (__builtin_cpu_supports ("avx512f") &&
      __builtin_cpu_supports ("avx512vnni"))
    return &vnni;
  if (__builtin_cpu_supports ("avx2"))
    return &avx2;
#endif
  return &plain;
}
