/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/module.h"

#include <math.h>
#include <string.h>

#include "model/train/rows.h"

/**
 * ituning_module_state_clear:
 * @state: its memory is given back
 */
void
ituning_module_state_clear (ItuningModuleState *state)
{
  ituning_buffer_clear (&state->q);
  ituning_buffer_clear (&state->k);
  ituning_buffer_clear (&state->z);
  ituning_buffer_clear (&state->attended);
}

/**
 * ituning_module_scratch_clear:
 * @scratch: its memory is given back
 */
void
ituning_module_scratch_clear (ItuningModuleScratch *scratch)
{
  ituning_buffer_clear (&scratch->out);
  ituning_buffer_clear (&scratch->dattended);
  ituning_buffer_clear (&scratch->dq);
  ituning_buffer_clear (&scratch->dk);
  ituning_buffer_clear (&scratch->dz);
}

static ItuningAttention
attention_shape (const ItuningModuleRun *run)
{
  const gsize R = run->config->bottleneck_size;
  const gsize E = R / run->config->num_heads;

  return (ItuningAttention){
    .n_sequences = run->run->n_sequences,
    .query_starts = run->run->starts,
    .n_keys = run->S,
    .n_heads = run->config->num_heads,
    .head_size = E,
    .q_stride = R,
    .kv_stride = R,
    .out_stride = R,
    .scale = 1.0f / sqrtf ((float) E),
  };
}

static gsize
count_rows (const ItuningModuleRun *run)
{
  return run->run->starts[run->run->n_sequences];
}

/**
 * ituning_module_forward:
 * @module: the module
 * @state: (out): what ituning_module_backward () will need
 * @run: who works, on what
 * @x: [M, C] the residual stream, added to
 * @u: [M, C] the MLP's input
 */
void
ituning_module_forward (const ItuningModule *module, ItuningModuleState *state,
    const ItuningModuleRun *run, float *x, const float *u)
{
  ItuningPool *pool = run->run->pool;
  const gsize M = count_rows (run), R = run->config->bottleneck_size;
  const gsize C = run->config->hidden_size;
  const gsize n_keys = run->run->n_sequences * run->S;
  const float scale = (float) run->config->scale;
  const ItuningAttention shape = attention_shape (run);
  float *q = ituning_buffer_reserve (&state->q, M * R);
  float *k = ituning_buffer_reserve (&state->k, n_keys * R);
  float *z = ituning_buffer_reserve (&state->z, n_keys * R);
  float *attended = ituning_buffer_reserve (&state->attended, M * R);
  float *out;

  ituning_linear_forward (pool, q, u, &module->q, M, 1.0f, FALSE);
  ituning_linear_forward (pool, k, run->visual_tokens, &module->k, n_keys, 1.0f,
      FALSE);
  ituning_linear_forward (pool, z, run->visual_tokens, &module->v, n_keys, 1.0f,
      FALSE);
  ituning_attention_forward (pool, &run->run->scratch->scores, attended, q, k,
      z, &shape);
  if (run->dropout <= 0.0f) {
    ituning_linear_forward (pool, x, attended, &module->o, M, scale, TRUE);
    return;
  }
  out = ituning_buffer_reserve (&run->scratch->out, M * C);
  ituning_linear_forward (pool, out, attended, &module->o, M, scale, FALSE);
  ituning_rows_dropout (pool, out, run->dropout, run->seed, M * C);
  ituning_kernels_get ()->add (x, out, M * C);
}

/* A linear layer's gradients, and that of its input. */
static void
layer_backward (const ItuningModuleRun *run, float *dx, const float *dy,
    const float *x, const ItuningLinear *layer, gsize n_rows,
    gboolean accumulate)
{
  const ItuningParameters *parameters = run->run->parameters;

  ituning_linear_backward (run->run->pool, dx,
      ituning_parameters_gradient (parameters, layer->weight.values),
      ituning_parameters_gradient (parameters, layer->bias), dy, x, layer,
      n_rows, accumulate);
}

/**
 * ituning_module_backward:
 * @module: the module
 * @state: of its forward pass
 * @run: as in the forward pass
 * @du: [M, C] gradient of u, added to; or %NULL when nothing below is trained
 * @dx: [M, C] gradient of the block's output
 * @u: [M, C] the MLP's input, as in the forward pass
 */
void
ituning_module_backward (const ItuningModule *module,
    const ItuningModuleState *state, const ItuningModuleRun *run, float *du,
    const float *dx, const float *u)
{
  ItuningPool *pool = run->run->pool;
  const gsize M = count_rows (run), R = run->config->bottleneck_size;
  const gsize C = run->config->hidden_size;
  const gsize n_keys = run->run->n_sequences * run->S;
  const ItuningAttention shape = attention_shape (run);
  float *dout = ituning_buffer_reserve (&run->scratch->out, M * C);
  float *dattended = ituning_buffer_reserve (&run->scratch->dattended, M * R);
  float *dq = ituning_buffer_reserve (&run->scratch->dq, M * R);
  float *dk = ituning_buffer_reserve (&run->scratch->dk, n_keys * R);
  float *dz = ituning_buffer_reserve (&run->scratch->dz, n_keys * R);

  memcpy (dout, dx, M * C * sizeof (float));
  ituning_rows_dropout (pool, dout, run->dropout, run->seed, M * C);
  ituning_kernels_get ()->scale (dout, (float) run->config->scale, M * C);
  layer_backward (run, dattended, dout, state->attended.values, &module->o, M,
      FALSE);
  ituning_attention_backward (pool, &run->run->scratch->scores, dq, dk, dz,
      dattended, state->q.values, state->k.values, state->z.values, &shape);
  layer_backward (run, du, dq, u, &module->q, M, TRUE);
  layer_backward (run, run->dvisual_tokens, dk, run->visual_tokens, &module->k,
      n_keys, TRUE);
  layer_backward (run, run->dvisual_tokens, dz, run->visual_tokens, &module->v,
      n_keys, TRUE);
}
