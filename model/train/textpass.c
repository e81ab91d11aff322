/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/textpass.h"

#include <string.h>

/* GPT-2 with its adapter, forward over whole captions and backward: embed,
 * then the blocks with their modules, then the loss; and back down as far as
 * something is trained, and no further. */

struct _ItuningTextPass
{
  const ItuningLanguage *language; /* borrowed, as all these */
  const ItuningAdapter *adapter; /* or NULL */
  const ItuningParameters *parameters;
  ItuningPool *pool;
  gsize n_blocks;
  ItuningBlock *blocks; /* owned: [n_blocks] */
  ItuningBlockState *states; /* owned: [n_blocks], empty where not needed */
  ItuningModuleState *modules; /* owned: [n_blocks] likewise */
  ItuningBlockState unneeded; /* of the blocks below all that is trained */
  ItuningBlockScratch scratch;
  ItuningModuleScratch module_scratch;
  ItuningLossScratch loss;
  ItuningBuffer x, dx;
  ItuningBuffer normed, stats; /* of ituning_text_pass_encode () */
};

/**
 * ituning_text_pass_new:
 * @language: a GPT-2; frozen, or opened on @parameters
 * @adapter: (nullable): its adapter, frozen or not
 * @parameters: what is trained
 * @pool: the threads to work with
 *
 * All of them must live as long as the pass.
 *
 * Returns: (transfer full): a pass, of one thread
 */
ItuningTextPass *
ituning_text_pass_new (const ItuningLanguage *language,
    const ItuningAdapter *adapter, const ItuningParameters *parameters,
    ItuningPool *pool)
{
  ItuningTextPass *self = g_new0 (ItuningTextPass, 1);

  self->language = language;
  self->adapter = adapter;
  self->parameters = parameters;
  self->pool = pool;
  self->n_blocks = language->config.n_layer;
  self->blocks = g_new (ItuningBlock, self->n_blocks);
  self->states = g_new0 (ItuningBlockState, self->n_blocks);
  self->modules = g_new0 (ItuningModuleState, self->n_blocks);
  for (gsize i = 0; i < self->n_blocks; i++)
    self->blocks[i] = ituning_block_of_language (language, i);
  return self;
}

/**
 * ituning_text_pass_free:
 * @pass: (nullable) (transfer full): a pass
 */
void
ituning_text_pass_free (ItuningTextPass *pass)
{
  if (pass == NULL)
    return;
  for (gsize i = 0; i < pass->n_blocks; i++) {
    ituning_block_state_clear (&pass->states[i]);
    ituning_module_state_clear (&pass->modules[i]);
  }
  g_free (pass->blocks);
  g_free (pass->states);
  g_free (pass->modules);
  ituning_block_state_clear (&pass->unneeded);
  ituning_block_scratch_clear (&pass->scratch);
  ituning_module_scratch_clear (&pass->module_scratch);
  ituning_loss_scratch_clear (&pass->loss);
  ituning_buffer_clear (&pass->x);
  ituning_buffer_clear (&pass->dx);
  ituning_buffer_clear (&pass->normed);
  ituning_buffer_clear (&pass->stats);
  g_free (pass);
}

/* --- what is where ------------------------------------------------------ */

static ItuningBlockRun
block_run (ItuningTextPass *self, const ItuningTextBatch *batch)
{
  return (ItuningBlockRun){ self->pool, self->parameters, &self->scratch,
    batch->starts, batch->n_sequences };
}

/* Of a pass with an adapter. */
static ItuningModuleRun
module_run (ItuningTextPass *self, const ItuningBlockRun *run,
    const ItuningTextBatch *batch, const ItuningTextHow *how,
    float *dvisual_tokens, gsize layer)
{
  return (ItuningModuleRun){ run, &self->module_scratch, &self->adapter->config,
    batch->visual_tokens, dvisual_tokens, batch->S, (float) how->dropout,
    how->seed * 1024 + layer };
}

static const ItuningModule *
find_module (const ItuningTextPass *self, const ItuningTextBatch *batch,
    gsize layer)
{
  gsize index;

  if (self->adapter == NULL || batch->visual_tokens == NULL)
    return NULL;
  return ituning_adapter_find (self->adapter, layer, &index);
}

static gboolean
is_trained (const ItuningTextPass *self, const float *values)
{
  return ituning_parameters_gradient (self->parameters, values) != NULL;
}

/* The block that the backward pass stops in: the lowest that is trained or has
 * a module that is; the first, when what feeds it is trained. n_blocks when
 * nothing is. */
