/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "model/kernels/gemm.h"
#include "tests/testutil.h"

/* Linear layers against a plain loop, on shapes on both sides of every limit
 * that gemm.c chooses by. */

static const gsize rows[] = { 1, 2, 5, 8, 9, 33 };
static const gsize widths[][2] = { { 1, 1 }, { 3, 5 }, { 17, 33 }, { 64, 300 },
  { 300, 64 }, { 129, 511 } };

static void
plain_linear (float *y, const float *x, const ItuningLinear *layer, gsize M,
    float scale, gboolean accumulate)
{
  const ItuningKernels *kernels = ituning_kernels_get ();

  for (gsize m = 0; m < M; m++) {
    for (gsize o = 0; o < layer->n_out; o++) {
      double sum = layer->bias != NULL ? (double) layer->bias[o] : 0.0;
      for (gsize i = 0; i < layer->n_in; i++)
        sum += (double) x[m * layer->n_in + i] *
            (double) layer->weight[layer->in_major ? i * layer->n_out + o
                                                   : o * layer->n_in + i];
      sum *= (double) scale;
      if (accumulate)
        sum += (double) y[m * layer->n_out + o];
      y[m * layer->n_out + o] = (float) sum;
    }
    kernels->activate[layer->activation](y + m * layer->n_out, layer->n_out);
  }
}

static void
check_linear (ItuningPool *pool, GRand *rand, gsize M, gsize n_in, gsize n_out,
    guint variant)
{
  g_autofree float *weight = g_new (float, n_in *n_out);
  g_autofree float *bias = g_new (float, n_out);
  g_autofree float *x = g_new (float, M *n_in);
  g_autofree float *got = g_new (float, M *n_out);
  g_autofree float *want = g_new (float, M *n_out);
  const ItuningLinear layer = {
    .weight = weight,
    .bias = variant & 1 ? bias : NULL,
    .n_in = n_in,
    .n_out = n_out,
    .in_major = (variant & 2) != 0,
    .activation = variant & 4 ? ITUNING_ACTIVATION_GELU_TANH
                              : ITUNING_ACTIVATION_NONE,
  };
  const gboolean accumulate = (variant & 8) != 0;
  const float scale = variant & 16 ? 0.5f : 1.0f;

  fill_random (rand, weight, n_in * n_out);
  fill_random (rand, bias, n_out);
  fill_random (rand, x, M * n_in);
  fill_random (rand, want, M * n_out);
  memcpy (got, want, M * n_out * sizeof (float));
  ituning_linear_forward (pool, got, x, &layer, M, scale, accumulate);
  plain_linear (want, x, &layer, M, scale, accumulate);
  assert_close (got, want, M * n_out, 1e-5, 2e-5);
}

static void
test_linear_is_the_plain_loop (void)
{
  g_autoptr (ItuningPool) pool = ituning_pool_new (2);
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);

  for (gsize r = 0; r < G_N_ELEMENTS (rows); r++)
    for (gsize w = 0; w < G_N_ELEMENTS (widths); w++)
      for (guint variant = 0; variant < 32; variant++)
        check_linear (pool, rand, rows[r], widths[w][0], widths[w][1], variant);
}

static void
test_result_does_not_depend_on_threads (void)
{
  const gsize M = 33, N_IN = 200, N_OUT = 1111;
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  g_autofree float *weight = g_new (float, N_IN *N_OUT);
  g_autofree float *x = g_new (float, M *N_IN);
  g_autofree float *one = g_new (float, M *N_OUT);
  g_autofree float *many = g_new (float, M *N_OUT);
  const ItuningLinear layer = { .weight = weight,
    .n_in = N_IN,
    .n_out = N_OUT };

  fill_random (rand, weight, N_IN * N_OUT);
  fill_random (rand, x, M * N_IN);
  for (guint n_threads = 1; n_threads <= 4; n_threads++) {
    g_autoptr (ItuningPool) pool = ituning_pool_new (n_threads);
    for (gsize rows_used = 1; rows_used <= M; rows_used += 16) {
      g_autoptr (ItuningPool) alone = ituning_pool_new (1);
      ituning_linear_forward (alone, one, x, &layer, rows_used, 1.0f, FALSE);
      ituning_linear_forward (pool, many, x, &layer, rows_used, 1.0f, FALSE);
      g_assert_cmpmem (one, rows_used * N_OUT * sizeof (float), many,
          rows_used * N_OUT * sizeof (float));
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ituning_gemm_init ();
  g_test_add_func ("/gemm/linear-is-the-plain-loop",
      test_linear_is_the_plain_loop);
  g_test_add_func ("/gemm/result-does-not-depend-on-threads",
      test_result_does_not_depend_on_threads);
  return g_test_run ();
}
