/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/config.h"

#include "model/configreader.h"
#include "model/ituning.h"
#include "model/json.h"

/* Generous bounds of what a config may ask for; with them no product of two
 * sizes can overflow. */
#define MAX_WIDTH (1u << 20)
#define MAX_INNER (1u << 22)
#define MAX_LAYERS 1024
#define MAX_VOCABULARY (1u << 24)

/* --- vision ------------------------------------------------------------- */

static void
read_vision (ItuningConfigReader *self, ItuningVisionConfig *config)
{
  gsize num_channels = 3;

  ituning_config_read_size (self, "hidden_size", 1, MAX_WIDTH,
      &config->hidden_size);
  ituning_config_read_size (self, "intermediate_size", 1, MAX_WIDTH,
      &config->intermediate_size);
  ituning_config_read_size (self, "num_hidden_layers", 1, MAX_LAYERS,
      &config->num_hidden_layers);
  ituning_config_read_size (self, "num_attention_heads", 1, MAX_WIDTH,
      &config->num_attention_heads);
  ituning_config_read_size (self, "image_size", 1, 1 << 14,
      &config->image_size);
  ituning_config_read_size (self, "patch_size", 1, 1 << 14,
      &config->patch_size);
  ituning_config_read_size (self, "projection_dim", 1, MAX_WIDTH,
      &config->projection_dim);
  ituning_config_read_size (self, "num_channels", 3, 3, &num_channels);
  ituning_config_read_activation (self, "hidden_act", &config->hidden_act);
  ituning_config_read_double (self, "layer_norm_eps", &config->layer_norm_eps);
  ituning_config_check_heads (self, "hidden_size", config->hidden_size,
      config->num_attention_heads);
  ituning_config_check_epsilon (self, "layer_norm_eps", config->layer_norm_eps);
  if (config->patch_size > config->image_size)
    ituning_config_refuse (self, ITUNING_ERROR_FORMAT,
        "\"patch_size\" is larger than \"image_size\"");
}

/* Those of Hugging Face's CLIPVisionConfig. */
static const ItuningVisionConfig vision_defaults = {
  .hidden_size = 768,
  .intermediate_size = 3072,
  .num_hidden_layers = 12,
  .num_attention_heads = 12,
  .image_size = 224,
  .patch_size = 32,
  .projection_dim = 512,
  .hidden_act = ITUNING_ACTIVATION_QUICK_GELU,
  .layer_norm_eps = 1e-5,
};

/**
 * ituning_vision_config_load:
 * @config: (out): the values; absent members take the defaults of Hugging
 *   Face's CLIPVisionConfig
 * @folder: holds `config.json`, of a CLIP vision tower or of a whole CLIP
 *   model, whose `vision_config` then counts
 *
 * Returns: FALSE with %ITUNING_ERROR_OPEN, %ITUNING_ERROR_FORMAT or
 *   %ITUNING_ERROR_UNSUPPORTED
 */
gboolean
ituning_vision_config_load (ItuningVisionConfig *config, const char *folder,
    GError **error)
{
  g_autofree char *path = g_build_filename (folder, "config.json", NULL);
  g_autoptr (JsonNode) root = ituning_json_load (path, error);
  ItuningConfigReader reader = { .path = path, .error = error, .ok = TRUE };
  JsonNode *nested;

  *config = vision_defaults;
  if (root == NULL || !ituning_json_object (root, path, &reader.object, error))
    return FALSE;
  ituning_config_check_type (&reader, "clip_vision_model", "clip");
  nested = json_object_get_member (reader.object, "vision_config");
  if (nested == NULL && reader.ok &&
      g_strcmp0 (json_object_get_string_member_with_default (reader.object,
                     "model_type", NULL),
          "clip") == 0)
    ituning_config_refuse (&reader, ITUNING_ERROR_FORMAT,
        "is of a whole CLIP model, but has no \"vision_config\"");
  if (reader.ok && nested != NULL) {
    JsonObject *whole = reader.object;
    if (!ituning_json_object (nested, path, &reader.object, error))
      return FALSE;
    read_vision (&reader, config);
    /* The whole model's projection is the one that its weights have. */
    reader.object = whole;
    ituning_config_read_size (&reader, "projection_dim", 1, MAX_WIDTH,
        &config->projection_dim);
  } else {
    read_vision (&reader, config);
  }
  return reader.ok;
}

/**
 * ituning_vision_config_unpack:
 * @config: (out): the values
 * @packed: a packed file, which has to have all keys
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT or %ITUNING_ERROR_UNSUPPORTED
 */
