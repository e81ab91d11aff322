/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/merger.h"

/* A word's way: a piece for each byte -> joins by rank in a heap -> batches of
 * one rank, joined from left to right -> the ids of the pieces that are left.
 *
 * A join is rank << 32 | index of its left piece, so that the lowest is the
 * next. Joins are not removed when a neighbour takes one of their pieces: one
 * whose pieces no longer follow the rule of its rank is passed over. */

#define NONE G_MAXUINT32

typedef struct
{
  guint32 id; /* %NONE once it has become part of the piece before it */
  guint32 previous;
  guint32 next; /* %NONE after the last */
} Piece;

static void
heap_push (GArray *heap, guint64 join)
{
  guint64 *joins;
  guint at = heap->len;

  g_array_append_val (heap, join);
  joins = (guint64 *) (void *) heap->data;
  while (at > 0 && joins[(at - 1) / 2] > join) {
    joins[at] = joins[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  joins[at] = join;
}

static guint64
heap_pop (GArray *heap)
{
  guint64 *joins = (guint64 *) (void *) heap->data;
  const guint64 lowest = joins[0];
  const guint n = heap->len - 1;
  const guint64 last = joins[n];
  guint at = 0;

  for (guint child = 1; child < n; child = 2 * at + 1) {
    if (child + 1 < n && joins[child + 1] < joins[child])
      child++;
    if (joins[child] >= last)
      break;
    joins[at] = joins[child];
    at = child;
  }
  joins[at] = last;
  g_array_set_size (heap, n);
  return lowest;
}

static const ItuningBpeRule *
find_rule (const ItuningMerger *merger, guint32 left)
{
  const Piece *pieces = (const Piece *) (const void *) merger->pieces->data;
  const guint32 right = pieces[left].next;

  if (pieces[left].id == NONE || right == NONE)
    return NULL;
  return ituning_bpe_find_rule (merger->bpe, pieces[left].id, pieces[right].id);
}

static void
propose (ItuningMerger *merger, guint32 left)
{
  const ItuningBpeRule *rule = find_rule (merger, left);

  if (rule != NULL)
    heap_push (merger->heap, (guint64) rule->rank << 32 | left);
}

static void
split (ItuningMerger *merger, const char *word, guint32 size)
{
  g_array_set_size (merger->pieces, size);
  for (guint32 i = 0; i < size; i++) {
    Piece *piece = &g_array_index (merger->pieces, Piece, i);
    piece->id = ituning_bpe_get_byte (merger->bpe, (guint8) word[i]);
    piece->previous = i > 0 ? i - 1 : NONE;
    piece->next = i + 1 < size ? i + 1 : NONE;
  }
  for (guint32 i = 0; i + 1 < size; i++)
    propose (merger, i);
}

/* Moves the joins of the lowest rank, which come in the order of the text. */
static void
take_batch (ItuningMerger *merger)
{
  const guint64 rank = g_array_index (merger->heap, guint64, 0) >> 32;

  g_array_set_size (merger->batch, 0);
  while (merger->heap->len > 0 &&
      g_array_index (merger->heap, guint64, 0) >> 32 == rank) {
    const guint64 join = heap_pop (merger->heap);
    g_array_append_val (merger->batch, join);
  }
}

static void
apply (ItuningMerger *merger, guint64 join)
{
  Piece *pieces = (Piece *) (void *) merger->pieces->data;
  const guint32 left = (guint32) join;
  const guint32 right = pieces[left].next;
  const ItuningBpeRule *rule = find_rule (merger, left);

  if (rule == NULL || rule->rank != join >> 32)
    return;
  pieces[left].id = rule->merged;
  pieces[left].next = pieces[right].next;
  pieces[right].id = NONE;
  if (pieces[left].next != NONE)
    pieces[pieces[left].next].previous = left;
  if (pieces[left].previous != NONE)
    propose (merger, pieces[left].previous);
  propose (merger, left);
}

/**
 * ituning_merger_init:
 * @merger: (out caller-allocates): memory without contents
 * @bpe: rules of the joins; must outlive @merger
 */
void
ituning_merger_init (ItuningMerger *merger, const ItuningBpe *bpe)
{
  merger->bpe = bpe;
  merger->pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
  merger->heap = g_array_new (FALSE, FALSE, sizeof (guint64));
  merger->batch = g_array_new (FALSE, FALSE, sizeof (guint64));
}

/**
 * ituning_merger_clear:
 * @merger: an initialised merger, or one of zeros
 */
void
ituning_merger_clear (ItuningMerger *merger)
{
  g_clear_pointer (&merger->pieces, g_array_unref);
  g_clear_pointer (&merger->heap, g_array_unref);
  g_clear_pointer (&merger->batch, g_array_unref);
}

/**
 * ituning_merger_run:
 * @merger: an initialised merger
 * @word: [@size] bytes
 * @size: at least 1, at most %G_MAXINT32
 * @ids: guint32 array to append the word's tokens to
 *
 * Time after time, joins every pair that the rule of the lowest rank applies
 * to, from left to right, before it looks at the pairs which that makes. With
 * merges in the order in which a training found them, it is the same to join
 * one pair at a time; with others it is not, and this is what GPT-2 does.
 * Takes n log n time for n bytes.
 */
void
ituning_merger_run (ItuningMerger *merger, const char *word, gsize size,
    GArray *ids)
{
  split (merger, word, (guint32) size);
  while (merger->heap->len > 0) {
    take_batch (merger);
    for (guint i = 0; i < merger->batch->len; i++)
      apply (merger, g_array_index (merger->batch, guint64, i));
  }
  for (guint32 i = 0; i != NONE;) {
    const Piece *piece = &g_array_index (merger->pieces, Piece, i);
    g_array_append_val (ids, piece->id);
    i = piece->next;
  }
}
