/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/vision.h"

#include <math.h>
#include <string.h>

#include "model/attention.h"

/* Images that go through the layers together. */
#define MAX_BATCH 4

/* --- opening ------------------------------------------------------------ */

static void
take_layer (ItuningVision *self, ItuningWeights *weights, gsize index)
{
  const gsize D = self->config.hidden_size;
  const gsize inner = self->config.intermediate_size;
  ItuningVisionLayer *layer = &self->layers[index];
  g_autofree char *prefix =
      g_strdup_printf ("vision_model.encoder.layers.%" G_GSIZE_FORMAT ".",
          index);

  ituning_weights_set_prefix (weights, prefix);
  layer->norm1 = ituning_layernorm_take (weights, D, "layer_norm1");
  layer->norm2 = ituning_layernorm_take (weights, D, "layer_norm2");
  layer->q = ituning_linear_take (weights, D, D, "self_attn.q_proj");
  layer->k = ituning_linear_take (weights, D, D, "self_attn.k_proj");
  layer->v = ituning_linear_take (weights, D, D, "self_attn.v_proj");
  layer->out = ituning_linear_take (weights, D, D, "self_attn.out_proj");
  layer->fc1 = ituning_linear_take (weights, inner, D, "mlp.fc1");
  layer->fc1.activation = self->config.hidden_act;
  layer->fc2 = ituning_linear_take (weights, D, inner, "mlp.fc2");
}

static void
refuse_more_layers (const ItuningVision *self, ItuningWeights *weights)
{
  g_autofree char *name = g_strdup_printf ("encoder.layers.%" G_GSIZE_FORMAT
                                           ".layer_norm1.weight",
      self->config.num_hidden_layers);

  ituning_weights_set_prefix (weights, "vision_model.");
  ituning_weights_refuse (weights, name);
}

static void
take_embeddings (ItuningVision *self, ItuningWeights *weights)
{
  const gsize D = self->config.hidden_size, p = self->config.patch_size;

  ituning_weights_set_prefix (weights, "vision_model.");
  self->class_embedding = ituning_weights_take (weights, ITUNING_SHAPE (D),
      "embeddings.class_embedding");
  self->patch_embedding = (ItuningLinear){
    .weight.values = ituning_weights_take (weights, ITUNING_SHAPE (D, 3, p, p),
        "embeddings.patch_embedding.weight"),
    .n_in = 3 * p * p,
    .n_out = D,
  };
  self->position_embeddings = ituning_weights_take (weights,
      ITUNING_SHAPE (self->n_tokens, D),
      "embeddings.position_embedding.weight");
  /* The misspelling is Hugging Face's. */
  self->pre_norm = ituning_layernorm_take (weights, D, "pre_layrnorm");
  self->post_norm = ituning_layernorm_take (weights, D, "post_layernorm");
}

/* A tower without a projection is used with the identity in its place. */
static void
take_projection (ItuningVision *self, ItuningWeights *weights)
{
  const gsize D = self->config.hidden_size;

  ituning_weights_set_prefix (weights, "");
  if (!ituning_weights_has (weights, "visual_projection.weight")) {
    self->config.projection_dim = D;
    return;
  }
  self->projection = (ItuningLinear){
    .n_in = D,
    .n_out = self->config.projection_dim,
  };
  self->projection.weight = ituning_weights_take_matrix (weights,
      self->projection.n_out, D, "visual_projection.weight");
}

/**
 * ituning_vision_new:
 * @config: its config
 * @weights: (transfer full): its weights, taken also when the call fails
 *
 * Returns: (transfer full): the vision tower; or %NULL with the errors of
 *   ituning_weights_finish ()
 */
