/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning generate`: pixel_values [B, 3, H, W] in, one JSON object an image
 * out. */

#include <string.h>

#include "gst/tools/command.h"
#include "gst/tools/input.h"
#include "gst/tools/json.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"

/* Images captioned together: their beams share each read of the weights, and
 * the cache of more would not stay in memory that is near. */
#define BATCH 8

static gboolean
write_caption (ToolOutput *output, gsize sample, const ItuningCaption *caption,
    GError **error)
{
  g_autoptr (GString) line = g_string_new (NULL);

  g_string_printf (line, "{\"sample\": %zu, \"ids\": ", sample);
  tool_json_append_ids (line, caption->ids, caption->n_ids);
  g_string_append (line, ", \"score\": ");
  tool_json_append_double (line, caption->score);
  g_string_append (line, ", \"text\": ");
  if (caption->text != NULL)
    tool_json_append_string (line, caption->text, strlen (caption->text));
  else
    g_string_append (line, "null");
  g_string_append (line, "}\n");
  return tool_output_write (output, line->str, line->len, error);
}

static gboolean
caption_batch (ItuningSession *session, const float *pixel_values, gsize first,
    gsize n_images, const ItuningGenerateOptions *options,
    GCancellable *cancellable, GError **error)
{
  ItuningFeatures *features[BATCH] = { NULL };
  ItuningCaption *captions[BATCH] = { NULL };
  ToolOutput output = { .path = NULL };
  gboolean done = ituning_session_encode_pixels (session, pixel_values,
                      n_images, features, cancellable, error) &&
      ituning_session_caption (session, features, n_images, options, captions,
          cancellable, error);

  for (gsize i = 0; i < n_images; i++) {
    done = done && write_caption (&output, first + i, captions[i], error);
    g_clear_pointer (&captions[i], ituning_caption_free);
    g_clear_pointer (&features[i], ituning_features_unref);
  }
  return done;
}

static gboolean
caption_input (ItuningSession *session, const ItuningModelInfo *info,
    const char *input, const ItuningGenerateOptions *options,
    GCancellable *cancellable, GError **error)
{
  const gsize n_values = 3 * info->vision.image_size * info->vision.image_size;
  g_autoptr (ItuningTensors) tensors = ituning_tensors_open (input, error);
  const float *pixel_values;
  gsize n_images;

  if (tensors == NULL)
    return FALSE;
  pixel_values = tool_input_get_pixel_values (tensors, input, info, &n_images,
      error);
  if (pixel_values == NULL)
    return FALSE;
  for (gsize i = 0; i < n_images; i += BATCH) {
    if (!caption_batch (session, pixel_values + i * n_values, i,
            MIN (n_images - i, BATCH), options, cancellable, error)) {
      g_prefix_error (error, "%s: ", input);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
tool_generate_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_auto (ToolModelOptions) options = { 0 };
  ToolGenerateOptions decoding;
  ItuningGenerateOptions generate = ITUNING_GENERATE_OPTIONS_INIT;
  g_autofree char *input = NULL;
  const GOptionEntry entries[] = {
    { "input", 'i', 0, G_OPTION_ARG_FILENAME, &input,
        "Tensor pixel_values [B, 3, H, W], F32", "FILE" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new (NULL,
      "Prints a JSON object an image: {\"sample\", \"ids\", \"score\", "
      "\"text\"}.",
      entries);
  g_autoptr (ItuningModel) model = NULL;
  g_autoptr (ItuningSession) session = NULL;
  g_auto (GStrv) arguments = NULL;

  tool_model_options_add (&options, context);
  tool_generate_options_add (&decoding, context);
  if (!tool_options_parse (context, argv, &arguments, error) ||
      !tool_options_check_none (arguments, error) ||
      !tool_generate_options_get (&decoding, &generate, error))
    return FALSE;
  if (input == NULL)
    return tool_options_usage_error (error, "--input is missing");
  model = tool_model_options_open (&options, error);
  if (model == NULL)
    return FALSE;
  session = ituning_session_new (model);
  return tool_generate_options_apply (&decoding, &generate, session, &options,
             error) &&
      caption_input (session, ituning_model_get_info (model), input, &generate,
          cancellable, error);
}
