/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/simd.h"
#include "model/kernels/tables.h"

/* Products of a few rows, which take as long as their weights take to read: a
 * small part of them is read and multiplied with all rows before the next.
 * Compiled for the instruction set that ITUNING_TABLE names. */

#define INLINE static inline __attribute__ ((always_inline))
#define UNROLL _Pragma ("GCC unroll 8")
#define MAX_ROWS ((gsize) 6) /* whose sums fit the registers */
#define MAX_OUTPUTS 8
/* Of weights stored by input: inputs that are added up in registers. */
#define DEPTH ((gsize) 16)
#define WIDTH ((gsize) 2 * ITUNING_LANES)
#define LINE_FLOATS ((gsize) 16) /* of a line of cache */

typedef struct
{
  float *y;
  const float *x, *w;
  gsize ldy, ldx, ldw;
  gsize n, K;
  float scale;
} Product;

INLINE float
add_lanes (Floats v)
{
  float sums[4];

  for (int i = 0; i < 4; i++) {
    sums[i] = v[i];
    for (int lane = i + 4; lane < ITUNING_LANES; lane += 4)
      sums[i] += v[lane];
  }
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

/* --- weights [n, K] ----------------------------------------------------- */

INLINE void
add_products (Floats sums[MAX_OUTPUTS][MAX_ROWS], const Floats *weights,
    const Floats value, const gsize r, const int O)
{
  UNROLL
  for (gsize o = 0; o < (gsize) O; o++) {
    sums[o][r] += weights[o] * value;
    IN_ORDER (sums[o][r]);
  }
}

/* @R rows times @O outputs from @first on; the outputs after them are asked
 * for. */
INLINE void
multiply_outputs (const Product *p, gsize row, gsize first, const int R,
    const int O)
{
  Floats sums[MAX_OUTPUTS][MAX_ROWS] = { 0 }, weights[MAX_OUTPUTS];
  const float *w = p->w + first * p->ldw, *x = p->x + row * p->ldx;
  gsize k = 0;

  for (; k + ITUNING_LANES <= p->K; k += ITUNING_LANES) {
    UNROLL
    for (gsize o = 0; o < (gsize) O; o++) {
      if (k % LINE_FLOATS == 0)
        __builtin_prefetch (w + (o + 2 * (gsize) O) * p->ldw + k);
      weights[o] = load (w + o * p->ldw + k);
    }
    UNROLL
    for (gsize r = 0; r < (gsize) R; r++)
      add_products (sums, weights, load (x + r * p->ldx + k), r, O);
  }
  if (k < p->K) {
    UNROLL
    for (gsize o = 0; o < (gsize) O; o++)
      weights[o] = load_part (w + o * p->ldw + k, p->K - k);
    UNROLL
    for (gsize r = 0; r < (gsize) R; r++)
      add_products (sums, weights, load_part (x + r * p->ldx + k, p->K - k), r,
          O);
  }
  UNROLL
  for (gsize r = 0; r < (gsize) R; r++)
    UNROLL
  for (gsize o = 0; o < (gsize) O; o++)
    p->y[(row + r) * p->ldy + first + o] += p->scale * add_lanes (sums[o][r]);
}

typedef void (*OutputsFunc) (const Product *p, gsize row, gsize first);

#define OUTPUTS(R, O) \
  static void outputs_##R##_##O (const Product *p, gsize row, gsize first) \
  { \
    multiply_outputs (p, row, first, R, O); \
  }

OUTPUTS (1, 1)
OUTPUTS (2, 1)
OUTPUTS (3, 1)
OUTPUTS (4, 1)
OUTPUTS (5, 1)
OUTPUTS (6, 1)
OUTPUTS (1, 8)
OUTPUTS (2, 4)
OUTPUTS (3, 4)
OUTPUTS (4, 2)
OUTPUTS (5, 2)
OUTPUTS (6, 2)

/* For each number of rows: one output, and as many as sums fit the registers. */
static const struct
{
  OutputsFunc one, several;
  gsize n;
} outputs[MAX_ROWS] = {
  { outputs_1_1, outputs_1_8, 8 },
  { outputs_2_1, outputs_2_4, 4 },
  { outputs_3_1, outputs_3_4, 4 },
  { outputs_4_1, outputs_4_2, 2 },
  { outputs_5_1, outputs_5_2, 2 },
  { outputs_6_1, outputs_6_2, 2 },
};

/* --- weights [K, n] ----------------------------------------------------- */

/* y [R, WIDTH] += values times @depth of the weights' rows. Where a row of
 * weights takes some time, one that comes after it is asked for. */
INLINE void
multiply_inputs (float *y, gsize ldy, float values[DEPTH][MAX_ROWS],
    const float *w, gsize ldw, gsize depth, const int R)
{
  Floats sums[MAX_ROWS][2];

  UNROLL
  for (gsize r = 0; r < (gsize) R; r++) {
    sums[r][0] = load (y + r * ldy);
    sums[r][1] = load (y + r * ldy + ITUNING_LANES);
  }
  for (gsize k = 0; k < depth; k++) {
    const Floats left = load (w + k * ldw);
    const Floats right = load (w + k * ldw + ITUNING_LANES);
    if (R > 2)
      __builtin_prefetch (w + (k + DEPTH / 2) * ldw);
    UNROLL
    for (gsize r = 0; r < (gsize) R; r++) {
      sums[r][0] += left * values[k][r];
      sums[r][1] += right * values[k][r];
      IN_ORDER (sums[r][0]);
      IN_ORDER (sums[r][1]);
    }
  }
  UNROLL
  for (gsize r = 0; r < (gsize) R; r++) {
    store (y + r * ldy, sums[r][0]);
    store (y + r * ldy + ITUNING_LANES, sums[r][1]);
  }
}

typedef void (*InputsFunc) (float *y, gsize ldy, float values[DEPTH][MAX_ROWS],
    const float *w, gsize ldw, gsize depth);

#define INPUTS(R) \
  static void inputs_##R (float *y, gsize ldy, float values[DEPTH][MAX_ROWS], \
      const float *w, gsize ldw, gsize depth) \
  { \
    multiply_inputs (y, ldy, values, w, ldw, depth, R); \
  }

