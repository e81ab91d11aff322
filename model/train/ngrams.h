/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#define ITUNING_NGRAM_MAX 4

/* Sequences of 1 to 4 words, numbered as they are first met. */
typedef struct
{
  GHashTable *words; /* owned; number of each word, as a pointer */
  GHashTable *ngrams; /* owned; number by (shorter n-gram, last word) */
  guint32 n_ngrams; /* numbers given to n-grams: 0 to here */
} ItuningNgramTable;

typedef struct
{
  guint32 ngram;
  guint32 count;
} ItuningNgramCount;

/* A caption. */
typedef struct
{
  GArray *words; /* owned; of guint32, its words in order */
  GArray *counts[ITUNING_NGRAM_MAX]; /* owned; of ItuningNgramCount by length,
                                        each sorted by n-gram */
} ItuningNgrams;

/* An image: what to score and what to score it by. */
typedef struct
{
  ItuningNgrams *result; /* owned */
  GPtrArray *references; /* owned; of ItuningNgrams * */
} ItuningScored;

void ituning_ngram_table_init (ItuningNgramTable *table);
void ituning_ngram_table_clear (ItuningNgramTable *table);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ItuningNgramTable, ituning_ngram_table_clear)

ItuningNgrams *ituning_ngrams_new (ItuningNgramTable *table,
    const char *const *tokens, gsize n_tokens);
void ituning_ngrams_free (ItuningNgrams *ngrams);
void ituning_scored_clear (ItuningScored *scored);
