/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/visionpass.h"

#include <string.h>

/* CLIP's vision transformer (model/vision.h has the formulas) with every
 * weight trained: forward to the image embeddings, and all the way back. */

struct _ItuningVisionPass
{
  const ItuningVision *vision; /* borrowed, as all these */
  const ItuningParameters *parameters;
  ItuningPool *pool;
  gsize n_blocks;
  ItuningBlock *blocks; /* owned: [n_blocks] */
  ItuningBlockState *states; /* owned: [n_blocks] */
  ItuningBlockScratch scratch;
  gsize B;
  gsize *starts; /* owned: [B + 1] */
  ItuningBuffer patches; /* [B N, 3 p p] */
  ItuningBuffer patch_tokens; /* [B N, D] */
  ItuningBuffer tokens; /* [B P, D] before the first norm */
  ItuningBuffer x, dx; /* [B P, D] */
  ItuningBuffer normed, dnormed; /* [B P, D] after the last norm */
  ItuningBuffer pooled, dpooled; /* [B, D] the class tokens of it */
  ItuningBuffer dtokens, stats;
};

/**
 * ituning_vision_pass_new:
 * @vision: a vision tower with a projection, opened on @parameters
 * @parameters: what is trained
 * @pool: the threads to work with
 *
 * All of them must live as long as the pass.
 *
 * Returns: (transfer full): a pass, of one thread
 */
ItuningVisionPass *
ituning_vision_pass_new (const ItuningVision *vision,
    const ItuningParameters *parameters, ItuningPool *pool)
{
  ItuningVisionPass *self = g_new0 (ItuningVisionPass, 1);

  self->vision = vision;
  self->parameters = parameters;
  self->pool = pool;
  self->n_blocks = vision->config.num_hidden_layers;
  self->blocks = g_new (ItuningBlock, self->n_blocks);
  self->states = g_new0 (ItuningBlockState, self->n_blocks);
  for (gsize i = 0; i < self->n_blocks; i++)
    self->blocks[i] = ituning_block_of_vision (vision, i);
  return self;
}

/**
 * ituning_vision_pass_free:
 * @pass: (nullable) (transfer full): a pass
 */
void
ituning_vision_pass_free (ItuningVisionPass *pass)
{
  if (pass == NULL)
    return;
  for (gsize i = 0; i < pass->n_blocks; i++)
    ituning_block_state_clear (&pass->states[i]);
  g_free (pass->blocks);
  g_free (pass->states);
  g_free (pass->starts);
  ituning_block_scratch_clear (&pass->scratch);
  ituning_buffer_clear (&pass->patches);
  ituning_buffer_clear (&pass->patch_tokens);
  ituning_buffer_clear (&pass->tokens);
  ituning_buffer_clear (&pass->x);
  ituning_buffer_clear (&pass->dx);
  ituning_buffer_clear (&pass->normed);
  ituning_buffer_clear (&pass->dnormed);
  ituning_buffer_clear (&pass->pooled);
  ituning_buffer_clear (&pass->dpooled);
  ituning_buffer_clear (&pass->dtokens);
  ituning_buffer_clear (&pass->stats);
  g_free (pass);
}

static ItuningBlockRun
block_run (ItuningVisionPass *self)
{
  return (ItuningBlockRun){ self->pool, self->parameters, &self->scratch,
    self->starts, self->B };
}

static float *
get_gradient (const ItuningVisionPass *self, const float *values)
{
  return ituning_parameters_gradient (self->parameters, values);
}

/* --- forward ------------------------------------------------------------ */

/* pixel_values [B, 3, I, I] -> tokens [B P, D] */
static void
embed (ItuningVisionPass *self, const float *pixel_values)
{
  const ItuningVision *vision = self->vision;
  const ItuningKernels *kernels = ituning_kernels_get ();
  const gsize I = vision->config.image_size, D = vision->config.hidden_size;
  const gsize P = vision->n_tokens, N = P - 1, B = self->B;
  const gsize width = vision->patch_embedding.n_in;
  float *patches = ituning_buffer_reserve (&self->patches, B * N * width);
  float *embedded = ituning_buffer_reserve (&self->patch_tokens, B * N * D);
  float *tokens = ituning_buffer_reserve (&self->tokens, B * P * D);

  for (gsize i = 0; i < B; i++)
    ituning_vision_cut_patches (vision, patches + i * N * width,
        pixel_values + i * 3 * I * I);
  ituning_linear_forward (self->pool, embedded, patches,
      &vision->patch_embedding, B * N, 1.0f, FALSE);
  for (gsize i = 0; i < B; i++) {
    float *image = tokens + i * P * D;
    memcpy (image, vision->class_embedding, D * sizeof (float));
    memcpy (image + D, embedded + i * N * D, N * D * sizeof (float));
    kernels->add (image, vision->position_embeddings, P * D);
  }
}

/**
 * ituning_vision_pass_forward:
 * @embeds: [B, projection_dim] output: image embeddings, not normalised
 * @pixel_values: [B, 3, I, I] images
 * @B: how many
 */
