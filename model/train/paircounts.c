/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The most frequent pair of tokens, without counting anew for each merge: a
 * heap whose entries are checked against the true counts as they come up. */

#include "model/train/paircounts.h"

typedef struct
{
  guint64 key;
  guint64 count;
  GArray *words; /* owned; of guint32, where it was added; some twice, and some
                    where it is no more */
} Pair;

typedef struct
{
  guint64 count;
  guint64 key;
} Entry;

static void
free_pair (gpointer data)
{
  Pair *pair = data;

  g_array_unref (pair->words);
  g_free (pair);
}

/* GLib's own adds both halves, which makes many pairs alike. */
static guint
hash_key (gconstpointer key)
{
  return (guint) ((*(const guint64 *) key *
                      G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)) >>
      32);
}

/**
 * ituning_pair_counts_init:
 * @counts: becomes empty
 */
void
ituning_pair_counts_init (ItuningPairCounts *counts)
{
  counts->pairs = g_hash_table_new_full (hash_key, g_int64_equal, NULL,
      free_pair);
  counts->heap = g_array_new (FALSE, FALSE, sizeof (Entry));
}

/**
 * ituning_pair_counts_clear:
 */
void
ituning_pair_counts_clear (ItuningPairCounts *counts)
{
  g_hash_table_unref (counts->pairs);
  g_array_unref (counts->heap);
}

/**
 * ituning_pair_counts_add:
 * @pair: two tokens
 * @count: how many more there are
 * @word: the word that holds them
 */
void
ituning_pair_counts_add (ItuningPairCounts *counts, guint64 pair, guint64 count,
    guint32 word)
{
  Pair *found = g_hash_table_lookup (counts->pairs, &pair);

  if (found == NULL) {
    found = g_new0 (Pair, 1);
    found->key = pair;
    found->words = g_array_new (FALSE, FALSE, sizeof (guint32));
    g_hash_table_insert (counts->pairs, &found->key, found);
  }
  found->count += count;
  if (found->words->len == 0 ||
      g_array_index (found->words, guint32, found->words->len - 1) != word)
    g_array_append_val (found->words, word);
}

/**
 * ituning_pair_counts_subtract:
 * @pair: two tokens that were added
 * @count: how many fewer there are
 */
void
ituning_pair_counts_subtract (ItuningPairCounts *counts, guint64 pair,
    guint64 count)
{
  Pair *found = g_hash_table_lookup (counts->pairs, &pair);

  g_assert (found != NULL && found->count >= count);
  found->count -= count;
}

/* The more frequent comes first; of equal ones the one of the lower tokens. */
static gboolean
comes_first (const Entry *a, const Entry *b)
{
  return a->count > b->count || (a->count == b->count && a->key < b->key);
}

static void
push (GArray *heap, Entry entry)
{
  Entry *entries;
  guint at = heap->len;

  g_array_append_val (heap, entry);
  entries = (Entry *) (void *) heap->data;
  while (at > 0 && comes_first (&entry, &entries[(at - 1) / 2])) {
    entries[at] = entries[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  entries[at] = entry;
}

static Entry
pop (GArray *heap)
{
  Entry *entries = (Entry *) (void *) heap->data;
  const Entry top = entries[0], last = entries[heap->len - 1];
  const guint n = heap->len - 1;
  guint at = 0;

  for (;;) {
    guint child = 2 * at + 1;
    if (child + 1 < n && comes_first (&entries[child + 1], &entries[child]))
      child++;
    if (child >= n || !comes_first (&entries[child], &last))
      break;
    entries[at] = entries[child];
    at = child;
  }
  entries[at] = last;
  g_array_set_size (heap, n);
  return top;
}

/**
 * ituning_pair_counts_offer:
 * @pair: two tokens that became more frequent since they were last offered
 */
void
ituning_pair_counts_offer (ItuningPairCounts *counts, guint64 pair)
{
  const Pair *found = g_hash_table_lookup (counts->pairs, &pair);

  if (found != NULL && found->count > 0)
    push (counts->heap, (Entry){ found->count, pair });
}

/**
 * ituning_pair_counts_offer_all:
 *
 * Offers every pair, before the first is taken.
 */
void
ituning_pair_counts_offer_all (ItuningPairCounts *counts)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, counts->pairs);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const Pair *pair = value;
    if (pair->count > 0)
      push (counts->heap, (Entry){ pair->count, pair->key });
  }
}

/**
 * ituning_pair_counts_take:
 * @pair: (out): the most frequent pair; of equal ones that of the lowest left
 *   token, then of the lowest right one
 * @words: (out) (transfer full): words that may hold it, some twice; the pair
 *   has none from now on but those added later
 *
 * Returns: FALSE when there is none
 */
gboolean
ituning_pair_counts_take (ItuningPairCounts *counts, guint64 *pair,
    GArray **words)
{
  while (counts->heap->len > 0) {
    const Entry top = pop (counts->heap);
    Pair *found = g_hash_table_lookup (counts->pairs, &top.key);

    if (found->count == 0)
      continue;
    if (found->count < top.count) {
      push (counts->heap, (Entry){ found->count, top.key });
      continue;
    }
    *pair = top.key;
    *words = found->words;
    found->words = g_array_new (FALSE, FALSE, sizeof (guint32));
    return TRUE;
  }
  return FALSE;
}
