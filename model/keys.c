/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/keys.h"

/* Keys of a packed file: llama.cpp's where it has one. Its language models keep
 * theirs under their architecture's name, its vision towers under "clip.". */

const ItuningKey ituning_vision_keys[] = {
  { "hidden_size", "clip.vision.embedding_length" },
  { "intermediate_size", "clip.vision.feed_forward_length" },
  { "num_hidden_layers", "clip.vision.block_count" },
  { "num_attention_heads", "clip.vision.attention.head_count" },
  { "image_size", "clip.vision.image_size" },
  { "patch_size", "clip.vision.patch_size" },
  { "projection_dim", "clip.vision.projection_dim" },
  { "layer_norm_eps", "clip.vision.attention.layer_norm_epsilon" },
  { "hidden_act", "ituning.vision.hidden_act" },
  { NULL, NULL },
};

const ItuningKey ituning_language_keys[] = {
  { "vocab_size", "ituning.vocab_size" },
  { "n_positions", "ituning.context_length" },
  { "n_embd", "ituning.embedding_length" },
  { "n_inner", "ituning.feed_forward_length" },
  { "n_layer", "ituning.block_count" },
  { "n_head", "ituning.attention.head_count" },
  { "layer_norm_epsilon", "ituning.attention.layer_norm_epsilon" },
  { "activation_function", "ituning.activation_function" },
  { "scale_attn_weights", "ituning.attention.scale_weights" },
  { "scale_attn_by_inverse_layer_idx", "ituning.attention.scale_by_layer" },
  { "bos_token_id", "tokenizer.ggml.bos_token_id" },
  { "eos_token_id", "tokenizer.ggml.eos_token_id" },
  { NULL, NULL },
};

const ItuningKey ituning_adapter_keys[] = {
  { "vision_hidden_size", ITUNING_ADAPTER_KEYS "vision_embedding_length" },
  { "hidden_size", ITUNING_ADAPTER_KEYS "embedding_length" },
  { "bottleneck_size", ITUNING_ADAPTER_KEYS "bottleneck_length" },
  { "num_heads", ITUNING_ADAPTER_KEYS "attention.head_count" },
  { "scale", ITUNING_ADAPTER_KEYS "scale" },
  { "layers", ITUNING_ADAPTER_KEYS "layers" },
  { "visual_post_layernorm", ITUNING_ADAPTER_KEYS "visual_post_layernorm" },
  { "prefix_length", ITUNING_ADAPTER_KEYS "prefix_length" },
  { "projection_dim", ITUNING_ADAPTER_KEYS "projection_length" },
  { NULL, NULL },
};

/**
 * ituning_key_find:
 * @keys: the keys of a config
 * @member: a member of it
 *
 * Returns: (transfer none) (nullable): its key; %NULL when packed files have
 *   none for it
 */
const char *
ituning_key_find (const ItuningKey *keys, const char *member)
{
  for (; keys->member != NULL; keys++)
    if (g_str_equal (keys->member, member))
      return keys->key;
  return NULL;
}

/* A config being written. */
typedef struct
{
  ItuningGgufWriter *writer;
  const ItuningKey *keys;
} Packer;

static void
put_size (const Packer *self, const char *member, gsize value)
{
  ituning_gguf_writer_put_size (self->writer,
      ituning_key_find (self->keys, member), value);
}

static void
put_float (const Packer *self, const char *member, double value)
{
  ituning_gguf_writer_put_float (self->writer,
      ituning_key_find (self->keys, member), value);
}

static void
put_boolean (const Packer *self, const char *member, gboolean value)
{
  ituning_gguf_writer_put_boolean (self->writer,
      ituning_key_find (self->keys, member), value);
}

static void
put_activation (const Packer *self, const char *member, ItuningActivation value)
{
  ituning_gguf_writer_put_string (self->writer,
      ituning_key_find (self->keys, member),
      ituning_activation_get_name (value));
}

/**
 * ituning_vision_config_pack:
 * @config: a config
 * @writer: gets its keys
 */
void
ituning_vision_config_pack (const ItuningVisionConfig *config,
    ItuningGgufWriter *writer)
{
  const Packer packer = { writer, ituning_vision_keys };

  ituning_gguf_writer_put_boolean (writer, "clip.has_vision_encoder", TRUE);
  put_size (&packer, "hidden_size", config->hidden_size);
  put_size (&packer, "intermediate_size", config->intermediate_size);
  put_size (&packer, "num_hidden_layers", config->num_hidden_layers);
  put_size (&packer, "num_attention_heads", config->num_attention_heads);
  put_size (&packer, "image_size", config->image_size);
  put_size (&packer, "patch_size", config->patch_size);
  put_size (&packer, "projection_dim", config->projection_dim);
  put_float (&packer, "layer_norm_eps", config->layer_norm_eps);
  put_activation (&packer, "hidden_act", config->hidden_act);
}

/**
 * ituning_language_config_pack:
 * @config: a config
 * @writer: gets its keys; none says whether the embeddings are tied, the tensor
 *   `output.weight` does
 */
void
ituning_language_config_pack (const ItuningLanguageConfig *config,
    ItuningGgufWriter *writer)
{
  const Packer packer = { writer, ituning_language_keys };

  put_size (&packer, "vocab_size", config->vocab_size);
  put_size (&packer, "n_positions", config->n_positions);
  put_size (&packer, "n_embd", config->n_embd);
  put_size (&packer, "n_inner", config->n_inner);
  put_size (&packer, "n_layer", config->n_layer);
  put_size (&packer, "n_head", config->n_head);
  put_float (&packer, "layer_norm_epsilon", config->layer_norm_epsilon);
  put_activation (&packer, "activation_function", config->activation_function);
  put_boolean (&packer, "scale_attn_weights", config->scale_attn_weights);
  put_boolean (&packer, "scale_attn_by_inverse_layer_idx",
      config->scale_attn_by_inverse_layer_idx);
  put_size (&packer, "bos_token_id", config->bos_token_id);
  put_size (&packer, "eos_token_id", config->eos_token_id);
}

/**
 * ituning_adapter_config_pack:
 * @config: a config
 * @writer: gets its keys
 */
void
ituning_adapter_config_pack (const ItuningAdapterConfig *config,
    ItuningGgufWriter *writer)
{
  const Packer packer = { writer, ituning_adapter_keys };

  put_size (&packer, "vision_hidden_size", config->vision_hidden_size);
  put_size (&packer, "hidden_size", config->hidden_size);
  put_size (&packer, "bottleneck_size", config->bottleneck_size);
  put_size (&packer, "num_heads", config->num_heads);
  ituning_gguf_writer_put_double (writer,
      ituning_key_find (packer.keys, "scale"), config->scale);
  ituning_gguf_writer_put_uints (writer,
      ituning_key_find (packer.keys, "layers"), config->layers,
      config->n_layers);
  put_boolean (&packer, "visual_post_layernorm", config->visual_post_layernorm);
  if (config->prefix_length == 0)
    return;
  put_size (&packer, "prefix_length", config->prefix_length);
  put_size (&packer, "projection_dim", config->projection_dim);
}
