/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/bpe.h"

/* Joins the bytes of a word into tokens. For one thread; its memory is used
 * again from word to word. */
typedef struct
{
  const ItuningBpe *bpe; /* borrowed */
  GArray *pieces; /* owned; of Piece, one for each byte of the word */
  GArray *heap; /* owned; of guint64, joins to come, lowest first */
  GArray *batch; /* owned; of guint64, joins of one rank */
} ItuningMerger;

void ituning_merger_init (ItuningMerger *merger, const ItuningBpe *bpe);
void ituning_merger_clear (ItuningMerger *merger);
void ituning_merger_run (ItuningMerger *merger, const char *word, gsize size,
    GArray *ids);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ItuningMerger, ituning_merger_clear)
