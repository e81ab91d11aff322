/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "model/search.h"
#include "tests/testutil.h"

/* The rules of decoding on made-up probabilities, each case such that breaking
 * its rule changes the result. */

#define V 6
enum
{
  EOS,
  A,
  B,
  C,
  D,
  BOS
};

/* What follows a token: probabilities of the next; what is not named is as good
 * as impossible. Rows of zeros are uniform. */
typedef double Table[V][V];

static void
fill_logits (float *logits, const double *p)
{
  double sum = 0.0;

  for (gsize i = 0; i < V; i++)
    sum += p[i];
  for (gsize i = 0; i < V; i++)
    logits[i] = sum == 0.0 ? 0.0f : (float) log (MAX (p[i], 1e-9));
}

static ItuningCaption *
run (const ItuningGenerateOptions *options, Table table)
{
  g_autoptr (ItuningSearch) search = ituning_search_new (options, V, BOS, EOS);
  g_autoptr (GError) error = NULL;
  float logits[64 * V];
  gsize n_rows;

  fill_logits (logits, table[BOS]);
  do {
    g_assert_true (ituning_search_advance (search, logits, &error));
    n_rows = ituning_search_get_n_rows (search);
    for (gsize row = 0; row < n_rows; row++)
      fill_logits (logits + row * V,
          table[ituning_search_get_token (search, row)]);
  } while (n_rows > 0);
  return ituning_search_finish (search);
}

static void
assert_ids (const ItuningCaption *caption, const guint32 *ids, gsize n)
{
  g_assert_cmpmem (caption->ids, caption->n_ids * sizeof (guint32), ids,
      n * sizeof (guint32));
}

static ItuningGenerateOptions
make_options (guint num_beams, guint max_new_tokens)
{
  ItuningGenerateOptions options = ITUNING_GENERATE_OPTIONS_INIT;

  options.num_beams = num_beams;
  options.max_new_tokens = max_new_tokens;
  return options;
}

/* An EOS that is not among the best as many as there are beams is no end. */
static void
test_unlikely_end_is_none (void)
{
  Table table = { [BOS] = { [A] = 0.4, [B] = 0.35, [EOS] = 0.2 } };
  ItuningGenerateOptions options = make_options (2, 2);
  g_autoptr (ItuningCaption) caption = NULL;

  options.length_penalty = 0.0;
  caption = run (&options, table);
  g_assert_cmpuint (caption->n_ids, >, 0);
}

/* One finished caption of two beams does not end the search. */
static void
test_search_goes_on_until_settled (void)
{
  Table table = { [BOS] = { [EOS] = 0.5, [A] = 0.3, [B] = 0.2 },
    [A] = { [EOS] = 0.9, [C] = 0.1 } };
  const ItuningGenerateOptions options = make_options (2, 5);
  const guint32 want[] = { A };
  g_autoptr (ItuningCaption) caption = run (&options, table);

  assert_ids (caption, want, 1);
  g_assert_cmpfloat_with_epsilon (caption->score, log (0.27) / 2.0, 1e-5);
}

/* No beam's sum at its present length beats the worst finished caption: the
 * search ends, though a long caption would rank higher in the end. */
static void
test_search_ends_when_settled (void)
{
  Table table = { [BOS] = { [EOS] = 0.6, [A] = 0.2, [D] = 0.2 },
    [A] = { [EOS] = 0.5, [B] = 0.5 },
    [B] = { [C] = 1.0 },
    [C] = { [B] = 1.0 },
    [D] = { [A] = 0.25, [B] = 0.25, [C] = 0.25, [D] = 0.25 } };
  const ItuningGenerateOptions options = make_options (2, 20);
  g_autoptr (ItuningCaption) caption = run (&options, table);

  g_assert_cmpuint (caption->n_ids, ==, 0);
  g_assert_cmpfloat_with_epsilon (caption->score, log (0.6), 1e-5);
}

static void
test_greedy_ends_with_eos (void)
{
  Table table = { [BOS] = { [A] = 0.6, [B] = 0.4 },
    [A] = { [EOS] = 0.7, [B] = 0.3 } };
  const ItuningGenerateOptions options = make_options (1, 9);
  const guint32 want[] = { A };
  g_autoptr (ItuningCaption) caption = run (&options, table);

  assert_ids (caption, want, 1);
  g_assert_cmpuint (caption->n_log_probs, ==, 2);
  g_assert_cmpfloat_with_epsilon (caption->confidence, sqrt (0.6 * 0.7), 1e-5);
}