gboolean
ituning_vision_config_unpack (ItuningVisionConfig *config,
    const ItuningGguf *packed, GError **error)
{
  ItuningConfigReader reader = { .path = ituning_gguf_get_path (packed),
    .error = error,
    .ok = TRUE,
    .packed = packed,
    .keys = ituning_vision_keys };

  *config = vision_defaults;
  read_vision (&reader, config);
  return reader.ok;
}

/* --- language ----------------------------------------------------------- */

/* Members that would change the result and that are not implemented. */
static void
refuse_unsupported_language (ItuningConfigReader *self)
{
  gboolean cross_attention = FALSE;

  ituning_config_read_boolean (self, "add_cross_attention", &cross_attention);
  if (cross_attention)
    ituning_config_refuse (self, ITUNING_ERROR_UNSUPPORTED,
        "\"add_cross_attention\" is true: a GPT-2 with layers of its own for "
        "an encoder is not supported");
}

/* A token id, or a list of one. */
static void
read_token (ItuningConfigReader *self, const char *member, gsize *value)
{
  JsonNode *node = self->packed == NULL
      ? json_object_get_member (self->object, member)
      : NULL;
  JsonArray *array;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node)) {
    ituning_config_read_size (self, member, 0, MAX_VOCABULARY, value);
    return;
  }
  array = json_node_get_array (node);
  if (json_array_get_length (array) != 1 ||
      json_node_get_value_type (json_array_get_element (array, 0)) !=
          G_TYPE_INT64)
    ituning_config_refuse (self, ITUNING_ERROR_UNSUPPORTED,
        "\"%s\" is a list, but not of one token", member);
  else if (json_array_get_int_element (array, 0) >= 0)
    *value = (gsize) json_array_get_int_element (array, 0);
  else
    ituning_config_refuse (self, ITUNING_ERROR_FORMAT, "\"%s\" is negative",
        member);
}

static void
read_language (ItuningConfigReader *self, ItuningLanguageConfig *config)
{
  /* The other names that Hugging Face's GPT2Config takes for its own. */
  ituning_config_read_size (self, "max_position_embeddings", 1, MAX_WIDTH,
      &config->n_positions);
  ituning_config_read_size (self, "hidden_size", 1, MAX_WIDTH, &config->n_embd);
  ituning_config_read_size (self, "num_hidden_layers", 1, MAX_LAYERS,
      &config->n_layer);
  ituning_config_read_size (self, "num_attention_heads", 1, MAX_WIDTH,
      &config->n_head);
  ituning_config_read_size (self, "vocab_size", 1, MAX_VOCABULARY,
      &config->vocab_size);
  ituning_config_read_size (self, "n_positions", 1, MAX_WIDTH,
      &config->n_positions);
  ituning_config_read_size (self, "n_embd", 1, MAX_WIDTH, &config->n_embd);
  ituning_config_read_size (self, "n_layer", 1, MAX_LAYERS, &config->n_layer);
  ituning_config_read_size (self, "n_head", 1, MAX_WIDTH, &config->n_head);
  config->n_inner = 4 * config->n_embd;
  ituning_config_read_size (self, "n_inner", 1, MAX_INNER, &config->n_inner);
  read_token (self, "bos_token_id", &config->bos_token_id);
  read_token (self, "eos_token_id", &config->eos_token_id);
  ituning_config_read_activation (self, "activation_function",
      &config->activation_function);
  ituning_config_read_double (self, "layer_norm_epsilon",
      &config->layer_norm_epsilon);
  ituning_config_read_boolean (self, "scale_attn_weights",
      &config->scale_attn_weights);
  ituning_config_read_boolean (self, "scale_attn_by_inverse_layer_idx",
      &config->scale_attn_by_inverse_layer_idx);
  ituning_config_read_boolean (self, "tie_word_embeddings",
      &config->tie_word_embeddings);
  refuse_unsupported_language (self);
  ituning_config_check_heads (self, "n_embd", config->n_embd, config->n_head);
  ituning_config_check_epsilon (self, "layer_norm_epsilon",
      config->layer_norm_epsilon);
  if (config->bos_token_id >= config->vocab_size ||
      config->eos_token_id >= config->vocab_size)
    ituning_config_refuse (self, ITUNING_ERROR_FORMAT,
        "\"bos_token_id\" or \"eos_token_id\" is not below \"vocab_size\" "
        "(%" G_GSIZE_FORMAT ")",
        config->vocab_size);
}

