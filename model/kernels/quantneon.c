/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arm_neon.h>

#include "model/kernels/quantkernels.h"

/* Products with quantised matrices by NEON. Compiled once for processors with
 * dot products (ARMv8.2's optional SDOT: an instruction adds to each of four
 * sums the products of four bytes) and once for those without, which multiply
 * in 16 bits and add pairs; ITUNING_TABLE names the result. Both multiply signed
 * bytes: the bias of weights of 8 bits is taken off as they are loaded, that of
 * 4 bits is in the offset. A tile of up to six rows and a part of a panel is
 * kept in registers. */

#define BLOCK ITUNING_QUANT_BLOCK
#define PANEL ITUNING_QUANT_PANEL
#define LANES ((gsize) 4)
#define MAX_VECTORS 8 /* a panel */
#define MAX_ROWS 6 /* a group */
#define INLINE static inline __attribute__ ((always_inline))
#define UNROLL _Pragma ("GCC unroll 8")

/* Sums of a tile; only the first rows and vectors are used. */
typedef int32x4_t Dots[MAX_ROWS][MAX_VECTORS];
typedef float32x4_t Sums[MAX_ROWS][MAX_VECTORS];

/* sums [4] += each four bytes of w [16] times the four of x [16] at @lane */
INLINE int32x4_t
add_dots (int32x4_t sums, int8x16_t w, int8x16_t x, const gsize lane)
{
#ifdef __ARM_FEATURE_DOTPROD
  /* The lane must be written as a number. */
  switch (lane) {
    case 0:
      return vdotq_laneq_s32 (sums, w, x, 0);
    case 1:
      return vdotq_laneq_s32 (sums, w, x, 1);
    case 2:
      return vdotq_laneq_s32 (sums, w, x, 2);
    default:
      return vdotq_laneq_s32 (sums, w, x, 3);
  }
#else
  /* The sum of two products is at most 2 * 128 * 127, which 16 bits hold. */
  const int8x16_t four = vreinterpretq_s8_s32 (
      vdupq_n_s32 (vreinterpretq_s32_s8 (x)[lane]));
  const int16x8_t low = vmull_s8 (vget_low_s8 (w), vget_low_s8 (four));
  const int16x8_t high = vmull_high_s8 (w, four);

  return vpadalq_s16 (sums, vpaddq_s16 (low, high));
#endif
}

/* dots [R, V] += a quarter of a block with 8 bits, half of one with 4: four
 * words times the values of @R rows that meet them; with 4 bits the high ones
 * meet those from @x + 16 on */
INLINE void
multiply_words (Dots dots, const guint8 *words, const gint8 *x, const gsize R,
    const gsize V, const guint bits)
{
  int8x16_t low[MAX_ROWS], high[MAX_ROWS];

  UNROLL
  for (gsize r = 0; r < R; r++) {
    low[r] = vld1q_s8 (x + r * BLOCK);
    if (bits == 4)
      high[r] = vld1q_s8 (x + r * BLOCK + BLOCK / 2);
  }
  UNROLL
  for (gsize word = 0; word < 4; word++) {
    UNROLL
    for (gsize v = 0; v < V; v++) {
      const uint8x16_t q = vld1q_u8 (words + (word * PANEL + v * LANES) * 4);
      const int8x16_t w = vreinterpretq_s8_u8 (bits == 8
              ? veorq_u8 (q, vdupq_n_u8 (128))
              : vandq_u8 (q, vdupq_n_u8 (15)));
      UNROLL
      for (gsize r = 0; r < R; r++) {
        dots[r][v] = add_dots (dots[r][v], w, low[r], word);
        if (bits == 4)
          dots[r][v] = add_dots (dots[r][v],
              vreinterpretq_s8_u8 (vshrq_n_u8 (q, 4)), high[r], word);
      }
    }
  }
}

/* sums [R, V] = the product of @R rows from @row on with the part of a panel
 * that begins with its row @first */
INLINE void
multiply_panel (Sums sums, const ItuningQuantRows *rows, gsize row,
    const ItuningQuantized *matrix, gsize panel, gsize first, const gsize R,
    const gsize V, const guint bits)
{
  UNROLL
  for (gsize r = 0; r < R; r++)
    UNROLL
  for (gsize v = 0; v < V; v++)
    sums[r][v] = vdupq_n_f32 (0.0f);
  for (gsize block = 0; block < rows->n_blocks; block++) {
    const gsize at = ituning_quant_place (rows, row, block);
    const gsize place = panel * rows->n_blocks + block;
    const guint8 *words = matrix->words + (place * bits * PANEL + first) * 4;
    const guint16 *scales = matrix->scales + place * PANEL + first;
    const gint8 *x = rows->values + at * BLOCK;
    Dots dots;
    UNROLL
    for (gsize r = 0; r < R; r++)
      UNROLL
    for (gsize v = 0; v < V; v++)
      dots[r][v] = vdupq_n_s32 (bits == 4 ? rows->offsets[at + r] : 0);
    multiply_words (dots, words, x, R, V, bits);
    if (bits == 8)
      multiply_words (dots, words + 4 * PANEL * 4, x + BLOCK / 2, R, V, bits);
    UNROLL
    for (gsize v = 0; v < V; v++) {
      const float32x4_t scale = vcvt_f32_f16 (
          vreinterpret_f16_u16 (vld1_u16 (scales + v * LANES)));
      UNROLL
      for (gsize r = 0; r < R; r++)
        sums[r][v] = vfmaq_f32 (sums[r][v], vcvtq_f32_s32 (dots[r][v]),
            vmulq_n_f32 (scale, rows->scales[at + r]));
    }
  }
}

