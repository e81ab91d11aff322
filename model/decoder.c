/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/decoder.h"

#include <string.h>

/**
 * ituning_decoder_start:
 * @decoder: a decoder; what it held is forgotten
 * @language: the model that it will be used with
 * @B: sequences to begin with
 * @max_rows: most sequences at a time, at least @B
 * @max_positions: most tokens of a sequence, at most the model's positions
 *
 * Begins empty sequences. Memory is kept from the last time if it is enough.
 */
void
ituning_decoder_start (ItuningDecoder *decoder, const ItuningLanguage *language,
    gsize B, gsize max_rows, gsize max_positions)
{
  const gsize n_slots = max_rows * max_positions;
  const gsize n_cache = language->config.n_layer * n_slots *
      language->config.n_embd;

  g_assert (B <= max_rows && max_positions <= language->config.n_positions);
  decoder->B = B;
  decoder->n_past = 0;
  decoder->max_rows = max_rows;
  decoder->max_positions = max_positions;
  if (decoder->n_slots < n_slots) {
    decoder->slots = g_renew (guint, decoder->slots, n_slots);
    decoder->spare = g_renew (guint, decoder->spare, n_slots);
    decoder->n_slots = n_slots;
  }
  ituning_buffer_reserve (&decoder->keys, n_cache);
  ituning_buffer_reserve (&decoder->values, n_cache);
}

/**
 * ituning_decoder_clear:
 * @decoder: a decoder; its memory is given back
 */
void
ituning_decoder_clear (ItuningDecoder *decoder)
{
  g_free (decoder->slots);
  g_free (decoder->spare);
  ituning_buffer_clear (&decoder->keys);
  ituning_buffer_clear (&decoder->values);
  ituning_buffer_clear (&decoder->x);
  ituning_buffer_clear (&decoder->u);
  ituning_buffer_clear (&decoder->qkv);
  ituning_buffer_clear (&decoder->attended);
  ituning_buffer_clear (&decoder->inner);
  ituning_buffer_clear (&decoder->scores);
  ituning_adapter_scratch_clear (&decoder->adapter);
  memset (decoder, 0, sizeof (*decoder));
}

/**
 * ituning_decoder_select:
 * @decoder: a decoder
 * @parents: [@B] the sequence that each new one continues
 * @B: how many from now on, at most the decoder's max_rows
 *
 * Reorders, forks and drops sequences; their tokens' keys and values stay
 * where they are.
 */
void
ituning_decoder_select (ItuningDecoder *decoder, const guint *parents, gsize B)
{
  guint *slots = decoder->slots;

  g_assert (B <= decoder->max_rows);
  for (gsize row = 0; row < B; row++)
    memcpy (decoder->spare + row * decoder->max_positions,
        slots + parents[row] * decoder->max_positions,
        decoder->n_past * sizeof (guint));
  decoder->slots = decoder->spare;
  decoder->spare = slots;
  decoder->B = B;
}

/* --- forward ------------------------------------------------------------ */

/* A token's embedding, or one of a prefix, gets that of its position. */
static void
place (const ItuningDecoder *self, const ItuningLanguage *language, float *x,
    gsize t)
{
  const gsize C = language->config.n_embd;

  ituning_kernels_get ()->add (x,
      language->position_embeddings + (self->n_past + t) * C, C);
}

static gsize
cache_offset (const ItuningDecoder *self, gsize C, gsize layer, gsize position,
    gsize slot)
{
  return ((layer * self->max_positions + position) * self->max_rows + slot) * C;
}

/* The keys and values in qkv [B, T, 3 C] go to where they stay. */
static void
remember (ItuningDecoder *self, const float *qkv, gsize layer, gsize T, gsize C)
{
  for (gsize b = 0; b < self->B; b++) {
    for (gsize t = 0; t < T; t++) {
      const float *row = qkv + (b * T + t) * 3 * C;
      const gsize position = self->n_past + t;
      const gsize offset = cache_offset (self, C, layer, position, b);
      self->slots[b * self->max_positions + position] = (guint) b;
      memcpy (self->keys.values + offset, row + C, C * sizeof (float));
      memcpy (self->values.values + offset, row + 2 * C, C * sizeof (float));
    }
  }
}

