/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/ituning-bpe.h"

#include <glib/gstdio.h>
#include <string.h>

#include "model/pretokenize.h"

/* Learns from @texts; returns what merges.txt then holds. */
static char *
learn (const char *const *texts, gsize n_texts, gsize vocab_size,
    const char *dir)
{
  g_autoptr (ItuningBpeTrainer) trainer = ituning_bpe_trainer_new ();
  g_autofree char *path = g_build_filename (dir, "merges.txt", NULL);
  g_autoptr (GError) error = NULL;
  char *merges = NULL;

  for (gsize i = 0; i < n_texts; i++)
    g_assert_true (ituning_bpe_trainer_add_text (trainer, texts[i],
        strlen (texts[i]), &error));
  ituning_bpe_trainer_run (trainer, vocab_size, &error);
  g_assert_no_error (error);
  ituning_bpe_trainer_save (trainer, dir, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &merges, NULL, NULL));
  return merges;
}

static char *
make_dir (void)
{
  char *dir = g_dir_make_tmp ("ituning-bpe-XXXXXX", NULL);

  g_assert_nonnull (dir);
  return dir;
}

static void
remove_dir (char *dir)
{
  g_autofree char *vocab = g_build_filename (dir, "vocab.json", NULL);
  g_autofree char *merges = g_build_filename (dir, "merges.txt", NULL);

  g_unlink (vocab);
  g_unlink (merges);
  g_rmdir (dir);
  g_free (dir);
}

typedef char Dir;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Dir, remove_dir)

/* "hug" 3 times, " hug" and " pug" once: "u g" is there 5 times, then "h ug" 4
 * times; of the pairs that are there once, "p ug" has the lowest left id. */
static void
test_merges_by_frequency (void)
{
  static const char *const texts[] = { "hug hug", "hug pug", "hug" };
  g_autoptr (Dir) dir = make_dir ();
  g_autofree char *merges = learn (texts, 3, 260, dir);

  g_assert_cmpstr (merges, ==, "#version: 0.2\nu g\nh ug\np ug\n");
}

/* All pairs are there once: "a" has the lower id as the left one, then "b". */
static void
test_ties_go_to_the_lowest_ids (void)
{
  static const char *const texts[] = { "dc", "bd", "bc", "ad" };
  g_autoptr (Dir) dir = make_dir ();
  g_autofree char *merges = learn (texts, 4, 261, dir);

  g_assert_cmpstr (merges, ==, "#version: 0.2\na d\nb c\nb d\nd c\n");
}

static void
test_runs_join_from_the_left (void)
{
  static const char *const texts[] = { "aaaaa" };
  g_autoptr (Dir) dir = make_dir ();
  g_autofree char *merges = learn (texts, 1, 260, dir);

  g_assert_cmpstr (merges, ==,
      "#version: 0.2\na a\na"
      "a a\naa aaa\n");
}

static void
test_vocabulary_is_gpt2s (void)
{
  static const char *const texts[] = { "hug hug" };
  g_autoptr (Dir) dir = make_dir ();
  g_autofree char *merges = learn (texts, 1, 258, dir);
  g_autofree char *path = g_build_filename (dir, "vocab.json", NULL);
  g_autofree char *json = NULL;

  g_assert_cmpstr (merges, ==, "#version: 0.2\nh u\n");
  g_assert_true (g_file_get_contents (path, &json, NULL, NULL));
  g_assert_true (g_str_has_prefix (json, "{\"!\":0,\"\\\"\":1,\"#\":2,"));
  g_assert_nonnull (strstr (json, "\"~\":93,\"\302\241\":94,"));
  g_assert_nonnull (strstr (json, "\"\303\277\":187,\"\304\200\":188,"));
  g_assert_nonnull (strstr (json, "\"\304\240\":220,"));
  g_assert_true (
      g_str_has_suffix (json, "\"hu\":256,\"<|endoftext|>\":257}\n"));
}

