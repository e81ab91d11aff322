/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning inspect`: what a model consists of, for people or as JSON. */

#include <string.h>

#include "gst/tools/command.h"
#include "gst/tools/json.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"

/* One of the parts, and their sum. */
typedef struct
{
  const char *name;
  ItuningPartInfo info;
} Part;

/* "14.18M", as papers count. */
static char *
format_count (guint64 n)
{
  if (n >= 1000000)
    return g_strdup_printf ("%.2fM", (double) n / 1e6);
  if (n >= 1000)
    return g_strdup_printf ("%.2fK", (double) n / 1e3);
  return g_strdup_printf ("%" G_GUINT64_FORMAT, n);
}

static ItuningPartInfo
add_parts (const ItuningModelInfo *info)
{
  const ItuningPartInfo *parts[] = { &info->vision.part, &info->language.part,
    &info->adapter.part };
  ItuningPartInfo sum = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++) {
    sum.n_parameters += parts[i]->n_parameters;
    sum.mapped_size += parts[i]->mapped_size;
    sum.owned_size += parts[i]->owned_size;
  }
  return sum;
}

static void
append_part (GString *text, const char *name, const ItuningPartInfo *part,
    const char *type)
{
  g_autofree char *count = format_count (part->n_parameters);

  g_string_append_printf (text,
      "  %-9s %10s %14" G_GUINT64_FORMAT "  %-5s %8.1f MiB %8.1f MiB\n", name,
      count, part->n_parameters, type, (double) part->mapped_size / 1048576.0,
      (double) part->owned_size / 1048576.0);
}

static void
append_layers (GString *text, const ItuningModelInfo *info)
{
  const gsize n_layers = info->adapter.n_layers;

  if (n_layers == info->language.n_layer) {
    g_string_append (text, "in every block of GPT-2");
    return;
  }
  g_string_append (text, "in GPT-2's block");
  for (gsize i = 0; i < n_layers; i++)
    g_string_append_printf (text, "%s%u",
        i == 0 ? n_layers > 1 ? "s " : " " : ", ", info->adapter.layers[i]);
}

static void
append_sizes (GString *text, const ItuningModelInfo *info)
{
  g_string_append_printf (text,
      "  vision    CLIP ViT: %zu layers of %zu, %zu heads, MLP %zu, %s\n"
      "            %zux%zu pixels in patches of %zu: %zu tokens with the class "
      "token; image embedding %zu\n",
      info->vision.num_hidden_layers, info->vision.hidden_size,
      info->vision.num_attention_heads, info->vision.intermediate_size,
      info->vision.hidden_act, info->vision.image_size, info->vision.image_size,
      info->vision.patch_size, info->vision.num_tokens,
      info->vision.projection_dim);
  g_string_append_printf (text,
      "  language  GPT-2: %zu layers of %zu, %zu heads, MLP %zu, %s\n"
      "            vocabulary %zu, %zu positions, BOS %u, EOS %u, %s\n",
      info->language.n_layer, info->language.n_embd, info->language.n_head,
      info->language.n_inner, info->language.activation_function,
      info->language.vocab_size, info->language.n_positions,
      info->language.bos_token_id, info->language.eos_token_id,
      info->language.has_tokenizer ? "with its tokenizer" : "no tokenizer");
  if (info->adapter.layers == NULL) {
    g_string_append (text, "  adapter   none\n");
    return;
  }
  if (info->adapter.prefix_length > 0)
    g_string_append_printf (text,
        "  adapter   prefix of %zu embeddings, made of the image embedding\n",
        info->adapter.prefix_length);
  if (info->adapter.n_layers == 0)
    return;
  g_string_append_printf (text,
      "  adapter   I-Tuning: %zu modules of %zu, %zu head%s, scale %g, %s\n"
      "            ",
      info->adapter.n_layers, info->adapter.bottleneck_size,
      info->adapter.num_heads, info->adapter.num_heads == 1 ? "" : "s",
      info->adapter.scale,
      info->adapter.visual_post_layernorm
          ? "tokens after the vision tower's last norm"
          : "tokens as the last vision layer leaves them");
  append_layers (text, info);
  g_string_append_c (text, '\n');
}

/* In lines of less than 80 columns. */
static void
append_description (GString *text, const char *description)
{
  g_auto (GStrv) words = g_strsplit_set (description, " \n", -1);
  gsize column = G_MAXSIZE;

  for (gsize i = 0; words[i] != NULL; i++) {
    const gsize length = (gsize) g_utf8_strlen (words[i], -1);
    const gboolean fits = column != G_MAXSIZE && column + 1 + length < 80;
    g_string_append_printf (text, "%s%s",
        fits                      ? " "
            : column == G_MAXSIZE ? "  "
                                  : "\n  ",
        words[i]);
    column = fits ? column + 1 + length : 2 + length;
  }
  g_string_append (text, "\n\n");
}

static void
append_text (GString *text, const char *name, const ItuningModelInfo *info)
{
  const ItuningPartInfo sum = add_parts (info);
  g_autofree char *total = format_count (sum.n_parameters);
  g_autofree char *trained = format_count (info->adapter.part.n_parameters);

  g_string_append_printf (text, "%s\n", name);
  if (info->description != NULL)
    append_description (text, info->description);
  append_sizes (text, info);
  g_string_append_printf (text, "\n  %-9s %10s %14s  %-5s %12s %12s\n", "",
      "parameters", "exactly", "type", "mapped", "in memory");
  append_part (text, "vision", &info->vision.part,
      ituning_type_name (info->vision.part.type));
  append_part (text, "language", &info->language.part,
      ituning_type_name (info->language.part.type));
  if (info->adapter.layers != NULL)
    append_part (text, "adapter", &info->adapter.part,
        ituning_type_name (info->adapter.part.type));
  append_part (text, "total", &sum, "");
  g_string_append_printf (text, "\n  %s parameters, %s of them trained\n",
      total, info->adapter.layers != NULL ? trained : "none");
}

static void
append_member (GString *json, const char *name, gsize value)
{
  g_string_append_printf (json, "\"%s\": %zu, ", name, value);
}

static void
append_part_members (GString *json, const ItuningPartInfo *part)
{
  g_string_append_printf (json,
      "\"parameters\": %" G_GUINT64_FORMAT
      ", \"type\": \"%s\", \"mapped_bytes\": %zu, \"owned_bytes\": %zu}",
      part->n_parameters, ituning_type_name (part->type), part->mapped_size,
      part->owned_size);
}

static void
append_vision_json (GString *json, const ItuningModelInfo *info)
{
  g_string_append (json, "\"vision\": {");
  append_member (json, "image_size", info->vision.image_size);
  append_member (json, "patch_size", info->vision.patch_size);
  append_member (json, "num_tokens", info->vision.num_tokens);
  append_member (json, "hidden_size", info->vision.hidden_size);
  append_member (json, "intermediate_size", info->vision.intermediate_size);
  append_member (json, "num_hidden_layers", info->vision.num_hidden_layers);
  append_member (json, "num_attention_heads", info->vision.num_attention_heads);
  append_member (json, "projection_dim", info->vision.projection_dim);
  g_string_append_printf (json, "\"hidden_act\": \"%s\", ",
      info->vision.hidden_act);
  append_part_members (json, &info->vision.part);
}

static void
append_language_json (GString *json, const ItuningModelInfo *info)
{
  g_string_append (json, ", \"language\": {");
  append_member (json, "vocab_size", info->language.vocab_size);
  append_member (json, "n_positions", info->language.n_positions);
  append_member (json, "n_embd", info->language.n_embd);
  append_member (json, "n_inner", info->language.n_inner);
  append_member (json, "n_layer", info->language.n_layer);
  append_member (json, "n_head", info->language.n_head);
  append_member (json, "bos_token_id", info->language.bos_token_id);
  append_member (json, "eos_token_id", info->language.eos_token_id);
  g_string_append_printf (json,
      "\"activation_function\": \"%s\", \"has_tokenizer\": %s, ",
      info->language.activation_function,
      info->language.has_tokenizer ? "true" : "false");
  append_part_members (json, &info->language.part);
}

static void
append_adapter_json (GString *json, const ItuningModelInfo *info)
{
  if (info->adapter.layers == NULL) {
    g_string_append (json, ", \"adapter\": null");
    return;
  }
  g_string_append (json, ", \"adapter\": {");
  append_member (json, "bottleneck_size", info->adapter.bottleneck_size);
  append_member (json, "num_heads", info->adapter.num_heads);
  g_string_append (json, "\"scale\": ");
  tool_json_append_double (json, info->adapter.scale);
  g_string_append (json, ", \"layers\": ");
  tool_json_append_ids (json, info->adapter.layers, info->adapter.n_layers);
  g_string_append_printf (json, ", \"visual_post_layernorm\": %s, ",
      info->adapter.visual_post_layernorm ? "true" : "false");
  append_member (json, "prefix_length", info->adapter.prefix_length);
  append_part_members (json, &info->adapter.part);
}

static void
append_json (GString *json, const char *name, const ItuningModelInfo *info)
{
  const ItuningPartInfo sum = add_parts (info);

  g_string_append (json, "{\"model\": ");
  tool_json_append_string (json, name, strlen (name));
  g_string_append (json, ", \"description\": ");
  if (info->description != NULL)
    tool_json_append_string (json, info->description,
        strlen (info->description));
  else
    g_string_append (json, "null");
  g_string_append (json, ", ");
  append_vision_json (json, info);
  append_language_json (json, info);
  append_adapter_json (json, info);
  g_string_append_printf (json,
      ", \"parameters\": %" G_GUINT64_FORMAT
      ", \"trained_parameters\": %" G_GUINT64_FORMAT
      ", \"mapped_bytes\": %zu, \"owned_bytes\": %zu}\n",
      sum.n_parameters, info->adapter.part.n_parameters, sum.mapped_size,
      sum.owned_size);
}

gboolean
tool_inspect_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_autofree char *size = NULL;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "size", 0, 0, G_OPTION_ARG_STRING, &size,
        "Inspect a model of a named size with random weights: base, medium or "
        "large",
        "SIZE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print one JSON object", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new ("[PATH]",
      "Prints sizes, layers, parameter counts, types and memory of a model.",
      entries);
  g_autoptr (ItuningModel) model = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_auto (GStrv) arguments = NULL;
  ToolOutput output = { .path = NULL };
  const char *name;

  if (!tool_options_parse (context, argv, &arguments, error))
    return FALSE;
  if (size != NULL) {
    if (!tool_options_check_none (arguments, error) ||
        !tool_options_check_size (size, error))
      return FALSE;
    name = size;
    model = ituning_model_open_random (size, NULL, 0, 0, error);
  } else if (arguments[0] == NULL && ituning_model_is_built_in ()) {
    name = "built-in";
    model = ituning_model_open (NULL, NULL, error);
  } else {
    name = tool_options_get_only (arguments, "model", error);
    model = name != NULL ? ituning_model_open (name, NULL, error) : NULL;
  }
  if (model == NULL)
    return FALSE;
  (json ? append_json : append_text) (text, name,
      ituning_model_get_info (model));
  return tool_output_write (&output, text->str, text->len, error);
}
