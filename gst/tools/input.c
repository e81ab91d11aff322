/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/input.h"

static const ItuningTensor *
find_tensor (const ItuningTensors *tensors, const char *path, const char *name,
    guint n_dims, GError **error)
{
  const ItuningTensor *tensor = ituning_tensors_lookup (tensors, name);

  if (tensor == NULL) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s: has no tensor \"%s\"", path, name);
    return NULL;
  }
  if (tensor->n_dims != n_dims) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s: \"%s\" has %u dimensions, needs %u", path, name, tensor->n_dims,
        n_dims);
    return NULL;
  }
  if ((gsize) tensor->data % ituning_type_size (tensor->type) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s: \"%s\" is not aligned: save the file with a padded header", path,
        name);
    return NULL;
  }
  return tensor;
}

/**
 * tool_input_get_pixel_values:
 * @tensors: an input file
 * @path: its name
 * @info: the model that it is for
 * @n_images: (out): gets B
 *
 * Returns: (transfer none): [B, 3, H, W] of "pixel_values", which the model
 *   fits; or %NULL with %ITUNING_ERROR_INPUT
 */
const float *
tool_input_get_pixel_values (const ItuningTensors *tensors, const char *path,
    const ItuningModelInfo *info, gsize *n_images, GError **error)
{
  const ItuningTensor *tensor = find_tensor (tensors, path, "pixel_values", 4,
      error);
  const gsize edge = info->vision.image_size;

  if (tensor == NULL)
    return NULL;
  if (tensor->type != ITUNING_TYPE_F32) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s: \"pixel_values\" is %s, needs F32", path,
        ituning_type_name (tensor->type));
    return NULL;
  }
  if (tensor->dims[0] == 0 || tensor->dims[1] != 3 || tensor->dims[2] != edge ||
      tensor->dims[3] != edge) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s: \"pixel_values\" is [%zu, %zu, %zu, %zu], the model needs "
        "[1 or more, 3, %zu, %zu]",
        path, tensor->dims[0], tensor->dims[1], tensor->dims[2],
        tensor->dims[3], edge, edge);
    return NULL;
  }
  *n_images = tensor->dims[0];
  return tensor->data;
}

/**
 * tool_input_get_ids:
 * @tensors: an input file
 * @path: its name
 * @info: the model that it is for
 * @n_rows: B, as many as there are images
 * @n_ids: (out): gets T
 *
 * Returns: (transfer full): [B, T] of "input_ids", each in the vocabulary; or
 *   %NULL with %ITUNING_ERROR_INPUT
 */
guint32 *
tool_input_get_ids (const ItuningTensors *tensors, const char *path,
    const ItuningModelInfo *info, gsize n_rows, gsize *n_ids, GError **error)
{
  const ItuningTensor *tensor = find_tensor (tensors, path, "input_ids", 2,
      error);
  g_autofree guint32 *ids = NULL;

  if (tensor == NULL)
    return NULL;
  if (tensor->type != ITUNING_TYPE_I64 && tensor->type != ITUNING_TYPE_I32) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s: \"input_ids\" is %s, needs I64 or I32", path,
        ituning_type_name (tensor->type));
    return NULL;
  }
  if (tensor->dims[0] != n_rows || tensor->dims[1] == 0 ||
      tensor->dims[1] > info->language.n_positions) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s: \"input_ids\" is [%zu, %zu], needs [%zu, 1 to %zu]: as many rows "
        "as images, no more tokens than the model has positions",
        path, tensor->dims[0], tensor->dims[1], n_rows,
        info->language.n_positions);
    return NULL;
  }
  ids = g_new (guint32, n_rows * tensor->dims[1]);
  for (gsize i = 0; i < n_rows * tensor->dims[1]; i++) {
    const gint64 id = tensor->type == ITUNING_TYPE_I64
        ? ((const gint64 *) tensor->data)[i]
        : ((const gint32 *) tensor->data)[i];
    if (id < 0 || (guint64) id >= info->language.vocab_size) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
          "%s: \"input_ids\" has %" G_GINT64_FORMAT
          ", the vocabulary has 0 to %zu",
          path, id, info->language.vocab_size - 1);
      return NULL;
    }
    ids[i] = (guint32) id;
  }
  *n_ids = tensor->dims[1];
  return g_steal_pointer (&ids);
}
