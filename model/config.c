/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/config.h"

#include "model/ituning.h"
#include "model/json.h"

/* Generous bounds of what a config may ask for; with them no product of two
 * sizes can overflow. */
#define MAX_WIDTH (1u << 20)
#define MAX_INNER (1u << 22)
#define MAX_LAYERS 1024
#define MAX_VOCABULARY (1u << 24)

static const struct
{
  const char *name;
  ItuningActivation activation;
} activations[] = {
  { "quick_gelu", ITUNING_ACTIVATION_QUICK_GELU },
  { "gelu", ITUNING_ACTIVATION_GELU },
  { "gelu_new", ITUNING_ACTIVATION_GELU_TANH },
  { "gelu_pytorch_tanh", ITUNING_ACTIVATION_GELU_TANH },
  { "relu", ITUNING_ACTIVATION_RELU },
};

/**
 * ituning_activation_get_name:
 *
 * Returns: the first name that configs have for it
 */
const char *
ituning_activation_get_name (ItuningActivation activation)
{
  for (gsize i = 0; i < G_N_ELEMENTS (activations); i++)
    if (activations[i].activation == activation)
      return activations[i].name;
  return "none";
}

/* A config being read: the first failure is kept, what follows does nothing,
 * so that the fields can be listed one below the other. */
typedef struct
{
  const char *path;
  JsonObject *object;
  GError **error;
  gboolean ok;
} Reader;

static void refuse (Reader *self, ItuningError code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

static void
refuse (Reader *self, ItuningError code, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  if (!self->ok)
    return;
  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (self->error, ITUNING_ERROR, (int) code, "%s: %s", self->path,
      what);
  self->ok = FALSE;
}

static void
read_size (Reader *self, const char *member, gsize min, gsize max, gsize *value)
{
  if (self->ok)
    self->ok = ituning_json_get_size (self->object, self->path, member, min,
        max, value, self->error);
}

static void
read_double (Reader *self, const char *member, double *value)
{
  if (self->ok)
    self->ok = ituning_json_get_double (self->object, self->path, member, value,
        self->error);
}

static void
read_boolean (Reader *self, const char *member, gboolean *value)
{
  if (self->ok)
    self->ok = ituning_json_get_boolean (self->object, self->path, member,
        value, self->error);
}

static void
read_activation (Reader *self, const char *member, ItuningActivation *value)
{
  const char *name = NULL;

  if (!self->ok ||
      !(self->ok = ituning_json_get_string (self->object, self->path, member,
            &name, self->error)) ||
      name == NULL)
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (activations); i++) {
    if (g_str_equal (activations[i].name, name)) {
      *value = activations[i].activation;
      return;
    }
  }
  refuse (self, ITUNING_ERROR_UNSUPPORTED,
      "\"%s\" is \"%s\"; known are quick_gelu, gelu, gelu_new, "
      "gelu_pytorch_tanh and relu",
      member, name);
}

static void
check_model_type (Reader *self, const char *first, const char *second)
{
  const char *type = NULL;

  if (!self->ok ||
      !(self->ok = ituning_json_get_string (self->object, self->path,
            "model_type", &type, self->error)) ||
      type == NULL)
    return;
  if (g_strcmp0 (type, first) != 0 && g_strcmp0 (type, second) != 0)
    refuse (self, ITUNING_ERROR_UNSUPPORTED,
        "\"model_type\" is \"%s\", wanted \"%s\"", type, first);
}

static void
check_heads (Reader *self, const char *width_name, gsize width, gsize heads)
{
  if (width % heads != 0)
    refuse (self, ITUNING_ERROR_FORMAT,
        "\"%s\" (%" G_GSIZE_FORMAT
        ") is not a multiple of the number of heads (%" G_GSIZE_FORMAT ")",
        width_name, width, heads);
}

static void
check_epsilon (Reader *self, const char *member, double value)
{
  if (!(value > 0.0 && value < 1.0))
    refuse (self, ITUNING_ERROR_FORMAT, "\"%s\" is %g, not between 0 and 1",
        member, value);
}

/* --- vision ------------------------------------------------------------- */

