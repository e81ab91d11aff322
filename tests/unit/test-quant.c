/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "model/kernels/gemm.h"
#include "model/kernels/linear.h"
#include "model/kernels/quantkernels.h"
#include "tests/testutil.h"

/* Weights of 8 and 4 bits: what a file's blocks mean, and that every kernel
 * multiplies with just that. */

#define BLOCK ITUNING_QUANT_BLOCK

static float *
make_values (gsize n, double largest)
{
  float *values = g_new (float, MAX (n, 1));

  for (gsize i = 0; i < n; i++)
    values[i] = (float) g_test_rand_double_range (-largest, largest);
  return values;
}

static ItuningQuantized *
make_matrix (guint bits, gsize n_out, gsize n_in)
{
  ItuningQuantized *matrix = ituning_quantized_new (bits, n_out, n_in);
  g_autofree guint8 *blocks = g_malloc (
      n_in / BLOCK * ituning_quant_block_bytes (bits) + 1);

  for (gsize row = 0; row < n_out; row++) {
    g_autofree float *values = make_values (n_in, 0.2);
    g_assert_true (ituning_quant_encode (bits, blocks + 1, values, n_in));
    g_assert_true (ituning_quantized_set_row (matrix, row, blocks + 1));
  }
  return matrix;
}

/* --- blocks ------------------------------------------------------------- */

/* By hand: a block of Q8_0 and one of Q4_0 as ggml-quants.c reads them. */
static void
test_blocks_mean_what_ggml_says (void)
{
  guint8 eight[34] = { 0x00, 0x38 }; /* 0.5 */
  guint8 four[18] = { 0x00, 0xc0 }; /* -2 */
  ItuningQuantized *matrix = ituning_quantized_new (8, 1, 32);
  float x[32];

  for (gsize i = 0; i < 32; i++)
    eight[2 + i] = (guint8) (i * 8);
  g_assert_true (ituning_quantized_set_row (matrix, 0, eight));
  ituning_quantized_get_row (matrix, 0, x);
  for (int i = 0; i < 32; i++)
    g_assert_cmpfloat (x[i], ==, 0.5f * (float) (i < 16 ? i * 8 : i * 8 - 256));
  ituning_quantized_free (matrix);

  matrix = ituning_quantized_new (4, 1, 32);
  for (gsize i = 0; i < 16; i++)
    four[2 + i] = (guint8) (i | (15 - i) << 4);
  g_assert_true (ituning_quantized_set_row (matrix, 0, four));
  ituning_quantized_get_row (matrix, 0, x);
  for (int i = 0; i < 16; i++) {
    g_assert_cmpfloat (x[i], ==, -2.0f * (float) (i - 8));
    g_assert_cmpfloat (x[16 + i], ==, -2.0f * (float) (7 - i));
  }
  ituning_quantized_free (matrix);
}

/* The error is at most half a step, and that of the step itself, which is
 * rounded to binary16. Four bits have no code for the eighth step on the side
 * away from the extreme: there it is up to a whole one. */
static float
find_limit (guint bits, float x, float extreme)
{
  const float step = fabsf (extreme) / (bits == 8 ? 127.0f : 8.0f);
  const gboolean cut = bits == 4 && x * extreme < 0.0f &&
      fabsf (x) > 7.49f * step;

  return step * ((cut ? 1.0f : 0.5f) + 127.0f * 0x1p-11f);
}

static void
check_block (guint bits, const float *x)
{
  ItuningQuantized *matrix = ituning_quantized_new (bits, 1, BLOCK);
  const gsize size = ituning_quant_block_bytes (bits);
  guint8 block[ITUNING_QUANT_MAX_BLOCK_BYTES], again[sizeof (block)];
  float extreme = 0.0f, y[BLOCK];

  for (gsize i = 0; i < BLOCK; i++)
    extreme = fabsf (x[i]) > fabsf (extreme) ? x[i] : extreme;
  g_assert_true (ituning_quant_encode (bits, block, x, BLOCK));
  g_assert_true (ituning_quantized_set_row (matrix, 0, block));
  ituning_quantized_get_row (matrix, 0, y);
  for (gsize i = 0; i < BLOCK; i++)
    g_assert_cmpfloat (fabsf (y[i] - x[i]), <=,
        find_limit (bits, x[i], extreme));
  /* What came from blocks gives them again. */
  g_assert_true (ituning_quant_encode (bits, again, y, BLOCK));
  g_assert_cmpmem (again, size, block, size);
  ituning_quantized_free (matrix);
}