void
ituning_vision_pass_forward (ItuningVisionPass *pass, float *embeds,
    const float *pixel_values, gsize B)
{
  const ItuningVision *vision = pass->vision;
  const gsize D = vision->config.hidden_size, P = vision->n_tokens;
  const double eps = vision->config.layer_norm_eps;
  ItuningBlockRun run;
  float *x = ituning_buffer_reserve (&pass->x, B * P * D);
  float *normed = ituning_buffer_reserve (&pass->normed, B * P * D);
  float *pooled = ituning_buffer_reserve (&pass->pooled, B * D);

  pass->B = B;
  pass->starts = g_renew (gsize, pass->starts, B + 1);
  for (gsize i = 0; i <= B; i++)
    pass->starts[i] = i * P;
  run = block_run (pass);
  embed (pass, pixel_values);
  ituning_layernorm_forward (pass->pool, x, pass->tokens.values,
      &vision->pre_norm, B * P, D, eps);
  for (gsize i = 0; i < pass->n_blocks; i++)
    ituning_block_forward (&pass->blocks[i], &pass->states[i], &run, x);
  ituning_layernorm_forward (pass->pool, normed, x, &vision->post_norm, B * P,
      D, eps);
  for (gsize i = 0; i < B; i++)
    memcpy (pooled + i * D, normed + i * P * D, D * sizeof (float));
  ituning_linear_forward (pass->pool, embeds, pooled, &vision->projection, B,
      1.0f, FALSE);
}

/**
 * ituning_vision_pass_get_tokens:
 *
 * Returns: (transfer none): [B, P, D] the visual tokens of the images, after
 *   the post layer norm; valid until the next forward pass
 */
const float *
ituning_vision_pass_get_tokens (const ItuningVisionPass *pass)
{
  return pass->normed.values;
}

/* --- backward ----------------------------------------------------------- */

static void
norm_backward (ItuningVisionPass *self, float *dx, const float *dy,
    const float *x, const ItuningLayerNorm *norm, gsize n_rows)
{
  ituning_layernorm_backward (self->pool, dx, get_gradient (self, norm->gain),
      get_gradient (self, norm->bias),
      ituning_buffer_reserve (&self->stats, 2 * n_rows), dy, x, norm, n_rows,
      self->vision->config.hidden_size, self->vision->config.layer_norm_eps);
}

/* dembeds [B, projection_dim] and dtokens [B P, D] or NULL -> dx [B P, D] after
 * the last block */
static void
project_backward (ItuningVisionPass *self, const float *dembeds,
    const float *dtokens)
{
  const ItuningVision *vision = self->vision;
  const gsize D = vision->config.hidden_size, P = vision->n_tokens;
  const gsize B = self->B, n = B * P * D;
  float *dpooled = ituning_buffer_reserve (&self->dpooled, B * D);
  float *dnormed = ituning_buffer_reserve (&self->dnormed, n);
  float *dx = ituning_buffer_reserve (&self->dx, n);

  ituning_linear_backward (self->pool, dpooled,
      get_gradient (self, vision->projection.weight.values), NULL, dembeds,
      self->pooled.values, &vision->projection, B, FALSE);
  if (dtokens != NULL)
    memcpy (dnormed, dtokens, n * sizeof (float));
  else
    memset (dnormed, 0, n * sizeof (float));
  for (gsize i = 0; i < B; i++)
    ituning_kernels_get ()->add (dnormed + i * P * D, dpooled + i * D, D);
  memset (dx, 0, n * sizeof (float));
  norm_backward (self, dx, dnormed, self->x.values, &vision->post_norm, B * P);
}

/* dtokens [B P, D] -> the gradients of the embeddings */
static void
embed_backward (ItuningVisionPass *self, const float *dtokens)
{
  const ItuningVision *vision = self->vision;
  const ItuningKernels *kernels = ituning_kernels_get ();
  const gsize D = vision->config.hidden_size, P = vision->n_tokens, N = P - 1;
  float *dclass = get_gradient (self, vision->class_embedding);
  float *dpositions = get_gradient (self, vision->position_embeddings);
  float *dpatches = self->patch_tokens.values; /* not needed any more */

  for (gsize i = 0; i < self->B; i++) {
    const float *image = dtokens + i * P * D;
    kernels->add (dclass, image, D);
    kernels->add (dpositions, image, P * D);
    memcpy (dpatches + i * N * D, image + D, N * D * sizeof (float));
  }
  ituning_linear_backward (self->pool, NULL,
      get_gradient (self, vision->patch_embedding.weight.values), NULL,
      dpatches, self->patches.values, &vision->patch_embedding, self->B * N,
      FALSE);
}

/**
 * ituning_vision_pass_backward:
 * @dembeds: [B, projection_dim] gradient of what the forward pass just gave
 * @dtokens: (nullable): [B, P, D] gradient of ituning_vision_pass_get_tokens ()
 *
 * Adds to the gradients of the parameters.
 */
void
ituning_vision_pass_backward (ItuningVisionPass *pass, const float *dembeds,
    const float *dtokens)
{
  const gsize rows = pass->B * pass->vision->n_tokens;
  const gsize D = pass->vision->config.hidden_size;
  const ItuningBlockRun run = block_run (pass);
  float *dembedded = ituning_buffer_reserve (&pass->dtokens, rows * D);

  project_backward (pass, dembeds, dtokens);
  for (gsize i = pass->n_blocks; i-- > 0;) {
    ituning_block_norm2 (&pass->blocks[i], &pass->states[i], &run);
    ituning_block_backward_mlp (&pass->blocks[i], &pass->states[i], &run,
        pass->dx.values);
    ituning_block_backward_attention (&pass->blocks[i], &pass->states[i], &run,
        pass->dx.values);
  }
  memset (dembedded, 0, rows * D * sizeof (float));
  norm_backward (pass, dembedded, pass->dx.values, pass->tokens.values,
      &pass->vision->pre_norm, rows);
  embed_backward (pass, dembedded);
}
