/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/contrast.h"

#include <math.h>

#include "model/kernels/gemm.h"
#include "tests/testutil.h"

/* CLIP's loss against the formula written out in doubles; its gradients are
 * in test-gradients.c. */

#define MAX_PAIRS ((gsize) 9)
#define WIDTH ((gsize) 19)

static double
cosine (const float *a, const float *b)
{
  double ab = 0.0, aa = 0.0, bb = 0.0;

  for (gsize i = 0; i < WIDTH; i++) {
    ab += (double) a[i] * (double) b[i];
    aa += (double) a[i] * (double) a[i];
    bb += (double) b[i] * (double) b[i];
  }
  return ab / sqrt (aa * bb);
}

/* Mean over the right answers of -log softmax: @from is told apart by each of
 * @to. */
static double
plain_way (const float *from, const float *to, const guint32 *groups, gsize B,
    double scale)
{
  double loss = 0.0;

  for (gsize i = 0; i < B; i++) {
    double sum = 0.0, right = 0.0, n = 0.0;
    for (gsize j = 0; j < B; j++)
      sum += exp (scale * cosine (from + i * WIDTH, to + j * WIDTH));
    for (gsize j = 0; j < B; j++) {
      if (groups[i] == groups[j]) {
        right += scale * cosine (from + i * WIDTH, to + j * WIDTH) - log (sum);
        n += 1.0;
      }
    }
    loss -= right / n;
  }
  return loss;
}

static double
run (const float *image, const float *text, const guint32 *groups, gsize B,
    double scale)
{
  ItuningPool *pool = ituning_pool_new (2);
  ItuningContrastScratch scratch = { 0 };
  const double loss = ituning_contrast_run (pool, &scratch, NULL, NULL, NULL,
      image, text, groups, B, WIDTH, (float) scale);

  ituning_contrast_scratch_clear (&scratch);
  ituning_pool_free (pool);
  return loss;
}

static void
check (const guint32 *groups, gsize B, double scale)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  float image[MAX_PAIRS * WIDTH], text[MAX_PAIRS * WIDTH];
  double wanted;

  fill_random (rand, image, B * WIDTH);
  fill_random (rand, text, B * WIDTH);
  wanted = 0.5 *
      (plain_way (image, text, groups, B, scale) +
          plain_way (text, image, groups, B, scale));
  g_assert_cmpfloat (wanted, >, 0.0);
  g_assert_cmpfloat_with_epsilon (run (image, text, groups, B, scale), wanted,
      1e-5 * wanted);
}

static void
test_loss_is_the_formula (void)
{
  static const guint32 apart[MAX_PAIRS] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };

  check (apart, MAX_PAIRS, 1.0);
  check (apart, MAX_PAIRS, 14.3);
  check (apart, MAX_PAIRS, 100.0);
  check (apart, 2, 14.3);
}

static void
test_the_same_text_is_as_right (void)
{
  static const guint32 groups[MAX_PAIRS] = { 0, 1, 0, 3, 1, 1, 6, 7, 0 };

  check (groups, MAX_PAIRS, 14.3);
}

/* One pair cannot be mistaken, and when all texts are the same there is nothing
 * to tell apart but chance: log B. */
static void
test_ends (void)
{
  static const guint32 groups[MAX_PAIRS] = { 0 };
  float image[MAX_PAIRS * WIDTH], text[MAX_PAIRS * WIDTH];

  for (gsize i = 0; i < MAX_PAIRS * WIDTH; i++) {
    image[i] = 1.0f + (float) (i % WIDTH);
    text[i] = 3.0f - (float) (i % WIDTH);
  }
  g_assert_cmpfloat_with_epsilon (run (image, text, groups, 1, 50.0), 0.0,
      1e-5);
  g_assert_cmpfloat_with_epsilon (run (image, text, groups, MAX_PAIRS, 50.0),
      (double) MAX_PAIRS * log ((double) MAX_PAIRS), 1e-4);
}

/* Lengths do not matter, not even 0. */
static void
test_lengths_do_not_matter (void)
{
  static const guint32 groups[] = { 0, 1, 2 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  float image[3 * WIDTH], text[3 * WIDTH];
  double loss;

  fill_random (rand, image, 3 * WIDTH);
  fill_random (rand, text, 3 * WIDTH);
  loss = run (image, text, groups, 3, 10.0);
  for (gsize i = 0; i < WIDTH; i++)
    image[WIDTH + i] *= 1000.0f;
  g_assert_cmpfloat_with_epsilon (run (image, text, groups, 3, 10.0), loss,
      1e-5 * loss);
  for (gsize i = 0; i < WIDTH; i++)
    text[i] = 0.0f;
  g_assert_true (isfinite (run (image, text, groups, 3, 10.0)));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ituning_gemm_init ();
  g_test_add_func ("/contrast/loss-is-the-formula", test_loss_is_the_formula);
  g_test_add_func ("/contrast/the-same-text-is-as-right",
      test_the_same_text_is_as_right);
  g_test_add_func ("/contrast/ends", test_ends);
  g_test_add_func ("/contrast/lengths-do-not-matter",
      test_lengths_do_not_matter);
  return g_test_run ();
}
