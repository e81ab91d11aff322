/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <immintrin.h>
#include <string.h>

#include "model/kernels/quantkernels.h"

/* Products with quantised matrices by AVX2, whose widest product of bytes adds
 * pairs of an unsigned and a signed one in 16 bits. For weights of 4 bits eight
 * such sums still fit. For those of 8 bits the sign goes over to the activation,
 * so that a pair is at most 2 * 128 * 127; no offset is needed then. A half of
 * a panel, two vectors, is taken at a time. */

#define BLOCK ITUNING_QUANT_BLOCK
#define PANEL ITUNING_QUANT_PANEL
#define LANES ((gsize) 8)
#define VECTORS ((gsize) 2)
#define MAX_ROWS 3 /* of a group of six */
#define INLINE static inline __attribute__ ((always_inline))
#define UNROLL _Pragma ("GCC unroll 8")

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

/* dots [R, 2] = half a panel's words of a block times @R rows' values */
INLINE void
multiply_block_8 (__m256i dots[MAX_ROWS][VECTORS], const guint8 *words,
    const gint8 *x, const int R)
{
  const __m256i ones = _mm256_set1_epi16 (1);

  UNROLL
  for (gsize r = 0; r < (gsize) R; r++)
    dots[r][0] = dots[r][1] = _mm256_setzero_si256 ();
  for (gsize word = 0; word < 8; word++) {
    UNROLL
    for (gsize v = 0; v < VECTORS; v++) {
      const __m256i w = _mm256_xor_si256 (load (words + word * PANEL * 4 +
                                              v * 32),
          _mm256_set1_epi8 (-128));
      const __m256i magnitude = _mm256_abs_epi8 (w);
      UNROLL
      for (gsize r = 0; r < (gsize) R; r++) {
        const __m256i pairs = _mm256_maddubs_epi16 (magnitude,
            _mm256_sign_epi8 (broadcast (x + r * BLOCK + word * 4), w));
        dots[r][v] = _mm256_add_epi32 (dots[r][v],
            _mm256_madd_epi16 (pairs, ones));
      }
    }
  }
}

INLINE void
multiply_block_4 (__m256i dots[MAX_ROWS][VECTORS], const guint8 *words,
    const gint8 *x, const gint32 *offsets, const int R)
{
  const __m256i low = _mm256_set1_epi8 (15);

  UNROLL
  for (gsize r = 0; r < (gsize) R; r++)
    dots[r][0] = dots[r][1] = _mm256_setzero_si256 ();
  for (gsize word = 0; word < 4; word++) {
    UNROLL
    for (gsize v = 0; v < VECTORS; v++) {
      const __m256i w = load (words + word * PANEL * 4 + v * 32);
      const __m256i a = _mm256_and_si256 (w, low);
      const __m256i b = _mm256_and_si256 (_mm256_srli_epi16 (w, 4), low);
      UNROLL
      for (gsize r = 0; r < (gsize) R; r++) {
        const gint8 *at = x + r * BLOCK + word * 4;
        const __m256i pairs = _mm256_add_epi16 (_mm256_maddubs_epi16 (a,
                                                    broadcast (at)),
            _mm256_maddubs_epi16 (b, broadcast (at + BLOCK / 2)));
        dots[r][v] = _mm256_add_epi16 (dots[r][v], pairs);
      }
    }
  }
  UNROLL
  for (gsize r = 0; r < (gsize) R; r++)
    UNROLL
  for (gsize v = 0; v < VECTORS; v++)
    dots[r][v] = _mm256_add_epi32 (_mm256_madd_epi16 (dots[r][v],
                                       _mm256_set1_epi16 (1)),
        _mm256_set1_epi32 (offsets[r]));
}

/* sums [R, 2] = the product of @R rows from @row on with the half of a panel
 * that begins with its row @first */