static void
read_vision (Reader *self, ItuningVisionConfig *config)
{
  gsize num_channels = 3;

  read_size (self, "hidden_size", 1, MAX_WIDTH, &config->hidden_size);
  read_size (self, "intermediate_size", 1, MAX_WIDTH,
      &config->intermediate_size);
  read_size (self, "num_hidden_layers", 1, MAX_LAYERS,
      &config->num_hidden_layers);
  read_size (self, "num_attention_heads", 1, MAX_WIDTH,
      &config->num_attention_heads);
  read_size (self, "image_size", 1, 1 << 14, &config->image_size);
  read_size (self, "patch_size", 1, 1 << 14, &config->patch_size);
  read_size (self, "projection_dim", 1, MAX_WIDTH, &config->projection_dim);
  read_size (self, "num_channels", 3, 3, &num_channels);
  read_activation (self, "hidden_act", &config->hidden_act);
  read_double (self, "layer_norm_eps", &config->layer_norm_eps);
  check_heads (self, "hidden_size", config->hidden_size,
      config->num_attention_heads);
  check_epsilon (self, "layer_norm_eps", config->layer_norm_eps);
  if (config->patch_size > config->image_size)
    refuse (self, ITUNING_ERROR_FORMAT,
        "\"patch_size\" is larger than \"image_size\"");
}

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
  Reader reader = { path, NULL, error, TRUE };
  JsonNode *nested;

  *config = (ItuningVisionConfig){
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
  if (root == NULL || !ituning_json_object (root, path, &reader.object, error))
    return FALSE;
  check_model_type (&reader, "clip_vision_model", "clip");
  nested = json_object_get_member (reader.object, "vision_config");
  if (nested == NULL && reader.ok &&
      g_strcmp0 (json_object_get_string_member_with_default (reader.object,
                     "model_type", NULL),
          "clip") == 0)
    refuse (&reader, ITUNING_ERROR_FORMAT,
        "is of a whole CLIP model, but has no \"vision_config\"");
  if (reader.ok && nested != NULL) {
    JsonObject *whole = reader.object;
    if (!ituning_json_object (nested, path, &reader.object, error))
      return FALSE;
    read_vision (&reader, config);
    /* The whole model's projection is the one that its weights have. */
    reader.object = whole;
    read_size (&reader, "projection_dim", 1, MAX_WIDTH,
        &config->projection_dim);
  } else {
    read_vision (&reader, config);
  }
  return reader.ok;
}

/* --- language ----------------------------------------------------------- */

/* Members that would change the result and that are not implemented. */
static void
refuse_unsupported_language (Reader *self)
{
  gboolean cross_attention = FALSE;

  read_boolean (self, "add_cross_attention", &cross_attention);
  if (cross_attention)
    refuse (self, ITUNING_ERROR_UNSUPPORTED,
        "\"add_cross_attention\" is true: a GPT-2 with layers of its own for "
        "an encoder is not supported");
}

/* A token id, or a list of one. */
static void
read_token (Reader *self, const char *member, gsize *value)
{
  JsonNode *node = json_object_get_member (self->object, member);
  JsonArray *array;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node)) {
    read_size (self, member, 0, MAX_VOCABULARY, value);
    return;
  }
  array = json_node_get_array (node);
  if (json_array_get_length (array) != 1 ||
      json_node_get_value_type (json_array_get_element (array, 0)) !=
          G_TYPE_INT64)
    refuse (self, ITUNING_ERROR_UNSUPPORTED,
        "\"%s\" is a list, but not of one token", member);
  else if (json_array_get_int_element (array, 0) >= 0)
    *value = (gsize) json_array_get_int_element (array, 0);
  else
    refuse (self, ITUNING_ERROR_FORMAT, "\"%s\" is negative", member);
}