static void
test_too_few_pairs (void)
{
  g_autoptr (ItuningBpeTrainer) trainer = ituning_bpe_trainer_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (ituning_bpe_trainer_add_text (trainer, "abc", 3, NULL));
  g_assert_false (ituning_bpe_trainer_run (trainer, 260, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT);
  g_assert_nonnull (strstr (error->message, "259 tokens, not 260"));
}

static void
test_bad_input (void)
{
  g_autoptr (ItuningBpeTrainer) trainer = ituning_bpe_trainer_new ();
  g_autoptr (GError) size = NULL, text = NULL, file = NULL;

  g_assert_false (ituning_bpe_trainer_run (trainer, 256, &size));
  g_assert_error (size, ITUNING_ERROR, ITUNING_ERROR_INPUT);
  g_assert_false (ituning_bpe_trainer_add_text (trainer, "a\377", 2, &text));
  g_assert_error (text, ITUNING_ERROR, ITUNING_ERROR_INPUT);
  g_assert_false (ituning_bpe_trainer_add_file (trainer, "/no/such", &file));
  g_assert_error (file, ITUNING_ERROR, ITUNING_ERROR_OPEN);
}

/* --- against counting anew ---------------------------------------------- */

/* A word in symbols, one a string. */
static GPtrArray *
spell (const char *word, gsize size)
{
  GPtrArray *symbols = g_ptr_array_new_with_free_func (g_free);

  for (gsize i = 0; i < size; i++)
    g_ptr_array_add (symbols,
        word[i] == ' ' ? g_strdup ("\304\240") : g_strndup (word + i, 1));
  return symbols;
}

/* The most frequent pair as "left right"; ids are @tokens' indices. */
static char *
find_best (GPtrArray *words, GPtrArray *tokens)
{
  g_autoptr (GHashTable) counts = g_hash_table_new_full (g_str_hash,
      g_str_equal, g_free, NULL);
  guint64 best_count = 0;
  char *best = NULL;

  for (guint w = 0; w < words->len; w++) {
    GPtrArray *word = words->pdata[w];
    for (guint i = 0; i + 1 < word->len; i++) {
      char *pair = g_strjoin (" ", word->pdata[i], word->pdata[i + 1], NULL);
      const guint n = GPOINTER_TO_UINT (g_hash_table_lookup (counts, pair));
      g_hash_table_replace (counts, pair, GUINT_TO_POINTER (n + 1));
    }
  }
  for (guint left = 0; left < tokens->len; left++) {
    for (guint right = 0; right < tokens->len; right++) {
      g_autofree char *pair = g_strjoin (" ", tokens->pdata[left],
          tokens->pdata[right], NULL);
      const guint n = GPOINTER_TO_UINT (g_hash_table_lookup (counts, pair));
      if (n > best_count) {
        best_count = n;
        g_free (best);
        best = g_steal_pointer (&pair);
      }
    }
  }
  return best;
}

static void
join_pair (GPtrArray *words, const char *left, const char *right)
{
  for (guint w = 0; w < words->len; w++) {
    GPtrArray *word = words->pdata[w];
    for (guint i = 0; i + 1 < word->len; i++) {
      if (!g_str_equal (word->pdata[i], left) ||
          !g_str_equal (word->pdata[i + 1], right))
        continue;
      g_free (word->pdata[i]);
      word->pdata[i] = g_strconcat (left, right, NULL);
      g_ptr_array_remove_index (word, i + 1);
    }
  }
}

/* The merges, one after another, each after counting all pairs. */
static char *
learn_naively (const char *text, gsize n_merges)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (
      (GDestroyNotify) g_ptr_array_unref);
  g_autoptr (GPtrArray) tokens = g_ptr_array_new_with_free_func (g_free);
  GString *merges = g_string_new ("#version: 0.2\n");
  gsize n = 0;

  for (const char *at = text; *at != '\0'; at += n) {
    n = ituning_pretokenize (at, strlen (at));
    g_ptr_array_add (words, spell (at, n));
  }
  for (const char *c = "abcde"; *c != '\0'; c++)
    g_ptr_array_add (tokens, g_strndup (c, 1));
  g_ptr_array_add (tokens, g_strdup ("\304\240"));
  for (gsize made = 0; made < n_merges;) {
    g_autofree char *best = find_best (words, tokens);
    g_auto (GStrv) pair = g_strsplit (best, " ", 2);
    g_autofree char *token = g_strconcat (pair[0], pair[1], NULL);
    g_string_append_printf (merges, "%s\n", best);
    join_pair (words, pair[0], pair[1]);
    if (!g_ptr_array_find_with_equal_func (tokens, token, g_str_equal, NULL)) {
      g_ptr_array_add (tokens, g_steal_pointer (&token));
      made++;
    }
  }
  return g_string_free (merges, FALSE);
}