static gsize
find_lowest (const ItuningTextPass *self, const ItuningTextBatch *batch)
{
  gsize i = 0;

  if (batch->n_prefix > 0 ||
      is_trained (self, self->language->token_embeddings.values) ||
      is_trained (self, self->language->position_embeddings))
    return 0;
  for (; i < self->n_blocks; i++) {
    const ItuningModule *module = find_module (self, batch, i);
    if (is_trained (self, self->blocks[i].out.weight.values) ||
        (module != NULL && is_trained (self, module->q.weight.values)))
      break;
  }
  return i;
}

/* --- embeddings --------------------------------------------------------- */

static void
embed (const ItuningTextPass *self, const ItuningTextBatch *batch, float *x)
{
  const ItuningKernels *kernels = ituning_kernels_get ();
  const ItuningLanguage *language = self->language;
  const gsize C = language->config.n_embd;

  for (gsize i = 0; i < batch->n_sequences; i++) {
    for (gsize row = batch->starts[i]; row < batch->starts[i + 1]; row++) {
      const gsize position = row - batch->starts[i];
      if (position < batch->n_prefix)
        memcpy (x + row * C,
            batch->prefix + (i * batch->n_prefix + position) * C,
            C * sizeof (float));
      else
        ituning_language_embed (language, x + row * C, batch->ids[row]);
      kernels->add (x + row * C, language->position_embeddings + position * C,
          C);
    }
  }
}

static void
embed_backward (const ItuningTextPass *self, const ItuningTextBatch *batch,
    float *dprefix, const float *dx)
{
  const ItuningKernels *kernels = ituning_kernels_get ();
  const gsize C = self->language->config.n_embd;
  float *tokens = ituning_parameters_gradient (self->parameters,
      self->language->token_embeddings.values);
  float *positions = ituning_parameters_gradient (self->parameters,
      self->language->position_embeddings);

  for (gsize i = 0; i < batch->n_sequences; i++) {
    for (gsize row = batch->starts[i]; row < batch->starts[i + 1]; row++) {
      const gsize position = row - batch->starts[i];
      if (positions != NULL)
        kernels->add (positions + position * C, dx + row * C, C);
      if (position >= batch->n_prefix && tokens != NULL)
        kernels->add (tokens + batch->ids[row] * C, dx + row * C, C);
      else if (position < batch->n_prefix && dprefix != NULL)
        memcpy (dprefix + (i * batch->n_prefix + position) * C, dx + row * C,
            C * sizeof (float));
    }
  }
}

/* --- forward and backward ----------------------------------------------- */

/* Blocks from @lowest on keep what the backward pass needs. Returns x [M, C]
 * after the last block. */
static const float *
forward (ItuningTextPass *self, const ItuningTextBatch *batch,
    const ItuningTextHow *how, gsize lowest)
{
  const gsize M = batch->starts[batch->n_sequences];
  const ItuningBlockRun run = block_run (self, batch);
  float *x = ituning_buffer_reserve (&self->x,
      M * self->language->config.n_embd);

  embed (self, batch, x);
  for (gsize i = 0; i < self->n_blocks; i++) {
    const ItuningModule *module = find_module (self, batch, i);
    const float *u = ituning_block_forward (&self->blocks[i],
        i >= lowest ? &self->states[i] : &self->unneeded, &run, x);
    if (module != NULL) {
      const ItuningModuleRun now = module_run (self, &run, batch, how, NULL, i);
      ituning_module_forward (module, &self->modules[i], &now, x, u);
    }
  }
  return x;
}

static void
backward (ItuningTextPass *self, const ItuningTextBatch *batch,
    const ItuningTextHow *how, gsize lowest, gboolean below,
    float *dvisual_tokens, float *dx)
{
  const ItuningBlockRun run = block_run (self, batch);

  for (gsize i = self->n_blocks; i-- > lowest;) {
    const ItuningBlock *block = &self->blocks[i];
    const ItuningModule *module = find_module (self, batch, i);
    const gboolean whole = i > lowest || below;
    const float *u = ituning_block_norm2 (block, &self->states[i], &run);
    float *du = whole
        ? ituning_block_backward_mlp (block, &self->states[i], &run, dx)
        : NULL;
    if (module != NULL) {
      const ItuningModuleRun now = module_run (self, &run, batch, how,
          dvisual_tokens, i);
      ituning_module_backward (module, &self->modules[i], &now, du, dx, u);
    }
    if (whole)
      ituning_block_backward_attention (block, &self->states[i], &run, dx);
  }
}

