/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/vocabulary.h"

/* Symbols of the bytes lie below this. */
#define ITUNING_BPE_N_SYMBOLS 0x144

/* The tables of a byte-level BPE. Immutable: any number of threads may use one
 * at once. */
typedef struct _ItuningBpe ItuningBpe;

/* The pair @left, @right becomes @merged; the lowest @rank comes first. */
typedef struct
{
  guint32 left;
  guint32 right;
  guint32 rank;
  guint32 merged;
} ItuningBpeRule;

void ituning_bpe_fill_symbols (gunichar symbols[256]);
ItuningBpe *ituning_bpe_new (const ItuningVocabulary *vocabulary,
    GError **error);
void ituning_bpe_free (ItuningBpe *bpe);
gsize ituning_bpe_get_size (const ItuningBpe *bpe);
guint32 ituning_bpe_get_byte (const ItuningBpe *bpe, guint8 byte);
const char *ituning_bpe_get_token (const ItuningBpe *bpe, guint32 id,
    gsize *size);
const ItuningBpeRule *ituning_bpe_find_rule (const ItuningBpe *bpe,
    guint32 left, guint32 right);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningBpe, ituning_bpe_free)
