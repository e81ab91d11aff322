/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/quantavx2.h"

/* Products with quantised matrices by AVX2, whose widest product of bytes adds
 * pairs of an unsigned and a signed one in 16 bits. For weights of 4 bits eight
 * such sums still fit. For those of 8 bits the sign goes over to the activation,
 * so that a pair is at most 2 * 128 * 127; no offset is needed then. Here the
 * weights are taken as they lie in memory, once for a group of rows; quantrows.c
 * has what is faster for many, of 8 bits. What comes next is asked for, since
 * three rows and more read a panel in two parts, not in the order in which it
 * lies. */

#define BLOCK ITUNING_QUANT_BLOCK
#define PANEL ITUNING_QUANT_PANEL
#define LANES ((gsize) 8)
#define VECTORS (PANEL / LANES) /* of a panel */
/* Rows that meet a block at once: of 8 bits a group; of 4 as many as have their
 * sums in registers. */
#define MAX_ROWS_8 6
#define MAX_ROWS_4 2
#define PREFETCH_BYTES 2048
/* From so many rows on it pays to unpack a panel of 8 bits for them. */
#define MANY_ROWS (2 * ITUNING_QUANT_GROUP + 1)

/* Compiled once more for processors that have the product of AVX-512's VNNI in
 * AVX2's registers: with it unpacking weights of 8 bits gains nothing. */
#if defined(__AVXVNNI__)
#define TABLE ituning_quant_kernels_avxvnni
#define TABLE_NAME "avxvnni"
#define HAS_VNNI TRUE
#else
#define TABLE ituning_quant_kernels_avx2
#define TABLE_NAME "avx2"
#define HAS_VNNI FALSE
#endif

/* sum + the products of four bytes each, @a unsigned and at most 128 */
INLINE __m256i
add_products (__m256i sum, __m256i a, __m256i b)
{
#if defined(__AVXVNNI__)
  return _mm256_dpbusd_avx_epi32 (sum, a, b);
#else
  return _mm256_add_epi32 (sum,
      _mm256_madd_epi16 (_mm256_maddubs_epi16 (a, b), _mm256_set1_epi16 (1)));
#endif
}

/* How many of a panel's vectors of outputs are summed at a time: what the
 * registers hold. All four, for few rows, read a panel as it lies in memory. */
#define WIDTH(R) ((gsize) ((R) <= 2 ? 4 : 2))

/* dots [R, WIDTH (R)] = a block's words of so many vectors of outputs times @R
 * rows' values */
INLINE void
multiply_block_8 (__m256i dots[MAX_ROWS_8][VECTORS], const guint8 *words,
    const gint8 *x, const int R)
{
  const gsize width = WIDTH (R);

  UNROLL
  for (gsize r = 0; r < (gsize) R; r++)
    UNROLL
  for (gsize v = 0; v < width; v++)
    dots[r][v] = _mm256_setzero_si256 ();
  for (gsize word = 0; word < 8; word++) {
    UNROLL
    for (gsize v = 0; v < width; v++) {
      const guint8 *at = words + word * PANEL * 4 + v * 32;
      const __m256i w = _mm256_xor_si256 (load (at), _mm256_set1_epi8 (-128));
      const __m256i magnitude = _mm256_abs_epi8 (w);
      if (v % 2 == 0)
        _mm_prefetch (at + PREFETCH_BYTES, _MM_HINT_T0);
      UNROLL
      for (gsize r = 0; r < (gsize) R; r++) {
        dots[r][v] = add_products (dots[r][v], magnitude,
            _mm256_sign_epi8 (broadcast (x + r * BLOCK + word * 4), w));
      }
    }
  }
}

/* What sums of 4 bits start from, in 16 bits: half of the offset -8 (a + b),
 * where a is the sum of the values that the lane's half of a pair meets and b
 * the rest. With the products, at most 8 * 16 * 127 without their offset -8 a,
 * it ends within that + 4 |a - b|, which is 32512 at most. */
INLINE __m256i
start_4 (gint32 offset)
{
  return _mm256_set1_epi16 ((gint16) (offset / 2));
}

/* The low four bits of the words meet the first half of the values, the high
 * ones the second. */
