/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/adapter.h"

/* GPT-2 (Radford et al. 2019; the code of Hugging Face's GPT2LMHeadModel),
 * with the adapter's modules beside its MLPs:
 *
 *   x = wte[ids] + wpe[positions]
 *   each block: h = x + Attn (LN1 (x)); u = LN2 (h)
 *               x = h + MLP (u) + module (u)
 *   logits = LNf (x) wte^T
 */

typedef struct
{
  ItuningLayerNorm norm1, norm2;
  ItuningLinear qkv, out, fc, proj;
  float attention_scale;
} ItuningLanguageLayer;

/* Immutable once opened. */
typedef struct
{
  ItuningLanguageConfig config;
  ItuningPartInfo info;
  ItuningWeights *weights; /* owned: what all pointers below point into */
  ItuningMatrix token_embeddings; /* [V, C] */
  const float *position_embeddings; /* [n_positions, C] */
  ItuningLanguageLayer *layers; /* owned */
  ItuningLayerNorm final_norm;
  ItuningLinear head; /* C -> V */
} ItuningLanguage;

ItuningLanguage *ituning_language_open (const char *folder, ItuningPool *pool,
    GError **error);
ItuningLanguage *ituning_language_new (const ItuningLanguageConfig *config,
    ItuningWeights *weights, GError **error);
ItuningLanguage *ituning_language_new_packed (ItuningGguf *packed,
    ItuningPool *pool, GError **error);
void ituning_language_embed (const ItuningLanguage *language, float *x,
    guint32 id);
void ituning_language_free (ItuningLanguage *language);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningLanguage, ituning_language_free)
