/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/names.h"

#include <string.h>

/* Names of tensors: Hugging Face's, which folders have, and those of llama.cpp
 * (for the vision tower those of its clip.cpp), which packed files have. A '#'
 * is the number of a layer. Biases and gains are plain, whatever the table says
 * of their layer's weight. */

static const struct
{
  const char *name;
  const char *packed;
  ItuningNameKind kind;
} names[] = {
  { "vision_model.embeddings.class_embedding", "v.class_embd",
      ITUNING_NAME_PLAIN },
  { "vision_model.embeddings.patch_embedding", "v.patch_embd",
      ITUNING_NAME_PLAIN },
  { "vision_model.embeddings.position_embedding", "v.position_embd",
      ITUNING_NAME_PLAIN },
  { "vision_model.pre_layrnorm", "v.pre_ln", ITUNING_NAME_PLAIN },
  { "vision_model.encoder.layers.#.layer_norm1", "v.blk.#.ln1",
      ITUNING_NAME_PLAIN },
  { "vision_model.encoder.layers.#.self_attn.q_proj", "v.blk.#.attn_q",
      ITUNING_NAME_MATRIX },
  { "vision_model.encoder.layers.#.self_attn.k_proj", "v.blk.#.attn_k",
      ITUNING_NAME_MATRIX },
  { "vision_model.encoder.layers.#.self_attn.v_proj", "v.blk.#.attn_v",
      ITUNING_NAME_MATRIX },
  { "vision_model.encoder.layers.#.self_attn.out_proj", "v.blk.#.attn_out",
      ITUNING_NAME_MATRIX },
  { "vision_model.encoder.layers.#.layer_norm2", "v.blk.#.ln2",
      ITUNING_NAME_PLAIN },
  { "vision_model.encoder.layers.#.mlp.fc1", "v.blk.#.ffn_up",
      ITUNING_NAME_MATRIX },
  { "vision_model.encoder.layers.#.mlp.fc2", "v.blk.#.ffn_down",
      ITUNING_NAME_MATRIX },
  { "vision_model.post_layernorm", "v.post_ln", ITUNING_NAME_PLAIN },
  { "visual_projection", "visual_projection", ITUNING_NAME_MATRIX },
  { "wte", "token_embd", ITUNING_NAME_VOCABULARY },
  { "wpe", "position_embd", ITUNING_NAME_PLAIN },
  { "h.#.ln_1", "blk.#.attn_norm", ITUNING_NAME_PLAIN },
  { "h.#.attn.c_attn", "blk.#.attn_qkv", ITUNING_NAME_CONV1D },
  { "h.#.attn.c_proj", "blk.#.attn_output", ITUNING_NAME_CONV1D },
  { "h.#.ln_2", "blk.#.ffn_norm", ITUNING_NAME_PLAIN },
  { "h.#.mlp.c_fc", "blk.#.ffn_up", ITUNING_NAME_CONV1D },
  { "h.#.mlp.c_proj", "blk.#.ffn_down", ITUNING_NAME_CONV1D },
  { "ln_f", "output_norm", ITUNING_NAME_PLAIN },
  { "lm_head", "output", ITUNING_NAME_VOCABULARY },
  { "h.#.ituning.q_proj", "blk.#.ituning_q", ITUNING_NAME_MATRIX },
  { "h.#.ituning.k_proj", "blk.#.ituning_k", ITUNING_NAME_MATRIX },
  { "h.#.ituning.v_proj", "blk.#.ituning_v", ITUNING_NAME_MATRIX },
  { "h.#.ituning.o_proj", "blk.#.ituning_o", ITUNING_NAME_MATRIX },
  { "prefix.c_fc", "ituning_prefix_up", ITUNING_NAME_MATRIX },
  { "prefix.c_proj", "ituning_prefix_down", ITUNING_NAME_MATRIX },
};

/* Whether [@size] @name is of the form @pattern; @number gets what its '#' is.
 */
static gboolean
matches (const char *name, gsize size, const char *pattern, GString *number)
{
  const char *end = name + size;

  g_string_truncate (number, 0);
  for (; *pattern != '\0'; pattern++) {
    if (*pattern != '#') {
      if (name == end || *name++ != *pattern)
        return FALSE;
      continue;
    }
    while (name < end && g_ascii_isdigit (*name))
      g_string_append_c (number, *name++);
  }
  return name == end;
}

static char *
fill_in (const char *pattern, const char *number, const char *suffix)
{
  const char *mark = strchr (pattern, '#');

  if (mark == NULL)
    return g_strconcat (pattern, suffix, NULL);
  return g_strdup_printf ("%.*s%s%s%s", (int) (mark - pattern), pattern, number,
      mark + 1, suffix);
}

/**
 * ituning_name_pack:
 * @name: what Hugging Face calls a tensor, with "transformer." or without
 * @kind: (out) (optional): what it is
 *
 * Returns: (transfer full) (nullable): what a packed file calls it; %NULL for a
 *   tensor that such a file does not have
 */
char *
ituning_name_pack (const char *name, ItuningNameKind *kind)
{
  const char *root = "transformer.";
  const char *start = g_str_has_prefix (name, root) ? name + strlen (root)
                                                    : name;
  const char *suffix = g_str_has_suffix (start, ".weight") ? ".weight"
      : g_str_has_suffix (start, ".bias")                  ? ".bias"
                                                           : "";
  const gsize size = strlen (start) - strlen (suffix);
  g_autoptr (GString) number = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (!matches (start, size, names[i].name, number))
      continue;
    if (kind != NULL)
      *kind = g_str_equal (suffix, ".weight") ? names[i].kind
                                              : ITUNING_NAME_PLAIN;
    return fill_in (names[i].packed, number->str, suffix);
  }
  return NULL;
}
