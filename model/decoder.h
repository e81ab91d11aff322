/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/language.h"

/* GPT-2 at work: sequences that grow, with the keys and values of the tokens
 * that they have already. Belongs to one thread; zero-initialised it is empty.
 *
 * The keys and values of position t lie at [layer, t, slot], where slot is the
 * row that the sequence had at the time. `slots` remembers it for each row and
 * position, so that beams which share a prefix share its keys and values, and
 * reordering beams moves no more than these numbers. */
typedef struct
{
  gsize B; /* sequences */
  gsize n_past; /* tokens that each has */
  gsize max_rows, max_positions;
  guint *slots; /* owned: [max_rows, max_positions] */
  guint *spare; /* owned: the same, for reordering */
  gsize n_slots; /* allocated in each of the two */
  ItuningBuffer keys, values; /* [layer, max_positions, max_rows, C] */
  ItuningBuffer x, u, qkv, attended, inner, scores;
  ItuningAdapterScratch adapter;
} ItuningDecoder;

void ituning_decoder_start (ItuningDecoder *decoder,
    const ItuningLanguage *language, gsize B, gsize max_rows,
    gsize max_positions);
void ituning_decoder_put_prefix (ItuningDecoder *decoder,
    const ItuningLanguage *language, const ItuningAdapter *adapter,
    ItuningPool *pool, ItuningMemory *const *memories);
const float *ituning_decoder_forward (ItuningDecoder *decoder,
    const ItuningLanguage *language, const ItuningAdapter *adapter,
    ItuningPool *pool, const guint32 *ids, gsize T,
    ItuningMemory *const *memories);
void ituning_decoder_logits (ItuningDecoder *decoder,
    const ItuningLanguage *language, ItuningPool *pool, float *logits,
    const float *hidden, gsize rows);
void ituning_decoder_select (ItuningDecoder *decoder, const guint *parents,
    gsize B);
void ituning_decoder_clear (ItuningDecoder *decoder);