static void
test_same_as_counting_anew (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);

  for (int run = 0; run < 8; run++) {
    g_autoptr (Dir) dir = make_dir ();
    g_autoptr (GString) text = g_string_new (NULL);
    g_autofree char *merges = NULL, *naive = NULL;
    for (int i = 0; i < 600; i++)
      g_string_append_c (text, "aabcde "[g_rand_int_range (rand, 0, 7)]);
    g_string_append_c (text, 'a');
    merges = learn ((const char *const *) &text->str, 1, 257 + 40, dir);
    naive = learn_naively (text->str, 40);
    g_assert_cmpstr (merges, ==, naive);
  }
}

/* --- reading it back ---------------------------------------------------- */

static void
test_round_trip (void)
{
  static const char *const texts[] = { "a dog runs on the beach",
    "the dogs' ball isn't \"red\" \\ or blue",
    "caf\303\251 \346\235\261 \360\237\230\200 <|endoftext|> 12" };
  g_autoptr (Dir) dir = make_dir ();
  g_autofree char *merges = learn (texts, 3, 300, dir);
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningTokenizer) tokenizer = ituning_tokenizer_open (dir, &error);
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);

  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (merges, "#version: 0.2\n"));
  g_assert_cmpuint (ituning_tokenizer_get_size (tokenizer), ==, 300);
  for (int run = 0; run < 200; run++) {
    g_autoptr (GString) text = g_string_new (run < 3 ? texts[run] : NULL);
    g_autoptr (GString) back = g_string_new (NULL);
    g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint32));
    for (int i = 0; run >= 3 && i < 40; i++)
      g_string_append_unichar (text,
          (gunichar) g_rand_int_range (rand, 1, run % 2 == 0 ? 0x80 : 0xd800));
    g_assert_true (ituning_tokenizer_encode (tokenizer, text->str,
        (gssize) text->len, ids, NULL));
    g_assert_true (ituning_tokenizer_decode (tokenizer,
        (const guint32 *) (void *) ids->data, ids->len, back, NULL));
    g_assert_cmpstr (back->str, ==, text->str);
    if (run == 0)
      g_assert_cmpuint (ids->len, <, text->len);
  }
}

static void
test_order_of_texts_does_not_matter (void)
{
  static const char *const texts[] = { "one two", "two three", "three four" };
  static const char *const turned[] = { "three four", "two three", "one two" };
  g_autoptr (Dir) dir = make_dir ();
  g_autofree char *first = learn (texts, 3, 265, dir);
  g_autofree char *again = learn (texts, 3, 265, dir);
  g_autofree char *other = learn (turned, 3, 265, dir);

  g_assert_cmpstr (first, ==, again);
  g_assert_cmpstr (first, ==, other);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bpetrain/merges-by-frequency", test_merges_by_frequency);
  g_test_add_func ("/bpetrain/ties-go-to-the-lowest-ids",
      test_ties_go_to_the_lowest_ids);
  g_test_add_func ("/bpetrain/runs-join-from-the-left",
      test_runs_join_from_the_left);
  g_test_add_func ("/bpetrain/vocabulary-is-gpt2s", test_vocabulary_is_gpt2s);
  g_test_add_func ("/bpetrain/too-few-pairs-is-an-input-error",
      test_too_few_pairs);
  g_test_add_func ("/bpetrain/bad-input-is-an-error", test_bad_input);
  g_test_add_func ("/bpetrain/same-as-counting-anew",
      test_same_as_counting_anew);
  g_test_add_func ("/bpetrain/reads-back-and-round-trips", test_round_trip);
  g_test_add_func ("/bpetrain/order-of-texts-does-not-matter",
      test_order_of_texts_does_not_matter);
  return g_test_run ();
}