static void
test_values_are_within_half_a_step (void)
{
  const float zeros[BLOCK] = { 0 };

  for (guint bits = 4; bits <= 8; bits += 4) {
    check_block (bits, zeros);
    for (int round = 0; round < 200; round++) {
      g_autofree float *x = make_values (BLOCK,
          pow (10.0, g_test_rand_double_range (-1.0, 4.0)));
      check_block (bits, x);
    }
  }
}

static void
test_what_does_not_fit_is_told (void)
{
  for (guint bits = 4; bits <= 8; bits += 4) {
    ItuningQuantized *matrix = ituning_quantized_new (bits, 1, 2 * BLOCK);
    guint8 blocks[2 * ITUNING_QUANT_MAX_BLOCK_BYTES] = { 0 };
    float x[2 * BLOCK] = { 0 };
    x[40] = 65504.0f * (bits == 8 ? 127.0f : 8.0f);
    g_assert_true (ituning_quant_encode (bits, blocks, x, 2 * BLOCK));
    g_assert_true (ituning_quantized_set_row (matrix, 0, blocks));
    x[40] *= -1.01f;
    g_assert_false (ituning_quant_encode (bits, blocks, x, 2 * BLOCK));
    g_assert_false (ituning_quantized_set_row (matrix, 0, blocks));
    ituning_quantized_free (matrix);
  }
}

/* --- kernels ------------------------------------------------------------ */

/* Memory for M rows, at addresses that suit no vector. */
typedef struct
{
  ItuningQuantRows rows;
  gint8 *values;
  float *scales;
  gint32 *offsets;
} Rows;

static Rows
make_rows (gsize M, gsize n_in)
{
  const gsize n_blocks = n_in / BLOCK;
  const gsize n = (M + ITUNING_QUANT_GROUP - 1) / ITUNING_QUANT_GROUP *
      ITUNING_QUANT_GROUP * n_blocks;
  Rows self = { .values = g_new0 (gint8, n * BLOCK + 1),
    .scales = g_new0 (float, n + 1),
    .offsets = g_new0 (gint32, n + 1) };

  self.rows = (ItuningQuantRows){ self.values + 1, self.scales + 1,
    self.offsets + 1, n_blocks };
  return self;
}

static void
clear_rows (Rows *self)
{
  g_free (self->values);
  g_free (self->scales);
  g_free (self->offsets);
}

static Rows
quantize (const ItuningQuantKernels *kernels, const float *x, gsize M,
    gsize n_in, guint bits)
{
  Rows self = make_rows (M, n_in);

  for (gsize row = 0; row < M; row++)
    kernels->quantize (&self.rows, row, x + row * n_in, bits);
  return self;
}

static void
check_rounded (const ItuningQuantRows *rows, gsize at, const float *x,
    guint bits)
{
  const float scale = rows->scales[at];
  float largest = 0.0f;
  int start = 0;

  for (gsize i = 0; i < BLOCK; i++) {
    const gint8 value = rows->values[at * BLOCK + i];
    g_assert_cmpfloat (fabsf (scale * (float) value - x[i]), <=,
        0.501f * scale + 1e-35f);
    largest = MAX (largest, fabsf (x[i]));
    start -= value * (bits == 8 ? 128 : 8);
  }
  g_assert_cmpfloat (scale, ==, largest / 127.0f);
  g_assert_cmpint (rows->offsets[at], ==, start);
}

static void
test_rows_are_rounded (void)
{
  const gsize M = 3, N_IN = 96, n = M * N_IN / BLOCK;
  gsize n_kernels;
  const ItuningQuantKernels *const *list = ituning_quant_kernels_list (
      &n_kernels);
  g_autofree float *x = make_values (M * N_IN, 3.0);

  memset (x + BLOCK, 0, BLOCK * sizeof (float));
  x[2 * BLOCK] = 1e-36f; /* in a block of its own: too small to divide by */
  memset (x + 2 * BLOCK + 1, 0, (BLOCK - 1) * sizeof (float));
  for (gsize kernel = 0; kernel < n_kernels; kernel++) {
    for (guint bits = 4; bits <= 8; bits += 4) {
      Rows got = quantize (list[kernel], x, M, N_IN, bits);
      for (gsize block = 0; block < n; block++)
        check_rounded (&got.rows,
            ituning_quant_place (&got.rows, block / (N_IN / BLOCK),
                block % (N_IN / BLOCK)),
            x + block * BLOCK, bits);
      clear_rows (&got);
    }
  }
}

