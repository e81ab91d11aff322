/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/kernels/quantized.h"

/**
 * ItuningMatrix:
 * @values: as F32; or %NULL
 * @halves: as binary16, or bfloat16 if @is_bfloat16, at any address; or %NULL
 * @is_bfloat16: what @halves are
 * @quantized: in blocks of 8 or 4 bits; or %NULL
 *
 * A matrix [n_out, n_in] of weights, borrowed from them, in one of three forms:
 * the others are %NULL. The shape is known to who has it.
 */
typedef struct
{
  const float *values;
  const void *halves;
  gboolean is_bfloat16;
  const ItuningQuantized *quantized;
} ItuningMatrix;

void ituning_matrix_get_row (float *x, const ItuningMatrix *matrix, gsize n_in,
    gsize row);
void ituning_matrix_widen (float *out, const ItuningMatrix *matrix, gsize n_in,
    gsize row, gsize column, gsize n_rows, gsize n_columns);
