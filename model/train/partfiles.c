/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/partfiles.h"

#include <errno.h>

/* A trained part of a model as a folder, in the form that model/config.c and
 * model/weights.c read and Hugging Face's libraries too. */

static void
set_size (JsonObject *object, const char *name, gsize value)
{
  json_object_set_int_member (object, name, (gint64) value);
}

static JsonObject *
new_config (const char *model_type, const char *architecture)
{
  JsonObject *object = json_object_new ();
  JsonArray *names = json_array_new ();

  json_object_set_string_member (object, "model_type", model_type);
  if (architecture != NULL) {
    json_array_add_string_element (names, architecture);
    json_object_set_array_member (object, "architectures", names);
  } else {
    json_array_unref (names);
  }
  return object;
}

/**
 * ituning_adapter_config_to_json:
 *
 * Returns: (transfer full): what ituning_adapter_config_load () reads
 */
JsonObject *
ituning_adapter_config_to_json (const ItuningAdapterConfig *config)
{
  JsonObject *object = new_config ("ituning", NULL);
  JsonArray *layers = json_array_new ();

  for (gsize i = 0; i < config->n_layers; i++)
    json_array_add_int_element (layers, config->layers[i]);
  set_size (object, "vision_hidden_size", config->vision_hidden_size);
  set_size (object, "hidden_size", config->hidden_size);
  set_size (object, "bottleneck_size", config->bottleneck_size);
  set_size (object, "num_heads", config->num_heads);
  json_object_set_double_member (object, "scale", config->scale);
  json_object_set_array_member (object, "layers", layers);
  json_object_set_boolean_member (object, "visual_post_layernorm",
      config->visual_post_layernorm);
  if (config->prefix_length > 0) {
    set_size (object, "prefix_length", config->prefix_length);
    set_size (object, "projection_dim", config->projection_dim);
  }
  return object;
}

/**
 * ituning_language_config_to_json:
 *
 * Returns: (transfer full): what ituning_language_config_load () reads
 */
JsonObject *
ituning_language_config_to_json (const ItuningLanguageConfig *config)
{
  JsonObject *object = new_config ("gpt2", "GPT2LMHeadModel");

  set_size (object, "vocab_size", config->vocab_size);
  set_size (object, "n_positions", config->n_positions);
  set_size (object, "n_embd", config->n_embd);
  set_size (object, "n_layer", config->n_layer);
  set_size (object, "n_head", config->n_head);
  set_size (object, "n_inner", config->n_inner);
  set_size (object, "bos_token_id", config->bos_token_id);
  set_size (object, "eos_token_id", config->eos_token_id);
  json_object_set_string_member (object, "activation_function",
      ituning_activation_get_name (config->activation_function));
  json_object_set_double_member (object, "layer_norm_epsilon",
      config->layer_norm_epsilon);
  json_object_set_boolean_member (object, "scale_attn_weights",
      config->scale_attn_weights);
  json_object_set_boolean_member (object, "scale_attn_by_inverse_layer_idx",
      config->scale_attn_by_inverse_layer_idx);
  json_object_set_boolean_member (object, "tie_word_embeddings",
      config->tie_word_embeddings);
  return object;
}

/**
 * ituning_vision_config_to_json:
 *
 * Returns: (transfer full): what ituning_vision_config_load () reads
 */
JsonObject *
ituning_vision_config_to_json (const ItuningVisionConfig *config)
{
  JsonObject *object = new_config ("clip_vision_model",
      "CLIPVisionModelWithProjection");

  set_size (object, "hidden_size", config->hidden_size);
  set_size (object, "intermediate_size", config->intermediate_size);
  set_size (object, "num_hidden_layers", config->num_hidden_layers);
  set_size (object, "num_attention_heads", config->num_attention_heads);
  set_size (object, "image_size", config->image_size);
  set_size (object, "patch_size", config->patch_size);
  set_size (object, "projection_dim", config->projection_dim);
  json_object_set_string_member (object, "hidden_act",
      ituning_activation_get_name (config->hidden_act));
  json_object_set_double_member (object, "layer_norm_eps",
      config->layer_norm_eps);
  return object;
}

/**
 * ituning_config_add_to_checksum:
 * @config: (transfer full): a config
 * @checksum: gets it
 */
void
ituning_config_add_to_checksum (JsonObject *config, GChecksum *checksum)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;

  json_node_take_object (root, config);
  text = json_to_string (root, FALSE);
  g_checksum_update (checksum, (const guchar *) text, -1);
}

/**
 * ituning_json_save:
 * @object: (transfer full): taken also when the call fails
 * @folder: a folder that is there
 * @name: of the file, which is replaced
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
ituning_json_save (JsonObject *object, const char *folder, const char *name,
    GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (GError) reason = NULL;

  json_node_take_object (root, object);
  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, TRUE);
  if (json_generator_to_file (generator, path, &reason))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s", path,
      reason->message);
  return FALSE;
}

/**
 * ituning_part_save:
 * @folder: made if it is not there; its `config.json` and `model.safetensors`
 *   (F32) are replaced
 * @config: (transfer full): taken also when the call fails
 * @weights: weights of which all was taken
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE; then each file is as it was or
 *   whole
 */
gboolean
ituning_part_save (const char *folder, JsonObject *config,
    const ItuningWeights *weights, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "model.safetensors", NULL);
  gsize n;
  const ItuningTensor *tensors = ituning_weights_get_taken (weights, &n);

  if (g_mkdir_with_parents (folder, 0777) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s", folder,
        g_strerror (errno));
    json_object_unref (config);
    return FALSE;
  }
  if (!ituning_tensors_save (path, tensors, n, error)) {
    json_object_unref (config);
    return FALSE;
  }
  return ituning_json_save (config, folder, "config.json", error);
}