INPUTS (1)
INPUTS (2)
INPUTS (3)
INPUTS (4)
INPUTS (5)
INPUTS (6)

static const InputsFunc inputs[MAX_ROWS] = { inputs_1, inputs_2, inputs_3,
  inputs_4, inputs_5, inputs_6 };

/* @R rows times @depth inputs from @k on. */
static void
multiply_depth (const Product *p, gsize row, gsize k, gsize depth, gsize R)
{
  float values[DEPTH][MAX_ROWS];
  const float *w = p->w + k * p->ldw;
  float *y = p->y + row * p->ldy;
  gsize j = 0;

  g_assert (R >= 1 && R <= MAX_ROWS);
  for (gsize i = 0; i < depth; i++)
    for (gsize r = 0; r < R; r++)
      values[i][r] = p->scale * p->x[(row + r) * p->ldx + k + i];
  for (; j + WIDTH <= p->n; j += WIDTH)
    inputs[R - 1](y + j, p->ldy, values, w + j, p->ldw, depth);
  for (gsize r = 0; r < R && j < p->n; r++)
    for (gsize i = 0; i < depth; i++)
      for (gsize column = j; column < p->n; column++)
        y[r * p->ldy + column] += values[i][r] * w[i * p->ldw + column];
}

/* --- both --------------------------------------------------------------- */

/* Rows that are multiplied together: as even a share as can be. */
static gsize
count_rows (gsize M)
{
  const gsize n_groups = (M + MAX_ROWS - 1) / MAX_ROWS;

  return (M + n_groups - 1) / n_groups;
}

void
TABLE_NAME (ituning_multiply_few, ITUNING_TABLE) (
    float *y, /* NOLINT(readability-non-const-parameter): the table's type */
    gsize ldy, const float *x, gsize ldx, const float *w, gsize ldw,
    gboolean in_major, gsize M, gsize n, gsize K, float scale)
{
  const Product p = { y, x, w, ldy, ldx, ldw, n, K, scale };
  const gsize R = count_rows (M);
  gsize count;

  if (in_major) {
    for (gsize k = 0; k < K; k += DEPTH)
      for (gsize row = 0; row < M; row += R)
        multiply_depth (&p, row, k, MIN (DEPTH, K - k), MIN (R, M - row));
    return;
  }
  for (gsize first = 0; first < n; first += count) {
    count = first + outputs[R - 1].n <= n ? outputs[R - 1].n : 1;
    for (gsize row = 0; row < M; row += R) {
      const gsize m = MIN (R, M - row);
      if (m == R && count > 1)
        outputs[R - 1].several (&p, row, first);
      else
        for (gsize i = 0; i < count; i++)
          outputs[m - 1].one (&p, row, first + i);
    }
  }
}