/* Element @i of a row, as it is rounded. */
static float
get_value (const ItuningQuantRows *rows, gsize row, gsize i)
{
  const gsize at = ituning_quant_place (rows, row, i / BLOCK);

  return rows->scales[at] * (float) rows->values[at * BLOCK + i % BLOCK];
}

/* y += scale x W^T in doubles, of weights and values as they are rounded. */
static void
multiply_plainly (float *y, gsize ldy, const ItuningQuantRows *rows, gsize M,
    const ItuningQuantized *matrix, gsize first, gsize n, double scale)
{
  g_autofree float *w = g_new (float, matrix->n_in);

  for (gsize out = 0; out < n; out++) {
    ituning_quantized_get_row (matrix, first + out, w);
    for (gsize row = 0; row < M; row++) {
      double sum = 0.0;
      for (gsize i = 0; i < matrix->n_in; i++)
        sum += (double) w[i] * (double) get_value (rows, row, i);
      y[row * ldy + out] += (float) (scale * sum);
    }
  }
}

/* The first @M rows of what @max_rows times a matrix give, from a panel on. */
typedef struct
{
  const ItuningQuantRows *rows;
  const ItuningQuantized *matrix;
  const float *before, *want; /* [max_rows, ldy] */
  gsize max_rows, ldy, first_panel;
} Product;

#define PRODUCT_SCALE 0.75f

static void
check_rows (const ItuningQuantKernels *kernels, const Product *p, gsize M)
{
  const gsize n = p->max_rows * p->ldy, used = M * p->ldy;
  g_autofree float *got = g_new (float, n + 1); /* at an odd address */

  memcpy (got + 1, p->before, n * sizeof (float));
  kernels->multiply (got + 1, p->ldy, p->rows, M, p->matrix, p->first_panel,
      p->matrix->n_panels - p->first_panel, PRODUCT_SCALE);
  /* 0.15 of that as measured. */
  assert_close (got + 1, p->want, used, 1e-6, 4e-6);
  g_assert_cmpmem (got + 1 + used, (n - used) * sizeof (float),
      p->before + used, (n - used) * sizeof (float));
}

/* All numbers of rows that kernels tell apart, with whole groups before them;
 * @first_panel and those after it. */
static void
check_multiply (const ItuningQuantKernels *kernels, guint bits, gsize n_in,
    gsize n_out, gsize first_panel)
{
  const gsize max_rows = 14, first = first_panel * ITUNING_QUANT_PANEL;
  const gsize n = n_out - first, ldy = n + 3;
  g_autofree float *x = make_values (max_rows * n_in, 2.0);
  g_autofree float *before = make_values (max_rows * ldy, 1.0);
  g_autofree float *want = g_memdup2 (before, max_rows * ldy * sizeof (float));
  ItuningQuantized *matrix = make_matrix (bits, n_out, n_in);
  Rows rows = quantize (ituning_quant_kernels_list (&(gsize){ 0 })[0], x,
      max_rows, n_in, bits);
  const Product product = { &rows.rows, matrix, before, want, max_rows, ldy,
    first_panel };

  multiply_plainly (want, ldy, &rows.rows, max_rows, matrix, first, n,
      (double) PRODUCT_SCALE);
  for (gsize M = 1; M <= max_rows; M++)
    check_rows (kernels, &product, M);
  clear_rows (&rows);
  ituning_quantized_free (matrix);
}

static void
test_kernels_multiply_what_blocks_mean (gconstpointer data)
{
  const ItuningQuantKernels *kernels = data;
  static const gsize outs[] = { 1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 31, 32, 33, 47,
    48, 49, 64, 70 };
  static const gsize ins[] = { 32, 64, 224, 288 };

  for (guint bits = 4; bits <= 8; bits += 4)
    for (gsize o = 0; o < G_N_ELEMENTS (outs); o++)
      for (gsize i = 0; i < G_N_ELEMENTS (ins); i++) {
        check_multiply (kernels, bits, ins[i], outs[o], 0);
        if (outs[o] > ITUNING_QUANT_PANEL)
          check_multiply (kernels, bits, ins[i], outs[o], 1);
      }
}