static void
read_language (Reader *self, ItuningLanguageConfig *config)
{
  /* The other names that Hugging Face's GPT2Config takes for its own. */
  read_size (self, "max_position_embeddings", 1, MAX_WIDTH,
      &config->n_positions);
  read_size (self, "hidden_size", 1, MAX_WIDTH, &config->n_embd);
  read_size (self, "num_hidden_layers", 1, MAX_LAYERS, &config->n_layer);
  read_size (self, "num_attention_heads", 1, MAX_WIDTH, &config->n_head);
  read_size (self, "vocab_size", 1, MAX_VOCABULARY, &config->vocab_size);
  read_size (self, "n_positions", 1, MAX_WIDTH, &config->n_positions);
  read_size (self, "n_embd", 1, MAX_WIDTH, &config->n_embd);
  read_size (self, "n_layer", 1, MAX_LAYERS, &config->n_layer);
  read_size (self, "n_head", 1, MAX_WIDTH, &config->n_head);
  config->n_inner = 4 * config->n_embd;
  read_size (self, "n_inner", 1, MAX_INNER, &config->n_inner);
  read_token (self, "bos_token_id", &config->bos_token_id);
  read_token (self, "eos_token_id", &config->eos_token_id);
  read_activation (self, "activation_function", &config->activation_function);
  read_double (self, "layer_norm_epsilon", &config->layer_norm_epsilon);
  read_boolean (self, "scale_attn_weights", &config->scale_attn_weights);
  read_boolean (self, "scale_attn_by_inverse_layer_idx",
      &config->scale_attn_by_inverse_layer_idx);
  read_boolean (self, "tie_word_embeddings", &config->tie_word_embeddings);
  refuse_unsupported_language (self);
  check_heads (self, "n_embd", config->n_embd, config->n_head);
  check_epsilon (self, "layer_norm_epsilon", config->layer_norm_epsilon);
  if (config->bos_token_id >= config->vocab_size ||
      config->eos_token_id >= config->vocab_size)
    refuse (self, ITUNING_ERROR_FORMAT,
        "\"bos_token_id\" or \"eos_token_id\" is not below \"vocab_size\" "
        "(%" G_GSIZE_FORMAT ")",
        config->vocab_size);
}

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
  Reader reader = { path, NULL, error, TRUE };

  *config = (ItuningLanguageConfig){
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
  if (root == NULL || !ituning_json_object (root, path, &reader.object, error))
    return FALSE;
  check_model_type (&reader, "gpt2", NULL);
  read_language (&reader, config);
  return reader.ok;
}

/* --- adapter ------------------------------------------------------------ */

static void
read_layers (Reader *self, ItuningAdapterConfig *config)
{
  JsonNode *node = json_object_get_member (self->object, "layers");
  JsonArray *array;

  if (!self->ok)
    return;
  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node)) {
    refuse (self, ITUNING_ERROR_FORMAT, "\"layers\" is not an array");
    return;
  }
  array = json_node_get_array (node);
  if (json_array_get_length (array) > MAX_LAYERS) {
    refuse (self, ITUNING_ERROR_FORMAT, "\"layers\" is too long");
    return;
  }
  config->n_layers = json_array_get_length (array);
  config->layers = g_new0 (guint, MAX (config->n_layers, 1));
  for (guint i = 0; i < config->n_layers && self->ok; i++) {
    const gint64 last = i > 0 ? (gint64) config->layers[i - 1] : -1;
    JsonNode *element = json_array_get_element (array, i);
    const gint64 layer = json_node_get_value_type (element) == G_TYPE_INT64
        ? json_node_get_int (element)
        : -1;
    if (layer >= MAX_LAYERS || layer <= last)
      refuse (self, ITUNING_ERROR_FORMAT,
          "\"layers\" is not an ascending list of layer numbers");
    else
      config->layers[i] = (guint) layer;
  }
}

static void
require (Reader *self, const char *const *members, gsize n_members)
{
  for (gsize i = 0; i < n_members; i++)
    if (!json_object_has_member (self->object, members[i]))
      refuse (self, ITUNING_ERROR_FORMAT, "has no \"%s\"", members[i]);
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
  Reader reader = { path, NULL, error, TRUE };

  *config = (ItuningAdapterConfig){ .scale = 1.0 };
  if (root == NULL || !ituning_json_object (root, path, &reader.object, error))
    return FALSE;
  require (&reader, required, G_N_ELEMENTS (required));
  check_model_type (&reader, "ituning", NULL);
  read_size (&reader, "vision_hidden_size", 1, MAX_WIDTH,
      &config->vision_hidden_size);
  read_size (&reader, "hidden_size", 1, MAX_WIDTH, &config->hidden_size);
  read_size (&reader, "bottleneck_size", 1, MAX_WIDTH,
      &config->bottleneck_size);
  read_size (&reader, "num_heads", 1, MAX_WIDTH, &config->num_heads);
  read_double (&reader, "scale", &config->scale);
  read_boolean (&reader, "visual_post_layernorm",
      &config->visual_post_layernorm);
  read_layers (&reader, config);
  if (reader.ok)
    check_heads (&reader, "bottleneck_size", config->bottleneck_size,
        config->num_heads);
  if (!(config->scale >= -1e6 && config->scale <= 1e6))
    refuse (&reader, ITUNING_ERROR_FORMAT, "\"scale\" is out of range");
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
