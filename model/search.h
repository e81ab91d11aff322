/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"

/* The choice of tokens for one image: greedy, by sampling or by beam search,
 * after Hugging Face's generate () with `early_stopping=False`. It sees logits
 * and says which sequences go on with which tokens; it knows no network. */
typedef struct _ItuningSearch ItuningSearch;

ItuningSearch *ituning_search_new (const ItuningGenerateOptions *options,
    gsize vocab_size, guint32 bos, guint32 eos);
void ituning_search_free (ItuningSearch *search);
gsize ituning_search_get_n_rows (const ItuningSearch *search);
gboolean ituning_search_advance (ItuningSearch *search, float *logits,
    GError **error);
guint32 ituning_search_get_token (const ItuningSearch *search, gsize row);
guint ituning_search_get_parent (const ItuningSearch *search, gsize row);
ItuningCaption *ituning_search_finish (ItuningSearch *search);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningSearch, ituning_search_free)