INLINE void
multiply_panel (__m256 sums[MAX_ROWS][VECTORS], const ItuningQuantRows *rows,
    gsize row, const ItuningQuantized *matrix, gsize panel, gsize first,
    const int R, const guint bits)
{
  const gsize n_blocks = rows->n_blocks;

  UNROLL
  for (gsize r = 0; r < (gsize) R; r++)
    sums[r][0] = sums[r][1] = _mm256_setzero_ps ();
  for (gsize block = 0; block < n_blocks; block++) {
    const gsize at = ituning_quant_place (rows, row, block);
    const gsize place = panel * n_blocks + block;
    const guint8 *words = matrix->words + (place * bits * PANEL + first) * 4;
    const guint16 *scales = matrix->scales + place * PANEL + first;
    __m256i dots[MAX_ROWS][VECTORS];
    if (bits == 8)
      multiply_block_8 (dots, words, rows->values + at * BLOCK, R);
    else
      multiply_block_4 (dots, words, rows->values + at * BLOCK,
          rows->offsets + at, R);
    UNROLL
    for (gsize v = 0; v < VECTORS; v++) {
      const __m256 scale = _mm256_cvtph_ps (
          _mm_loadu_si128 ((const __m128i_u *) (scales + v * LANES)));
      UNROLL
      for (gsize r = 0; r < (gsize) R; r++)
        sums[r][v] = _mm256_fmadd_ps (_mm256_cvtepi32_ps (dots[r][v]),
            _mm256_mul_ps (scale, _mm256_set1_ps (rows->scales[at + r])),
            sums[r][v]);
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

  for (gsize first = 0; first < n; first += VECTORS * LANES) {
    __m256 sums[MAX_ROWS][VECTORS];
    multiply_panel (sums, rows, row, matrix, panel, first, R, bits);
    UNROLL
    for (gsize r = 0; r < (gsize) R; r++) {
      float product[VECTORS * LANES];
      _mm256_storeu_ps (product, sums[r][0]);
      _mm256_storeu_ps (product + LANES, sums[r][1]);
      for (gsize i = 0; i < MIN (VECTORS * LANES, n - first); i++)
        y[r * ldy + first + i] += scale * product[i];
    }
  }
}

typedef void (*TileFunc) (float *y, gsize ldy, const ItuningQuantRows *rows,
    gsize row, const ItuningQuantized *matrix, gsize panel, float scale);

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
TILE (4, 1)
TILE (4, 2)
TILE (4, 3)

static const TileFunc tiles[2][MAX_ROWS] = {
  { tile_8_1, tile_8_2, tile_8_3 },
  { tile_4_1, tile_4_2, tile_4_3 },
};

static void
avx2_multiply (float *y, gsize ldy, const ItuningQuantRows *rows, gsize M,
    const ItuningQuantized *matrix, gsize first_panel, gsize n_panels,
    float scale)
{
  const gsize end = MIN (first_panel + n_panels, matrix->n_panels);

  for (gsize panel = first_panel; panel < end; panel++)
    for (gsize row = 0; row < M; row += MAX_ROWS)
      tiles[matrix->bits == 4][MIN (MAX_ROWS, M - row) - 1](y + row * ldy +
              (panel - first_panel) * PANEL,
          ldy, rows, row, matrix, panel, scale);
}

/* --- activations -------------------------------------------------------- */

INLINE float
max_lanes (__m256 v)
{
  float lanes[8], largest = 0.0f;

  _mm256_storeu_ps (lanes, v);
  for (int i = 0; i < 8; i++)
    largest = lanes[i] > largest ? lanes[i] : largest;
  return largest;
}

INLINE int
sum_lanes (__m256i v)
{
  int lanes[8], sum = 0;

  memcpy (lanes, &v, sizeof (lanes));
  for (int i = 0; i < 8; i++)
    sum += lanes[i];
  return sum;
}

/* The largest magnitude; NaN if one of the values is. */
INLINE float
find_largest (const __m256 x[4])
{
  const __m256 sign = _mm256_set1_ps (-0.0f);
  const __m256 unordered = _mm256_or_ps (_mm256_cmp_ps (x[0], x[1],
                                             _CMP_UNORD_Q),
      _mm256_cmp_ps (x[2], x[3], _CMP_UNORD_Q));
  __m256 largest = _mm256_andnot_ps (sign, x[0]);

  if (_mm256_movemask_ps (unordered) != 0)
    return __builtin_nanf ("");
  for (int i = 1; i < 4; i++)
    largest = _mm256_max_ps (largest, _mm256_andnot_ps (sign, x[i]));
  return max_lanes (largest);
}

/* The bytes of 32 integers: packing takes them four at a time from each half. */
INLINE __m256i
narrow (const __m256i q[4])
{
  const __m256i mixed = _mm256_packs_epi16 (_mm256_packs_epi32 (q[0], q[1]),
      _mm256_packs_epi32 (q[2], q[3]));

  return _mm256_permutevar8x32_epi32 (mixed,
      _mm256_setr_epi32 (0, 4, 1, 5, 2, 6, 3, 7));
}

static void
avx2_quantize (const ItuningQuantRows *rows, gsize row, const float *x,
    guint bits)
{
  const int bias = bits == 8 ? 128 : 8;

  for (gsize block = 0; block < rows->n_blocks; block++, x += BLOCK) {
    const gsize at = ituning_quant_place (rows, row, block);
    __m256i q[4], sum = _mm256_setzero_si256 ();
    __m256 values[4];
    float largest;

    for (gsize i = 0; i < 4; i++)
      values[i] = _mm256_loadu_ps (x + 8 * i);
    largest = find_largest (values);
    for (gsize i = 0; i < 4; i++) {
      q[i] = !ituning_quant_is_usable (largest)
          ? _mm256_setzero_si256 ()
          : _mm256_cvtps_epi32 (
                _mm256_mul_ps (values[i], _mm256_set1_ps (127.0f / largest)));
      sum = _mm256_add_epi32 (sum, q[i]);
    }
    _mm256_storeu_si256 ((__m256i_u *) (rows->values + at * BLOCK), narrow (q));
    rows->scales[at] = largest / 127.0f;
    rows->offsets[at] = -bias * sum_lanes (sum);
  }
}

const ItuningQuantKernels ituning_quant_kernels_avx2 = { "avx2", avx2_quantize,
  avx2_multiply };
