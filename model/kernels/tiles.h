/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How work on matrices is split into tasks: by the shape alone, never by the
 * number of threads, so that results do not depend on it either. */

/* Rows of a task, so that narrow outputs of many rows split too. */
#define ITUNING_ROWS_TILE ((gsize) 512)
/* Tasks that a product is split into, where its shape allows it. */
#define ITUNING_WANTED_TASKS ((gsize) 8)
/* Whole tiles of AVX2's kernel of packed products; of AVX-512's, whole columns. */
#define ITUNING_ROWS_UNIT ((gsize) 6)
#define ITUNING_COLUMNS_UNIT ((gsize) 32)

static inline gsize
ituning_count_tiles (gsize n, gsize tile)
{
  return (n + tile - 1) / tile;
}

/* Returns: the size of parts of @n, about @n_parts of them, in whole units */
static inline gsize
ituning_split_evenly (gsize n, gsize n_parts, gsize unit)
{
  return ituning_count_tiles (ituning_count_tiles (n, n_parts), unit) * unit;
}
