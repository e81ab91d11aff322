/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "model/kernels/kernels.h"
#include "tests/testutil.h"

/* Every table that this processor can run against the plain one, on all
 * lengths around the vectors' and on data at odd addresses. */

#define MAX_N 150

static const gsize lengths[] = { 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64,
  65, 127, MAX_N };

typedef void (*Check) (const ItuningKernels *plain, const ItuningKernels *fast,
    float *x, float *y, float *z, gsize n);

/* NOLINTBEGIN(readability-non-const-parameter): all have one type */
static void
check_dot (const ItuningKernels *plain, const ItuningKernels *fast, float *x,
    float *y, float *z, gsize n)
{
  const float got = fast->dot (x, y, n), want = plain->dot (x, y, n);

  assert_close (&got, &want, 1, 1e-5, 1e-5);
}

static void
check_axpy (const ItuningKernels *plain, const ItuningKernels *fast, float *x,
    float *y, float *z, gsize n)
{
  memcpy (z, y, n * sizeof (float));
  fast->axpy (y, x, 0.7f, n);
  plain->axpy (z, x, 0.7f, n);
  assert_close (y, z, n, 1e-6, 1e-6);
  fast->add (y, x, n);
  plain->add (z, x, n);
  assert_close (y, z, n, 1e-6, 1e-6);
  fast->scale (y, -1.5f, n);
  plain->scale (z, -1.5f, n);
  assert_close (y, z, n, 1e-6, 1e-6);
}

/* Rows that are read two values apart, so that they overlap. */
static void
check_combine (const ItuningKernels *plain, const ItuningKernels *fast,
    float *x, float *y, float *z, gsize n)
{
  const gsize rows[] = { 1, 2, 7, 8, 9, 33 };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const gsize K = rows[i];
    g_autofree float *values = g_new (float, n + 2 * K);
    g_autofree float *weights = g_new (float, K);
    g_autofree float *want = g_new (float, n);
    for (gsize j = 0; j < n + 2 * K; j++)
      values[j] = x[j % n];
    for (gsize k = 0; k < K; k++)
      weights[k] = y[k % n];
    fast->combine (z, weights, values, 2, K, n);
    plain->combine (want, weights, values, 2, K, n);
    assert_close (z, want, n, 1e-5, 1e-4);
  }
}

static void
check_layernorm (const ItuningKernels *plain, const ItuningKernels *fast,
    float *x, float *y, float *z, gsize n)
{
  float want[MAX_N];

  for (gsize i = 0; i < n; i++)
    x[i] = x[i] * 3.0f + 5.0f;
  plain->layernorm (want, x, y, z, n, 1e-5f);
  fast->layernorm (x, x, y, z, n, 1e-5f);
  assert_close (x, want, n, 1e-4, 1e-4);
}

static void
check_softmax (const ItuningKernels *plain, const ItuningKernels *fast,
    float *x, float *y, float *z, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] *= 20.0f;
  g_assert_cmpfloat_with_epsilon (fast->log_sum_exp (x, n),
      plain->log_sum_exp (x, n), 1e-5f * 20.0f);
  memcpy (y, x, n * sizeof (float));
  fast->softmax (x, n);
  plain->softmax (y, n);
  assert_close (x, y, n, 1e-5, 1e-9);
}

static void
check_activations (const ItuningKernels *plain, const ItuningKernels *fast,
    float *x, float *y, float *z, gsize n)
{
  for (int a = 0; a < ITUNING_N_ACTIVATIONS; a++) {
    for (gsize i = 0; i < n; i++)
      y[i] = z[i] = x[i] * (i % 5 == 0 ? 100.0f : 6.0f);
    fast->activate[a](y, n);
    plain->activate[a](z, n);
    assert_close (y, z, n, 2e-6, 1e-6);
  }
}

static void
check_finite (const ItuningKernels *plain, const ItuningKernels *fast, float *x,
    float *y, float *z, gsize n)
{
  static const float bad[] = { NAN, INFINITY, -INFINITY };

  g_assert_true (fast->all_finite (x, n));
  for (gsize i = 0; i < n; i++) {
    const float old = x[i];
    x[i] = bad[i % 3];
    g_assert_false (fast->all_finite (x, n));
    g_assert_false (plain->all_finite (x, n));
    if (i % 3 < 2)
      g_assert_false (isfinite (fast->log_sum_exp (x, n)));
    x[i] = old;
  }
}

/* --- what training needs besides ---------------------------------------- */