/**
 * ituning_text_pass_loss:
 * @pass: a pass
 * @batch: captions
 * @how: its scale and dropout are not used
 *
 * Returns: the sum of the cross entropies of all targets, in nats
 */
double
ituning_text_pass_loss (ItuningTextPass *pass, const ItuningTextBatch *batch,
    const ItuningTextHow *how)
{
  ItuningTextHow still = *how;
  const float *x;

  still.dropout = 0.0;
  x = forward (pass, batch, &still, pass->n_blocks);
  return ituning_loss_run (pass->language, pass->parameters, pass->pool,
      &pass->loss, NULL, x, batch->targets, batch->starts[batch->n_sequences],
      1.0, how->label_smoothing);
}

/**
 * ituning_text_pass_train:
 * @pass: a pass
 * @batch: captions
 * @how: how
 * @inputs: (nullable): output: gradients of what the batch was given
 *
 * Adds to the gradients of the trained parameters.
 *
 * Returns: the sum of the cross entropies of all targets, in nats, not scaled
 */
double
ituning_text_pass_train (ItuningTextPass *pass, const ItuningTextBatch *batch,
    const ItuningTextHow *how, const ItuningTextInputs *inputs)
{
  const gsize M = batch->starts[batch->n_sequences];
  const gsize lowest = find_lowest (pass, batch);
  const gboolean embeddings = batch->n_prefix > 0 ||
      is_trained (pass, pass->language->token_embeddings.values) ||
      is_trained (pass, pass->language->position_embeddings);
  const gboolean below = embeddings ||
      (lowest < pass->n_blocks &&
          is_trained (pass, pass->blocks[lowest].out.weight.values));
  const ItuningTextInputs wanted = inputs != NULL ? *inputs
                                                  : (ItuningTextInputs){ 0 };
  const float *x = forward (pass, batch, how, lowest);
  float *dx = ituning_buffer_reserve (&pass->dx,
      M * pass->language->config.n_embd);
  const double loss = ituning_loss_run (pass->language, pass->parameters,
      pass->pool, &pass->loss, dx, x, batch->targets, M, how->scale,
      how->label_smoothing);

  if (wanted.visual_tokens != NULL)
    memset (wanted.visual_tokens, 0,
        batch->n_sequences * batch->S *
            pass->adapter->config.vision_hidden_size * sizeof (float));
  backward (pass, batch, how, lowest, below, wanted.visual_tokens, dx);
  if (embeddings)
    embed_backward (pass, batch, wanted.prefix, dx);
  return loss;
}

/* --- as an encoder ------------------------------------------------------ */

/**
 * ituning_text_pass_encode:
 * @pass: a pass whose language model is trained
 * @batch: texts; their targets are not used
 *
 * Returns: (transfer none): [M, C] the rows after the final layer norm; valid
 *   until the next call
 */
const float *
ituning_text_pass_encode (ItuningTextPass *pass, const ItuningTextBatch *batch)
{
  const gsize M = batch->starts[batch->n_sequences];
  const gsize C = pass->language->config.n_embd;
  const float *x = forward (pass, batch, &(ItuningTextHow){ .scale = 1.0 }, 0);
  float *normed = ituning_buffer_reserve (&pass->normed, M * C);

  ituning_layernorm_forward (pass->pool, normed, x, &pass->language->final_norm,
      M, C, pass->language->config.layer_norm_epsilon);
  return normed;
}

/**
 * ituning_text_pass_encode_backward:
 * @batch: of the forward pass just before
 * @dnormed: [M, C] gradient of what it returned
 *
 * Adds to the gradients of the parameters.
 */
void
ituning_text_pass_encode_backward (ItuningTextPass *pass,
    const ItuningTextBatch *batch, const float *dnormed)
{
  const gsize M = batch->starts[batch->n_sequences];
  const gsize C = pass->language->config.n_embd;
  const ItuningLayerNorm *norm = &pass->language->final_norm;
  float *dx = ituning_buffer_reserve (&pass->dx, M * C);

  memset (dx, 0, M * C * sizeof (float));
  ituning_layernorm_backward (pass->pool, dx,
      ituning_parameters_gradient (pass->parameters, norm->gain),
      ituning_parameters_gradient (pass->parameters, norm->bias),
      ituning_buffer_reserve (&pass->stats, 2 * M), dnormed, pass->x.values,
      norm, M, C, pass->language->config.layer_norm_epsilon);
  backward (pass, batch, &(ItuningTextHow){ .scale = 1.0 }, 0, TRUE, NULL, dx);
  embed_backward (pass, batch, NULL, dx);
}
