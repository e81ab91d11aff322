/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/buffer.h"
#include "model/config.h"
#include "model/layers.h"
#include "model/tokenmerge.h"
#include "model/weights.h"

/* CLIP's vision transformer (Radford et al. 2021, section 2.4; the code of
 * Hugging Face's CLIPVisionModelWithProjection), pre-LN:
 *
 *   pixels [3, I, I] -> patches [N, 3 p p] -> tokens [P, D], P = N + 1
 *   x = LNpre ([class; patches] + positions)
 *   each layer: x += Attn (LN1 (x)); x += MLP (LN2 (x))
 *   embedding = LNpost (x[0]) Wproj
 */

typedef struct
{
  ItuningLayerNorm norm1, norm2;
  ItuningLinear q, k, v, out, fc1, fc2;
} ItuningVisionLayer;

/* Immutable once opened. */
typedef struct
{
  ItuningVisionConfig config;
  ItuningPartInfo info;
  gsize n_tokens; /* P */
  ItuningWeights *weights; /* owned: what all pointers below point into */
  const float *class_embedding; /* [D] */
  const float *position_embeddings; /* [P, D] */
  ItuningLinear patch_embedding; /* 3 p p -> D */
  ItuningLayerNorm pre_norm, post_norm;
  ItuningVisionLayer *layers; /* owned */
  ItuningLinear projection; /* D -> embedding */
} ItuningVision;

/* Scratch memory of one caller; zero-initialised it is empty. */
typedef struct
{
  ItuningBuffer normed, q, k, v, attended, inner, scores;
  ItuningBuffer tokens, sizes, log_sizes; /* where there are to be fewer */
  ItuningTokenMergeScratch merge;
} ItuningVisionScratch;

ItuningVision *ituning_vision_open (const char *folder, ItuningPool *pool,
    GError **error);
ItuningVision *ituning_vision_new (const ItuningVisionConfig *config,
    ItuningWeights *weights, GError **error);
ItuningVision *ituning_vision_new_packed (ItuningGguf *packed,
    ItuningPool *pool, GError **error);
void ituning_vision_free (ItuningVision *vision);
gboolean ituning_vision_forward (const ItuningVision *vision,
    ItuningVisionScratch *scratch, ItuningPool *pool, float *hidden,
    float *log_sizes, float *embeds, const float *pixel_values, gsize B,
    gsize n_keep, GCancellable *cancellable, GError **error);
gsize ituning_vision_clamp_tokens (const ItuningVision *vision, gsize n_tokens);
void ituning_vision_project (const ItuningVision *vision,
    ItuningVisionScratch *scratch, ItuningPool *pool, float *embeds,
    const float *hidden, gsize B, gsize P);
void ituning_vision_cut_patches (const ItuningVision *vision, float *patches,
    const float *pixels);
void ituning_vision_post_norm (const ItuningVision *vision, float *y,
    const float *x, gsize n_tokens);
void ituning_vision_scratch_clear (ItuningVisionScratch *scratch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningVision, ituning_vision_free)
