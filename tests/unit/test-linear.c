/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "model/half.h"
#include "model/kernels/gemm.h"
#include "model/kernels/linear.h"
#include "tests/testutil.h"

/* Linear layers against a plain loop, on shapes on both sides of every limit
 * that linear.c and gemm.c choose by. */

static const gsize rows[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 33, 61, 150 };
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
            (double)
                layer->weight.values[layer->in_major ? i * layer->n_out + o
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
plain_backward (float *dx, float *dweight, float *dbias, const float *dy,
    const float *x, const ItuningLinear *layer, gsize M)
{
  for (gsize m = 0; m < M; m++) {
    for (gsize o = 0; o < layer->n_out; o++) {
      const float g = dy[m * layer->n_out + o];
      dbias[o] += g;
      for (gsize i = 0; i < layer->n_in; i++) {
        const gsize at = layer->in_major ? i * layer->n_out + o
                                         : o * layer->n_in + i;
        dx[m * layer->n_in + i] += g * layer->weight.values[at];
        dweight[at] += g * x[m * layer->n_in + i];
      }
    }
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
    .weight.values = weight,
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

/* All variants of few rows; of many, whose plain loops take long, every fifth. */
static void
test_linear_is_the_plain_loop (void)
{
  g_autoptr (ItuningPool) pool = ituning_pool_new (2);
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);

  for (gsize r = 0; r < G_N_ELEMENTS (rows); r++)
    for (gsize w = 0; w < G_N_ELEMENTS (widths); w++)
      for (guint variant = 0; variant < 32; variant += rows[r] < 10 ? 1 : 5)
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
  ItuningLinear layer = { .weight.values = weight,
    .n_in = N_IN,
    .n_out = N_OUT };

  fill_random (rand, weight, N_IN * N_OUT);
  fill_random (rand, x, M * N_IN);
  for (guint i = 0; i < 8; i++) {
    g_autoptr (ItuningPool) pool = ituning_pool_new (1 + i / 2);
    layer.in_major = i % 2 == 1;
    for (gsize rows_used = 1; rows_used <= M; rows_used += 4) {
      g_autoptr (ItuningPool) alone = ituning_pool_new (1);
      ituning_linear_forward (alone, one, x, &layer, rows_used, 1.0f, FALSE);
      ituning_linear_forward (pool, many, x, &layer, rows_used, 1.0f, FALSE);
      g_assert_cmpmem (one, rows_used * N_OUT * sizeof (float), many,
          rows_used * N_OUT * sizeof (float));
    }
  }
}

/* A layer of halves, at an odd address, and the one of the same values as F32. */
typedef struct
{
  guint8 *bytes; /* owned */
  float *values; /* owned */
  ItuningLinear halves, floats;
} Pair;

static Pair
make_pair (GRand *rand, gsize n_in, gsize n_out, gboolean is_bfloat16)
{
  const gsize n = n_in * n_out;
  g_autofree guint16 *rounded = g_new (guint16, n);
  Pair self = { .bytes = g_malloc (2 * n + 1),
    .values = g_new (float, n),
    .halves = { .n_in = n_in, .n_out = n_out } };

  fill_random (rand, self.values, n);
  if (is_bfloat16) {
    ituning_bfloat16_from_float (rounded, self.values, n);
    ituning_bfloat16_to_float (self.values, rounded, n);
  } else {
    ituning_half_from_float (rounded, self.values, n);
    ituning_half_to_float (self.values, rounded, n);
  }
  memcpy (self.bytes + 1, rounded, 2 * n);
  self.floats = self.halves;
  self.halves.weight.halves = self.bytes + 1;
  self.halves.weight.is_bfloat16 = is_bfloat16;
  self.floats.weight.values = self.values;
  return self;
}

static void
clear_pair (Pair *self)
{
  g_free (self->bytes);
  g_free (self->values);
}

static void
check_company (ItuningPool *pool, const ItuningLinear *layer, const float *x,
    gsize M)
{
  g_autofree float *all = g_new (float, M * layer->n_out);
  g_autofree float *some = g_new (float, M * layer->n_out);

  ituning_linear_forward (pool, all, x, layer, M, 0.7f, FALSE);
  for (gsize m = 1; m < M; m++) {
    ituning_linear_forward (pool, some, x, layer, m, 0.7f, FALSE);
    g_assert_cmpmem (some, m * layer->n_out * sizeof (float), all,
        m * layer->n_out * sizeof (float));
  }
}

/* Of the few rows of beams, so that one that is alone becomes no other caption.
 */
static void
test_row_does_not_depend_on_company (void)
{
  const gsize M = 8, N_IN = 203, N_OUT = 117;
  g_autoptr (ItuningPool) pool = ituning_pool_new (2);
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  g_autofree float *x = g_new (float, M *N_IN);
  Pair pair = make_pair (rand, N_IN, N_OUT, FALSE);

  fill_random (rand, x, M * N_IN);
  check_company (pool, &pair.halves, x, M);
  check_company (pool, &pair.floats, x, M);
  pair.floats.in_major = TRUE;
  check_company (pool, &pair.floats, x, M);
  clear_pair (&pair);
}

/* --- halves ------------------------------------------------------------- */

/* Deeper than what becomes F32 at a time, and wider. */
static const gsize halves_widths[][2] = { { 1, 1 }, { 3, 5 }, { 17, 33 },
  { 300, 64 }, { 129, 511 }, { 1601, 27 } };

static void
check_halves (ItuningPool *pool, GRand *rand, gsize M, gsize n_in, gsize n_out,
    gboolean is_bfloat16)
{
  const gsize n_x = M * n_in, n_y = M * n_out;
  g_autofree float *values = g_new (float, 3 * n_x + 3 * n_y);
  g_autofree float *unused = g_new0 (float, (n_in + 1) * n_out);
  float *x = values, *got_dx = x + n_x, *want_dx = got_dx + n_x;
  float *dy = want_dx + n_x, *got = dy + n_y, *want = got + n_y;
  Pair pair = make_pair (rand, n_in, n_out, is_bfloat16);

  fill_random (rand, values, 3 * n_x + 3 * n_y);
  memcpy (want, got, n_y * sizeof (float));
  memcpy (want_dx, got_dx, n_x * sizeof (float));
  for (int accumulate = 1; accumulate >= 0; accumulate--) {
    ituning_linear_forward (pool, got, x, &pair.halves, M, 0.7f, accumulate);
    plain_linear (want, x, &pair.floats, M, 0.7f, accumulate);
    assert_close (got, want, n_y, 1e-5, 2e-5);
    ituning_linear_backward (pool, got_dx, NULL, NULL, dy, x, &pair.halves, M,
        accumulate);
    if (!accumulate)
      memset (want_dx, 0, n_x * sizeof (float));
    plain_backward (want_dx, unused, unused + n_in * n_out, dy, x, &pair.floats,
        M);
    assert_close (got_dx, want_dx, n_x, 1e-4, 1e-4);
  }
  clear_pair (&pair);
}

static void
test_halves_are_their_floats (void)
{
  g_autoptr (ItuningPool) pool = ituning_pool_new (2);
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);

  for (gsize r = 0; r < G_N_ELEMENTS (rows); r++)
    for (gsize w = 0; w < G_N_ELEMENTS (halves_widths); w++)
      for (int is_bfloat16 = 0; is_bfloat16 < 2; is_bfloat16++)
        check_halves (pool, rand, rows[r], halves_widths[w][0],
            halves_widths[w][1], is_bfloat16);
}

/* --- training ----------------------------------------------------------- */

static void
check_backward (ItuningPool *pool, GRand *rand, gsize M, gsize n_in,
    gsize n_out, gboolean in_major)
{
  const gsize n_weight = n_in * n_out, n_x = M * n_in, n_y = M * n_out;
  g_autofree float *values = g_new (float, 4 * n_weight + 4 * n_x + 4 * n_y);
  float *weight = values, *got_weight = weight + n_weight;
  float *want_weight = got_weight + n_weight;
  float *x = want_weight + n_weight, *got = x + n_x, *want = got + n_x;
  float *dy = want + n_x, *got_bias = dy + n_y, *want_bias = got_bias + n_out;
  const ItuningLinear layer = { .weight.values = weight,
    .n_in = n_in,
    .n_out = n_out,
    .in_major = in_major };

  fill_random (rand, values, 4 * n_weight + 4 * n_x + 4 * n_y);
  memcpy (want_weight, got_weight, n_weight * sizeof (float));
  memcpy (want, got, n_x * sizeof (float));
  memcpy (want_bias, got_bias, n_out * sizeof (float));
  ituning_linear_backward (pool, got, got_weight, got_bias, dy, x, &layer, M,
      TRUE);
  plain_backward (want, want_weight, want_bias, dy, x, &layer, M);
  assert_close (got, want, n_x, 1e-4, 1e-4);
  assert_close (got_weight, want_weight, n_weight, 1e-4, 1e-4);
  assert_close (got_bias, want_bias, n_out, 1e-4, 1e-4);
  /* Without accumulation what was there does not count; frozen is not touched. */
  memset (want, 0, n_x * sizeof (float));
  ituning_linear_backward (pool, got, NULL, NULL, dy, x, &layer, M, FALSE);
  plain_backward (want, want_weight, want_bias, dy, x, &layer, M);
  assert_close (got, want, n_x, 1e-4, 1e-4);
}

static void
test_backward_is_the_plain_loop (void)
{
  g_autoptr (ItuningPool) pool = ituning_pool_new (2);
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);

  for (gsize r = 0; r < G_N_ELEMENTS (rows); r++)
    for (gsize w = 0; w < G_N_ELEMENTS (widths); w++)
      for (guint in_major = 0; in_major < 2; in_major++)
        check_backward (pool, rand, rows[r], widths[w][0], widths[w][1],
            in_major != 0);
}

