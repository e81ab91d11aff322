/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/matrix.h"

#include <string.h>

#include "model/half.h"

/**
 * ituning_matrix_widen:
 * @matrix: a matrix of halves
 * @n_in: its columns
 * @row: the first row
 * @column: the first column
 * @out: [@n_rows, @n_columns] output
 *
 * Gives a part of it as F32, exactly.
 */
void
ituning_matrix_widen (const ItuningMatrix *matrix, gsize n_in, gsize row,
    gsize column, float *out, gsize n_rows, gsize n_columns)
{
  const gsize stride = n_in * sizeof (guint16);
  const guint8 *from = (const guint8 *) matrix->halves + row * stride +
      column * sizeof (guint16);

  for (gsize i = 0; i < n_rows; i++) {
    if (matrix->is_bfloat16)
      ituning_bfloat16_to_float (out, from, n_columns);
    else
      ituning_half_to_float (out, from, n_columns);
    from += stride;
    out += n_columns;
  }
}

/**
 * ituning_matrix_get_row:
 * @matrix: a matrix
 * @n_in: its columns
 * @row: which
 * @x: [@n_in] output: the row as F32
 */
void
ituning_matrix_get_row (const ItuningMatrix *matrix, gsize n_in, gsize row,
    float *x)
{
  if (matrix->quantized != NULL)
    ituning_quantized_get_row (matrix->quantized, row, x);
  else if (matrix->halves != NULL)
    ituning_matrix_widen (matrix, n_in, row, 0, x, 1, n_in);
  else
    memcpy (x, matrix->values + row * n_in, n_in * sizeof (float));
}
