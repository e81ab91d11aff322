/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning convert`: a model, of folders or packed, into one packed file. */

#include "gst/tools/command.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"
#include "gst/tools/types.h"

/* The model may be named by --model or, as the thing to convert, without; one of
 * random weights has no name. */
static gboolean
take_model (ToolModelOptions *options, const char *size, char **arguments,
    GError **error)
{
  if (size != NULL &&
      (arguments[0] != NULL || options->model != NULL ||
          options->vision != NULL || options->language != NULL ||
          options->adapter != NULL))
    return tool_options_usage_error (error,
        "--size makes a model: there is none to give");
  if (size != NULL)
    return tool_options_check_size (size, error);
  if (arguments[0] == NULL)
    return tool_model_options_check (options, error);
  if (options->model != NULL || arguments[1] != NULL)
    return tool_options_usage_error (error,
        "%s: only one model can be converted",
        arguments[options->model != NULL ? 0 : 1]);
  options->model = g_strdup (arguments[0]);
  return TRUE;
}

static gboolean
check_output (const char *output, gboolean force, GError **error)
{
  if (!tool_output_check (output, error))
    return FALSE;
  if (force || !g_file_test (output, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
      "%s: exists; -f overwrites it", output);
  return FALSE;
}

gboolean
tool_convert_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_autofree char *output = NULL, *name = NULL, *description = NULL;
  g_autofree char *size = NULL;
  gboolean force = FALSE;
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
        "The file to write, a .gguf", "FILE" },
    { "type", 't', 0, G_OPTION_ARG_STRING, &name,
        "What weights are stored as: f32, f16, bf16, q8_0 or q4_0 (f32); of "
        "parts: q8_0,language=q4_0",
        "TYPE[,PART=TYPE...]" },
    { "description", 0, 0, G_OPTION_ARG_STRING, &description,
        "What the model knows, for `inspect` to show (the model's own)",
        "TEXT" },
    { "size", 0, 0, G_OPTION_ARG_STRING, &size,
        "In place of a model random weights, to measure with: base, medium or "
        "large",
        "SIZE" },
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force, "Overwrite FILE", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new ("[MODEL]",
      "Packs vision tower, language model, adapter, tokenizer and "
      "preprocessing into one file.",
      entries);
  g_auto (ToolModelOptions) options = { 0 };
  g_auto (GStrv) arguments = NULL;
  g_autoptr (ItuningModel) model = NULL;
  ItuningPartTypes types = { 0 };

  tool_model_options_add (&options, context);
  if (!tool_options_parse (context, argv, &arguments, error) ||
      !tool_types_parse (name, &types, error))
    return FALSE;
  if (output == NULL)
    return tool_options_usage_error (error, "--output is missing");
  if (!take_model (&options, size, arguments, error) ||
      !check_output (output, force, error))
    return FALSE;
  model = size != NULL ? ituning_model_open_random (size, NULL, 0, 0, error)
                       : tool_model_options_open (&options, error);
  if (model != NULL && description != NULL)
    ituning_model_set_description (model, description);
  return model != NULL &&
      ituning_model_save_mixed (model, output, &types, cancellable, error);
}
