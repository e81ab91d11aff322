/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <math.h>

#include "model/ituning.h"
#include "tests/testutil.h"

/* What weights of 8 and 4 bits change of the logits, in the paper's base size
 * with random weights: the errors of twelve layers, one upon the other. They are
 * measured in standard deviations of the logits, of which 2 % and 12 % (Q8_0),
 * and 22 % and 125 % (Q4_0) were seen: the root of the mean square, and at most. */

#define T 16

typedef struct
{
  const char *name;
  ItuningType type;
  double mean, most;
} Limit;

static const Limit limits[] = {
  { "q8_0", ITUNING_TYPE_Q8_0, 0.03, 0.25 },
  { "q4_0", ITUNING_TYPE_Q4_0, 0.3, 2.0 },
};

/* Returns: (transfer full): [T, V] of one random picture and text */
static float *
compute_logits (ItuningModel *model, gsize *n)
{
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  g_autoptr (ItuningFeatures) features = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  g_autoptr (GError) error = NULL;
  const ItuningModelInfo *info = ituning_model_get_info (model);
  const gsize n_pixels = 3 * info->vision.image_size * info->vision.image_size;
  g_autofree float *pixels = g_new (float, n_pixels);
  float *logits;
  guint32 text[T];

  *n = T * info->language.vocab_size;
  logits = g_new (float, *n);
  fill_random (rand, pixels, n_pixels);
  for (gsize i = 0; i < T; i++)
    text[i] = (guint32) g_rand_int_range (rand, 0,
        (gint32) info->language.vocab_size);
  ituning_session_encode_pixels (session, pixels, 1, &features, NULL, &error);
  g_assert_no_error (error);
  ituning_session_logits (session, features, text, T, logits, NULL, &error);
  g_assert_no_error (error);
  return logits;
}

/* Returns: (transfer full): @model with its weights rounded to @type */
static ItuningModel *
round_model (ItuningModel *model, ItuningType type)
{
  const ItuningModelOptions options = { .n_threads = 1 };
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("ituning-rounding-XXXXXX", &error);
  g_autofree char *path = g_build_filename (folder, "base.gguf", NULL);
  ItuningModel *rounded;

  ituning_model_save (model, path, type, NULL, &error);
  g_assert_no_error (error);
  rounded = ituning_model_open (path, &options, &error);
  g_assert_no_error (error);
  g_remove (path);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  return rounded;
}

static double
find_deviation (const float *x, gsize n)
{
  double sum = 0.0, squares = 0.0;

  for (gsize i = 0; i < n; i++) {
    sum += (double) x[i];
    squares += (double) x[i] * (double) x[i];
  }
  return sqrt (squares / (double) n - pow (sum / (double) n, 2.0));
}

static void
test_logits_of_base_size (gconstpointer data)
{
  const Limit *limit = data;
  g_autoptr (ItuningModel) model = ituning_model_open_random ("base", NULL, 1,
      0, NULL);
  g_autoptr (ItuningModel) rounded_model = round_model (model, limit->type);
  gsize n;
  g_autofree float *exact = compute_logits (model, &n);
  g_autofree float *rounded = compute_logits (rounded_model, &n);
  const double deviation = find_deviation (exact, n);
  double squares = 0.0, most = 0.0;

  for (gsize i = 0; i < n; i++) {
    const double error = fabs ((double) rounded[i] - (double) exact[i]);
    squares += error * error;
    most = MAX (most, error);
  }
  g_test_message ("errors: %.3f by mean square, %.3f at most, of a deviation "
                  "of %.3f",
      sqrt (squares / (double) n) / deviation, most / deviation, deviation);
  g_assert_cmpfloat (sqrt (squares / (double) n), <, limit->mean * deviation);
  g_assert_cmpfloat (most, <, limit->most * deviation);
  g_assert_cmpfloat (most, >, 0.0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (limits); i++) {
    g_autofree char *path = g_strdup_printf ("/rounding/logits-of-base-size-%s",
        limits[i].name);
    g_test_add_data_func (path, &limits[i], test_logits_of_base_size);
  }
  return g_test_run ();
}