typedef struct
{
  const ItuningKernels *kernels;
  const ItuningDecoder *decoder;
  float *out; /* [B, T, C] */
  const float *qkv; /* [B, T, 3 C] */
  float *scores; /* [workers, max_positions] */
  gsize layer, T, C, H;
  float scale;
} AttentionJob;

/* One head of one token, which sees itself and all before it. */
static void
attend (gsize task, guint worker, gpointer data)
{
  const AttentionJob *job = data;
  const ItuningDecoder *decoder = job->decoder;
  const gsize C = job->C, E = C / job->H;
  const gsize head = task % job->H, row = task / job->H;
  const gsize n = decoder->n_past + row % job->T + 1;
  const guint *slots = decoder->slots + row / job->T * decoder->max_positions;
  const float *q = job->qkv + row * 3 * C + head * E;
  float *out = job->out + row * C + head * E;
  float *scores = job->scores + worker * decoder->max_positions;

  for (gsize t = 0; t < n; t++)
    scores[t] = job->scale *
        job->kernels->dot (q,
            decoder->keys.values +
                cache_offset (decoder, C, job->layer, t, slots[t]) + head * E,
            E);
  job->kernels->softmax (scores, n);
  memset (out, 0, E * sizeof (float));
  for (gsize t = 0; t < n; t++)
    job->kernels->axpy (out,
        decoder->values.values +
            cache_offset (decoder, C, job->layer, t, slots[t]) + head * E,
        scores[t], E);
}

/* x [B, T, C] += Attn (LN1 (x)) */
static void
add_attention (ItuningDecoder *self, const ItuningLanguage *language,
    ItuningPool *pool, float *x, gsize index, gsize T)
{
  const ItuningLanguageLayer *layer = &language->layers[index];
  const gsize C = language->config.n_embd, rows = self->B * T;
  float *u = ituning_buffer_reserve (&self->u, rows * C);
  float *qkv = ituning_buffer_reserve (&self->qkv, rows * 3 * C);
  float *attended = ituning_buffer_reserve (&self->attended, rows * C);
  AttentionJob job = { ituning_kernels_get (), self, attended, qkv, NULL, index,
    T, C, language->config.n_head, layer->attention_scale };

  job.scores = ituning_buffer_reserve (&self->scores,
      ituning_pool_get_n_threads (pool) * self->max_positions);
  ituning_layernorm_forward (pool, u, x, &layer->norm1, rows, C,
      language->config.layer_norm_epsilon);
  ituning_linear_forward (pool, qkv, u, &layer->qkv, rows, 1.0f, FALSE);
  remember (self, qkv, index, T, C);
  ituning_pool_run (pool, rows * job.H, attend, &job);
  ituning_linear_forward (pool, x, attended, &layer->out, rows, 1.0f, TRUE);
}

/* x [B, T, C] += MLP (u) + module (u), where u = LN2 (x) */
static void
add_mlp (ItuningDecoder *self, const ItuningLanguage *language,
    const ItuningAdapter *adapter, ItuningPool *pool, float *x, gsize index,
    gsize T, ItuningMemory *const *memories)
{
  const ItuningLanguageLayer *layer = &language->layers[index];
  const gsize C = language->config.n_embd, rows = self->B * T;
  float *u = ituning_buffer_reserve (&self->u, rows * C);
  float *inner = ituning_buffer_reserve (&self->inner,
      rows * language->config.n_inner);
  gsize module;

  ituning_layernorm_forward (pool, u, x, &layer->norm2, rows, C,
      language->config.layer_norm_epsilon);
  ituning_linear_forward (pool, inner, u, &layer->fc, rows, 1.0f, FALSE);
  ituning_linear_forward (pool, x, inner, &layer->proj, rows, 1.0f, TRUE);
  if (memories != NULL && ituning_adapter_find (adapter, index, &module))
    ituning_adapter_forward (adapter, module, &self->adapter, pool, x, u,
        memories, self->B, T);
}