static void
check_layernorm_backward (const ItuningKernels *plain,
    const ItuningKernels *fast, float *x, float *y, float *z, gsize n)
{
  float got[MAX_N], want[MAX_N], dgain[2][MAX_N], dbias[2][MAX_N];
  float got_stats[2], want_stats[2];

  for (gsize i = 0; i < n; i++) {
    x[i] = x[i] * 3.0f + 5.0f;
    got[i] = want[i] = (float) i;
    dgain[0][i] = dgain[1][i] = dbias[0][i] = dbias[1][i] = (float) i * 0.1f;
  }
  fast->layernorm_backward (got, got_stats, y, x, z, n, 1e-2f);
  plain->layernorm_backward (want, want_stats, y, x, z, n, 1e-2f);
  assert_close (got, want, n, 1e-4, 2e-4);
  assert_close (got_stats, want_stats, 2, 1e-5, 1e-5);
  fast->layernorm_gradients (dgain[0], dbias[0], y, x, want_stats, n);
  plain->layernorm_gradients (dgain[1], dbias[1], y, x, want_stats, n);
  assert_close (dgain[0], dgain[1], n, 1e-5, 1e-5);
  assert_close (dbias[0], dbias[1], n, 1e-6, 1e-6);
}

static void
check_softmax_backward (const ItuningKernels *plain, const ItuningKernels *fast,
    float *x, float *y, float *z, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] *= 10.0f;
  plain->softmax (x, n);
  memcpy (z, y, n * sizeof (float));
  fast->softmax_backward (y, x, n);
  plain->softmax_backward (z, x, n);
  assert_close (y, z, n, 1e-4, 1e-6);
}

static void
check_activations_backward (const ItuningKernels *plain,
    const ItuningKernels *fast, float *x, float *y, float *z, gsize n)
{
  float dy[MAX_N];

  memcpy (dy, y, n * sizeof (float));
  for (int a = 0; a < ITUNING_N_ACTIVATIONS; a++) {
    for (gsize i = 0; i < n; i++)
      x[i] *= i % 5 == 0 ? 10.0f : 2.0f;
    memcpy (y, dy, n * sizeof (float));
    memcpy (z, dy, n * sizeof (float));
    fast->activate_backward[a](y, x, n);
    plain->activate_backward[a](z, x, n);
    assert_close (y, z, n, 1e-5, 2e-6);
  }
}

static void
check_adamw (const ItuningKernels *plain, const ItuningKernels *fast, float *x,
    float *y, float *z, gsize n)
{
  const ItuningAdamW how = { 0.999f, 0.9f, 0.999f, 1e-2f, 30.0f, 1e-8f, 0.5f };
  float value[2][MAX_N], average[2][MAX_N], square[2][MAX_N];

  for (gsize i = 0; i < n; i++) {
    value[0][i] = value[1][i] = y[i];
    average[0][i] = average[1][i] = z[i];
    square[0][i] = square[1][i] = z[i] * z[i];
  }
  fast->adamw (value[0], average[0], square[0], x, &how, n);
  plain->adamw (value[1], average[1], square[1], x, &how, n);
  assert_close (value[0], value[1], n, 1e-6, 1e-6);
  assert_close (average[0], average[1], n, 1e-6, 1e-6);
  assert_close (square[0], square[1], n, 1e-6, 1e-6);
}

/* NOLINTEND(readability-non-const-parameter) */

typedef struct
{
  const char *path;
  Check check;
} Case;

static void
test_same_as_plain (gconstpointer data)
{
  const Case *own = data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  float x[MAX_N + 1], y[MAX_N + 1], z[MAX_N + 1];
  gsize n_tables;
  const ItuningKernels *const *tables = ituning_kernels_list (&n_tables);

  for (gsize t = 1; t < n_tables; t++) {
    for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++) {
      for (gsize offset = 0; offset <= 1; offset++) {
        fill_random (rand, x, MAX_N + 1);
        fill_random (rand, y, MAX_N + 1);
        fill_random (rand, z, MAX_N + 1);
        own->check (tables[0], tables[t], x + offset, y + offset, z + offset,
            lengths[i]);
      }
    }
  }
}

int
main (int argc, char **argv)
{
  static const Case cases[] = {
    { "/kernels/dot-is-the-plain-one", check_dot },
    { "/kernels/axpy-add-scale-are-the-plain-ones", check_axpy },
    { "/kernels/combine-is-the-plain-one", check_combine },
    { "/kernels/layernorm-is-the-plain-one", check_layernorm },
    { "/kernels/softmax-is-the-plain-one", check_softmax },
    { "/kernels/activations-are-the-plain-ones", check_activations },
    { "/kernels/not-finite-is-seen-anywhere", check_finite },
    { "/kernels/layernorm-backward-is-the-plain-one",
        check_layernorm_backward },
    { "/kernels/softmax-backward-is-the-plain-one", check_softmax_backward },
    { "/kernels/activations-backward-are-the-plain-ones",
        check_activations_backward },
    { "/kernels/adamw-is-the-plain-one", check_adamw },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_test_add_data_func (cases[i].path, &cases[i], test_same_as_plain);
  return g_test_run ();
}