/* A matrix [n_out, 32] of whole numbers, and those as they are. */
static ItuningQuantized *
make_whole_matrix (guint bits, gsize n_out, int *numbers)
{
  ItuningQuantized *matrix = ituning_quantized_new (bits, n_out, BLOCK);
  guint8 block[ITUNING_QUANT_MAX_BLOCK_BYTES] = { 0x00, 0x3c }; /* 1 */

  for (gsize row = 0; row < n_out; row++, numbers += BLOCK) {
    for (gsize i = 0; i < BLOCK * bits / 8; i++) {
      const guint8 q = (guint8) g_test_rand_int_range (0, 256);
      block[2 + i] = q;
      numbers[i] = bits == 8 ? (gint8) q : (q & 15) - 8;
      if (bits == 4)
        numbers[BLOCK / 2 + i] = (q >> 4) - 8;
    }
    g_assert_true (ituning_quantized_set_row (matrix, row, block));
  }
  return matrix;
}

static Rows
make_whole_rows (gsize M, guint bits)
{
  Rows self = make_rows (M, BLOCK);

  for (gsize row = 0; row < M; row++) {
    int sum = 0;
    for (gsize i = 0; i < BLOCK; i++)
      sum += self.rows.values[row * BLOCK + i] = (gint8)
          g_test_rand_int_range (-127, 128);
    self.rows.scales[row] = 1.0f;
    self.rows.offsets[row] = sum * (bits == 8 ? -128 : -8);
  }
  return self;
}

/* Sums of a block are whole numbers, in which no table may differ. */
static void
test_sums_are_exact (gconstpointer data)
{
  const ItuningQuantKernels *kernels = data;
  const gsize N_OUT = 70;
  g_autofree int *numbers = g_new (int, N_OUT *BLOCK);

  for (guint bits = 4; bits <= 8; bits += 4)
    for (gsize M = 1; M <= 14; M++) {
      ItuningQuantized *matrix = make_whole_matrix (bits, N_OUT, numbers);
      Rows rows = make_whole_rows (M, bits);
      g_autofree float *y = g_new0 (float, M *N_OUT);
      kernels->multiply (y, N_OUT, &rows.rows, M, matrix, 0, 3, 1.0f);
      for (gsize i = 0; i < M * N_OUT; i++) {
        int sum = 0;
        for (gsize k = 0; k < BLOCK; k++)
          sum += numbers[i % N_OUT * BLOCK + k] *
              rows.rows.values[i / N_OUT * BLOCK + k];
        g_assert_cmpfloat (y[i], ==, (float) sum);
      }
      clear_rows (&rows);
      ituning_quantized_free (matrix);
    }
}

/* Few rows and many may be multiplied in different ways. */
static const gsize row_counts[] = { 1, 13 };

/* M rows that are all @x. */
static Rows
quantize_same (const ItuningQuantKernels *kernels, const float *x, gsize M,
    gsize n_in, guint bits)
{
  Rows self = make_rows (M, n_in);

  for (gsize row = 0; row < M; row++)
    kernels->quantize (&self.rows, row, x, bits);
  return self;
}

static void
check_extremes (const ItuningQuantKernels *kernels, gsize M, guint variant)
{
  const guint bits = variant & 1 ? 8 : 4;
  const guint8 q = bits == 8 ? variant & 2 ? 0x80 : 0x7f
      : variant & 2          ? 0x00
                             : 0xff;
  ItuningQuantized *matrix = ituning_quantized_new (bits, 16, BLOCK);
  guint8 block[ITUNING_QUANT_MAX_BLOCK_BYTES] = { 0x00, 0x3c }; /* 1 */
  g_autofree float *got = g_new0 (float, M * 16);
  g_autofree float *want = g_new0 (float, M * 16);
  float x[BLOCK];
  Rows rows;

  memset (block + 2, q, sizeof (block) - 2);
  for (gsize row = 0; row < 16; row++)
    g_assert_true (ituning_quantized_set_row (matrix, row, block));
  for (gsize i = 0; i < BLOCK; i++) {
    const gsize turns = (variant >> 2 & 1) + (variant >> 3 & 1) * i +
        (variant >> 4 & 1) * (i / 2);
    x[i] = turns % 2 == 0 ? 1.0f : -1.0f;
  }
  rows = quantize_same (kernels, x, M, BLOCK, bits);
  kernels->multiply (got, 16, &rows.rows, M, matrix, 0, 1, 1.0f);
  multiply_plainly (want, 16, &rows.rows, M, matrix, 0, 16, 1.0);
  assert_close (got, want, M * 16, 1e-6, 0.0);
  clear_rows (&rows);
  ituning_quantized_free (matrix);
}