ItuningVision *
ituning_vision_new (const ItuningVisionConfig *config, ItuningWeights *weights,
    GError **error)
{
  g_autoptr (ItuningVision) self = g_new0 (ItuningVision, 1);
  const gsize side = config->image_size / config->patch_size;

  self->config = *config;
  self->weights = weights;
  self->n_tokens = side * side + 1;
  self->layers = g_new0 (ItuningVisionLayer, config->num_hidden_layers);
  take_embeddings (self, weights);
  for (gsize i = 0; i < config->num_hidden_layers; i++)
    take_layer (self, weights, i);
  refuse_more_layers (self, weights);
  take_projection (self, weights);
  if (!ituning_weights_finish (weights, &self->info, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * ituning_vision_open:
 * @folder: a CLIP model or its vision tower alone, as downloaded
 * @pool: (nullable): the threads to read weights with
 *
 * Returns: (transfer full): the vision tower; or %NULL with the errors of the
 *   config and the weights
 */
ItuningVision *
ituning_vision_open (const char *folder, ItuningPool *pool, GError **error)
{
  ItuningVisionConfig config;
  ItuningWeights *weights;

  if (!ituning_vision_config_load (&config, folder, error))
    return NULL;
  weights = ituning_weights_open (folder, error);
  if (weights == NULL)
    return NULL;
  ituning_weights_set_pool (weights, pool);
  return ituning_vision_new (&config, weights, error);
}

/**
 * ituning_vision_new_packed:
 * @packed: a packed model
 * @pool: (nullable): the threads to read weights with
 *
 * Returns: (transfer full): its vision tower; or %NULL with the errors of the config
 *   and the weights
 */
ItuningVision *
ituning_vision_new_packed (ItuningGguf *packed, ItuningPool *pool,
    GError **error)
{
  ItuningVisionConfig config;
  ItuningWeights *weights;

  if (!ituning_vision_config_unpack (&config, packed, error))
    return NULL;
  weights = ituning_weights_new_packed (packed);
  ituning_weights_set_pool (weights, pool);
  return ituning_vision_new (&config, weights, error);
}

/**
 * ituning_vision_free:
 * @vision: (nullable) (transfer full): a vision tower
 */
void
ituning_vision_free (ItuningVision *vision)
{
  if (vision == NULL)
    return;
  ituning_weights_free (vision->weights);
  g_free (vision->layers);
  g_free (vision);
}

/**
 * ituning_vision_scratch_clear:
 * @scratch: scratch memory to give back
 */
void
ituning_vision_scratch_clear (ItuningVisionScratch *scratch)
{
  ituning_buffer_clear (&scratch->normed);
  ituning_buffer_clear (&scratch->q);
  ituning_buffer_clear (&scratch->k);
  ituning_buffer_clear (&scratch->v);
  ituning_buffer_clear (&scratch->attended);
  ituning_buffer_clear (&scratch->inner);
  ituning_buffer_clear (&scratch->scores);
  ituning_buffer_clear (&scratch->tokens);
  ituning_buffer_clear (&scratch->sizes);
  ituning_buffer_clear (&scratch->log_sizes);
  ituning_tokenmerge_scratch_clear (&scratch->merge);
}

/* --- forward ------------------------------------------------------------ */

/**
 * ituning_vision_cut_patches:
 * @patches: [N, 3 p p] output: each patch as the convolution reads it
 * @pixels: [3, I, I] an image
 *
 * Pixels right of and below the last whole patch are not seen.
 */
void
ituning_vision_cut_patches (const ItuningVision *vision, float *patches,
    const float *pixels)
{
  const gsize I = vision->config.image_size, p = vision->config.patch_size;
  const gsize side = I / p;

  for (gsize row = 0; row < side; row++)
    for (gsize column = 0; column < side; column++)
      for (gsize channel = 0; channel < 3; channel++)
        for (gsize y = 0; y < p; y++, patches += p)
          memcpy (patches,
              pixels + (channel * I + row * p + y) * I + column * p,
              p * sizeof (float));
}

/* pixels [B, 3, I, I] -> x [B, P, D] */
static void
embed (const ItuningVision *self, ItuningVisionScratch *scratch,
    ItuningPool *pool, float *x, const float *pixels, gsize B)
{
  const gsize I = self->config.image_size, D = self->config.hidden_size;
  const gsize P = self->n_tokens, N = P - 1;
  const gsize width = self->patch_embedding.n_in;
  const ItuningKernels *kernels = ituning_kernels_get ();
  float *patches = ituning_buffer_reserve (&scratch->inner, N * width);

  for (gsize image = 0; image < B; image++) {
    float *tokens = x + image * P * D;
    ituning_vision_cut_patches (self, patches, pixels + image * 3 * I * I);
    memcpy (tokens, self->class_embedding, D * sizeof (float));
    ituning_linear_forward (pool, tokens + D, patches, &self->patch_embedding,
        N, 1.0f, FALSE);
    kernels->add (tokens, self->position_embeddings, P * D);
  }
  ituning_layernorm_forward (pool, x, x, &self->pre_norm, B * P, D,
      self->config.layer_norm_eps);
}

/* x [B, P, D] += Attn (LN1 (x)); with @log_sizes [B, P] of merged tokens */
static void
add_attention (const ItuningVision *self, const ItuningVisionLayer *layer,
    ItuningVisionScratch *scratch, ItuningPool *pool, float *x,
    const float *log_sizes, gsize B, gsize P)
{
  const gsize D = self->config.hidden_size, rows = B * P;
  float *normed = ituning_buffer_reserve (&scratch->normed, rows * D);
  float *q = ituning_buffer_reserve (&scratch->q, rows * D);
  float *k = ituning_buffer_reserve (&scratch->k, rows * D);
  float *v = ituning_buffer_reserve (&scratch->v, rows * D);
  float *attended = ituning_buffer_reserve (&scratch->attended, rows * D);
  const gsize E = D / self->config.num_attention_heads;
  const ItuningAttention attention = {
    .n_sequences = B,
    .n_queries = P,
    .n_keys = P,
    .key_bias = log_sizes,
    .n_heads = self->config.num_attention_heads,
    .head_size = E,
    .q_stride = D,
    .kv_stride = D,
    .out_stride = D,
    .scale = 1.0f / sqrtf ((float) E),
  };

  ituning_layernorm_forward (pool, normed, x, &layer->norm1, rows, D,
      self->config.layer_norm_eps);
  ituning_linear_forward (pool, q, normed, &layer->q, rows, 1.0f, FALSE);
  ituning_linear_forward (pool, k, normed, &layer->k, rows, 1.0f, FALSE);
  ituning_linear_forward (pool, v, normed, &layer->v, rows, 1.0f, FALSE);
  ituning_attention_forward (pool, &scratch->scores, attended, q, k, v,
      &attention);
  ituning_linear_forward (pool, x, attended, &layer->out, rows, 1.0f, TRUE);
}

/* x [rows, D] += MLP (LN2 (x)) */
static void
add_mlp (const ItuningVision *self, const ItuningVisionLayer *layer,
    ItuningVisionScratch *scratch, ItuningPool *pool, float *x, gsize rows)
{
  const gsize D = self->config.hidden_size;
  float *normed = ituning_buffer_reserve (&scratch->normed, rows * D);
  float *inner = ituning_buffer_reserve (&scratch->inner,
      rows * self->config.intermediate_size);

  ituning_layernorm_forward (pool, normed, x, &layer->norm2, rows, D,
      self->config.layer_norm_eps);
  ituning_linear_forward (pool, inner, normed, &layer->fc1, rows, 1.0f, FALSE);
  ituning_linear_forward (pool, x, inner, &layer->fc2, rows, 1.0f, TRUE);
}

/**
 * ituning_vision_project:
 * @vision: the network
 * @scratch: the caller's scratch memory
 * @pool: the threads to work with
 * @embeds: [B, projection_dim] output: CLIP's image embedding, not normalised;
 *   the normed class token of a tower without projection
 * @hidden: [B, P, D] all tokens of the last layer
 * @B: images
 * @P: tokens of each
 */
void
ituning_vision_project (const ItuningVision *vision,
    ItuningVisionScratch *scratch, ItuningPool *pool, float *embeds,
    const float *hidden, gsize B, gsize P)
{
  const gsize D = vision->config.hidden_size;
  const gboolean identity = vision->projection.n_out == 0;
  float *pooled = identity ? embeds
                           : ituning_buffer_reserve (&scratch->normed, B * D);

  for (gsize image = 0; image < B; image++)
    ituning_layernorm_forward (pool, pooled + image * D, hidden + image * P * D,
        &vision->post_norm, 1, D, vision->config.layer_norm_eps);
  if (!identity)
    ituning_linear_forward (pool, embeds, pooled, &vision->projection, B, 1.0f,
        FALSE);
}

/* All of log_sizes [n]. */
static void
take_logs (float *log_sizes, const float *sizes, gsize n)
{
  for (gsize i = 0; i < n; i++)
    log_sizes[i] = logf (sizes[i]);
}

/* The layers, on x [B, n_tokens, D], of which [B, n_keep, D] are left. */
static gboolean
run_layers (const ItuningVision *self, ItuningVisionScratch *scratch,
    ItuningPool *pool, float *x, float *log_sizes, gsize B, gsize n_keep,
    GCancellable *cancellable, GError **error)
{
  const gsize n_layers = self->config.num_hidden_layers;
  float *sizes = ituning_buffer_reserve (&scratch->sizes, B * self->n_tokens);
  gsize P = self->n_tokens;

  for (gsize i = 0; i < B * P; i++)
    sizes[i] = 1.0f;
  for (gsize i = 0; i < n_layers; i++) {
    const gsize left = ituning_tokenmerge_plan (self->n_tokens, n_keep,
        n_layers, i);
    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    add_attention (self, &self->layers[i], scratch, pool, x,
        P < self->n_tokens ? log_sizes : NULL, B, P);
    if (left < P) {
      ituning_tokenmerge_run (pool, &scratch->merge, x, sizes,
          scratch->k.values, B, P, left, self->config.hidden_size,
          self->config.num_attention_heads);
      take_logs (log_sizes, sizes, B * left);
      P = left;
    }
    add_mlp (self, &self->layers[i], scratch, pool, x, B * P);
  }
  return TRUE;
}

static gboolean
forward_batch (const ItuningVision *self, ItuningVisionScratch *scratch,
    ItuningPool *pool, float *hidden, float *log_sizes, float *embeds,
    const float *pixels, gsize B, gsize n_keep, GCancellable *cancellable,
    GError **error)
{
  const ItuningKernels *kernels = ituning_kernels_get ();
  const gsize D = self->config.hidden_size, P = self->n_tokens;
  const gboolean all = n_keep == P;
  float *x = all ? hidden
                 : ituning_buffer_reserve (&scratch->tokens, B * P * D);
  float *logs = all ? NULL
                    : ituning_buffer_reserve (&scratch->log_sizes, B * P);

  embed (self, scratch, pool, x, pixels, B);
  if (!run_layers (self, scratch, pool, x, logs, B, n_keep, cancellable, error))
    return FALSE;
  if (!all) {
    g_assert (log_sizes != NULL);
    memcpy (hidden, x, B * n_keep * D * sizeof (float));
    memcpy (log_sizes, logs, B * n_keep * sizeof (float));
  }
  ituning_vision_project (self, scratch, pool, embeds, hidden, B, n_keep);
  if (!kernels->all_finite (hidden, B * n_keep * D) ||
      !kernels->all_finite (embeds, B * self->config.projection_dim)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_NUMERIC,
        "vision encoder: the result is not finite; are the weights whole?");
    return FALSE;
  }
  return TRUE;
}

/**
 * ituning_vision_clamp_tokens:
 * @n_tokens: tokens that are to be left of an image; 0 for all
 *
 * Returns: the number nearest to it that the layers can come to
 */
gsize
ituning_vision_clamp_tokens (const ItuningVision *vision, gsize n_tokens)
{
  const gsize P = vision->n_tokens;

  return n_tokens == 0
      ? P
      : CLAMP (n_tokens,
            ituning_tokenmerge_min_tokens (P, vision->config.num_hidden_layers),
            P);
}

/**
 * ituning_vision_forward:
 * @vision: the network
 * @scratch: the caller's scratch memory
 * @pool: the threads to work with
 * @hidden: [B, n_keep, D] output: all tokens of the last layer, before the post
 *   layer norm
 * @log_sizes: [B, n_keep] output: the logarithm of how many tokens each stands
 *   for; left alone, and may be %NULL, when @n_keep is all
 * @embeds: [B, projection_dim] output: CLIP's image embedding, not normalised;
 *   the normed class token of a tower without projection
 * @pixel_values: [B, 3, I, I] preprocessed images
 * @B: images
 * @n_keep: tokens to be left of an image, as ituning_vision_clamp_tokens ()
 *   has it
 * @cancellable: (nullable): looked at before each layer
 *
 * Returns: FALSE with %ITUNING_ERROR_NUMERIC or %G_IO_ERROR_CANCELLED
 */
gboolean
ituning_vision_forward (const ItuningVision *vision,
    ItuningVisionScratch *scratch, ItuningPool *pool, float *hidden,
    float *log_sizes, float *embeds, const float *pixel_values, gsize B,
    gsize n_keep, GCancellable *cancellable, GError **error)
{
  const gsize D = vision->config.hidden_size;
  const gsize I = vision->config.image_size;

  for (gsize first = 0; first < B; first += MAX_BATCH) {
    if (!forward_batch (vision, scratch, pool, hidden + first * n_keep * D,
            log_sizes != NULL ? log_sizes + first * n_keep : NULL,
            embeds + first * vision->config.projection_dim,
            pixel_values + first * 3 * I * I, MIN (MAX_BATCH, B - first),
            n_keep, cancellable, error))
      return FALSE;
  }
  return TRUE;
}

/**
 * ituning_vision_post_norm:
 * @y: [n_tokens, D] output; may be @x itself
 * @x: [n_tokens, D] tokens of the last layer
 *
 * Applies CLIP's post layer norm, which CLIP itself applies to the class token
 * alone, to all tokens.
 */
void
ituning_vision_post_norm (const ItuningVision *vision, float *y, const float *x,
    gsize n_tokens)
{
  ituning_layernorm_forward (NULL, y, x, &vision->post_norm, n_tokens,
      vision->config.hidden_size, vision->config.layer_norm_eps);
}
