/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/buffer.h"
#include "model/kernels/pool.h"

/* Fewer visual tokens: Token Merging (Bolya et al. 2023, "Token Merging: Your
 * ViT But Faster", section 3), which needs no training. In each layer, between
 * attention and MLP, the tokens that are most alike become one:
 *
 *   1. the tokens but the class token are dealt into two sets in turn;
 *   2. each of the first set looks for the one of the second whose key, the
 *      mean over the heads, has the largest cosine to its own;
 *   3. the r that found the most similar are merged into what they found, as
 *      means that weigh a token by the number of patches that it stands for.
 *
 * A token of s patches counts as s in every softmax over tokens: log s is added
 * to its scores (their "proportional attention"). As theirs, each layer merges
 * as many; here tokens keep their order, so that the class token stays first. */

/* Scratch memory of one caller; zero-initialised it is empty. */
typedef struct
{
  ItuningBuffer metric; /* [B, P, E] */
  GArray *links; /* owned: what tokenmerge.c calls so */
} ItuningTokenMergeScratch;

gsize ituning_tokenmerge_min_tokens (gsize P, gsize n_layers);
gsize ituning_tokenmerge_plan (gsize P, gsize n_keep, gsize n_layers,
    gsize layer);
void ituning_tokenmerge_run (ItuningPool *pool,
    ItuningTokenMergeScratch *scratch, float *x, float *sizes,
    const float *keys, gsize B, gsize P, gsize n_keep, gsize D, gsize n_heads);
void ituning_tokenmerge_scratch_clear (ItuningTokenMergeScratch *scratch);
