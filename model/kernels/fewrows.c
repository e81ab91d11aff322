/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <immintrin.h>

#include "model/kernels/simd.h"
#include "model/kernels/tables.h"

/* Products of a few rows, which take as long as their weights take to read: a
 * small part of them is read and multiplied with all rows before the next.
 * Compiled for the instruction set that ITUNING_TABLE names, which is AVX2 with
 * F16C: others are built of simd.h alone, this has halves to read. */

G_STATIC_ASSERT (ITUNING_LANES == 8);

#define INLINE static inline __attribute__ ((always_inline))
#define UNROLL _Pragma ("GCC unroll 8")
#define MAX_ROWS ((gsize) 6) /* whose sums fit the registers */
#define MAX_OUTPUTS 8
/* Of weights stored by input: inputs that are added up in registers. */
#define DEPTH ((gsize) 16)
#define WIDTH ((gsize) 2 * ITUNING_LANES)
#define LINE_BYTES ((gsize) 64) /* of a line of cache */

/* What weights are stored as. */
typedef enum
{
  F32,
  F16,
  BF16
} Form;

typedef struct
{
  float *y;
  const float *x;
  const void *w;
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

INLINE gsize
size_of (const Form form)
{
  return form == F32 ? sizeof (float) : sizeof (guint16);
}

INLINE Floats
load_weights (const guint8 *w, const Form form)
{
  Floats v;
  __m128i halves;

  if (form == F32) {
    memcpy (&v, w, sizeof (v));
    return v;
  }
  halves = _mm_loadu_si128 ((const __m128i_u *) (const void *) w);
  return form == F16
      ? (Floats) _mm256_cvtph_ps (halves)
      : (Floats) _mm256_slli_epi32 (_mm256_cvtepu16_epi32 (halves), 16);
}

/* With zeros behind. */
INLINE Floats
load_last_weights (const guint8 *w, gsize n, const Form form)
{
  guint8 last[ITUNING_LANES * sizeof (float)] = { 0 };

  memcpy (last, w, n * size_of (form));
  return load_weights (last, form);
}

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
    const int O, const Form form)
{
  const gsize size = size_of (form), ldw = p->ldw * size;
  Floats sums[MAX_OUTPUTS][MAX_ROWS] = { 0 }, weights[MAX_OUTPUTS];
  const guint8 *w = (const guint8 *) p->w + first * ldw;
  const float *x = p->x + row * p->ldx;
  gsize k = 0;

  for (; k + ITUNING_LANES <= p->K; k += ITUNING_LANES) {
    UNROLL
    for (gsize o = 0; o < (gsize) O; o++) {
      if (k * size % LINE_BYTES == 0)
        __builtin_prefetch (w + (o + 2 * (gsize) O) * ldw + k * size);
      weights[o] = load_weights (w + o * ldw + k * size, form);
    }
    UNROLL
    for (gsize r = 0; r < (gsize) R; r++)
      add_products (sums, weights, load (x + r * p->ldx + k), r, O);
  }
  if (k < p->K) {
    UNROLL
    for (gsize o = 0; o < (gsize) O; o++)
      weights[o] = load_last_weights (w + o * ldw + k * size, p->K - k, form);
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

#define OUTPUTS_OF(form, R, O) \
  static void outputs_##form##_##R##_##O (const Product *p, gsize row, \
      gsize first) \
  { \
    multiply_outputs (p, row, first, R, O, form); \
  }
#define OUTPUTS(R, O) \
  OUTPUTS_OF (F32, R, O) OUTPUTS_OF (F16, R, O) OUTPUTS_OF (BF16, R, O)

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

/* For each form and number of rows: one output, and as many as sums fit the
 * registers. */
#define ROW(form, R, O) \
  { \
    outputs_##form##_##R##_1, outputs_##form##_##R##_##O, O \
  }
#define ROWS(form) \
  { \
    ROW (form, 1, 8), ROW (form, 2, 4), ROW (form, 3, 4), ROW (form, 4, 2), \
        ROW (form, 5, 2), ROW (form, 6, 2) \
  }

static const struct
{
  OutputsFunc one, several;
  gsize n;
} outputs[][MAX_ROWS] = { [F32] = ROWS (F32),
  [F16] = ROWS (F16),
  [BF16] = ROWS (BF16) };

/* Rows that are multiplied together: as even a share as can be. */
static gsize
count_rows (gsize M)
{
  const gsize n_groups = (M + MAX_ROWS - 1) / MAX_ROWS;

  return (M + n_groups - 1) / n_groups;
}

static void
multiply_by_output (const Product *p, gsize M, Form form)
{
  const gsize R = count_rows (M);
  gsize count;

  for (gsize first = 0; first < p->n; first += count) {
    count = first + outputs[form][R - 1].n <= p->n ? outputs[form][R - 1].n : 1;
    for (gsize row = 0; row < M; row += R) {
      const gsize m = MIN (R, M - row);
      if (m == R && count > 1)
        outputs[form][R - 1].several (p, row, first);
      else
        for (gsize i = 0; i < count; i++)
          outputs[form][m - 1].one (p, row, first + i);
    }
  }
}

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
  const float *w = (const float *) p->w + k * p->ldw;
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

static void
multiply_by_input (const Product *p, gsize M)
{
  const gsize R = count_rows (M);

  for (gsize k = 0; k < p->K; k += DEPTH)
    for (gsize row = 0; row < M; row += R)
      multiply_depth (p, row, k, MIN (DEPTH, p->K - k), MIN (R, M - row));
}

/* --- the table's -------------------------------------------------------- */

void
TABLE_NAME (ituning_multiply_few, ITUNING_TABLE) (
    float *y, /* NOLINT(readability-non-const-parameter): the table's type */
    gsize ldy, const float *x, gsize ldx, const float *w, gsize ldw,
    gboolean in_major, gsize M, gsize n, gsize K, float scale)
{
  const Product p = { y, x, w, ldy, ldx, ldw, n, K, scale };

  if (in_major)
    multiply_by_input (&p, M);
  else
    multiply_by_output (&p, M, F32);
}

void
TABLE_NAME (ituning_multiply_few_halves, ITUNING_TABLE) (
    float *y, /* NOLINT(readability-non-const-parameter): the table's type */
    gsize ldy, const float *x, gsize ldx, const void *w, gsize ldw,
    gboolean is_bfloat16, gsize M, gsize n, gsize K, float scale)
{
  const Product p = { y, x, w, ldy, ldx, ldw, n, K, scale };

  multiply_by_output (&p, M, is_bfloat16 ? BF16 : F16);
}
