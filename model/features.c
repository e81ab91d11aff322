/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/features.h"

#include <string.h>

/**
 * ituning_features_new:
 * @vision: the network that will fill them
 * @n_tokens: tokens that it leaves
 *
 * Returns: (transfer full): features whose values are still to be written
 */
ItuningFeatures *
ituning_features_new (const ItuningVision *vision, gsize n_tokens)
{
  ItuningFeatures *self = g_new0 (ItuningFeatures, 1);

  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->lock);
  self->n_tokens = n_tokens;
  self->D = vision->config.hidden_size;
  self->n_embeds = vision->config.projection_dim;
  self->last_hidden_state = g_aligned_alloc (self->n_tokens * self->D,
      sizeof (float), 64);
  if (n_tokens < vision->n_tokens)
    self->log_sizes = g_new0 (float, n_tokens);
  self->image_embeds = g_aligned_alloc (self->n_embeds, sizeof (float), 64);
  return self;
}

/**
 * ituning_features_ref:
 *
 * Returns: (transfer full): @features
 */
ItuningFeatures *
ituning_features_ref (ItuningFeatures *features)
{
  g_return_val_if_fail (features != NULL, NULL);
  g_atomic_ref_count_inc (&features->refs);
  return features;
}

/**
 * ituning_features_unref:
 * @features: (nullable) (transfer full): features
 */
void
ituning_features_unref (ItuningFeatures *features)
{
  if (features == NULL || !g_atomic_ref_count_dec (&features->refs))
    return;
  ituning_memory_unref (features->memory);
  g_aligned_free (features->last_hidden_state);
  g_aligned_free (features->image_embeds);
  g_free (features->log_sizes);
  g_mutex_clear (&features->lock);
  g_free (features);
}

/**
 * ituning_features_get_last_hidden_state:
 *
 * Returns: (transfer none): [num_tokens, hidden_size] all tokens of the last
 *   layer of CLIP's vision transformer, class token first, before the post
 *   layer norm; of a session that was to leave fewer,
 *   [ituning_features_get_n_tokens (), hidden_size]
 */
const float *
ituning_features_get_last_hidden_state (const ItuningFeatures *features)
{
  g_return_val_if_fail (features != NULL, NULL);
  return features->last_hidden_state;
}

/**
 * ituning_features_get_n_tokens:
 *
 * Returns: visual tokens: the model's num_tokens, or what is left of them
 */
gsize
ituning_features_get_n_tokens (const ItuningFeatures *features)
{
  g_return_val_if_fail (features != NULL, 0);
  return features->n_tokens;
}

/**
 * ituning_features_get_image_embeds:
 *
 * Returns: (transfer none): [projection_dim] CLIP's embedding of the image,
 *   not normalised; for a vision tower without projection its pooled output
 */
const float *
ituning_features_get_image_embeds (const ItuningFeatures *features)
{
  g_return_val_if_fail (features != NULL, NULL);
  return features->image_embeds;
}

/**
 * ituning_features_check:
 *
 * Returns: FALSE with %ITUNING_ERROR_MISMATCH when @features come from a vision
 *   tower of another shape than @model's
 */
gboolean
ituning_features_check (const ItuningFeatures *features,
    const ItuningModel *model, GError **error)
{
  const ItuningVision *vision = model->backbone->vision;

  if (features->D == vision->config.hidden_size &&
      features->n_embeds == vision->config.projection_dim &&
      (features->n_tokens == vision->n_tokens || features->log_sizes != NULL))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
      "the features are %zu tokens of %zu and an embedding of %zu, the model "
      "wants %zu of %zu and one of %zu",
      features->n_tokens, features->D, features->n_embeds, vision->n_tokens,
      vision->config.hidden_size, vision->config.projection_dim);
  return FALSE;
}

/**
 * ituning_features_visual_tokens:
 * @model: whose adapter is asked
 * @visual_tokens: [S, D] output: what the adapter attends to
 */
void
ituning_features_visual_tokens (const ItuningFeatures *features,
    const ItuningModel *model, float *visual_tokens)
{
  if (model->adapter != NULL && model->adapter->config.visual_post_layernorm)
    ituning_vision_post_norm (model->backbone->vision, visual_tokens,
        features->last_hidden_state, features->n_tokens);
  else
    memcpy (visual_tokens, features->last_hidden_state,
        features->n_tokens * features->D * sizeof (float));
}

/**
 * ituning_features_get_memory:
 * @model: a model with an adapter
 * @scratch: scratch memory of the caller
 *
 * Computes what the model's adapter makes of the image, unless it is that of
 * the adapter that was asked last.
 *
 * Returns: (transfer full): the keys and values
 */
ItuningMemory *
ituning_features_get_memory (ItuningFeatures *features,
    const ItuningModel *model, ItuningBuffer *scratch)
{
  ItuningMemory *memory;

  g_mutex_lock (&features->lock);
  if (features->memory == NULL || features->memory->adapter != model->adapter) {
    float *tokens = ituning_buffer_reserve (scratch,
        features->n_tokens * features->D);
    ituning_features_visual_tokens (features, model, tokens);
    ituning_memory_unref (features->memory);
    features->memory = ituning_memory_new (model->adapter,
        model->backbone->pool, tokens, features->n_tokens, features->log_sizes,
        features->image_embeds);
  }
  memory = ituning_memory_ref (features->memory);
  g_mutex_unlock (&features->lock);
  return memory;
}