/* The blocks, on x [B, T, C]. */
static void
append (ItuningDecoder *self, const ItuningLanguage *language,
    const ItuningAdapter *adapter, ItuningPool *pool, float *x, gsize T,
    ItuningMemory *const *memories)
{
  g_assert (self->n_past + T <= self->max_positions);
  for (gsize i = 0; i < language->config.n_layer; i++) {
    add_attention (self, language, pool, x, i, T);
    add_mlp (self, language, adapter, pool, x, i, T, memories);
  }
  self->n_past += T;
}

/**
 * ituning_decoder_put_prefix:
 * @decoder: empty sequences
 * @language: the model
 * @adapter: its adapter
 * @pool: the threads to work with
 * @memories: [B] the image of each sequence
 *
 * Begins the sequences with the prefix that the adapter makes of their images,
 * if it makes one.
 */
void
ituning_decoder_put_prefix (ItuningDecoder *decoder,
    const ItuningLanguage *language, const ItuningAdapter *adapter,
    ItuningPool *pool, ItuningMemory *const *memories)
{
  const gsize P = adapter->config.prefix_length, C = language->config.n_embd;
  float *x = ituning_buffer_reserve (&decoder->x, decoder->B * P * C);

  if (P == 0)
    return;
  for (gsize row = 0; row < decoder->B * P; row++) {
    memcpy (x + row * C, memories[row / P]->prefix + row % P * C,
        C * sizeof (float));
    place (decoder, language, x + row * C, row % P);
  }
  append (decoder, language, adapter, pool, x, P, memories);
}

/**
 * ituning_decoder_forward:
 * @decoder: the sequences
 * @language: the model
 * @adapter: (nullable): its adapter; %NULL when @memories is
 * @pool: the threads to work with
 * @ids: [B, T] the next tokens of each sequence, all below the vocabulary's
 *   size
 * @T: how many of each; with those before at most max_positions
 * @memories: (nullable): [B] the image of each sequence; %NULL for none
 *
 * Appends tokens to the sequences.
 *
 * Returns: (transfer none): [B, T, C] the residual stream after the last
 *   block, before the final layer norm; valid until the next call
 */
const float *
ituning_decoder_forward (ItuningDecoder *decoder,
    const ItuningLanguage *language, const ItuningAdapter *adapter,
    ItuningPool *pool, const guint32 *ids, gsize T,
    ItuningMemory *const *memories)
{
  const gsize C = language->config.n_embd;
  float *x = ituning_buffer_reserve (&decoder->x, decoder->B * T * C);

  for (gsize row = 0; row < decoder->B * T; row++) {
    ituning_language_embed (language, x + row * C, ids[row]);
    place (decoder, language, x + row * C, row % T);
  }
  append (decoder, language, adapter, pool, x, T, memories);
  return x;
}

/**
 * ituning_decoder_logits:
 * @decoder: whose scratch memory to use
 * @language: the model
 * @pool: the threads to work with
 * @logits: [rows, V] output
 * @hidden: [rows, C] rows of what ituning_decoder_forward () returned
 * @rows: how many
 *
 * logits = LNf (x) wte^T
 */
void
ituning_decoder_logits (ItuningDecoder *decoder,
    const ItuningLanguage *language, ItuningPool *pool, float *logits,
    const float *hidden, gsize rows)
{
  const gsize C = language->config.n_embd;
  float *u = ituning_buffer_reserve (&decoder->u, rows * C);

  ituning_layernorm_forward (pool, u, hidden, &language->final_norm, rows, C,
      language->config.layer_norm_epsilon);
  ituning_linear_forward (pool, logits, u, &language->head, rows, 1.0f, FALSE);
}