/* y [R, n] += scale times the product, @V vectors of a panel at a time */
INLINE void
multiply_tile (float *y, gsize ldy, const ItuningQuantRows *rows, gsize row,
    const ItuningQuantized *matrix, gsize panel, float scale, const gsize R,
    const gsize V, const guint bits)
{
  const gsize n = MIN (PANEL, matrix->n_out - panel * PANEL);

  for (gsize first = 0; first < n; first += V * LANES) {
    const gsize n_used = MIN (V * LANES, n - first);
    Sums sums;
    multiply_panel (sums, rows, row, matrix, panel, first, R, V, bits);
    UNROLL
    for (gsize r = 0; r < R; r++) {
      float *out = y + r * ldy + first;
      UNROLL
      for (gsize v = 0; v < V; v++) {
        if ((v + 1) * LANES <= n_used)
          vst1q_f32 (out + v * LANES,
              vfmaq_n_f32 (vld1q_f32 (out + v * LANES), sums[r][v], scale));
        else
          for (gsize i = 0; v * LANES + i < n_used; i++)
            out[v * LANES + i] += scale * sums[r][v][i];
      }
    }
  }
}

#define TILE(bits, R, V) \
  static void tile_##bits##_##R (float *y, gsize ldy, \
      const ItuningQuantRows *rows, gsize row, const ItuningQuantized *matrix, \
      gsize panel, float scale) \
  { \
    multiply_tile (y, ldy, rows, row, matrix, panel, scale, R, V, bits); \
  }

/* As many vectors as the 32 registers have room for: one row reads a panel from
 * end to end, more read whole cache lines of it where they can. */
TILE (8, 1, 8)
TILE (8, 2, 4)
TILE (8, 3, 4)
TILE (8, 4, 2)
TILE (8, 5, 2)
TILE (8, 6, 2)
TILE (4, 1, 8)
TILE (4, 2, 4)
TILE (4, 3, 4)
TILE (4, 4, 2)
TILE (4, 5, 2)
TILE (4, 6, 2)

static const ItuningQuantTile tiles[2][MAX_ROWS] = {
  { tile_8_1, tile_8_2, tile_8_3, tile_8_4, tile_8_5, tile_8_6 },
  { tile_4_1, tile_4_2, tile_4_3, tile_4_4, tile_4_5, tile_4_6 },
};

static void
neon_multiply (float *y, gsize ldy, const ItuningQuantRows *rows, gsize M,
    const ItuningQuantized *matrix, gsize first_panel, gsize n_panels,
    float scale)
{
  ituning_quant_run_tiles (tiles[matrix->bits == 4], MAX_ROWS, y, ldy, rows, M,
      matrix, first_panel, n_panels, scale);
}

/* --- activations -------------------------------------------------------- */

/* The largest magnitude; NaN if one of the values is. */
INLINE float
find_largest (const float32x4_t x[8])
{
  float32x4_t largest = vabsq_f32 (x[0]);

  for (gsize i = 1; i < 8; i++)
    largest = vmaxq_f32 (largest, vabsq_f32 (x[i]));
  return vmaxvq_f32 (largest);
}

/* 16 values times @inverse, to the nearest whole number */
INLINE int8x16_t
round_values (const float32x4_t x[4], float inverse)
{
  int16x4_t q[4];

  for (gsize i = 0; i < 4; i++)
    q[i] = vmovn_s32 (vcvtnq_s32_f32 (vmulq_n_f32 (x[i], inverse)));
  return vcombine_s8 (vmovn_s16 (vcombine_s16 (q[0], q[1])),
      vmovn_s16 (vcombine_s16 (q[2], q[3])));
}

static void
neon_quantize (const ItuningQuantRows *rows, gsize row, const float *x,
    guint bits)
{
  const int bias = bits == 8 ? 128 : 8;

  for (gsize block = 0; block < rows->n_blocks; block++, x += BLOCK) {
    const gsize at = ituning_quant_place (rows, row, block);
    int8x16_t q[2] = { vdupq_n_s8 (0), vdupq_n_s8 (0) };
    float32x4_t values[8];
    float largest;

    for (gsize i = 0; i < 8; i++)
      values[i] = vld1q_f32 (x + LANES * i);
    largest = find_largest (values);
    if (ituning_quant_is_usable (largest)) {
      q[0] = round_values (values, 127.0f / largest);
      q[1] = round_values (values + 4, 127.0f / largest);
    }
    vst1q_s8 (rows->values + at * BLOCK, q[0]);
    vst1q_s8 (rows->values + at * BLOCK + BLOCK / 2, q[1]);
    rows->scales[at] = largest / 127.0f;
    rows->offsets[at] = -bias * (vaddlvq_s8 (q[0]) + vaddlvq_s8 (q[1]));
  }
}

#define TABLE_NAME_(isa) ituning_quant_kernels_##isa
#define TABLE_NAME(isa) TABLE_NAME_ (isa)
#define STRING_(isa) #isa
#define STRING(isa) STRING_ (isa)

const ItuningQuantKernels TABLE_NAME (
    ITUNING_TABLE) = { STRING (ITUNING_TABLE), neon_quantize, neon_multiply };
