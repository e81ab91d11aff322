/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/quantized.h"

#include <math.h>
#include <string.h>

#include "model/half.h"

#define BLOCK ITUNING_QUANT_BLOCK
#define PANEL ITUNING_QUANT_PANEL
#define SCALE_BYTES sizeof (guint16)
#define WORD_BYTES ((gsize) 4)

/**
 * ituning_quant_block_bytes:
 * @bits: 8 or 4
 *
 * Returns: bytes of a block of 32 weights in a file
 */
gsize
ituning_quant_block_bytes (guint bits)
{
  return SCALE_BYTES + BLOCK * bits / 8;
}

/* --- blocks ------------------------------------------------------------- */

/* The value that is farthest from zero, with its sign; the first of several. */
static float
find_extreme (const float *x)
{
  float extreme = 0.0f;

  for (gsize i = 0; i < BLOCK; i++)
    if (fabsf (x[i]) > fabsf (extreme))
      extreme = x[i];
  return extreme;
}

/* x / scale to the nearest whole number from @min to @max. */
static int
round_to (float x, float scale, int min, int max)
{
  const float q = scale != 0.0f ? rintf (x / scale) : 0.0f;

  return q <= (float) min ? min : q >= (float) max ? max : (int) q;
}

/* The extreme becomes +-127; or -8, which has no positive counterpart. */
static gboolean
encode_block (guint bits, guint8 *block, const float *x)
{
  const float extreme = find_extreme (x);
  const float wanted = bits == 8 ? fabsf (extreme) / 127.0f : extreme / -8.0f;
  guint8 *q = block + SCALE_BYTES;
  guint16 half;
  gboolean fits = ituning_half_from_float (&half, &wanted, 1);
  float scale;

  memcpy (block, &half, SCALE_BYTES);
  ituning_half_to_float (&scale, &half, 1);
  if (bits == 8) {
    for (gsize i = 0; i < BLOCK; i++)
      q[i] = (guint8) (gint8) round_to (x[i], scale, -127, 127);
    return fits;
  }
  for (gsize i = 0; i < BLOCK / 2; i++)
    q[i] = (guint8) ((round_to (x[i], scale, -8, 7) + 8) |
        (round_to (x[BLOCK / 2 + i], scale, -8, 7) + 8) << 4);
  return fits;
}

/**
 * ituning_quant_encode:
 * @bits: 8 or 4
 * @blocks: output: blocks as a file holds them
 * @x: [@n] finite values
 * @n: a multiple of 32
 *
 * Rounds to the nearest multiple of the block's scale, as rounded to binary16.
 * Values that came from such blocks give the same blocks again.
 *
 * Returns: FALSE when a value is too large
 */
gboolean
ituning_quant_encode (guint bits, guint8 *blocks, const float *x, gsize n)
{
  const gsize size = ituning_quant_block_bytes (bits);
  gboolean fits = TRUE;

  for (gsize i = 0; i < n / BLOCK; i++)
    fits = encode_block (bits, blocks + i * size, x + i * BLOCK) && fits;
  return fits;
}

/* --- matrices ----------------------------------------------------------- */

static gsize
count_words (const ItuningQuantized *self)
{
  return self->n_panels * self->n_blocks * self->bits * PANEL;
}

static gsize
count_scales (const ItuningQuantized *self)
{
  return self->n_panels * self->n_blocks * PANEL;
}

/* Zeros in the last panel, if it has more rows than the matrix. */
static void
fill_up (ItuningQuantized *self)
{
  const gsize n_words = self->n_blocks * self->bits * PANEL;
  const gsize n_scales = self->n_blocks * PANEL;
  const gsize last = self->n_panels - 1;

  if (self->n_out % PANEL == 0)
    return;
  memset (self->words + last * n_words * WORD_BYTES, 0, n_words * WORD_BYTES);
  memset (self->scales + last * n_scales, 0, n_scales * SCALE_BYTES);
}

/**
 * ituning_quantized_new:
 * @bits: 8 or 4
 * @n_out: rows
 * @n_in: columns, a multiple of 32
 *
 * Memory of the rows is not touched here, so that the threads that set them
 * are the first to.
 *
 * Returns: (transfer full): a matrix whose rows are all to be set before it is
 *   used
 */
