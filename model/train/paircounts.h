/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How often two tokens stand side by side, and where: kept up to date while
 * words change. */
typedef struct
{
  GHashTable *pairs; /* owned; Pair by its key */
  GArray *heap; /* owned; of counts that were true when they were put there */
} ItuningPairCounts;

/* Left token in the upper half, right one in the lower. */
#define ITUNING_PAIR(left, right) ((guint64) (left) << 32 | (right))

void ituning_pair_counts_init (ItuningPairCounts *counts);
void ituning_pair_counts_clear (ItuningPairCounts *counts);
void ituning_pair_counts_add (ItuningPairCounts *counts, guint64 pair,
    guint64 count, guint32 word);
void ituning_pair_counts_subtract (ItuningPairCounts *counts, guint64 pair,
    guint64 count);
void ituning_pair_counts_offer (ItuningPairCounts *counts, guint64 pair);
void ituning_pair_counts_offer_all (ItuningPairCounts *counts);
gboolean ituning_pair_counts_take (ItuningPairCounts *counts, guint64 *pair,
    GArray **words);
