/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <immintrin.h>
#include <string.h>

#include "model/kernels/quantkernels.h"

/* Products with quantised matrices by AVX-512 and its VNNI: an instruction adds
 * to each of 16 sums the products of four bytes, those of the weights unsigned.
 * A tile of six rows and a panel is kept in registers: each word of weights is
 * loaded once for all of its rows, and each of a row once for the panel. */

#define BLOCK ITUNING_QUANT_BLOCK
#define PANEL ITUNING_QUANT_PANEL
#define LANES 16
#define HALVES 2 /* vectors of a panel */
#define MAX_ROWS 6 /* a group */
#define PREFETCH_BYTES 4096
#define INLINE static inline __attribute__ ((always_inline))
#define UNROLL _Pragma ("GCC unroll 8")

INLINE __m512i
broadcast (const gint8 *x)
{
  int word;

  memcpy (&word, x, sizeof (word));
  return _mm512_set1_epi32 (word);
}

/* dots [R, 2] += a block's words times @R rows' values. Fewer rows than a group
 * wait for memory: then what comes next is asked for. */
INLINE void
multiply_block (__m512i dots[MAX_ROWS][HALVES], const guint8 *words,
    const gint8 *x, const int R, const guint bits)
{
  const __m512i low = _mm512_set1_epi8 (15);

  UNROLL
  for (gsize word = 0; word < bits; word++) {
    __m512i q[HALVES], high[HALVES];
    UNROLL
    for (gsize half = 0; half < HALVES; half++) {
      const guint8 *at = words + (word * HALVES + half) * 64;
      if (R < MAX_ROWS)
        _mm_prefetch (at + PREFETCH_BYTES, _MM_HINT_T0);
      q[half] = _mm512_loadu_si512 (at);
      high[half] = _mm512_and_si512 (_mm512_srli_epi16 (q[half], 4), low);
      if (bits == 4)
        q[half] = _mm512_and_si512 (q[half], low);
    }
    UNROLL
    for (gsize r = 0; r < (gsize) R; r++) {
      const gint8 *at = x + r * BLOCK + word * 4;
      UNROLL
      for (gsize half = 0; half < HALVES; half++) {
        dots[r][half] = _mm512_dpbusd_epi32 (dots[r][half], q[half],
            broadcast (at));
        if (bits == 4)
          dots[r][half] = _mm512_dpbusd_epi32 (dots[r][half], high[half],
              broadcast (at + BLOCK / 2));
      }
    }
  }
}

/* sums [R, 2] = the product of @R rows from @row on with a panel */
INLINE void
multiply_panel (__m512 sums[MAX_ROWS][HALVES], const ItuningQuantRows *rows,
    gsize row, const ItuningQuantized *matrix, gsize panel, const int R,
    const guint bits)
{
  UNROLL
  for (int r = 0; r < R; r++)
    sums[r][0] = sums[r][1] = _mm512_setzero_ps ();
  for (gsize block = 0; block < rows->n_blocks; block++) {
    const gsize at = ituning_quant_place (rows, row, block);
    const gsize place = panel * rows->n_blocks + block;
    const guint16 *scales = matrix->scales + place * PANEL;
    __m512i dots[MAX_ROWS][HALVES];
    UNROLL
    for (gsize r = 0; r < (gsize) R; r++)
      dots[r][0] = dots[r][1] = _mm512_set1_epi32 (rows->offsets[at + r]);
    multiply_block (dots, matrix->words + place * bits * PANEL * 4,
        rows->values + at * BLOCK, R, bits);
    UNROLL
    for (gsize half = 0; half < HALVES; half++) {
      const __m512 scale = _mm512_cvtph_ps (
          _mm256_loadu_si256 ((const __m256i_u *) (scales + half * LANES)));
      UNROLL
      for (gsize r = 0; r < (gsize) R; r++)
        sums[r][half] = _mm512_fmadd_ps (_mm512_cvtepi32_ps (dots[r][half]),
            _mm512_mul_ps (scale, _mm512_set1_ps (rows->scales[at + r])),
            sums[r][half]);
    }
  }
}