ItuningQuantized *
ituning_quantized_new (guint bits, gsize n_out, gsize n_in)
{
  ItuningQuantized *self = g_new0 (ItuningQuantized, 1);

  g_assert ((bits == 8 || bits == 4) && n_in % BLOCK == 0);
  self->bits = bits;
  self->n_out = n_out;
  self->n_in = n_in;
  self->n_blocks = n_in / BLOCK;
  self->n_panels = (n_out + PANEL - 1) / PANEL;
  self->words = g_aligned_alloc (MAX (count_words (self), 1), WORD_BYTES, 64);
  self->scales = g_aligned_alloc (MAX (count_scales (self), 1), SCALE_BYTES,
      64);
  fill_up (self);
  return self;
}

/**
 * ituning_quantized_free:
 * @matrix: (nullable) (transfer full): a matrix
 */
void
ituning_quantized_free (ItuningQuantized *matrix)
{
  if (matrix == NULL)
    return;
  g_aligned_free (matrix->words);
  g_aligned_free (matrix->scales);
  g_free (matrix);
}

/**
 * ituning_quantized_get_size:
 *
 * Returns: bytes that its weights take
 */
gsize
ituning_quantized_get_size (const ItuningQuantized *matrix)
{
  return count_words (matrix) * WORD_BYTES +
      count_scales (matrix) * SCALE_BYTES;
}

/* Where the first word of a block of @row is; the next one is PANEL words on. */
static guint8 *
find_words (const ItuningQuantized *self, gsize row, gsize block)
{
  const gsize first = (row / PANEL * self->n_blocks + block) * self->bits;

  return self->words + (first * PANEL + row % PANEL) * WORD_BYTES;
}

static guint16 *
find_scale (const ItuningQuantized *self, gsize row, gsize block)
{
  return self->scales + (row / PANEL * self->n_blocks + block) * PANEL +
      row % PANEL;
}

/**
 * ituning_quantized_set_row:
 * @matrix: a matrix that nobody uses yet
 * @row: below n_out
 * @blocks: the row as a file holds it, at any address
 *
 * Returns: FALSE when one of its scales is a NaN or an infinity
 */
gboolean
ituning_quantized_set_row (ItuningQuantized *matrix, gsize row,
    const guint8 *blocks)
{
  const gsize size = ituning_quant_block_bytes (matrix->bits);
  const guint32 bias = matrix->bits == 8 ? 0x80808080 : 0;
  gboolean finite = TRUE;

  for (gsize block = 0; block < matrix->n_blocks; block++, blocks += size) {
    const guint8 *q = blocks + SCALE_BYTES;
    guint8 *words = find_words (matrix, row, block);
    guint16 scale;

    memcpy (&scale, blocks, SCALE_BYTES);
    finite = finite && (scale & 0x7c00) != 0x7c00;
    *find_scale (matrix, row, block) = scale;
    for (guint word = 0; word < matrix->bits; word++) {
      guint32 four;
      memcpy (&four, q + word * WORD_BYTES, WORD_BYTES);
      four ^= bias;
      memcpy (words + word * PANEL * WORD_BYTES, &four, WORD_BYTES);
    }
  }
  return finite;
}

/**
 * ituning_quantized_get_row:
 * @matrix: a matrix
 * @row: below n_out
 * @x: [n_in] output: its values
 */
void
ituning_quantized_get_row (const ItuningQuantized *matrix, gsize row, float *x)
{
  for (gsize block = 0; block < matrix->n_blocks; block++, x += BLOCK) {
    const guint8 *words = find_words (matrix, row, block);
    float scale;

    ituning_half_to_float (&scale, find_scale (matrix, row, block), 1);
    for (gsize i = 0; i < (gsize) matrix->bits * WORD_BYTES; i++) {
      const guint8 q =
          words[i / WORD_BYTES * PANEL * WORD_BYTES + i % WORD_BYTES];
      if (matrix->bits == 8) {
        x[i] = scale * (float) (q - 128);
      } else {
        x[i] = scale * (float) ((q & 15) - 8);
        x[BLOCK / 2 + i] = scale * (float) ((q >> 4) - 8);
      }
    }
  }
}
