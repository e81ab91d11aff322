/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/block.h"

#include <math.h>
#include <string.h>

#include "model/train/rows.h"

/* --- views of the networks ---------------------------------------------- */

/**
 * ituning_block_of_language:
 * @index: which block of GPT-2
 */
ItuningBlock
ituning_block_of_language (const ItuningLanguage *language, gsize index)
{
  const ItuningLanguageLayer *layer = &language->layers[index];
  ItuningBlock block = {
    .norm1 = layer->norm1,
    .norm2 = layer->norm2,
    .qkv = layer->qkv,
    .out = layer->out,
    .fc = layer->fc,
    .proj = layer->proj,
    .activation = layer->fc.activation,
    .n_heads = language->config.n_head,
    .attention_scale = layer->attention_scale,
    .causal = TRUE,
    .eps = language->config.layer_norm_epsilon,
  };

  block.fc.activation = ITUNING_ACTIVATION_NONE;
  return block;
}

/**
 * ituning_block_of_vision:
 * @index: which layer of CLIP's vision transformer
 */
ItuningBlock
ituning_block_of_vision (const ItuningVision *vision, gsize index)
{
  const ItuningVisionLayer *layer = &vision->layers[index];
  const gsize n_heads = vision->config.num_attention_heads;
  const gsize head_size = vision->config.hidden_size / n_heads;
  ItuningBlock block = {
    .norm1 = layer->norm1,
    .norm2 = layer->norm2,
    .q = layer->q,
    .k = layer->k,
    .v = layer->v,
    .out = layer->out,
    .fc = layer->fc1,
    .proj = layer->fc2,
    .activation = layer->fc1.activation,
    .n_heads = n_heads,
    .attention_scale = 1.0f / sqrtf ((float) head_size),
    .eps = vision->config.layer_norm_eps,
  };

  block.fc.activation = ITUNING_ACTIVATION_NONE;
  return block;
}

/* --- memory ------------------------------------------------------------- */

/**
 * ituning_block_state_clear:
 * @state: its memory is given back
 */
void
ituning_block_state_clear (ItuningBlockState *state)
{
  ituning_buffer_clear (&state->x);
  ituning_buffer_clear (&state->qkv);
  ituning_buffer_clear (&state->attended);
  ituning_buffer_clear (&state->h);
  ituning_buffer_clear (&state->inner);
}

/**
 * ituning_block_scratch_clear:
 * @scratch: its memory is given back
 */
void
ituning_block_scratch_clear (ItuningBlockScratch *scratch)
{
  ituning_buffer_clear (&scratch->u);
  ituning_buffer_clear (&scratch->du);
  ituning_buffer_clear (&scratch->inner);
  ituning_buffer_clear (&scratch->dinner);
  ituning_buffer_clear (&scratch->dqkv);
  ituning_buffer_clear (&scratch->dattended);
  ituning_buffer_clear (&scratch->stats);
  ituning_buffer_clear (&scratch->scores);
}

static gsize
count_rows (const ItuningBlockRun *run)
{
  return run->starts[run->n_sequences];
}

/* --- self-attention ----------------------------------------------------- */

/* Offsets of keys and values from queries: the next columns of one row when
 * the three come from one layer, else the next [M, C]. */
static gsize
qkv_offset (const ItuningBlock *block, gsize M)
{
  return block->qkv.n_out > 0 ? block->out.n_in : M * block->out.n_in;
}

static ItuningAttention
attention_shape (const ItuningBlock *block, const ItuningBlockRun *run)
{
  const gsize C = block->out.n_in;
  const gsize stride = block->qkv.n_out > 0 ? 3 * C : C;

  return (ItuningAttention){
    .n_sequences = run->n_sequences,
    .query_starts = run->starts,
    .key_starts = run->starts,
    .n_heads = block->n_heads,
    .head_size = C / block->n_heads,
    .q_stride = stride,
    .kv_stride = stride,
    .out_stride = C,
    .scale = block->attention_scale,
    .causal = block->causal,
  };
}

