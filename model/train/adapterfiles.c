/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/adapterfiles.h"

#include "model/train/partfiles.h"
#include "model/train/random.h"

/* Where an adapter in training comes from and goes to: a fresh one, a copy of
 * another, and the folder that it is saved to. */

static void
copy_config (ItuningAdapterConfig *copy, const ItuningAdapterConfig *config)
{
  *copy = *config;
  copy->layers = g_memdup2 (config->layers, config->n_layers * sizeof (guint));
}

/**
 * ituning_adapter_copy:
 * @adapter: an adapter
 * @parameters: (nullable): what its parameters become part of; %NULL for a
 *   frozen copy
 *
 * Returns: (transfer full): an adapter with the same values in memory of its
 *   own, or of @parameters
 */
ItuningAdapter *
ituning_adapter_copy (const ItuningAdapter *adapter,
    ItuningParameters *parameters)
{
  ItuningWeights *weights = ituning_weights_new_copy (adapter->weights);
  ItuningAdapterConfig config;

  copy_config (&config, &adapter->config);
  if (parameters != NULL)
    ituning_parameters_adopt (parameters, weights);
  return ituning_adapter_new (&config, weights, NULL);
}

/* --- a fresh adapter ---------------------------------------------------- */

/* A prefix, and no modules. */
static gboolean
choose_prefix (ItuningAdapterConfig *config, const ItuningVisionConfig *vision,
    const ItuningLanguageConfig *language, const ItuningTrainOptions *options,
    GError **error)
{
  if (options->prefix_length >= language->n_positions) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "a prefix of %u; the language model has %zu positions",
        options->prefix_length, language->n_positions);
    return FALSE;
  }
  *config = (ItuningAdapterConfig){
    .vision_hidden_size = vision->hidden_size,
    .hidden_size = language->n_embd,
    .bottleneck_size = 1,
    .num_heads = 1,
    .scale = 1.0,
    .layers = g_new0 (guint, 1),
    .prefix_length = options->prefix_length,
    .projection_dim = vision->projection_dim,
  };
  return TRUE;
}

static gboolean
choose_config (ItuningAdapterConfig *config, const ItuningVisionConfig *vision,
    const ItuningLanguageConfig *language, const ItuningTrainOptions *options,
    GError **error)
{
  const gsize n_layers = options->top_layers > 0 ? options->top_layers
                                                 : language->n_layer;

  if (n_layers > language->n_layer) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "an adapter for the top %zu layers; the language model has %zu",
        n_layers, language->n_layer);
    return FALSE;
  }
  *config = (ItuningAdapterConfig){
    .vision_hidden_size = vision->hidden_size,
    .hidden_size = language->n_embd,
    .bottleneck_size = options->bottleneck_size > 0 ? options->bottleneck_size
                                                    : language->n_embd / 2,
    .num_heads = options->num_heads,
    .scale = options->scale,
    .n_layers = n_layers,
    .visual_post_layernorm = options->visual_post_layernorm,
  };
  if (config->bottleneck_size % config->num_heads != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "an adapter of %zu cannot have %zu heads", config->bottleneck_size,
        config->num_heads);
    return FALSE;
  }
  config->layers = g_new (guint, n_layers);
  for (gsize i = 0; i < n_layers; i++)
    config->layers[i] = (guint) (language->n_layer - n_layers + i);
  return TRUE;
}

/* Weights are normal with a deviation of 0.02, as GPT-2's; biases and the
 * output are 0, so that the language model begins as it was. */
static void
initialise (const ItuningParameters *parameters, guint first, guint64 seed)
{
  for (guint i = first; i < parameters->list->len; i++) {
    ItuningParameter *parameter = g_ptr_array_index (parameters->list, i);
    const gboolean zero = parameter->n_dims == 1 ||
        g_str_has_suffix (parameter->name, "o_proj.weight");
    ItuningRandom random = ituning_random_new (seed, i);

    for (gsize k = 0; k < parameter->n; k++)
      parameter->values[k] = zero
          ? 0.0f
          : (float) (0.02 * ituning_random_normal (&random));
  }
}

/**
 * ituning_adapter_new_fresh:
 * @vision: the tower whose images it will see
 * @language: the language model that it is for
 * @options: its shape and seed
 * @parameters: what its parameters become part of
 *
 * Returns: (transfer full): an adapter that changes nothing yet; or %NULL with
 *   %ITUNING_ERROR_INPUT
 */
ItuningAdapter *
ituning_adapter_new_fresh (const ItuningVisionConfig *vision,
    const ItuningLanguageConfig *language, const ItuningTrainOptions *options,
    ItuningParameters *parameters, GError **error)
{
  const guint first = parameters->list->len;
  g_auto (ItuningAdapterConfig) config = { 0 };
  ItuningWeights *weights;
  ItuningAdapter *adapter;

  if (options->prefix_length > 0
          ? !choose_prefix (&config, vision, language, options, error)
          : !choose_config (&config, vision, language, options, error))
    return NULL;
  weights = ituning_weights_new_random (0);
  ituning_parameters_adopt (parameters, weights);
  adapter = ituning_adapter_new (&config, weights, error);
  if (adapter != NULL)
    initialise (parameters, first, options->seed);
  return adapter;
}

/**
 * ituning_adapter_save:
 * @folder: see ituning_part_save ()
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
ituning_adapter_save (const ItuningAdapter *adapter, const char *folder,
    GError **error)
{
  return ituning_part_save (folder,
      ituning_adapter_config_to_json (&adapter->config), adapter->weights,
      error);
}