/* More rows than one task takes. */
static void
test_many_rows (void)
{
  g_autoptr (ItuningPool) pool = ituning_pool_new (3);
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);

  for (guint variant = 0; variant < 32; variant += 5)
    check_linear (pool, rand, 1300, 9, 21, variant);
  check_backward (pool, rand, 1300, 9, 21, FALSE);
}

static void
test_backward_does_not_depend_on_threads (void)
{
  const gsize M = 700, N_IN = 190, N_OUT = 130;
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);
  g_autofree float *weight = g_new (float, N_IN *N_OUT);
  g_autofree float *x = g_new (float, M *N_IN);
  g_autofree float *dy = g_new (float, M *N_OUT);
  g_autofree float *results = g_new0 (float, 2 * (M + N_OUT) * N_IN);
  float *dx[] = { results, results + M * N_IN };
  float *dweight[] = { dx[1] + M * N_IN, dx[1] + (M + N_OUT) * N_IN };
  const ItuningLinear layer = { .weight.values = weight,
    .n_in = N_IN,
    .n_out = N_OUT };

  fill_random (rand, weight, N_IN * N_OUT);
  fill_random (rand, x, M * N_IN);
  fill_random (rand, dy, M * N_OUT);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (ItuningPool) pool = ituning_pool_new (1 + 3 * i);
    ituning_linear_backward (pool, dx[i], dweight[i], NULL, dy, x, &layer, M,
        FALSE);
  }
  g_assert_cmpmem (dx[0], M * N_IN * sizeof (float), dx[1],
      M * N_IN * sizeof (float));
  g_assert_cmpmem (dweight[0], N_IN * N_OUT * sizeof (float), dweight[1],
      N_IN * N_OUT * sizeof (float));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ituning_gemm_init ();
  g_test_add_func ("/linear/linear-is-the-plain-loop",
      test_linear_is_the_plain_loop);
  g_test_add_func ("/linear/result-does-not-depend-on-threads",
      test_result_does_not_depend_on_threads);
  g_test_add_func ("/linear/row-does-not-depend-on-company",
      test_row_does_not_depend_on_company);
  g_test_add_func ("/linear/halves-are-their-floats",
      test_halves_are_their_floats);
  g_test_add_func ("/linear/backward-is-the-plain-loop",
      test_backward_is_the_plain_loop);
  g_test_add_func ("/linear/many-rows-are-split", test_many_rows);
  g_test_add_func ("/linear/backward-does-not-depend-on-threads",
      test_backward_does_not_depend_on_threads);
  return g_test_run ();
}