/* u [M, C] -> qkv */
static void
project (const ItuningBlock *block, const ItuningBlockRun *run, float *qkv,
    const float *u)
{
  const gsize M = count_rows (run), offset = qkv_offset (block, M);

  if (block->qkv.n_out > 0) {
    ituning_linear_forward (run->pool, qkv, u, &block->qkv, M, 1.0f, FALSE);
    return;
  }
  ituning_linear_forward (run->pool, qkv, u, &block->q, M, 1.0f, FALSE);
  ituning_linear_forward (run->pool, qkv + offset, u, &block->k, M, 1.0f,
      FALSE);
  ituning_linear_forward (run->pool, qkv + 2 * offset, u, &block->v, M, 1.0f,
      FALSE);
}

static void
layer_backward (const ItuningBlockRun *run, float *dx, const float *dy,
    const float *x, const ItuningLinear *layer, gboolean accumulate)
{
  ituning_linear_backward (run->pool, dx,
      ituning_parameters_gradient (run->parameters, layer->weight.values),
      ituning_parameters_gradient (run->parameters, layer->bias), dy, x, layer,
      count_rows (run), accumulate);
}

static void
norm_backward (const ItuningBlock *block, const ItuningBlockRun *run, float *dx,
    const float *dy, const float *x, const ItuningLayerNorm *norm)
{
  const gsize M = count_rows (run), C = block->out.n_out;

  ituning_layernorm_backward (run->pool, dx,
      ituning_parameters_gradient (run->parameters, norm->gain),
      ituning_parameters_gradient (run->parameters, norm->bias),
      ituning_buffer_reserve (&run->scratch->stats, 2 * M), dy, x, norm, M, C,
      block->eps);
}

static void
project_backward (const ItuningBlock *block, const ItuningBlockRun *run,
    float *du, const float *dqkv, const float *u)
{
  const gsize offset = qkv_offset (block, count_rows (run));

  if (block->qkv.n_out > 0) {
    layer_backward (run, du, dqkv, u, &block->qkv, FALSE);
    return;
  }
  layer_backward (run, du, dqkv, u, &block->q, FALSE);
  layer_backward (run, du, dqkv + offset, u, &block->k, TRUE);
  layer_backward (run, du, dqkv + 2 * offset, u, &block->v, TRUE);
}

/* --- forward ------------------------------------------------------------ */

/**
 * ituning_block_forward:
 * @block: the block
 * @state: (out): what ituning_block_backward_mlp () and its sister will need
 * @run: who works, on what
 * @x: [M, C] in place: the residual stream
 *
 * Returns: (transfer none): [M, C] u, the MLP's input; valid until @run's
 *   scratch is used again
 */
const float *
ituning_block_forward (const ItuningBlock *block, ItuningBlockState *state,
    const ItuningBlockRun *run, float *x)
{
  const gsize M = count_rows (run), C = block->out.n_out;
  const gsize offset = qkv_offset (block, M);
  const ItuningAttention shape = attention_shape (block, run);
  float *u = ituning_buffer_reserve (&run->scratch->u, M * C);
  float *qkv = ituning_buffer_reserve (&state->qkv, 3 * M * C);
  float *attended = ituning_buffer_reserve (&state->attended, M * C);
  float *inner = ituning_buffer_reserve (&state->inner, M * block->fc.n_out);
  float *active = ituning_buffer_reserve (&run->scratch->inner,
      M * block->fc.n_out);

  memcpy (ituning_buffer_reserve (&state->x, M * C), x, M * C * sizeof (float));
  ituning_layernorm_forward (run->pool, u, x, &block->norm1, M, C, block->eps);
  project (block, run, qkv, u);
  ituning_attention_forward (run->pool, &run->scratch->scores, attended, qkv,
      qkv + offset, qkv + 2 * offset, &shape);
  ituning_linear_forward (run->pool, x, attended, &block->out, M, 1.0f, TRUE);

  memcpy (ituning_buffer_reserve (&state->h, M * C), x, M * C * sizeof (float));
  ituning_layernorm_forward (run->pool, u, x, &block->norm2, M, C, block->eps);
  ituning_linear_forward (run->pool, inner, u, &block->fc, M, 1.0f, FALSE);
  ituning_rows_activate (run->pool, active, inner, block->activation,
      M * block->fc.n_out);
  ituning_linear_forward (run->pool, x, active, &block->proj, M, 1.0f, TRUE);
  return u;
}

