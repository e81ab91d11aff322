/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/kernels/quantized.h"

#define ITUNING_QUANT_GROUP ((gsize) 6)

/**
 * ItuningQuantRows:
 * @values: [groups, n_blocks, 6, 32] of -127 to 127
 * @scales: [groups, n_blocks, 6]: x = scale value; not finite where x is not
 * @offsets: [groups, n_blocks, 6]: -bias times the sum of the block's values, where
 *   bias is that of the weights: what a sum of products with biased weights
 *   starts from
 * @n_blocks: of a row
 *
 * Activations as the products with quantised matrices take them: each block of
 * 32 rounded to 8 bits by its largest value; six rows beside each other, which
 * a kernel takes together. Borrowed.
 */
typedef struct
{
  gint8 *values;
  float *scales;
  gint32 *offsets;
  gsize n_blocks;
} ItuningQuantRows;

/**
 * ItuningQuantKernels:
 * @name: the instruction set: "plain", "avx2", "avxvnni", "avx512", "neon",
 *   "dotprod" (NEON with dot products)
 * @quantize: row @row of @rows is that of @x [n_blocks * 32], for weights of
 *   @bits
 * @multiply: y [M, columns] += scale rows matrix^T, of @n_panels of the
 *   matrix's panels from @first_panel on, whose first output is y[0]; columns
 *   of the last panel that the matrix does not have are left alone
 *
 * Products of blocks are whole numbers, so that tables differ in nothing but
 * the rounding of the sum over blocks. A row's result does not depend on M.
 */
typedef struct
{
  const char *name;
  void (*quantize) (const ItuningQuantRows *rows, gsize row, const float *x,
      guint bits);
  void (*multiply) (float *y, gsize ldy, const ItuningQuantRows *rows, gsize M,
      const ItuningQuantized *matrix, gsize first_panel, gsize n_panels,
      float scale);
} ItuningQuantKernels;

/* Which scale, offset and 32 values are those of a row's block. */
static inline gsize
ituning_quant_place (const ItuningQuantRows *rows, gsize row, gsize block)
{
  return (row / ITUNING_QUANT_GROUP * rows->n_blocks + block) *
      ITUNING_QUANT_GROUP +
      row % ITUNING_QUANT_GROUP;
}

/* Whether a block with that largest value is rounded; others become zeros. */
static inline gboolean
ituning_quant_is_usable (float largest)
{
  return largest > 1e-30f && largest <= G_MAXFLOAT;
}

/* y [R, n] += scale times the product of R rows from @row on with a panel, whose
 * n outputs are 32 or what is left of them */
typedef void (*ItuningQuantTile) (float *y, gsize ldy,
    const ItuningQuantRows *rows, gsize row, const ItuningQuantized *matrix,
    gsize panel, float scale);

/* What multiply does, by @tiles for 1 to @max_rows rows. */
static inline void
ituning_quant_run_tiles (const ItuningQuantTile *tiles, gsize max_rows,
    float *y, gsize ldy, const ItuningQuantRows *rows, gsize M,
    const ItuningQuantized *matrix, gsize first_panel, gsize n_panels,
    float scale)
{
  const gsize end = MIN (first_panel + n_panels, matrix->n_panels);

  for (gsize panel = first_panel; panel < end; panel++)
    for (gsize row = 0; row < M; row += max_rows)
      tiles[MIN (max_rows, M - row) - 1](y + row * ldy +
              (panel - first_panel) * ITUNING_QUANT_PANEL,
          ldy, rows, row, matrix, panel, scale);
}

extern const ItuningQuantKernels ituning_quant_kernels_plain;
#if defined(__x86_64__)
extern const ItuningQuantKernels ituning_quant_kernels_avx2;
extern const ItuningQuantKernels ituning_quant_kernels_avxvnni;
extern const ItuningQuantKernels ituning_quant_kernels_avx512;
#elif defined(__aarch64__)
extern const ItuningQuantKernels ituning_quant_kernels_neon;
extern const ItuningQuantKernels ituning_quant_kernels_dotprod;
#endif

const ItuningQuantKernels *ituning_quant_kernels_get (void);
const ItuningQuantKernels *const *ituning_quant_kernels_list (gsize *n);
