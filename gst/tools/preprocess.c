/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning preprocess`: images in, one tensor [3, H, W] an image out. */

#include <string.h>

#include "gst/tools/command.h"
#include "gst/tools/image.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"

static void
clear_tensor (gpointer data)
{
  ItuningTensor *tensor = data;

  g_free ((char *) tensor->name);
  g_free ((void *) tensor->data);
}

/* The file's name without its ending: "a/b.c.png" is "b.c". */
static char *
name_tensor (const char *path)
{
  char *name = g_path_get_basename (path);
  char *dot = strrchr (name, '.');

  if (dot != NULL && dot != name)
    *dot = '\0';
  return name;
}

static gboolean
check_names (char **paths, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal,
      g_free, NULL);

  for (gsize i = 0; paths[i] != NULL; i++) {
    g_autofree char *name = name_tensor (paths[i]);
    const char *other = g_hash_table_lookup (seen, name);
    if (other != NULL) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
          "%s: its tensor would be named \"%s\", like that of %s", paths[i],
          name, other);
      return FALSE;
    }
    if (!g_utf8_validate (name, -1, NULL)) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
          "%s: the name is not valid UTF-8, as a tensor's has to be", paths[i]);
      return FALSE;
    }
    g_hash_table_insert (seen, g_steal_pointer (&name), paths[i]);
  }
  return TRUE;
}

static gboolean
add_image (GArray *tensors, const ItuningPreprocessor *preprocessor,
    const char *path, GError **error)
{
  g_autoptr (ToolImage) image = tool_image_open (path, error);
  ItuningTensor tensor = { .type = ITUNING_TYPE_F32, .n_dims = 3 };
  g_autofree float *values = NULL;
  gsize width, height;

  if (image == NULL)
    return FALSE;
  ituning_preprocessor_get_size (preprocessor, &width, &height);
  tensor.dims[0] = 3;
  tensor.dims[1] = height;
  tensor.dims[2] = width;
  tensor.size = 3 * height * width * sizeof (float);
  values = g_malloc (tensor.size);
  if (!ituning_preprocessor_run (preprocessor, &image->image, values, error)) {
    g_prefix_error (error, "%s: ", path);
    return FALSE;
  }
  tensor.name = name_tensor (path);
  tensor.data = g_steal_pointer (&values);
  g_array_append_val (tensors, tensor);
  return TRUE;
}

static gboolean
preprocess (const char *vision, char **paths, const char *output,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (ItuningPreprocessor) preprocessor = NULL;
  g_autoptr (GArray) tensors = g_array_new (FALSE, FALSE,
      sizeof (ItuningTensor));

  g_array_set_clear_func (tensors, clear_tensor);
  if (!check_names (paths, error))
    return FALSE;
  preprocessor = ituning_preprocessor_open (vision, error);
  if (preprocessor == NULL)
    return FALSE;
  for (gsize i = 0; paths[i] != NULL; i++) {
    if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
        !add_image (tensors, preprocessor, paths[i], error))
      return FALSE;
  }
  return ituning_tensors_save (output, (ItuningTensor *) (void *) tensors->data,
      tensors->len, error);
}

gboolean
tool_preprocess_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_autofree char *vision = NULL, *output = NULL;
  const GOptionEntry entries[] = {
    { "vision", 0, 0, G_OPTION_ARG_FILENAME, &vision,
        "CLIP vision tower, with preprocessor_config.json; or a .gguf model",
        "PATH" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
        "Where to write the tensors, as safetensors", "FILE" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new ("IMAGE...",
      "Writes an F32 tensor [3, H, W] an image, named by the file's name "
      "without its ending.",
      entries);
  g_auto (GStrv) arguments = NULL;

  if (!tool_options_parse (context, argv, &arguments, error))
    return FALSE;
  if (vision == NULL || output == NULL || arguments[0] == NULL)
    return tool_options_usage_error (error, "%s is missing",
        vision == NULL       ? "--vision"
            : output == NULL ? "--output"
                             : "an image");
  return tool_output_check (output, error) &&
      preprocess (vision, arguments, output, cancellable, error);
}
