/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Captions as counts of their n-grams, which BLEU and CIDEr compare. */

#include "model/train/ngrams.h"

/* GLib's own adds both halves, which makes most of our pairs alike. */
static guint
hash_pair (gconstpointer key)
{
  const guint64 pair = (guint64) * (const gint64 *) key;

  return (guint) ((pair * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)) >> 32);
}

/**
 * ituning_ngram_table_init:
 * @table: becomes empty
 */
void
ituning_ngram_table_init (ItuningNgramTable *table)
{
  table->words = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  table->ngrams = g_hash_table_new_full (hash_pair, g_int64_equal, g_free,
      NULL);
  table->n_ngrams = 0;
}

/**
 * ituning_ngram_table_clear:
 */
void
ituning_ngram_table_clear (ItuningNgramTable *table)
{
  g_hash_table_unref (table->words);
  g_hash_table_unref (table->ngrams);
}

static guint32
number_word (ItuningNgramTable *table, const char *word)
{
  gpointer value;

  if (!g_hash_table_lookup_extended (table->words, word, NULL, &value)) {
    value = GUINT_TO_POINTER (g_hash_table_size (table->words));
    g_hash_table_insert (table->words, g_strdup (word), value);
  }
  return GPOINTER_TO_UINT (value);
}

/* @shorter: the n-gram without its last word, plus one; 0 for none. */
static guint32
number_ngram (ItuningNgramTable *table, guint32 shorter, guint32 word)
{
  const gint64 key = (gint64) ((guint64) shorter << 32 | word);
  gpointer value;

  if (!g_hash_table_lookup_extended (table->ngrams, &key, NULL, &value)) {
    value = GUINT_TO_POINTER (table->n_ngrams++);
    g_hash_table_insert (table->ngrams, g_memdup2 (&key, sizeof key), value);
  }
  return GPOINTER_TO_UINT (value);
}

static int
compare_counts (const void *a, const void *b)
{
  const ItuningNgramCount *x = a, *y = b;

  return (x->ngram > y->ngram) - (x->ngram < y->ngram);
}

/* Sorts, and adds up those of the same n-gram. */
static void
merge_counts (GArray *counts)
{
  ItuningNgramCount *values = (ItuningNgramCount *) (void *) counts->data;
  guint n = 0;

  g_array_sort (counts, compare_counts);
  for (guint i = 0; i < counts->len; i++) {
    if (n > 0 && values[n - 1].ngram == values[i].ngram)
      values[n - 1].count += values[i].count;
    else
      values[n++] = values[i];
  }
  g_array_set_size (counts, n);
}

/**
 * ituning_ngrams_new:
 * @table: gets the words and n-grams that it does not know
 * @tokens: [@n_tokens] words
 * @n_tokens: how many, may be 0
 *
 * Returns: (transfer full): their n-grams
 */
ItuningNgrams *
ituning_ngrams_new (ItuningNgramTable *table, const char *const *tokens,
    gsize n_tokens)
{
  ItuningNgrams *ngrams = g_new0 (ItuningNgrams, 1);

  ngrams->words = g_array_new (FALSE, FALSE, sizeof (guint32));
  for (gsize i = 0; i < n_tokens; i++) {
    const guint32 word = number_word (table, tokens[i]);
    g_array_append_val (ngrams->words, word);
  }
  for (gsize n = 0; n < ITUNING_NGRAM_MAX; n++)
    ngrams->counts[n] = g_array_new (FALSE, FALSE, sizeof (ItuningNgramCount));
  for (gsize first = 0; first < n_tokens; first++) {
    guint32 shorter = 0;
    for (gsize n = 0; n < MIN (ITUNING_NGRAM_MAX, n_tokens - first); n++) {
      const guint32 word = g_array_index (ngrams->words, guint32, first + n);
      const ItuningNgramCount count = { number_ngram (table, shorter, word),
        1 };
      g_array_append_val (ngrams->counts[n], count);
      shorter = count.ngram + 1;
    }
  }
  for (gsize n = 0; n < ITUNING_NGRAM_MAX; n++)
    merge_counts (ngrams->counts[n]);
  return ngrams;
}

/**
 * ituning_ngrams_free:
 * @ngrams: (transfer full) (nullable): a caption's n-grams
 */
void
ituning_ngrams_free (ItuningNgrams *ngrams)
{
  if (ngrams == NULL)
    return;
  g_array_unref (ngrams->words);
  for (gsize n = 0; n < ITUNING_NGRAM_MAX; n++)
    g_array_unref (ngrams->counts[n]);
  g_free (ngrams);
}

/**
 * ituning_scored_clear:
 * @scored: an image, whose captions are freed
 */
void
ituning_scored_clear (ItuningScored *scored)
{
  ituning_ngrams_free (scored->result);
  g_ptr_array_unref (scored->references);
}