/* The largest sums that there can be, of either sign. */
static void
test_extremes_do_not_overflow (gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (row_counts); i++)
    for (guint variant = 0; variant < 32; variant++)
      check_extremes (data, row_counts[i], variant);
}

static void
check_not_finite (const ItuningQuantKernels *kernels, gsize M, guint bits,
    gsize place, float bad)
{
  ItuningQuantized *matrix = make_matrix (bits, 5, 2 * BLOCK);
  g_autofree float *x = make_values (2 * BLOCK, 1.0);
  g_autofree float *y = g_new0 (float, M * 8); /* three columns more */
  Rows rows;

  x[place] = bad;
  rows = quantize_same (kernels, x, M, 2 * BLOCK, bits);
  kernels->multiply (y, 8, &rows.rows, M, matrix, 0, 1, 1.0f);
  for (gsize i = 0; i < M * 8; i++)
    g_assert_true (isfinite (y[i]) == (i % 8 >= 5));
  clear_rows (&rows);
  ituning_quantized_free (matrix);
}

/* What the tables' users look for: a network that has gone wrong. */
static void
test_what_is_not_finite_stays_so (gconstpointer data)
{
  const float bad[] = { NAN, INFINITY, -INFINITY };

  for (gsize r = 0; r < G_N_ELEMENTS (row_counts); r++)
    for (guint bits = 4; bits <= 8; bits += 4)
      for (gsize i = 0; i < BLOCK; i++)
        for (gsize b = 0; b < G_N_ELEMENTS (bad); b++)
          check_not_finite (data, row_counts[r], bits, BLOCK + i, bad[b]);
}

/* --- layers ------------------------------------------------------------- */

/* The same layer of floats, on the input as it is rounded. */
static void
check_linear (ItuningPool *pool, gsize M, gsize n_in, gsize n_out,
    guint variant)
{
  const guint bits = variant & 1 ? 8 : 4;
  const gboolean accumulate = (variant & 8) != 0;
  const float scale = variant & 16 ? 0.5f : 1.0f;
  g_autofree float *weight = g_new (float, n_out *n_in);
  g_autofree float *bias = make_values (n_out, 1.0);
  g_autofree float *x = make_values (M * n_in, 1.0);
  g_autofree float *want = make_values (M * n_out, 1.0);
  g_autofree float *got = g_memdup2 (want, M * n_out * sizeof (float));
  ItuningQuantized *matrix = make_matrix (bits, n_out, n_in);
  Rows rows = quantize (ituning_quant_kernels_get (), x, M, n_in, bits);
  ItuningLinear layer = { .weight.quantized = matrix,
    .bias = variant & 2 ? bias : NULL,
    .n_in = n_in,
    .n_out = n_out,
    .activation = variant & 4 ? ITUNING_ACTIVATION_GELU_TANH
                              : ITUNING_ACTIVATION_NONE };

  ituning_linear_forward (pool, got, x, &layer, M, scale, accumulate);
  for (gsize row = 0; row < n_out; row++)
    ituning_quantized_get_row (matrix, row, weight + row * n_in);
  for (gsize i = 0; i < M * n_in; i++)
    x[i] = get_value (&rows.rows, i / n_in, i % n_in);
  layer.weight = (ItuningMatrix){ .values = weight };
  ituning_linear_forward (pool, want, x, &layer, M, scale, accumulate);
  assert_close (got, want, M * n_out, 1e-5, 1e-5);
  clear_rows (&rows);
  ituning_quantized_free (matrix);
}

static void
test_layers_are_those_of_floats (void)
{
  static const gsize rows[] = { 1, 2, 7, 8, 9, 33 };
  g_autoptr (ItuningPool) pool = ituning_pool_new (2);

  for (gsize r = 0; r < G_N_ELEMENTS (rows); r++)
    for (guint variant = 0; variant < 32; variant++) {
      check_linear (pool, rows[r], 32, 5, variant);
      check_linear (pool, rows[r], 128, 131, variant);
    }
  /* More outputs than a task of few rows takes, and more rows than any takes. */
  for (guint variant = 0; variant < 32; variant += 5) {
    check_linear (pool, 1 + variant % 9, 2048, 200, variant);
    check_linear (pool, 600, 64, 131, variant);
  }
}

