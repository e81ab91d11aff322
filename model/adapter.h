/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/buffer.h"
#include "model/config.h"
#include "model/layers.h"

/* The I-Tuning modules (Luo et al. 2023, section 2): in GPT-2 block i, on the
 * input u of its MLP and parallel to it,
 *
 *   Q = u Wq + bq            [T, R]
 *   K = V Wk + bk            [S, R]   once per image: ItuningMemory
 *   Z = V Wv + bv            [S, R]   likewise
 *   x += scale * (softmax (Q K^T / sqrt (R / heads)) Z Wo + bo)
 *
 * where V [S, D] are the image's visual tokens. Every text token sees every
 * visual token. Where one stands for s of them, log s is added to its scores.
 *
 * For comparison an adapter may have, in place of modules or beside them, a
 * prefix (Mokady et al. 2021, ClipCap, section 3.2): P embeddings that stand
 * before the text, made of the image embedding e by an MLP
 *
 *   prefix = W2 gelu (W1 e + b1) + b2      [P, C], inner width P C / 2
 *
 * (ClipCap has tanh where this has gelu_new, as GPT-2). */

typedef struct
{
  ItuningLinear q, k, v, o;
} ItuningModule;

/* Immutable once opened. */
typedef struct
{
  gatomicrefcount refs;
  ItuningAdapterConfig config; /* owned */
  ItuningPartInfo info;
  ItuningWeights *weights; /* owned: what the modules point into */
  ItuningModule *modules; /* owned: [config.n_layers] */
  ItuningLinear prefix1, prefix2; /* with a prefix_length */
} ItuningAdapter;

/* What one adapter makes of one image. Immutable once made. */
typedef struct
{
  gatomicrefcount refs;
  ItuningAdapter *adapter; /* owned reference */
  gsize S; /* visual tokens */
  gsize stride; /* of a row of @keys: at least S */
  float *keys; /* owned: [modules, R, stride], transposed, zeros behind S */
  float *values; /* owned: [modules, S, R] */
  float *log_sizes; /* owned: [S] added to scores; NULL without such */
  float *prefix; /* owned: [prefix_length, C]; NULL without one */
} ItuningMemory;

/* Scratch memory of one caller; zero-initialised it is empty. */
typedef struct
{
  ItuningBuffer q, attended, scores;
} ItuningAdapterScratch;

ItuningAdapter *ituning_adapter_open (const char *folder, ItuningPool *pool,
    GError **error);
ItuningAdapter *ituning_adapter_new (ItuningAdapterConfig *config,
    ItuningWeights *weights, GError **error);
ItuningAdapter *ituning_adapter_new_packed (ItuningGguf *packed,
    ItuningPool *pool, GError **error);
ItuningAdapter *ituning_adapter_ref (ItuningAdapter *adapter);
void ituning_adapter_unref (ItuningAdapter *adapter);
const ItuningModule *ituning_adapter_find (const ItuningAdapter *adapter,
    gsize layer, gsize *index);
void ituning_adapter_forward (const ItuningAdapter *adapter, gsize index,
    ItuningAdapterScratch *scratch, ItuningPool *pool, float *x, const float *u,
    ItuningMemory *const *memories, gsize B, gsize T);
void ituning_adapter_scratch_clear (ItuningAdapterScratch *scratch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningAdapter, ituning_adapter_unref)

ItuningMemory *ituning_memory_new (ItuningAdapter *adapter, ItuningPool *pool,
    const float *visual_tokens, gsize S, const float *log_sizes,
    const float *image_embeds);
ItuningMemory *ituning_memory_ref (ItuningMemory *memory);
void ituning_memory_unref (ItuningMemory *memory);
