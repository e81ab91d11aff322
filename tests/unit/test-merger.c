/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/merger.h"

#include <string.h>

/* Bytes that are their own symbols, and merges over them. */
static ItuningVocabulary *
make_vocabulary (void)
{
  ItuningVocabulary *vocabulary = ituning_vocabulary_new ();
  gunichar other = 0x100;

  vocabulary->tokens_path = g_strdup ("tokens");
  vocabulary->merges_path = g_strdup ("merges");
  for (guint byte = 0; byte < 256; byte++) {
    const gboolean printable = (byte >= 33 && byte <= 126) ||
        (byte >= 161 && byte != 173);
    char symbol[7] = { 0 };
    g_unichar_to_utf8 (printable ? byte : other++, symbol);
    g_assert_true (ituning_vocabulary_add_token (vocabulary, "tokens", symbol,
        byte, NULL));
  }
  return vocabulary;
}

static void
add_token (ItuningVocabulary *vocabulary, const char *token)
{
  if (!g_ptr_array_find_with_equal_func (vocabulary->tokens, token, g_str_equal,
          NULL))
    g_assert_true (ituning_vocabulary_add_token (vocabulary, "tokens", token,
        vocabulary->tokens->len, NULL));
}

static void
add_merge (ItuningVocabulary *vocabulary, const char *left, const char *right)
{
  g_autofree char *line = g_strconcat (left, " ", right, NULL);
  g_autofree char *merged = g_strconcat (left, right, NULL);

  add_token (vocabulary, merged);
  g_assert_true (
      ituning_vocabulary_add_merge (vocabulary, line, strlen (line), NULL));
}

/* What GPT-2's encoder.py does, step by step: the lowest rank among the pairs,
 * then all of its pairs from left to right. */
static void
merge_plainly (const ItuningBpe *bpe, const char *word, gsize size, GArray *ids)
{
  const ItuningBpeRule *lowest;

  for (gsize i = 0; i < size; i++) {
    const guint32 id = ituning_bpe_get_byte (bpe, (guint8) word[i]);
    g_array_append_val (ids, id);
  }
  do {
    const guint32 *id = (const guint32 *) (void *) ids->data;
    lowest = NULL;
    for (guint i = 0; i + 1 < ids->len; i++) {
      const ItuningBpeRule *rule = ituning_bpe_find_rule (bpe, id[i],
          id[i + 1]);
      if (rule != NULL && (lowest == NULL || rule->rank < lowest->rank))
        lowest = rule;
    }
    for (guint i = 0; lowest != NULL && i + 1 < ids->len; i++) {
      guint32 *pair = &g_array_index (ids, guint32, i);
      if (pair[0] == lowest->left && pair[1] == lowest->right) {
        pair[0] = lowest->merged;
        g_array_remove_index (ids, i + 1);
      }
    }
  } while (lowest != NULL);
}

static void
assert_plain (const ItuningBpe *bpe, const char *word, gsize size)
{
  g_auto (ItuningMerger) merger = { 0 };
  g_autoptr (GArray) got = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (GArray) wanted = g_array_new (FALSE, FALSE, sizeof (guint32));

  ituning_merger_init (&merger, bpe);
  ituning_merger_run (&merger, word, size, got);
  merge_plainly (bpe, word, size, wanted);
  g_assert_cmpmem (got->data, got->len * sizeof (guint32), wanted->data,
      wanted->len * sizeof (guint32));
}

/* Merges over a, b and c in any order, not that of a training. */
static ItuningBpe *
make_random_bpe (void)
{
  g_autoptr (ItuningVocabulary) vocabulary = make_vocabulary ();
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  const GPtrArray *tokens = vocabulary->tokens;
  ItuningBpe *bpe;

  for (guint i = 0; i < 40; i++) {
    const gint n = (gint) tokens->len - 256 + 3;
    const gint a = g_test_rand_int_range (0, n);
    const gint b = g_test_rand_int_range (0, n);
    const char *left = tokens->pdata[a < 3 ? 'a' + a : 253 + a];
    const char *right = tokens->pdata[b < 3 ? 'a' + b : 253 + b];
    g_autofree char *merged = g_strconcat (left, right, NULL);
    g_autofree char *line = g_strconcat (left, " ", right, NULL);
    if (strlen (merged) > 8 ||
        g_ptr_array_find_with_equal_func (lines, line, g_str_equal, NULL))
      continue;
    add_token (vocabulary, merged);
    g_ptr_array_insert (lines, g_test_rand_int_range (0, (gint) lines->len + 1),
        g_steal_pointer (&line));
  }
  for (guint i = 0; i < lines->len; i++) {
    const char *line = lines->pdata[i];
    g_assert_true (
        ituning_vocabulary_add_merge (vocabulary, line, strlen (line), NULL));
  }
  bpe = ituning_bpe_new (vocabulary, &error);
  g_assert_no_error (error);
  return bpe;
}

static void
test_joins_are_those_of_the_plain_loop (void)
{
  for (guint round = 0; round < 100; round++) {
    g_autoptr (ItuningBpe) bpe = make_random_bpe ();

    for (guint i = 0; i < 20; i++) {
      char word[64];
      const gsize size = (gsize) g_test_rand_int_range (1, sizeof word + 1);
      for (gsize j = 0; j < size; j++)
        word[j] = (char) ('a' + g_test_rand_int_range (0, 3));
      assert_plain (bpe, word, size);
    }
  }
}

/* One pair at a time would make abc|ab -> abcab here. */
static void
test_all_pairs_of_a_rank_come_first (void)
{
  g_autoptr (ItuningVocabulary) vocabulary = make_vocabulary ();
  g_autoptr (ItuningBpe) bpe = NULL;
  g_auto (ItuningMerger) merger = { 0 };
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint32));

  add_merge (vocabulary, "a", "b");
  add_merge (vocabulary, "abc", "ab");
  add_merge (vocabulary, "ab", "c");
  bpe = ituning_bpe_new (vocabulary, NULL);
  g_assert_nonnull (bpe);
  ituning_merger_init (&merger, bpe);
  ituning_merger_run (&merger, "abcabc", 6, ids);
  g_assert_cmpuint (ids->len, ==, 2);
  g_assert_cmpuint (g_array_index (ids, guint32, 0), ==,
      g_array_index (ids, guint32, 1));
}

static void
test_equal_pairs_join_from_the_left (void)
{
  g_autoptr (ItuningVocabulary) vocabulary = make_vocabulary ();
  g_autoptr (ItuningBpe) bpe = NULL;
  g_auto (ItuningMerger) merger = { 0 };
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint32));

  add_merge (vocabulary, "a", "a");
  bpe = ituning_bpe_new (vocabulary, NULL);
  g_assert_nonnull (bpe);
  ituning_merger_init (&merger, bpe);
  ituning_merger_run (&merger, "aaaaa", 5, ids);
  g_assert_cmpuint (ids->len, ==, 3);
  g_assert_cmpuint (g_array_index (ids, guint32, 0), ==, 256);
  g_assert_cmpuint (g_array_index (ids, guint32, 1), ==, 256);
  g_assert_cmpuint (g_array_index (ids, guint32, 2), ==, 'a');
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/merger/joins-are-those-of-the-plain-loop",
      test_joins_are_those_of_the_plain_loop);
  g_test_add_func ("/merger/all-pairs-of-a-rank-come-first",
      test_all_pairs_of_a_rank_come_first);
  g_test_add_func ("/merger/equal-pairs-join-from-the-left",
      test_equal_pairs_join_from_the_left);
  return g_test_run ();
}