/* --- backward ----------------------------------------------------------- */

/**
 * ituning_block_norm2:
 *
 * Returns: (transfer none): [M, C] u again, as ituning_block_forward () gave
 *   it
 */
const float *
ituning_block_norm2 (const ItuningBlock *block, const ItuningBlockState *state,
    const ItuningBlockRun *run)
{
  const gsize M = count_rows (run), C = block->out.n_out;
  float *u = ituning_buffer_reserve (&run->scratch->u, M * C);

  ituning_layernorm_forward (run->pool, u, state->h.values, &block->norm2, M, C,
      block->eps);
  return u;
}

/**
 * ituning_block_backward_mlp:
 * @block: the block
 * @state: of its forward pass
 * @run: as in the forward pass
 * @dx: [M, C] gradient of the block's output
 *
 * The MLP's part; ituning_block_norm2 () must have been called just before.
 *
 * Returns: (transfer none): [M, C] gradient of u, in @run's scratch, for a
 *   module to add its own to
 */
float *
ituning_block_backward_mlp (const ItuningBlock *block,
    const ItuningBlockState *state, const ItuningBlockRun *run, const float *dx)
{
  const gsize M = count_rows (run), C = block->out.n_out;
  const gsize n_inner = M * block->fc.n_out;
  const gboolean trained = ituning_parameters_gradient (run->parameters,
                               block->proj.weight.values) != NULL;
  float *du = ituning_buffer_reserve (&run->scratch->du, M * C);
  float *active = ituning_buffer_reserve (&run->scratch->inner, n_inner);
  float *dinner = ituning_buffer_reserve (&run->scratch->dinner, n_inner);

  if (trained)
    ituning_rows_activate (run->pool, active, state->inner.values,
        block->activation, n_inner);
  layer_backward (run, dinner, dx, active, &block->proj, FALSE);
  ituning_rows_activate_backward (run->pool, dinner, state->inner.values,
      block->activation, n_inner);
  layer_backward (run, du, dinner, run->scratch->u.values, &block->fc, FALSE);
  return du;
}

/**
 * ituning_block_backward_attention:
 * @block: the block
 * @state: of its forward pass
 * @run: as in the forward pass; its scratch holds the gradient of u
 * @dx: [M, C] in place: the gradient of the block's output becomes that of its
 *   input
 */
void
ituning_block_backward_attention (const ItuningBlock *block,
    const ItuningBlockState *state, const ItuningBlockRun *run, float *dx)
{
  const gsize M = count_rows (run), C = block->out.n_out;
  const gsize offset = qkv_offset (block, M);
  const ItuningAttention shape = attention_shape (block, run);
  const float *qkv = state->qkv.values;
  float *du = run->scratch->du.values, *u = run->scratch->u.values;
  float *dqkv = ituning_buffer_reserve (&run->scratch->dqkv, 3 * M * C);
  float *dattended = ituning_buffer_reserve (&run->scratch->dattended, M * C);

  norm_backward (block, run, dx, du, state->h.values, &block->norm2);
  layer_backward (run, dattended, dx, state->attended.values, &block->out,
      FALSE);
  ituning_attention_backward (run->pool, &run->scratch->scores, dqkv,
      dqkv + offset, dqkv + 2 * offset, dattended, qkv, qkv + offset,
      qkv + 2 * offset, &shape);
  ituning_layernorm_forward (run->pool, u, state->x.values, &block->norm1, M, C,
      block->eps);
  project_backward (block, run, du, dqkv, u);
  norm_backward (block, run, dx, du, state->x.values, &block->norm1);
}
