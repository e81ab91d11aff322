/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <immintrin.h>
#include <string.h>

#include "model/kernels/quantkernels.h"

/* What the two files of AVX2's products share; nothing without it. */
#if defined(__AVX2__)

#define INLINE static inline __attribute__ ((always_inline))
#define UNROLL _Pragma ("GCC unroll 8")
/* Keeps compilers from making all products first, for which there are not
 * registers enough, and adding them up then. */
#define IN_ORDER(v) __asm__ volatile("" : "+x"(v))

INLINE __m256i
broadcast (const gint8 *x)
{
  int word;

  memcpy (&word, x, sizeof (word));
  return _mm256_set1_epi32 (word);
}

INLINE __m256i
load (const guint8 *words)
{
  return _mm256_loadu_si256 ((const __m256i_u *) words);
}

/* y [n] += scale sums, of a panel's vectors */
INLINE void
ituning_quant_add_row (float *y, const __m256 *sums, gsize n, float scale)
{
  float product[ITUNING_QUANT_PANEL];

  memcpy (product, sums, sizeof (product));
  for (gsize i = 0; i < n; i++)
    y[i] += scale * product[i];
}

void ituning_quant_multiply_rows (float *y, gsize ldy,
    const ItuningQuantRows *rows, gsize M, const ItuningQuantized *matrix,
    gsize panel, float scale);

#endif
