/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning forward`: pixel_values [B, 3, H, W] and input_ids [B, T] in, what
 * the model makes of them out, for comparing it with another implementation. */

#include <string.h>

#include "gst/tools/command.h"
#include "gst/tools/input.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"

#define MAX_OUTPUTS 5

/* The tensors to write; their data is owned. */
typedef struct
{
  ItuningTensor tensors[MAX_OUTPUTS];
  gsize n_tensors;
} Outputs;

static void
clear_outputs (Outputs *outputs)
{
  for (gsize i = 0; i < outputs->n_tensors; i++)
    g_free ((void *) outputs->tensors[i].data);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outputs, clear_outputs)

/* Room for a tensor [n_rows, n_columns, width], without n_columns when 0. */
static float *
add_output (Outputs *outputs, const char *name, gsize n_rows, gsize n_columns,
    gsize width)
{
  ItuningTensor *tensor = &outputs->tensors[outputs->n_tensors++];
  const gsize n_values = n_rows * MAX (n_columns, 1) * width;
  float *data = g_new (float, n_values);

  tensor->name = name;
  tensor->type = ITUNING_TYPE_F32;
  tensor->dims[tensor->n_dims++] = n_rows;
  if (n_columns > 0)
    tensor->dims[tensor->n_dims++] = n_columns;
  tensor->dims[tensor->n_dims++] = width;
  tensor->data = data;
  tensor->size = n_values * sizeof (float);
  return data;
}

static gboolean
run_images (ItuningSession *session, const ItuningModelInfo *info,
    ItuningFeatures *const *features, gsize n_images, Outputs *outputs,
    GError **error)
{
  const gsize n_state = info->vision.num_tokens * info->vision.hidden_size;
  const gsize n_embed = info->vision.projection_dim;
  float *states = add_output (outputs, "last_hidden_state", n_images,
      info->vision.num_tokens, info->vision.hidden_size);
  float *tokens = add_output (outputs, "visual_tokens", n_images,
      info->vision.num_tokens, info->vision.hidden_size);
  float *embeds = n_embed > 0
      ? add_output (outputs, "image_embeds", n_images, 0, n_embed)
      : NULL;

  for (gsize i = 0; i < n_images; i++) {
    memcpy (states + i * n_state,
        ituning_features_get_last_hidden_state (features[i]),
        n_state * sizeof (float));
    if (embeds != NULL)
      memcpy (embeds + i * n_embed,
          ituning_features_get_image_embeds (features[i]),
          n_embed * sizeof (float));
    if (!ituning_session_visual_tokens (session, features[i],
            tokens + i * n_state, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
run_texts (ItuningSession *session, const ItuningModelInfo *info,
    ItuningFeatures *const *features, gsize n_images, const guint32 *ids,
    gsize n_ids, Outputs *outputs, GCancellable *cancellable, GError **error)
{
  const gsize n_logits = n_ids * info->language.vocab_size;
  float *logits = add_output (outputs, "logits", n_images, n_ids,
      info->language.vocab_size);
  float *without = add_output (outputs, "logits_without_image", n_images, n_ids,
      info->language.vocab_size);

  for (gsize i = 0; i < n_images; i++) {
    if (!ituning_session_logits (session, features[i], ids + i * n_ids, n_ids,
            logits + i * n_logits, cancellable, error) ||
        !ituning_session_logits (session, NULL, ids + i * n_ids, n_ids,
            without + i * n_logits, cancellable, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
run_model (ItuningModel *model, const char *input, const char *output,
    GCancellable *cancellable, GError **error)
{
  const ItuningModelInfo *info = ituning_model_get_info (model);
  g_autoptr (ItuningTensors) tensors = ituning_tensors_open (input, error);
  g_autoptr (ItuningSession) session = NULL;
  g_autoptr (GPtrArray) features = g_ptr_array_new_with_free_func (
      (GDestroyNotify) ituning_features_unref);
  g_auto (Outputs) outputs = { .n_tensors = 0 };
  g_autofree guint32 *ids = NULL;
  const float *pixel_values;
  gsize n_images, n_ids;

  if (tensors == NULL)
    return FALSE;
  pixel_values = tool_input_get_pixel_values (tensors, input, info, &n_images,
      error);
  if (pixel_values == NULL)
    return FALSE;
  ids = tool_input_get_ids (tensors, input, info, n_images, &n_ids, error);
  if (ids == NULL)
    return FALSE;
  session = ituning_session_new (model);
  g_ptr_array_set_size (features, (int) n_images);
  if (!ituning_session_encode_pixels (session, pixel_values, n_images,
          (ItuningFeatures **) features->pdata, cancellable, error) ||
      !run_images (session, info, (ItuningFeatures **) features->pdata,
          n_images, &outputs, error) ||
      !run_texts (session, info, (ItuningFeatures **) features->pdata, n_images,
          ids, n_ids, &outputs, cancellable, error)) {
    g_prefix_error (error, "%s: ", input);
    return FALSE;
  }
  return ituning_tensors_save (output, outputs.tensors, outputs.n_tensors,
      error);
}

gboolean
tool_forward_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_auto (ToolModelOptions) options = { 0 };
  g_autofree char *input = NULL, *output = NULL;
  const GOptionEntry entries[] = {
    { "input", 'i', 0, G_OPTION_ARG_FILENAME, &input,
        "Tensors pixel_values [B, 3, H, W] and input_ids [B, T]", "FILE" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
        "Where to write last_hidden_state, image_embeds, visual_tokens, logits "
        "and logits_without_image",
        "FILE" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new (NULL,
      "Runs the vision encoder and the language model, with and without the "
      "image,\nand writes what they give, as F32 safetensors.",
      entries);
  g_autoptr (ItuningModel) model = NULL;
  g_auto (GStrv) arguments = NULL;

  tool_model_options_add (&options, context);
  if (!tool_options_parse (context, argv, &arguments, error) ||
      !tool_options_check_none (arguments, error))
    return FALSE;
  if (input == NULL || output == NULL)
    return tool_options_usage_error (error, "%s is missing",
        input == NULL ? "--input" : "--output");
  if (!tool_output_check (output, error))
    return FALSE;
  model = tool_model_options_open (&options, error);
  return model != NULL && run_model (model, input, output, cancellable, error);
}