/* Those of Hugging Face's GPT2Config. */
static const ItuningLanguageConfig language_defaults = {
  .vocab_size = 50257,
  .n_positions = 1024,
  .n_embd = 768,
  .n_layer = 12,
  .n_head = 12,
  .bos_token_id = 50256,
  .eos_token_id = 50256,
  .activation_function = ITUNING_ACTIVATION_GELU_TANH,
  .layer_norm_epsilon = 1e-5,
  .scale_attn_weights = TRUE,
  .tie_word_embeddings = TRUE,
};

/**
 * ituning_language_config_load:
 * @config: (out): the values; absent members take the defaults of Hugging
 *   Face's GPT2Config
 * @folder: holds `config.json` of a GPT-2
 *
 * Returns: FALSE with %ITUNING_ERROR_OPEN, %ITUNING_ERROR_FORMAT or
 *   %ITUNING_ERROR_UNSUPPORTED
 */
gboolean
ituning_language_config_load (ItuningLanguageConfig *config, const char *folder,
    GError **error)
{
  g_autofree char *path = g_build_filename (folder, "config.json", NULL);
  g_autoptr (JsonNode) root = ituning_json_load (path, error);
  ItuningConfigReader reader = { .path = path, .error = error, .ok = TRUE };

  *config = language_defaults;
  if (root == NULL || !ituning_json_object (root, path, &reader.object, error))
    return FALSE;
  ituning_config_check_type (&reader, "gpt2", NULL);
  read_language (&reader, config);
  return reader.ok;
}

/**
 * ituning_language_config_unpack:
 * @config: (out): the values
 * @packed: a packed file, which has to have all keys
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT or %ITUNING_ERROR_UNSUPPORTED
 */
gboolean
ituning_language_config_unpack (ItuningLanguageConfig *config,
    const ItuningGguf *packed, GError **error)
{
  ItuningConfigReader reader = { .path = ituning_gguf_get_path (packed),
    .error = error,
    .ok = TRUE,
    .packed = packed,
    .keys = ituning_language_keys };

  *config = language_defaults;
  config->tie_word_embeddings = ituning_gguf_lookup (packed, "output.weight") ==
      NULL;
  read_language (&reader, config);
  return reader.ok;
}

/* --- adapter ------------------------------------------------------------ */

/* The numbers of "layers", as yet in any order; negative where they are none. */
static gint64 *
read_layer_numbers (ItuningConfigReader *self, gsize *n)
{
  JsonNode *node = json_object_get_member (self->object, "layers");
  JsonArray *array;
  gint64 *numbers;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node)) {
    ituning_config_refuse (self, ITUNING_ERROR_FORMAT,
        "\"layers\" is not an array");
    return NULL;
  }
  array = json_node_get_array (node);
  if (json_array_get_length (array) > MAX_LAYERS) {
    ituning_config_refuse (self, ITUNING_ERROR_FORMAT,
        "\"layers\" is too long");
    return NULL;
  }
  *n = json_array_get_length (array);
  numbers = g_new (gint64, MAX (*n, 1));
  for (guint i = 0; i < *n; i++) {
    JsonNode *element = json_array_get_element (array, i);
    numbers[i] = json_node_get_value_type (element) == G_TYPE_INT64
        ? json_node_get_int (element)
        : -1;
  }
  return numbers;
}

static gint64 *
unpack_layer_numbers (ItuningConfigReader *self, gsize *n)
{
  g_autofree guint *layers = ituning_gguf_get_uints (self->packed,
      ituning_config_name (self, "layers"), MAX_LAYERS, n, self->error);
  gint64 *numbers;

  if (layers == NULL) {
    self->ok = FALSE;
    return NULL;
  }
  numbers = g_new (gint64, MAX (*n, 1));
  for (gsize i = 0; i < *n; i++)
    numbers[i] = layers[i];
  return numbers;
}

static void
read_layers (ItuningConfigReader *self, ItuningAdapterConfig *config)
{
  g_autofree gint64 *numbers = NULL;
  gsize n = 0;

  if (!self->ok)
    return;
  numbers = self->packed != NULL ? unpack_layer_numbers (self, &n)
                                 : read_layer_numbers (self, &n);
  if (numbers == NULL)
    return;
  config->n_layers = n;
  config->layers = g_new0 (guint, MAX (n, 1));
  for (gsize i = 0; i < n && self->ok; i++) {
    if (numbers[i] >= MAX_LAYERS ||
        numbers[i] <= (i > 0 ? numbers[i - 1] : (gint64) -1))
      ituning_config_refuse (self, ITUNING_ERROR_FORMAT,
          "\"%s\" is not an ascending list of layer numbers",
          ituning_config_name (self, "layers"));
    else
      config->layers[i] = (guint) numbers[i];
  }
}

