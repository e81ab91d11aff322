/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/gguf.h"
#include "model/kernels/kernels.h"

/* The three config.json of a bundle, with the names of their members; in a
 * packed file they are keys. */

typedef struct
{
  gsize hidden_size;
  gsize intermediate_size;
  gsize num_hidden_layers;
  gsize num_attention_heads;
  gsize image_size;
  gsize patch_size;
  gsize projection_dim;
  ItuningActivation hidden_act;
  double layer_norm_eps;
} ItuningVisionConfig;

typedef struct
{
  gsize vocab_size;
  gsize n_positions;
  gsize n_embd;
  gsize n_layer;
  gsize n_head;
  gsize n_inner;
  gsize bos_token_id;
  gsize eos_token_id;
  ItuningActivation activation_function;
  double layer_norm_epsilon;
  gboolean scale_attn_weights;
  gboolean scale_attn_by_inverse_layer_idx;
  gboolean tie_word_embeddings;
} ItuningLanguageConfig;

typedef struct
{
  gsize vision_hidden_size;
  gsize hidden_size;
  gsize bottleneck_size;
  gsize num_heads;
  double scale;
  guint *layers; /* owned: [n_layers], ascending */
  gsize n_layers;
  gboolean visual_post_layernorm;
  gsize prefix_length; /* embeddings made of the image's; 0 for none */
  gsize projection_dim; /* of the image embedding, with a prefix */
} ItuningAdapterConfig;

gboolean ituning_vision_config_load (ItuningVisionConfig *config,
    const char *folder, GError **error);
gboolean ituning_language_config_load (ItuningLanguageConfig *config,
    const char *folder, GError **error);
gboolean ituning_adapter_config_load (ItuningAdapterConfig *config,
    const char *folder, GError **error);
gboolean ituning_vision_config_unpack (ItuningVisionConfig *config,
    const ItuningGguf *packed, GError **error);
gboolean ituning_language_config_unpack (ItuningLanguageConfig *config,
    const ItuningGguf *packed, GError **error);
gboolean ituning_adapter_config_unpack (ItuningAdapterConfig *config,
    const ItuningGguf *packed, GError **error);
void ituning_adapter_config_clear (ItuningAdapterConfig *config);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ItuningAdapterConfig,
    ituning_adapter_config_clear)

const char *ituning_activation_get_name (ItuningActivation activation);
