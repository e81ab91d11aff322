/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/quantavx2.h"

/* Products of many rows with a panel of 8 bits by AVX2: some blocks of it at a
 * time are unpacked as the products take them and stay in cache while all rows
 * meet them; the rows' sums wait beside them.
 *
 * What is unpacked is the weight's magnitude and a mask m of ones where it is
 * negative. The activation takes the sign over as x ^ m, which is -x - 1 there:
 * the magnitudes of a block's negative weights are what its sum lacks, and
 * starts from. This and the products of pairs keep all of a processor's ports
 * busy, which a product with its own sign does not. */

#define BLOCK ITUNING_QUANT_BLOCK
#define PANEL ITUNING_QUANT_PANEL
#define ROWS ITUNING_QUANT_GROUP
#define LANES ((gsize) 8)
#define VECTORS (PANEL / LANES)
#define WORDS ((gsize) 8) /* of four weights, in a block */
#define PART_BLOCKS ((gsize) 8) /* in cache */
#define PART_ROWS (40 * ROWS)

typedef struct
{
  __m256i words[VECTORS][WORDS][2]; /* magnitude and mask */
  __m256i starts[VECTORS];
  __m256 scales[VECTORS];
} Unpacked;

typedef struct
{
  Unpacked blocks[PART_BLOCKS];
  __m256 sums[PART_ROWS][VECTORS];
} Part;

INLINE void
unpack_words (Unpacked *out, const guint8 *words)
{
  for (gsize v = 0; v < VECTORS; v++) {
    __m256i missing = _mm256_setzero_si256 ();
    for (gsize word = 0; word < WORDS; word++) {
      const __m256i w = _mm256_xor_si256 (load (words +
                                              (word * VECTORS + v) * 32),
          _mm256_set1_epi8 (-128));
      const __m256i mask = _mm256_cmpgt_epi8 (_mm256_setzero_si256 (), w);
      out->words[v][word][0] = _mm256_abs_epi8 (w);
      out->words[v][word][1] = mask;
      missing = _mm256_sub_epi16 (missing,
          _mm256_maddubs_epi16 (out->words[v][word][0], mask));
    }
    out->starts[v] = _mm256_madd_epi16 (missing, _mm256_set1_epi16 (1));
  }
}

static void
unpack (Unpacked *out, const ItuningQuantized *matrix, gsize place)
{
  const guint16 *scales = matrix->scales + place * PANEL;

  unpack_words (out, matrix->words + place * BLOCK * PANEL);
  for (gsize v = 0; v < VECTORS; v++)
    out->scales[v] = _mm256_cvtph_ps (
        _mm_loadu_si128 ((const __m128i_u *) (scales + v * LANES)));
}

INLINE void
add_block (__m256 *sum, __m256i dots, __m256 scale, const float *x_scale)
{
  *sum = _mm256_fmadd_ps (_mm256_cvtepi32_ps (dots),
      _mm256_mul_ps (scale, _mm256_broadcast_ss (x_scale)), *sum);
}

/* sums [6, 4] += a block times a group's values */
static void
multiply_block (__m256 sums[ROWS][VECTORS], const Unpacked *block,
    const gint8 *x, const float *x_scales)
{
  const __m256i ones = _mm256_set1_epi16 (1);

  for (gsize v = 0; v < VECTORS; v++) {
    __m256i dots[ROWS];
    UNROLL
    for (gsize r = 0; r < ROWS; r++)
      dots[r] = block->starts[v];
    UNROLL
    for (gsize word = 0; word < WORDS; word++) {
      const __m256i magnitude = block->words[v][word][0];
      const __m256i mask = block->words[v][word][1];
      UNROLL
      for (gsize r = 0; r < ROWS; r += 3) {
        __m256i t[3];
        UNROLL
        for (gsize i = 0; i < 3; i++)
          t[i] = _mm256_xor_si256 (broadcast (x + (r + i) * BLOCK + word * 4),
              mask);
        UNROLL
        for (gsize i = 0; i < 3; i++)
          t[i] = _mm256_maddubs_epi16 (magnitude, t[i]);
        UNROLL
        for (gsize i = 0; i < 3; i++)
          dots[r + i] = _mm256_add_epi32 (dots[r + i],
              _mm256_madd_epi16 (t[i], ones));
        IN_ORDER (dots[r]);
        IN_ORDER (dots[r + 1]);
        IN_ORDER (dots[r + 2]);
      }
    }
    UNROLL
    for (gsize r = 0; r < ROWS; r++)
      add_block (&sums[r][v], dots[r], block->scales[v], x_scales + r);
  }
}

/* Adds the blocks that are unpacked to the sums of @M rows from @first on. */
static void
multiply_part (Part *part, const ItuningQuantRows *rows, gsize first, gsize M,
    gsize first_block, gsize n_blocks)
{
  for (gsize row = 0; row < M; row += ROWS)
    for (gsize block = 0; block < n_blocks; block++) {
      const gsize at = ituning_quant_place (rows, first + row,
          first_block + block);
      multiply_block (part->sums + row, &part->blocks[block],
          rows->values + at * BLOCK, rows->scales + at);
    }
}

/* Of the thread: too large for its stack. */
static Part *
get_part (void)
{
  static GPrivate key = G_PRIVATE_INIT (g_aligned_free);
  Part *part = g_private_get (&key);

  if (part == NULL) {
    part = g_aligned_alloc (1, sizeof (Part), 64);
    g_private_set (&key, part);
  }
  return part;
}

/**
 * ituning_quant_multiply_rows:
 * @y: [M, n] with row stride @ldy: added to, where n is the panel's width
 * @rows: [M] activations, whole groups
 * @M: how many
 * @matrix: the weights, of 8 bits
 * @panel: which of its panels
 * @scale: multiplies the product
 *
 * As a table's multiply () with one panel; the sums are taken in the same order.
 */
void
ituning_quant_multiply_rows (float *y, gsize ldy, const ItuningQuantRows *rows,
    gsize M, const ItuningQuantized *matrix, gsize panel, float scale)
{
  const gsize n = MIN (PANEL, matrix->n_out - panel * PANEL);
  Part *part = get_part ();

  for (gsize first = 0; first < M; first += PART_ROWS) {
    const gsize m = MIN (PART_ROWS, M - first);
    memset (part->sums, 0, sizeof (part->sums));
    for (gsize block = 0; block < matrix->n_blocks; block += PART_BLOCKS) {
      const gsize n_blocks = MIN (PART_BLOCKS, matrix->n_blocks - block);
      for (gsize i = 0; i < n_blocks; i++)
        unpack (&part->blocks[i], matrix, panel * matrix->n_blocks + block + i);
      multiply_part (part, rows, first, m, block, n_blocks);
    }
    for (gsize row = 0; row < m; row++)
      ituning_quant_add_row (y + (first + row) * ldy, part->sums[row], n,
          scale);
  }
}