static void
test_result_does_not_depend_on_threads (void)
{
  const gsize M = 33, N_IN = 256, N_OUT = 1111;
  g_autofree float *x = make_values (M * N_IN, 1.0);
  g_autofree float *one = g_new (float, M *N_OUT);
  g_autofree float *many = g_new (float, M *N_OUT);
  ItuningQuantized *matrix = make_matrix (8, N_OUT, N_IN);
  const ItuningLinear layer = { .weight.quantized = matrix,
    .n_in = N_IN,
    .n_out = N_OUT };
  g_autoptr (ItuningPool) alone = ituning_pool_new (1);
  g_autoptr (ItuningPool) pool = ituning_pool_new (3);

  for (gsize rows = 1; rows <= M; rows += 16) {
    ituning_linear_forward (alone, one, x, &layer, rows, 1.0f, FALSE);
    ituning_linear_forward (pool, many, x, &layer, rows, 1.0f, FALSE);
    g_assert_cmpmem (one, rows * N_OUT * sizeof (float), many,
        rows * N_OUT * sizeof (float));
  }
  ituning_quantized_free (matrix);
}

/* Nor on the rows beside it: few, many, or none. */
static void
test_row_does_not_depend_on_company (void)
{
  const gsize M = 14, N_IN = 256, N_OUT = 75;
  g_autofree float *x = make_values (M * N_IN, 1.0);
  g_autofree float *all = g_new (float, M *N_OUT);
  g_autofree float *some = g_new (float, M *N_OUT);
  g_autoptr (ItuningPool) pool = ituning_pool_new (2);

  for (guint bits = 4; bits <= 8; bits += 4) {
    ItuningQuantized *matrix = make_matrix (bits, N_OUT, N_IN);
    const ItuningLinear layer = { .weight.quantized = matrix,
      .n_in = N_IN,
      .n_out = N_OUT };
    ituning_linear_forward (pool, all, x, &layer, M, 0.7f, FALSE);
    for (gsize m = 1; m < M; m++) {
      ituning_linear_forward (pool, some, x, &layer, m, 0.7f, FALSE);
      g_assert_cmpmem (some, m * N_OUT * sizeof (float), all,
          m * N_OUT * sizeof (float));
    }
    ituning_quantized_free (matrix);
  }
}

static void
add_kernel_tests (const ItuningQuantKernels *kernels)
{
  const struct
  {
    const char *name;
    GTestDataFunc func;
  } tests[] = {
    { "multiply-what-blocks-mean", test_kernels_multiply_what_blocks_mean },
    { "sums-of-a-block-are-exact", test_sums_are_exact },
    { "extremes-do-not-overflow", test_extremes_do_not_overflow },
    { "what-is-not-finite-stays-so", test_what_is_not_finite_stays_so },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++) {
    g_autofree char *path = g_strdup_printf ("/quant/%s/%s", kernels->name,
        tests[i].name);
    g_test_add_data_func (path, kernels, tests[i].func);
  }
}

int
main (int argc, char *argv[])
{
  gsize n;
  const ItuningQuantKernels *const *list = ituning_quant_kernels_list (&n);

  g_test_init (&argc, &argv, NULL);
  ituning_gemm_init ();
  g_test_add_func ("/quant/blocks-mean-what-ggml-says",
      test_blocks_mean_what_ggml_says);
  g_test_add_func ("/quant/values-are-within-half-a-step",
      test_values_are_within_half_a_step);
  g_test_add_func ("/quant/what-does-not-fit-is-told",
      test_what_does_not_fit_is_told);
  g_test_add_func ("/quant/rows-are-rounded", test_rows_are_rounded);
  for (gsize i = 0; i < n; i++)
    add_kernel_tests (list[i]);
  g_test_add_func ("/quant/layers-are-those-of-floats",
      test_layers_are_those_of_floats);
  g_test_add_func ("/quant/result-does-not-depend-on-threads",
      test_result_does_not_depend_on_threads);
  g_test_add_func ("/quant/row-does-not-depend-on-company",
      test_row_does_not_depend_on_company);
  return g_test_run ();
}
