/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Matrices of 8 or 4 bits a weight. Files hold them in ggml's blocks, each of 32
 * weights of a row that share a scale d of IEEE 754 binary16:
 *
 *   Q8_0, 34 bytes: d; 32 signed bytes q: weight = d q
 *   Q4_0, 18 bytes: d; 16 bytes with q of weight i in the low four bits of byte
 *         i, of weight 16 + i in its high ones: weight = d (q - 8)
 *
 * In memory they lie as the kernels read them. Rows are gathered in panels of
 * 32, the last one filled up with zeros, and q is biased to be unsigned: by 128
 * with 8 bits, by the 8 that it has with 4. Of a block, 8 or 4 words of four
 * bytes a row are left (as many as a weight has bits), each beside those of the
 * panel's other rows:
 *
 *   words  [panels, blocks, bits, 32] of 4 bytes
 *   scales [panels, blocks, 32] of binary16
 */

#define ITUNING_QUANT_BLOCK ((gsize) 32)
#define ITUNING_QUANT_PANEL ((gsize) 32)
#define ITUNING_QUANT_MAX_BLOCK_BYTES 34

/**
 * ItuningQuantized:
 * @bits: of a weight: 8 or 4
 * @n_out: rows
 * @n_in: columns, a multiple of 32
 * @n_blocks: of a row
 * @n_panels: of the matrix
 * @words: owned; see above
 * @scales: owned; see above
 *
 * A matrix [n_out, n_in]. Immutable once its rows are set.
 */
typedef struct
{
  guint bits;
  gsize n_out, n_in;
  gsize n_blocks, n_panels;
  guint8 *words;
  guint16 *scales;
} ItuningQuantized;

gsize ituning_quant_block_bytes (guint bits);
gboolean ituning_quant_encode (guint bits, guint8 *blocks, const float *x,
    gsize n);

ItuningQuantized *ituning_quantized_new (guint bits, gsize n_out, gsize n_in);
void ituning_quantized_free (ItuningQuantized *matrix);
gsize ituning_quantized_get_size (const ItuningQuantized *matrix);
gboolean ituning_quantized_set_row (ItuningQuantized *matrix, gsize row,
    const guint8 *blocks);
void ituning_quantized_get_row (const ItuningQuantized *matrix, gsize row,
    float *x);
