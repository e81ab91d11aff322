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
 * visual token. */

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
} ItuningAdapter;

/* The keys and values of one image for one adapter. Immutable once made. */
typedef struct
{
  gatomicrefcount refs;
  ItuningAdapter *adapter; /* owned reference */
  gsize S; /* visual tokens */
  gsize stride; /* of a row of @keys: at least S */
  float *keys; /* owned: [modules, R, stride], transposed, zeros behind S */
  float *values; /* owned: [modules, S, R] */
} ItuningMemory;

/* Scratch memory of one caller; zero-initialised it is empty. */
typedef struct
{
  ItuningBuffer q, attended, scores;
} ItuningAdapterScratch;

ItuningAdapter *ituning_adapter_open (const char *folder, GError **error);
ItuningAdapter *ituning_adapter_new (ItuningAdapterConfig *config,
    ItuningWeights *weights, GError **error);
ItuningAdapter *ituning_adapter_new_packed (ItuningGguf *packed,
    GError **error);
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
    const float *visual_tokens, gsize S);
ItuningMemory *ituning_memory_ref (ItuningMemory *memory);
void ituning_memory_unref (ItuningMemory *memory);