INLINE void
multiply_block_4 (__m256i dots[MAX_ROWS_8][VECTORS], const guint8 *words,
    const gint8 *x, const gint32 *offsets, const int R)
{
  const __m256i low = _mm256_set1_epi8 (15);
  const gsize width = WIDTH (R);

  UNROLL
  for (gsize r = 0; r < (gsize) R; r++)
    UNROLL
  for (gsize v = 0; v < width; v++)
    dots[r][v] = start_4 (offsets[r]);
  UNROLL
  for (gsize word = 0; word < 8; word++) {
    __m256i w[VECTORS];
    UNROLL
    for (gsize v = 0; v < width; v++) {
      const guint8 *at = words + word % 4 * PANEL * 4 + v * 32;
      if (word < 4 && v % 2 == 0)
        _mm_prefetch (at + PREFETCH_BYTES, _MM_HINT_T0);
      w[v] = load (at);
      w[v] = _mm256_and_si256 (word < 4 ? w[v] : _mm256_srli_epi16 (w[v], 4),
          low);
    }
    UNROLL
    for (gsize r = 0; r < (gsize) R; r++) {
      const __m256i value = broadcast (x + r * BLOCK + word * 4);
      UNROLL
      for (gsize v = 0; v < width; v++) {
        dots[r][v] = _mm256_add_epi16 (dots[r][v],
            _mm256_maddubs_epi16 (w[v], value));
        IN_ORDER (dots[r][v]);
      }
    }
  }
  UNROLL
  for (gsize r = 0; r < (gsize) R; r++)
    UNROLL
  for (gsize v = 0; v < width; v++)
    dots[r][v] = _mm256_madd_epi16 (dots[r][v], _mm256_set1_epi16 (1));
}

/* sums [R, 4] = the product of @R rows from @row on with a panel */
INLINE void
multiply_panel (__m256 sums[MAX_ROWS_8][VECTORS], const ItuningQuantRows *rows,
    gsize row, const ItuningQuantized *matrix, gsize panel, const int R,
    const guint bits)
{
  const gsize n_blocks = rows->n_blocks, width = WIDTH (R);

  for (gsize r = 0; r < (gsize) R; r++)
    for (gsize v = 0; v < VECTORS; v++)
      sums[r][v] = _mm256_setzero_ps ();
  for (gsize block = 0; block < n_blocks; block++) {
    const gsize at = ituning_quant_place (rows, row, block);
    const gsize place = panel * n_blocks + block;
    const guint8 *words = matrix->words + place * bits * PANEL * 4;
    const guint16 *scales = matrix->scales + place * PANEL;
    UNROLL
    for (gsize first = 0; first < VECTORS; first += width) {
      __m256i dots[MAX_ROWS_8][VECTORS];
      if (bits == 8)
        multiply_block_8 (dots, words + first * 32, rows->values + at * BLOCK,
            R);
      else
        multiply_block_4 (dots, words + first * 32, rows->values + at * BLOCK,
            rows->offsets + at, R);
      UNROLL
      for (gsize v = 0; v < width; v++) {
        const __m256 scale = _mm256_cvtph_ps (_mm_loadu_si128 (
            (const __m128i_u *) (scales + (first + v) * LANES)));
        UNROLL
        for (gsize r = 0; r < (gsize) R; r++)
          sums[r][first + v] = _mm256_fmadd_ps (_mm256_cvtepi32_ps (dots[r][v]),
              _mm256_mul_ps (scale, _mm256_set1_ps (rows->scales[at + r])),
              sums[r][first + v]);
      }
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
  __m256 sums[MAX_ROWS_8][VECTORS];

  multiply_panel (sums, rows, row, matrix, panel, R, bits);
  for (gsize r = 0; r < (gsize) R; r++)
    ituning_quant_add_row (y + r * ldy, sums[r], n, scale);
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

static const ItuningQuantTile tiles_8[MAX_ROWS_8] = { tile_8_1, tile_8_2,
  tile_8_3, tile_8_4, tile_8_5, tile_8_6 };
static const ItuningQuantTile tiles_4[MAX_ROWS_4] = { tile_4_1, tile_4_2 };

static void
avx2_multiply (float *y, gsize ldy, const ItuningQuantRows *rows, gsize M,
    const ItuningQuantized *matrix, gsize first_panel, gsize n_panels,
    float scale)
{
  if (matrix->bits == 4) {
    ituning_quant_run_tiles (tiles_4, MAX_ROWS_4, y, ldy, rows, M, matrix,
        first_panel, n_panels, scale);
  } else if (M < MANY_ROWS || HAS_VNNI) {
    ituning_quant_run_tiles (tiles_8, MAX_ROWS_8, y, ldy, rows, M, matrix,
        first_panel, n_panels, scale);
  } else {
    const gsize end = MIN (first_panel + n_panels, matrix->n_panels);
    for (gsize panel = first_panel; panel < end; panel++)
      ituning_quant_multiply_rows (y + (panel - first_panel) * PANEL, ldy, rows,
          M, matrix, panel, scale);
  }
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

const ItuningQuantKernels TABLE = { TABLE_NAME, avx2_quantize, avx2_multiply };