static void
require (ItuningConfigReader *self, const char *const *members, gsize n_members)
{
  for (gsize i = 0; i < n_members; i++)
    if (!json_object_has_member (self->object, members[i]))
      ituning_config_refuse (self, ITUNING_ERROR_FORMAT, "has no \"%s\"",
          members[i]);
}

/* Adapters without a prefix need not speak of it, in packed files neither. */
static void
read_prefix (ItuningConfigReader *self, ItuningAdapterConfig *config)
{
  if (self->packed != NULL &&
      ituning_gguf_find (self->packed,
          ituning_config_name (self, "prefix_length")) == NULL)
    return;
  ituning_config_read_size (self, "prefix_length", 0, MAX_WIDTH,
      &config->prefix_length);
  if (config->prefix_length > 0)
    ituning_config_read_size (self, "projection_dim", 1, MAX_WIDTH,
        &config->projection_dim);
  if (self->ok && config->prefix_length > 0 && config->projection_dim == 0)
    ituning_config_refuse (self, ITUNING_ERROR_FORMAT, "has no \"%s\"",
        ituning_config_name (self, "projection_dim"));
}

static void
read_adapter (ItuningConfigReader *self, ItuningAdapterConfig *config)
{
  ituning_config_read_size (self, "vision_hidden_size", 1, MAX_WIDTH,
      &config->vision_hidden_size);
  ituning_config_read_size (self, "hidden_size", 1, MAX_WIDTH,
      &config->hidden_size);
  ituning_config_read_size (self, "bottleneck_size", 1, MAX_WIDTH,
      &config->bottleneck_size);
  ituning_config_read_size (self, "num_heads", 1, MAX_WIDTH,
      &config->num_heads);
  ituning_config_read_double (self, "scale", &config->scale);
  ituning_config_read_boolean (self, "visual_post_layernorm",
      &config->visual_post_layernorm);
  read_prefix (self, config);
  read_layers (self, config);
  if (self->ok)
    ituning_config_check_heads (self, "bottleneck_size",
        config->bottleneck_size, config->num_heads);
  if (!(config->scale >= -1e6 && config->scale <= 1e6))
    ituning_config_refuse (self, ITUNING_ERROR_FORMAT, "\"%s\" is out of range",
        ituning_config_name (self, "scale"));
}

/**
 * ituning_adapter_config_load:
 * @config: (out): the values; clear it also after a failure
 * @folder: holds `config.json` of an I-Tuning adapter
 *
 * Returns: FALSE with %ITUNING_ERROR_OPEN, %ITUNING_ERROR_FORMAT or
 *   %ITUNING_ERROR_UNSUPPORTED
 */
gboolean
ituning_adapter_config_load (ItuningAdapterConfig *config, const char *folder,
    GError **error)
{
  static const char *const required[] = { "model_type", "vision_hidden_size",
    "hidden_size", "bottleneck_size", "num_heads" };
  g_autofree char *path = g_build_filename (folder, "config.json", NULL);
  g_autoptr (JsonNode) root = ituning_json_load (path, error);
  ItuningConfigReader reader = { .path = path, .error = error, .ok = TRUE };

  *config = (ItuningAdapterConfig){ .scale = 1.0 };
  if (root == NULL || !ituning_json_object (root, path, &reader.object, error))
    return FALSE;
  require (&reader, required, G_N_ELEMENTS (required));
  ituning_config_check_type (&reader, "ituning", NULL);
  read_adapter (&reader, config);
  return reader.ok;
}

/**
 * ituning_adapter_config_unpack:
 * @config: (out): the values; clear it also after a failure
 * @packed: a packed file, which has to have all keys
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT
 */
gboolean
ituning_adapter_config_unpack (ItuningAdapterConfig *config,
    const ItuningGguf *packed, GError **error)
{
  ItuningConfigReader reader = { .path = ituning_gguf_get_path (packed),
    .error = error,
    .ok = TRUE,
    .packed = packed,
    .keys = ituning_adapter_keys };

  *config = (ItuningAdapterConfig){ .scale = 1.0 };
  read_adapter (&reader, config);
  return reader.ok;
}

/**
 * ituning_adapter_config_clear:
 * @config: a config, loaded or zeroed; its list is freed
 */
void
ituning_adapter_config_clear (ItuningAdapterConfig *config)
{
  g_clear_pointer (&config->layers, g_free);
  config->n_layers = 0;
}
