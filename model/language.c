/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/language.h"

#include <math.h>

static void
take_layer (ItuningLanguage *self, const char *root, gsize index)
{
  const ItuningLanguageConfig *config = &self->config;
  const gsize C = config->n_embd, E = C / config->n_head;
  ItuningWeights *weights = self->weights;
  ItuningLanguageLayer *layer = &self->layers[index];
  g_autofree char *prefix = g_strdup_printf ("%sh.%" G_GSIZE_FORMAT ".", root,
      index);

  ituning_weights_set_prefix (weights, prefix);
  layer->norm1 = ituning_layernorm_take (weights, C, "ln_1");
  layer->qkv = ituning_conv1d_take (weights, 3 * C, C, "attn.c_attn");
  layer->out = ituning_conv1d_take (weights, C, C, "attn.c_proj");
  layer->norm2 = ituning_layernorm_take (weights, C, "ln_2");
  layer->fc = ituning_conv1d_take (weights, config->n_inner, C, "mlp.c_fc");
  layer->fc.activation = config->activation_function;
  layer->proj = ituning_conv1d_take (weights, C, config->n_inner, "mlp.c_proj");
  layer->attention_scale = 1.0f;
  if (config->scale_attn_weights)
    layer->attention_scale /= sqrtf ((float) E);
  if (config->scale_attn_by_inverse_layer_idx)
    layer->attention_scale /= (float) (index + 1);
}

/* Checkpoints of a bare GPT2Model have no "transformer." before the names. */
static const char *
find_root (ItuningWeights *weights)
{
  return ituning_weights_has (weights, "transformer.wte.weight")
      ? "transformer."
      : "";
}

static void
refuse_more_layers (ItuningLanguage *self, const char *root)
{
  g_autofree char *name = g_strdup_printf ("h.%" G_GSIZE_FORMAT ".ln_1.weight",
      self->config.n_layer);

  ituning_weights_set_prefix (self->weights, root);
  ituning_weights_refuse (self->weights, name);
}

static void
take_head (ItuningLanguage *self)
{
  const gsize C = self->config.n_embd, V = self->config.vocab_size;

  self->head = (ItuningLinear){ .weight = self->token_embeddings,
    .n_in = C,
    .n_out = V };
  ituning_weights_set_prefix (self->weights, "");
  if (!self->config.tie_word_embeddings)
    self->head.weight = ituning_weights_take_matrix (self->weights, V, C,
        "lm_head.weight");
}

/**
 * ituning_language_new:
 * @config: its config
 * @weights: (transfer full): its weights, taken also when the call fails
 *
 * Returns: (transfer full): the language model; or %NULL with the errors of
 *   ituning_weights_finish ()
 */
ItuningLanguage *
ituning_language_new (const ItuningLanguageConfig *config,
    ItuningWeights *weights, GError **error)
{
  g_autoptr (ItuningLanguage) self = g_new0 (ItuningLanguage, 1);
  const char *root = find_root (weights);
  const gsize C = config->n_embd;

  self->config = *config;
  self->weights = weights;
  self->layers = g_new0 (ItuningLanguageLayer, config->n_layer);
  ituning_weights_set_prefix (weights, root);
  self->token_embeddings = ituning_weights_take_matrix (weights,
      config->vocab_size, C, "wte.weight");
  self->position_embeddings = ituning_weights_take (weights,
      ITUNING_SHAPE (config->n_positions, C), "wpe.weight");
  self->final_norm = ituning_layernorm_take (weights, C, "ln_f");
  for (gsize i = 0; i < config->n_layer; i++)
    take_layer (self, root, i);
  refuse_more_layers (self, root);
  take_head (self);
  if (!ituning_weights_finish (weights, &self->info, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * ituning_language_open:
 * @folder: a GPT-2 as downloaded
 * @pool: (nullable): the threads to read weights with
 *
 * Returns: (transfer full): the language model; or %NULL with the errors of
 *   the config and the weights
 */
ItuningLanguage *
ituning_language_open (const char *folder, ItuningPool *pool, GError **error)
{
  ItuningLanguageConfig config;
  ItuningWeights *weights;

  if (!ituning_language_config_load (&config, folder, error))
    return NULL;
  weights = ituning_weights_open (folder, error);
  if (weights == NULL)
    return NULL;
  ituning_weights_set_pool (weights, pool);
  return ituning_language_new (&config, weights, error);
}

/**
 * ituning_language_new_packed:
 * @packed: a packed model
 * @pool: (nullable): the threads to read weights with
 *
 * Returns: (transfer full): its language model; or %NULL with the errors of the config
 *   and the weights
 */
ItuningLanguage *
ituning_language_new_packed (ItuningGguf *packed, ItuningPool *pool,
    GError **error)
{
  ItuningLanguageConfig config;
  ItuningWeights *weights;

  if (!ituning_language_config_unpack (&config, packed, error))
    return NULL;
  weights = ituning_weights_new_packed (packed);
  ituning_weights_set_pool (weights, pool);
  return ituning_language_new (&config, weights, error);
}

/**
 * ituning_language_embed:
 * @language: a language model
 * @x: [C] output: the token's embedding
 * @id: below the vocabulary's size
 */
void
ituning_language_embed (const ItuningLanguage *language, float *x, guint32 id)
{
  ituning_matrix_get_row (x, &language->token_embeddings,
      language->config.n_embd, id);
}

/**
 * ituning_language_free:
 * @language: (nullable) (transfer full): a language model
 */
void
ituning_language_free (ItuningLanguage *language)
{
  if (language == NULL)
    return;
  ituning_weights_free (language->weights);
  g_free (language->layers);
  g_free (language);
}
