/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "model/kernels/gemm.h"
#include "model/kernels/kernels.h"
#include "tests/testutil.h"

/* Products of matrices against a plain loop: on both sides of the sizes of the
 * packed product's tiles and blocks, in rows that are wider than the matrix, and
 * with all that may be done with what was there. */

#define GAP ((gsize) 3) /* of a row, behind the matrix */

static const gsize shapes[][3] = { /* M, N, K */
  { 1, 1, 1 }, { 5, 16, 16 }, { 9, 16, 16 }, { 50, 33, 17 }, { 175, 40, 300 },
  { 340, 530, 23 }, { 60, 577, 257 }
};
static const float scales[][2] = { /* alpha, beta */
  { 1.0f, 0.0f }, { 1.0f, 1.0f }, { 0.7f, 0.0f }, { 0.7f, 0.3f }
};

/* A matrix in rows of its own stride. */
typedef struct
{
  float *values; /* owned */
  gsize rows, columns, stride;
} Matrix;

static Matrix
make_matrix (GRand *rand, gsize rows, gsize columns)
{
  const gsize stride = columns + GAP;
  Matrix self = { g_new (float, rows *stride), rows, columns, stride };

  fill_random (rand, self.values, rows * stride);
  return self;
}

static float
get (const Matrix *self, gboolean transposed, gsize row, gsize column)
{
  return transposed ? self->values[column * self->stride + row]
                    : self->values[row * self->stride + column];
}

static void
plain_product (Matrix *c, const Matrix *a, gboolean a_transposed,
    const Matrix *b, gboolean b_transposed, gsize K, float alpha, float beta)
{
  for (gsize i = 0; i < c->rows; i++) {
    for (gsize j = 0; j < c->columns; j++) {
      float *to = c->values + i * c->stride + j;
      double sum = 0.0;
      for (gsize k = 0; k < K; k++)
        sum += (double) get (a, a_transposed, i, k) *
            (double) get (b, b_transposed, k, j);
      sum *= (double) alpha;
      if (beta != 0.0f)
        sum += (double) beta * (double) *to;
      *to = (float) sum;
    }
  }
}

static void
check_product (GRand *rand, const gsize shape[3], gboolean a_transposed,
    gboolean b_transposed, const float scale[2])
{
  const gsize M = shape[0], N = shape[1], K = shape[2];
  Matrix a = a_transposed ? make_matrix (rand, K, M) : make_matrix (rand, M, K);
  Matrix b = b_transposed ? make_matrix (rand, N, K) : make_matrix (rand, K, N);
  Matrix want = make_matrix (rand, M, N), got = want;

  got.values = g_memdup2 (want.values, M * want.stride * sizeof (float));
  for (gsize i = 0; scale[1] == 0.0f && i < M; i++)
    for (gsize j = 0; j < N; j++)
      got.values[i * got.stride + j] = NAN; /* is ignored */
  ituning_gemm (got.values, got.stride, a.values, a.stride, a_transposed,
      b.values, b.stride, b_transposed, M, N, K, scale[0], scale[1]);
  plain_product (&want, &a, a_transposed, &b, b_transposed, K, scale[0],
      scale[1]);
  for (gsize i = 0; i < M; i++) {
    const gsize row = i * want.stride;
    assert_close (got.values + row, want.values + row, N, 1e-5, 5e-5);
    g_assert_cmpmem (got.values + row + N, GAP * sizeof (float),
        want.values + row + N, GAP * sizeof (float));
  }
  g_free (a.values);
  g_free (b.values);
  g_free (want.values);
  g_free (got.values);
}

static void
test_product_is_the_plain_loop (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    for (guint transposed = 0; transposed < 4; transposed++)
      for (gsize k = 0; k < G_N_ELEMENTS (scales); k++)
        check_product (rand, shapes[i], (transposed & 1) != 0,
            (transposed & 2) != 0, scales[k]);
}

static void
test_row_is_the_plain_loop (void)
{
  const gsize N = 37, K = 53;
  g_autoptr (GRand) rand = g_rand_new_with_seed (12);
  Matrix x = make_matrix (rand, 1, K), y = make_matrix (rand, 1, N);

  for (int in_major = 0; in_major < 2; in_major++) {
    Matrix w = in_major ? make_matrix (rand, K, N) : make_matrix (rand, N, K);
    Matrix want = y;
    want.values = g_memdup2 (y.values, y.stride * sizeof (float));
    plain_product (&want, &x, FALSE, &w, !in_major, K, 0.7f, 1.0f);
    ituning_gemv (y.values, x.values, w.values, w.stride, in_major, N, K, 0.7f);
    assert_close (y.values, want.values, N, 1e-5, 5e-5);
    g_free (w.values);
    g_free (want.values);
  }
  g_free (x.values);
  g_free (y.values);
}

/* What is split over threads is one product. */
static void
test_split_is_one_product (void)
{
  const gsize M = 700, N = 260, K = 40;
  g_autoptr (GRand) rand = g_rand_new_with_seed (13);
  Matrix a = make_matrix (rand, K, M), b = make_matrix (rand, K, N);
  Matrix one = make_matrix (rand, M, N), other = one, want = one;
  g_autoptr (ItuningPool) alone = ituning_pool_new (1);
  g_autoptr (ItuningPool) pool = ituning_pool_new (3);
  const gsize size = M * one.stride * sizeof (float);

  other.values = g_memdup2 (one.values, size);
  want.values = g_memdup2 (one.values, size);
  ituning_gemm_run (alone, one.values, one.stride, a.values, a.stride, TRUE,
      b.values, b.stride, FALSE, M, N, K, 1.0f);
  ituning_gemm_run (pool, other.values, other.stride, a.values, a.stride, TRUE,
      b.values, b.stride, FALSE, M, N, K, 1.0f);
  plain_product (&want, &a, TRUE, &b, FALSE, K, 1.0f, 1.0f);
  g_assert_cmpmem (one.values, size, other.values, size);
  assert_close (one.values, want.values, M * one.stride, 1e-5, 5e-5);
  g_free (a.values);
  g_free (b.values);
  g_free (one.values);
  g_free (other.values);
  g_free (want.values);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ituning_gemm_init ();
  g_test_add_func ("/gemm/product-is-the-plain-loop",
      test_product_is_the_plain_loop);
  g_test_add_func ("/gemm/row-is-the-plain-loop", test_row_is_the_plain_loop);
  g_test_add_func ("/gemm/split-is-one-product", test_split_is_one_product);
  return g_test_run ();
}
