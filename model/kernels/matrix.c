/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/matrix.h"

#include <string.h>

#include "model/half.h"

/**
 * ituning_matrix_widen:
 * @out: [@n_rows, @n_columns] output
 * @matrix: a matrix of halves
 * @n_in: its columns
 * @row: the first row
 * @column: the first column
 *
 * Gives a part of it as F32, exactly.
 */
void
ituning_matrix_widen (float *out, const ItuningMatrix *matrix, gsize n_in,
    gsize row, gsize column, gsize n_rows, gsize n_columns)
{
  const gsize stride = n_in * sizeof (guint16);
  const guint8 *from = (const guint8 *) matrix->halves + row * stride +
      column * sizeof (guint16);

  for (gsize i = 0; i < n_rows; i++) {
    ituning_floats_read (out, from,
        matrix->is_bfloat16 ? ITUNING_TYPE_BF16 : ITUNING_TYPE_F16, n_columns);
    from += stride;
    out += n_columns;
  }
}

/**
 * ituning_matrix_get_row:
 * @x: [@n_in] output: the row as F32
 * @matrix: a matrix
 * @n_in: its columns
 * @row: which
 */
void
ituning_matrix_get_row (float *x, const ItuningMatrix *matrix, gsize n_in,
    gsize row)
{
  if (matrix->quantized != NULL)
    ituning_quantized_get_row (matrix->quantized, row, x);
  else if (matrix->halves != NULL)
    ituning_matrix_widen (x, matrix, n_in, row, 0, 1, n_in);
  else
    memcpy (x, matrix->values + row * n_in, n_in * sizeof (float));
}
