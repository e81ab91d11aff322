/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/buffer.h"
#include "model/kernels/pool.h"

/**
 * ItuningAttention:
 * @n_sequences: sequences, each of which attends to its own keys
 * @n_queries: queries of each; not used when there are @query_starts
 * @n_keys: keys of each; not used when there are @key_starts
 * @query_starts: (nullable): [n_sequences + 1] first row of each sequence's
 *   queries, and the number of rows: for sequences of different lengths
 * @key_starts: (nullable): [n_sequences + 1] likewise for keys and values
 * @key_bias: (nullable): a number for each row of keys that is added to its
 *   scores, behind @scale
 * @n_heads: heads; head h reads columns h head_size to (h + 1) head_size
 * @head_size: width of a head
 * @q_stride: from one row of queries to the next
 * @kv_stride: likewise for keys and values
 * @out_stride: likewise for the output
 * @scale: multiplies the scores
 * @causal: query i sees keys 0 to i alone
 *
 * The shape of scaled dot-product attention over any number of sequences:
 * out = softmax (scale Q K^T) V for each sequence and head (Vaswani et al.
 * 2017, section 3.2).
 */
typedef struct
{
  gsize n_sequences;
  gsize n_queries, n_keys;
  const gsize *query_starts, *key_starts;
  const float *key_bias;
  gsize n_heads, head_size;
  gsize q_stride, kv_stride, out_stride;
  float scale;
  gboolean causal;
} ItuningAttention;

void ituning_attention_forward (ItuningPool *pool, ItuningBuffer *scratch,
    float *out, const float *q, const float *k, const float *v,
    const ItuningAttention *shape);
void ituning_attention_backward (ItuningPool *pool, ItuningBuffer *scratch,
    float *dq, float *dk, float *dv, const float *dout, const float *q,
    const float *k, const float *v, const ItuningAttention *shape);
