/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/model.h"

#include "model/preprocess.h"
#include "model/tensors.h"

/* The paper's three sizes: ViT-B/16 with the GPT-2 of that name, a module in
 * every layer, half the text width wide (Luo et al. 2023, section 3.1). */
static const struct
{
  const char *name;
  gsize n_embd, n_layer, n_head;
} sizes[] = {
  { "base", 768, 12, 12 },
  { "medium", 1024, 24, 16 },
  { "large", 1280, 36, 20 },
};

static ItuningAdapter *
make_adapter (gsize n_embd, gsize n_layer, gsize n_head, ItuningType type,
    guint32 seed, GError **error)
{
  ItuningAdapterConfig config = {
    .vision_hidden_size = 768,
    .hidden_size = n_embd,
    .bottleneck_size = n_embd / 2,
    .num_heads = n_head,
    .scale = 1.0,
    .layers = g_new (guint, n_layer),
    .n_layers = n_layer,
  };

  for (gsize i = 0; i < n_layer; i++)
    config.layers[i] = (guint) i;
  return ituning_adapter_new (&config,
      ituning_weights_new_random_of_type (seed, type, type), error);
}

static const ItuningVisionConfig vit_b_16 = {
  .hidden_size = 768,
  .intermediate_size = 3072,
  .num_hidden_layers = 12,
  .num_attention_heads = 12,
  .image_size = 224,
  .patch_size = 16,
  .projection_dim = 512,
  .hidden_act = ITUNING_ACTIVATION_QUICK_GELU,
  .layer_norm_eps = 1e-5,
};

static ItuningLanguageConfig
make_gpt2 (gsize n_embd, gsize n_layer, gsize n_head)
{
  return (ItuningLanguageConfig){
    .vocab_size = 50257,
    .n_positions = 1024,
    .n_embd = n_embd,
    .n_layer = n_layer,
    .n_head = n_head,
    .n_inner = 4 * n_embd,
    .bos_token_id = 50256,
    .eos_token_id = 50256,
    .activation_function = ITUNING_ACTIVATION_GELU_TANH,
    .layer_norm_epsilon = 1e-5,
    .scale_attn_weights = TRUE,
    .tie_word_embeddings = TRUE,
  };
}

static gboolean
can_make (ItuningType type)
{
  return type <= ITUNING_TYPE_BF16 || ituning_type_bits (type) > 0;
}

/**
 * ituning_model_open_random:
 * @size: "base", "medium" or "large": the paper's models
 * @types: (nullable): of the parts: F32; or F16, BF16, Q8_0 or Q4_0: matrices as a
 *   packed file of it has them; %NULL for F32
 * @n_threads: threads that one call works with; 0 for one per processor
 * @seed: the same seed gives the same weights
 *
 * Makes a model of random weights, to measure speed without any download. Its
 * captions mean nothing, and it has no tokenizer.
 *
 * Returns: (transfer full): the model; or %NULL with %ITUNING_ERROR_INPUT for
 *   another size
 */
ItuningModel *
ituning_model_open_random (const char *size, const ItuningPartTypes *types,
    guint n_threads, guint32 seed, GError **error)
{
  const ItuningPartTypes floats = { ITUNING_TYPE_F32, ITUNING_TYPE_F32,
    ITUNING_TYPE_F32, ITUNING_TYPE_F32 };
  const ItuningPartTypes *of = types != NULL ? types : &floats;

  g_return_val_if_fail (size != NULL, NULL);
  g_return_val_if_fail (can_make (of->vision) && can_make (of->language) &&
          can_make (of->vocabulary) && can_make (of->adapter),
      NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (ItuningBackbone) backbone = NULL;
    ItuningLanguageConfig gpt2;
    ItuningAdapter *adapter;

    if (!g_str_equal (sizes[i].name, size))
      continue;
    gpt2 = make_gpt2 (sizes[i].n_embd, sizes[i].n_layer, sizes[i].n_head);
    backbone = ituning_backbone_new (n_threads);
    backbone->vision = ituning_vision_new (&vit_b_16,
        ituning_weights_new_random_of_type (seed, of->vision, of->vision),
        error);
    backbone->language = ituning_language_new (&gpt2,
        ituning_weights_new_random_of_type (seed + 1, of->language,
            of->vocabulary),
        error);
    backbone->preprocessor = ituning_preprocessor_new_default (
        vit_b_16.image_size);
    adapter = make_adapter (sizes[i].n_embd, sizes[i].n_layer, sizes[i].n_head,
        of->adapter, seed + 2, error);
    return ituning_model_new (g_steal_pointer (&backbone), adapter);
  }
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
      "there is no size \"%s\"; known are base, medium and large", size);
  return NULL;
}