/* y [R, n] += scale times the product */
INLINE void
multiply_tile (float *y, gsize ldy, const ItuningQuantRows *rows, gsize row,
    const ItuningQuantized *matrix, gsize panel, float scale, const int R,
    const guint bits)
{
  const gsize n = MIN (PANEL, matrix->n_out - panel * PANEL);
  const guint32 lanes = (guint32) ((1ull << n) - 1);
  __m512 sums[MAX_ROWS][HALVES];

  multiply_panel (sums, rows, row, matrix, panel, R, bits);
  UNROLL
  for (gsize r = 0; r < (gsize) R; r++) {
    UNROLL
    for (gsize half = 0; half < HALVES; half++) {
      const __mmask16 used = (__mmask16) (lanes >> half * LANES);
      float *out = y + r * ldy + half * LANES;
      _mm512_mask_storeu_ps (out, used,
          _mm512_fmadd_ps (sums[r][half], _mm512_set1_ps (scale),
              _mm512_maskz_loadu_ps (used, out)));
    }
  }
}

#define TILE(bits, R) \
  static void tile_##bits##_##R (float *y, gsize ldy, \
      const ItuningQuantRows *rows, gsize row, const ItuningQuantized *matrix, \
      gsize panel, float scale) \
  { \
    multiply_tile (y, ldy, rows, row, matrix, panel, scale, R, bits); \
  }

TILE (8, 1)
TILE (8, 2)
TILE (8, 3)
TILE (8, 4)
TILE (8, 5)
TILE (8, 6)
TILE (4, 1)
TILE (4, 2)
TILE (4, 3)
TILE (4, 4)
TILE (4, 5)
TILE (4, 6)

static const ItuningQuantTile tiles[2][MAX_ROWS] = {
  { tile_8_1, tile_8_2, tile_8_3, tile_8_4, tile_8_5, tile_8_6 },
  { tile_4_1, tile_4_2, tile_4_3, tile_4_4, tile_4_5, tile_4_6 },
};

static void
vnni_multiply (float *y, gsize ldy, const ItuningQuantRows *rows, gsize M,
    const ItuningQuantized *matrix, gsize first_panel, gsize n_panels,
    float scale)
{
  ituning_quant_run_tiles (tiles[matrix->bits == 4], MAX_ROWS, y, ldy, rows, M,
      matrix, first_panel, n_panels, scale);
}

/* --- activations -------------------------------------------------------- */

static void
vnni_quantize (const ItuningQuantRows *rows, gsize row, const float *x,
    guint bits)
{
  const int bias = bits == 8 ? 128 : 8;

  for (gsize block = 0; block < rows->n_blocks; block++, x += BLOCK) {
    const gsize at = ituning_quant_place (rows, row, block);
    const __m512 a = _mm512_loadu_ps (x), b = _mm512_loadu_ps (x + 16);
    const float largest = _mm512_reduce_max_ps (
        _mm512_max_ps (_mm512_abs_ps (a), _mm512_abs_ps (b)));
    const gboolean is_nan = _mm512_cmp_ps_mask (a, b, _CMP_UNORD_Q) != 0;
    const __mmask16 used = !is_nan && ituning_quant_is_usable (largest) ? 0xffff
                                                                        : 0;
    const __m512 inverse = _mm512_set1_ps (127.0f / largest);
    const __m512i p = _mm512_maskz_cvtps_epi32 (used,
        _mm512_mul_ps (a, inverse));
    const __m512i q = _mm512_maskz_cvtps_epi32 (used,
        _mm512_mul_ps (b, inverse));

    _mm_storeu_si128 ((__m128i_u *) (rows->values + at * BLOCK),
        _mm512_cvtsepi32_epi8 (p));
    _mm_storeu_si128 ((__m128i_u *) (rows->values + at * BLOCK + 16),
        _mm512_cvtsepi32_epi8 (q));
    rows->scales[at] = is_nan ? __builtin_nanf ("") : largest / 127.0f;
    rows->offsets[at] = -bias *
        _mm512_reduce_add_epi32 (_mm512_add_epi32 (p, q));
  }
}

const ItuningQuantKernels ituning_quant_kernels_avx512 = { "avx512",
  vnni_quantize, vnni_multiply };