/* BOS is part of the text, and the model's own probabilities are reported. */
static void
test_no_repeat_counts_bos (void)
{
  Table table = { [BOS] = { [BOS] = 0.9, [A] = 0.1 },
    [A] = { [A] = 0.9, [B] = 0.1 },
    [B] = { [EOS] = 1.0 } };
  ItuningGenerateOptions options = make_options (1, 9);
  const guint32 want[] = { A, B };
  g_autoptr (ItuningCaption) caption = NULL;

  options.no_repeat_ngram_size = 1;
  caption = run (&options, table);
  assert_ids (caption, want, 2);
  g_assert_cmpfloat_with_epsilon ((double) caption->log_probs[0], log (0.1),
      1e-5);
}

/* All six tokens are used up: what there is counts. */
static void
test_rules_that_leave_nothing_end_the_caption (void)
{
  Table table = { 0 };

  for (guint beams = 1; beams <= 3; beams += 2) {
    ItuningGenerateOptions options = make_options (beams, 9);
    g_autoptr (ItuningCaption) caption = NULL;
    options.no_repeat_ngram_size = 1;
    options.min_new_tokens = 9;
    caption = run (&options, table);
    g_assert_cmpuint (caption->n_ids, ==, 4);
    g_assert_cmpfloat (caption->score, <, 0.0);
  }
}

static void
test_min_new_tokens_bans_eos (void)
{
  Table table = { [BOS] = { [EOS] = 0.9, [A] = 0.1 },
    [A] = { [EOS] = 0.9, [B] = 0.1 },
    [B] = { [EOS] = 1.0 } };
  ItuningGenerateOptions options = make_options (1, 9);
  const guint32 want[] = { A, B };
  g_autoptr (ItuningCaption) caption = NULL;

  options.min_new_tokens = 2;
  caption = run (&options, table);
  assert_ids (caption, want, 2);
}

/* How often A is drawn of A (0.8) and B (0.2), of 2000 draws. */
static double
draw_share (double temperature, double top_p, guint top_k)
{
  Table table = { [BOS] = { [A] = 0.8, [B] = 0.2 } };
  ItuningGenerateOptions options = make_options (1, 1);
  guint n_a = 0;

  options.do_sample = TRUE;
  options.temperature = temperature;
  options.top_p = top_p;
  options.top_k = top_k;
  for (options.seed = 0; options.seed < 2000; options.seed++) {
    g_autoptr (ItuningCaption) caption = run (&options, table);
    n_a += caption->ids[0] == A;
  }
  return n_a / 2000.0;
}

/* Five standard deviations of 2000 draws are 0.045. */
static void
test_draws_have_their_probabilities (void)
{
  const double flat = pow (0.8, 0.5) / (pow (0.8, 0.5) + pow (0.2, 0.5));

  g_assert_cmpfloat_with_epsilon (draw_share (1.0, 1.0, 0), 0.8, 0.045);
  g_assert_cmpfloat_with_epsilon (draw_share (1.0, 1.0, 3), 0.8, 0.045);
  g_assert_cmpfloat_with_epsilon (draw_share (1.0, 1.0, 300), 0.8, 0.045);
  g_assert_cmpfloat_with_epsilon (draw_share (2.0, 1.0, 2), flat, 0.055);
  g_assert_cmpfloat (draw_share (1.0, 0.5, 0), ==, 1.0);
  g_assert_cmpfloat (draw_share (1.0, 1.0, 1), ==, 1.0);
}

static void
test_logits_that_are_not_finite_are_an_error (void)
{
  const ItuningGenerateOptions options = make_options (1, 3);
  g_autoptr (ItuningSearch) search = ituning_search_new (&options, V, BOS, EOS);
  float logits[V] = { 0, 0, NAN, 0, 0, 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (ituning_search_advance (search, logits, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_NUMERIC);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/search/unlikely-end-is-none", test_unlikely_end_is_none);
  g_test_add_func ("/search/goes-on-until-settled",
      test_search_goes_on_until_settled);
  g_test_add_func ("/search/ends-when-settled", test_search_ends_when_settled);
  g_test_add_func ("/search/greedy-ends-with-eos", test_greedy_ends_with_eos);
  g_test_add_func ("/search/no-repeat-counts-bos", test_no_repeat_counts_bos);
  g_test_add_func ("/search/rules-that-leave-nothing-end-the-caption",
      test_rules_that_leave_nothing_end_the_caption);
  g_test_add_func ("/search/min-new-tokens-bans-eos",
      test_min_new_tokens_bans_eos);
  g_test_add_func ("/search/draws-have-their-probabilities",
      test_draws_have_their_probabilities);
  g_test_add_func ("/search/logits-that-are-not-finite-are-an-error",
      test_logits_that_are_not_finite_are_an_error);
  return g_test_run ();
}
