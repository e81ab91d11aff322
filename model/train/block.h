/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/attention.h"
#include "model/language.h"
#include "model/train/parameters.h"
#include "model/vision.h"

/* A pre-LN transformer block in training, as GPT-2, CLIP's vision transformer
 * and its text transformer have it:
 *
 *   h = x + Wo Attn (LN1 (x))
 *   u = LN2 (h)
 *   y = h + Wproj act (Wfc u)          [+ an I-Tuning module of u: module.h]
 *
 * Sequences lie packed one behind the other, M rows in all, so that a short
 * one costs no more than its tokens. */

/* Its weights; views of a network's. */
typedef struct
{
  ItuningLayerNorm norm1, norm2;
  ItuningLinear qkv; /* n_out 0 when the three are apart */
  ItuningLinear q, k, v;
  ItuningLinear out, fc, proj; /* without activation */
  ItuningActivation activation;
  gsize n_heads;
  float attention_scale;
  gboolean causal;
  double eps;
} ItuningBlock;

/* What the backward pass needs of the forward pass; zero-initialised empty. */
typedef struct
{
  ItuningBuffer x; /* [M, C] */
  ItuningBuffer qkv; /* [M, 3 C], or three of [M, C] */
  ItuningBuffer attended; /* [M, C] */
  ItuningBuffer h; /* [M, C] */
  ItuningBuffer inner; /* [M, I] before the activation */
} ItuningBlockState;

/* Scratch memory of one caller; zero-initialised it is empty. */
typedef struct
{
  ItuningBuffer u; /* [M, C] the last layer norm's output */
  ItuningBuffer du; /* [M, C] its gradient */
  ItuningBuffer inner; /* [M, I] */
  ItuningBuffer dinner; /* [M, I] */
  ItuningBuffer dqkv, dattended, stats, scores;
} ItuningBlockScratch;

/* Who works, on what. */
typedef struct
{
  ItuningPool *pool;
  const ItuningParameters *parameters;
  ItuningBlockScratch *scratch;
  const gsize *starts; /* [n_sequences + 1] first row of each; the last is M */
  gsize n_sequences;
} ItuningBlockRun;

ItuningBlock ituning_block_of_language (const ItuningLanguage *language,
    gsize index);
ItuningBlock ituning_block_of_vision (const ItuningVision *vision, gsize index);
const float *ituning_block_forward (const ItuningBlock *block,
    ItuningBlockState *state, const ItuningBlockRun *run, float *x);
const float *ituning_block_norm2 (const ItuningBlock *block,
    const ItuningBlockState *state, const ItuningBlockRun *run);
float *ituning_block_backward_mlp (const ItuningBlock *block,
    const ItuningBlockState *state, const ItuningBlockRun *run,
    const float *dx);
void ituning_block_backward_attention (const ItuningBlock *block,
    const ItuningBlockState *state, const ItuningBlockRun *run, float *dx);
void ituning_block_state_clear (ItuningBlockState *state);
void ituning_block_scratch_clear (ItuningBlockScratch *scratch);
