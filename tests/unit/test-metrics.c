/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/ituning-metrics.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-8

/* What there is in an image: a result, then its references. */
typedef struct
{
  const char *result;
  const char *references[3];
} Image;

static ItuningMetrics
score (const Image *images, gsize n_images, ItuningMetricsFlags flags)
{
  g_autoptr (ItuningCaptions) references = ituning_captions_new ();
  g_autoptr (ItuningCaptions) results = ituning_captions_new ();
  g_autoptr (GError) error = NULL;
  ItuningMetrics metrics;

  for (gsize i = 0; i < n_images; i++) {
    g_autofree char *id = g_strdup_printf ("%zu", i);
    ituning_captions_add (results, id, images[i].result);
    for (gsize j = 0; j < 3 && images[i].references[j] != NULL; j++)
      ituning_captions_add (references, id, images[i].references[j]);
  }
  g_assert_true (
      ituning_metrics_compute (references, results, flags, &metrics, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (metrics.n_images, ==, n_images);
  return metrics;
}

/* 3 of 4 words are in a reference ("the" once of twice), 1 of 3 pairs; both
 * references differ by 1 in length, so 3 counts and nothing is penalised. */
static void
test_bleu_clips_counts (void)
{
  const Image image = { "the the dog runs",
    { "a dog runs the far way home", "the cat ran" } };
  const ItuningMetrics metrics = score (&image, 1, ITUNING_METRICS_DEFAULT);

  g_assert_cmpfloat_with_epsilon (metrics.bleu[0], 3.0 / 4, EPSILON);
  g_assert_cmpfloat_with_epsilon (metrics.bleu[1], sqrt (3.0 / 4 / 3), EPSILON);
  g_assert_cmpfloat (metrics.bleu[2], <, 1e-4);
}

/* Of lengths 2 and 4 the shorter is as close to 3. */
static void
test_bleu_takes_the_shorter_of_two (void)
{
  const Image image = { "a dog runs", { "a dog runs home", "a dog" } };
  const ItuningMetrics metrics = score (&image, 1, ITUNING_METRICS_DEFAULT);

  g_assert_cmpfloat_with_epsilon (metrics.bleu[0], 1, EPSILON);
  g_assert_cmpfloat_with_epsilon (metrics.bleu[2], 1, EPSILON);
}

/* The corpus has 5 words for 8: exp (1 - 8 / 5) once, not a mean of images. */
static void
test_bleu_penalises_a_short_corpus (void)
{
  const Image images[] = { { "a dog", { "a dog on the beach" } },
    { "a red car", { "a red car" } } };
  const ItuningMetrics metrics = score (images, 2, ITUNING_METRICS_DEFAULT);

  g_assert_cmpfloat_with_epsilon (metrics.bleu[0], exp (1 - 8.0 / 5), EPSILON);
}

/* Precision 3/4 of the first reference (recall 3/6), recall 2/2 of the second
 * (precision 2/4): each metric takes its largest, of different references. */
static void
test_rouge_takes_the_largest_of_each (void)
{
  const Image image = { "a dog runs home",
    { "a big dog home far away", "dog runs" } };
  const ItuningMetrics metrics = score (&image, 1, ITUNING_METRICS_DEFAULT);
  const double p = 3.0 / 4, r = 1, beta2 = 1.44;

  g_assert_cmpfloat_with_epsilon (metrics.rouge_l,
      (1 + beta2) * p * r / (r + beta2 * p), EPSILON);
}

static void
test_rouge_wants_the_order (void)
{
  const Image image = { "c b a", { "a b c" } };
  const ItuningMetrics metrics = score (&image, 1, ITUNING_METRICS_DEFAULT);

  g_assert_cmpfloat_with_epsilon (metrics.rouge_l, 1.0 / 3, EPSILON);
}

/* Each word's weight is log 2, but that of "x", which both images have, 0. The
 * first result is its reference, of lengths 1 to 2: 10 * 2 / 4. The second,
 * "x c" for "x c d", has one pair less, so a penalty of exp (-1 / 72);
 * single words: c * c / (c * sqrt (2) c); pairs: "x c" of "x c" and "c d". */
static void
test_cider_by_hand (void)
{
  const Image images[] = { { "x b", { "x b" } }, { "x c", { "x c d" } } };
  const ItuningMetrics metrics = score (images, 2, ITUNING_METRICS_DEFAULT);
  const double first = 10 * 2.0 / 4;
  const double second = 10 * exp (-1.0 / 72) * 2 * sqrt (0.5) / 4;

  g_assert_cmpfloat_with_epsilon (metrics.cider, (first + second) / 2, EPSILON);
}

/* "b" thrice counts as the reference's one: 1 * 1 / (3 * 1) of single words;
 * the pairs "b b" are in no reference. The other image is there for the weight
 * to be more than 0. Pairs: 2 against 0, so exp (-4 / 72). */
static void
test_cider_clips_counts (void)
{
  const Image images[] = { { "b b b", { "b" } }, { "none", { "other" } } };
  const ItuningMetrics metrics = score (images, 2, ITUNING_METRICS_DEFAULT);

  g_assert_cmpfloat_with_epsilon (metrics.cider,
      10 * exp (-4.0 / 72) / 3 / 4 / 2, EPSILON);
}

static void
test_punctuation_counts_if_kept (void)
{
  const Image image = { "A dog.", { "a dog!" } };

  g_assert_cmpfloat_with_epsilon (score (&image, 1, ITUNING_METRICS_DEFAULT)
                                      .bleu[0],
      1, EPSILON);
  g_assert_cmpfloat_with_epsilon (score (&image, 1,
                                      ITUNING_METRICS_KEEP_PUNCTUATION)
                                      .bleu[0],
      2.0 / 3, EPSILON);
}

static void
test_empty_result_scores_nothing (void)
{
  const Image images[] = { { "", { "a dog" } }, { ".", { "a cat" } } };
  const ItuningMetrics metrics = score (images, 2, ITUNING_METRICS_DEFAULT);

  g_assert_cmpfloat_with_epsilon (metrics.bleu[0], 0, EPSILON);
  g_assert_cmpfloat (metrics.rouge_l, ==, 0);
  g_assert_cmpfloat (metrics.cider, ==, 0);
}

/* --- which images ------------------------------------------------------- */

static void
assert_refused (ItuningCaptions *references, ItuningCaptions *results,
    ItuningError code, const char *cause)
{
  g_autoptr (GError) error = NULL;
  ItuningMetrics metrics = { .cider = -1 };

  g_assert_false (ituning_metrics_compute (references, results,
      ITUNING_METRICS_DEFAULT, &metrics, &error));
  g_assert_error (error, ITUNING_ERROR, (gint) code);
  g_assert_nonnull (g_strstr_len (error->message, -1, cause));
  g_assert_cmpfloat (metrics.cider, ==, -1);
}

static void
test_sets_must_be_the_same (void)
{
  g_autoptr (ItuningCaptions) references = ituning_captions_new ();
  g_autoptr (ItuningCaptions) results = ituning_captions_new ();
  ItuningMetrics metrics;

  ituning_captions_add (references, "1", "a dog");
  ituning_captions_add (references, "2", "a cat");
  assert_refused (references, results, ITUNING_ERROR_INPUT, "no captions");
  ituning_captions_add (results, "2", "a cat");
  assert_refused (references, results, ITUNING_ERROR_MISMATCH, "image 1");
  g_assert_true (ituning_metrics_compute (references, results,
      ITUNING_METRICS_PARTIAL, &metrics, NULL));
  g_assert_cmpuint (metrics.n_images, ==, 1);
  g_assert_cmpfloat_with_epsilon (metrics.bleu[1], 1, EPSILON);
  ituning_captions_add (results, "1", "a dog");
  ituning_captions_add (results, "3", "a cow");
  assert_refused (references, results, ITUNING_ERROR_MISMATCH, "image 3");
  ituning_captions_add (results, "1", "a dog again");
  assert_refused (references, results, ITUNING_ERROR_INPUT, "2 captions");
}

/* --- published scores --------------------------------------------------- */

static char *
find_shared (const char *name)
{
  const char *folder = g_getenv ("ITUNING_EVAL_DATA");
  char *path = folder != NULL ? g_build_filename (folder, name, NULL)
                              : g_test_build_filename (G_TEST_DIST, "..", "..",
                                    "shared", "eval", name, NULL);

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return path;
  g_test_skip ("the published captions are not there");
  g_free (path);
  return NULL;
}

/* Those that are not published are NAN in @wanted. */
static void
assert_published (const char *references_name, const char *results_name,
    ItuningMetricsFlags flags, const double wanted[6], double limit)
{
  g_autofree char *references_path = find_shared (references_name);
  g_autofree char *results_path = find_shared (results_name);
  g_autoptr (ItuningCaptions) references = NULL, results = NULL;
  g_autoptr (GError) error = NULL;
  ItuningMetrics metrics;
  double found[6];

  if (references_path == NULL || results_path == NULL)
    return;
  references = ituning_captions_load (references_path, &error);
  g_assert_no_error (error);
  results = ituning_captions_load (results_path, &error);
  g_assert_no_error (error);
  g_assert_true (
      ituning_metrics_compute (references, results, flags, &metrics, &error));
  memcpy (found, metrics.bleu, sizeof metrics.bleu);
  found[4] = metrics.rouge_l;
  found[5] = metrics.cider;
  for (gsize i = 0; i < G_N_ELEMENTS (found); i++)
    if (!isnan (wanted[i]))
      g_assert_cmpfloat_with_epsilon (found[i], wanted[i], limit);
}

/* Sitta et al., linear regression, on Flickr30k: the authors' own scores, to
 * every digit; then, without punctuation, those of an independent program, which
 * took "A&M" for three words: it has a CIDEr-D of .35027 for our .35032, and so
 * have we when the references have spaces there. */
static void
test_flickr30k (void)
{
  assert_published ("flickr30k_test_refs.json",
      "flickr30k_sitta_linreg_mscoco.json", ITUNING_METRICS_KEEP_PUNCTUATION,
      (const double[]){ 0.5946185658808888, 0.37682577371316683,
          0.2259064977382163, 0.13801882080966993, 0.4468610733293729,
          0.35629167888262503 },
      1e-9);
  assert_published ("flickr30k_test_refs.json",
      "flickr30k_sitta_linreg_mscoco.json", ITUNING_METRICS_DEFAULT,
      (const double[]){ .55594, NAN, NAN, .13293, .38651, .35027 }, 5.6e-5);
}

static void
test_small_sets (void)
{
  assert_published ("clipscore_refs.json", "clipscore_good_captions.json",
      ITUNING_METRICS_DEFAULT,
      (const double[]){ .6667, .4899, .3469, 0, .4280, .5637 }, 5.1e-5);
  assert_published ("clipscore_refs.json", "clipscore_bad_captions.json",
      ITUNING_METRICS_DEFAULT,
      (const double[]){ .4815, .2404, .1359, 0, .3121, .2790 }, 5.1e-5);
  assert_published ("pacscore_refs.json", "pacscore_good_captions.json",
      ITUNING_METRICS_DEFAULT,
      (const double[]){ .6400, .57785, .45694, .3503, .5012, 1.4918 }, 5.1e-5);
  assert_published ("pacscore_refs.json", "pacscore_bad_captions.json",
      ITUNING_METRICS_DEFAULT,
      (const double[]){ .4500, .15811, 0, 0, .3268, .4259 }, 5.1e-5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics/bleu/clips-counts", test_bleu_clips_counts);
  g_test_add_func ("/metrics/bleu/takes-the-shorter-of-two",
      test_bleu_takes_the_shorter_of_two);
  g_test_add_func ("/metrics/bleu/penalises-a-short-corpus",
      test_bleu_penalises_a_short_corpus);
  g_test_add_func ("/metrics/rouge/takes-the-largest-of-each",
      test_rouge_takes_the_largest_of_each);
  g_test_add_func ("/metrics/rouge/wants-the-order",
      test_rouge_wants_the_order);
  g_test_add_func ("/metrics/cider/by-hand", test_cider_by_hand);
  g_test_add_func ("/metrics/cider/clips-counts", test_cider_clips_counts);
  g_test_add_func ("/metrics/punctuation-counts-if-kept",
      test_punctuation_counts_if_kept);
  g_test_add_func ("/metrics/empty-result-scores-nothing",
      test_empty_result_scores_nothing);
  g_test_add_func ("/metrics/sets-must-be-the-same",
      test_sets_must_be_the_same);
  g_test_add_func ("/metrics/published/flickr30k", test_flickr30k);
  g_test_add_func ("/metrics/published/small-sets", test_small_sets);
  return g_test_run ();
}
