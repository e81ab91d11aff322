/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/tensors.h"

#include <string.h>

#include "model/files.h"
#include "model/json.h"

/* The format: a little-endian u64 with the header's length, the header (a JSON
 * object: name -> {dtype, shape, data_offsets}), then the data. Offsets count
 * from the data's start; no two tensors share a byte of it. */

#define LENGTH_BYTES 8
#define MAX_HEADER_BYTES (100u << 20) /* the limit of the reference reader */

static gboolean
format_error (GError **error, const char *path, const char *name,
    const char *what)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: tensor \"%s\" %s", path, name, what);
  return FALSE;
}

static gboolean
read_type (const char *path, const char *name, JsonObject *entry,
    ItuningType *type, GError **error)
{
  const char *dtype = NULL;

  if (!ituning_json_get_string (entry, path, "dtype", &dtype, error))
    return FALSE;
  for (guint i = ITUNING_TYPE_F32; i <= ITUNING_TYPE_BOOL; i++) {
    if (g_strcmp0 (dtype, ituning_type_name ((ItuningType) i)) == 0) {
      *type = (ItuningType) i;
      return TRUE;
    }
  }
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      "%s: tensor \"%s\" has the unknown type \"%s\"", path, name,
      dtype != NULL ? dtype : "");
  return FALSE;
}

/* Reads a JSON array of at most @max whole numbers that are not negative. */
static gboolean
read_numbers (JsonObject *entry, const char *member, gsize max, guint64 *values,
    gsize *n_values)
{
  JsonNode *node = json_object_get_member (entry, member);
  JsonArray *array;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return FALSE;
  array = json_node_get_array (node);
  if (json_array_get_length (array) > max)
    return FALSE;
  *n_values = json_array_get_length (array);
  for (guint i = 0; i < *n_values; i++) {
    JsonNode *element = json_array_get_element (array, i);
    if (json_node_get_value_type (element) != G_TYPE_INT64 ||
        json_node_get_int (element) < 0)
      return FALSE;
    values[i] = (guint64) json_node_get_int (element);
  }
  return TRUE;
}

static gboolean
read_entry (const char *path, const char *name, JsonNode *node,
    const guint8 *data, gsize data_size, ItuningTensor *tensor, GError **error)
{
  JsonObject *entry;
  guint64 dims[ITUNING_MAX_DIMS], offsets[2];
  gsize n_dims, n_offsets;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return format_error (error, path, name, "has no description");
  entry = json_node_get_object (node);
  if (!read_type (path, name, entry, &tensor->type, error))
    return FALSE;
  if (!read_numbers (entry, "shape", ITUNING_MAX_DIMS, dims, &n_dims) ||
      !ituning_tensor_set_shape (tensor, dims, n_dims))
    return format_error (error, path, name, "has no usable shape");
  if (!read_numbers (entry, "data_offsets", 2, offsets, &n_offsets) ||
      n_offsets != 2 || offsets[0] > offsets[1])
    return format_error (error, path, name, "has no usable data_offsets");
  if (offsets[1] > data_size)
    return format_error (error, path, name,
        "reaches past the end of the file (is it truncated?)");
  if (offsets[1] - offsets[0] != tensor->size)
    return format_error (error, path, name,
        "has data_offsets that do not fit its shape and type");
  tensor->data = data + offsets[0];
  /* The data may itself start at any byte, as in GPT-2's own file, whose header
   * is not padded: whoever uses a tensor looks at its address. */
  if (offsets[0] % ituning_type_size (tensor->type) != 0)
    return format_error (error, path, name,
        "starts at an offset that is not a multiple of its type's size");
  return TRUE;
}

static gboolean
read_header (const char *path, const guint8 *bytes, gsize size, gsize *length,
    GError **error)
{
  guint64 promised;

  if (size < LENGTH_BYTES + 2) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: is too short for a safetensors file (%" G_GSIZE_FORMAT " bytes)",
        path, size);
    return FALSE;
  }
  memcpy (&promised, bytes, LENGTH_BYTES);
  promised = GUINT64_FROM_LE (promised);
  if (bytes[LENGTH_BYTES] != '{' || promised > MAX_HEADER_BYTES) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: is not a safetensors file", path);
    return FALSE;
  }
  if (promised > size - LENGTH_BYTES) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: promises a header of %" G_GUINT64_FORMAT
        " bytes, has room for %" G_GSIZE_FORMAT,
        path, promised, size - LENGTH_BYTES);
    return FALSE;
  }
  *length = (gsize) promised;
  return TRUE;
}

gboolean
ituning_safetensors_read (const char *path, GMappedFile *file, GArray *found,
    GError **error)
{
  const guint8 *bytes = (const guint8 *) g_mapped_file_get_contents (file);
  const gsize size = g_mapped_file_get_length (file);
  const guint first = found->len;
  g_autoptr (JsonNode) root = NULL;
  JsonObject *header;
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;
  gsize length;

  if (!read_header (path, bytes, size, &length, error))
    return FALSE;
  root = ituning_json_parse (path, (const char *) bytes + LENGTH_BYTES, length,
      error);
  if (root == NULL || !ituning_json_object (root, path, &header, error))
    return FALSE;
  json_object_iter_init (&iter, header);
  while (json_object_iter_next (&iter, &name, &node)) {
    ItuningTensor tensor = { 0 };
    if (g_str_equal (name, "__metadata__"))
      continue;
    if (!read_entry (path, name, node, bytes + LENGTH_BYTES + length,
            size - LENGTH_BYTES - length, &tensor, error))
      return FALSE;
    tensor.name = g_strdup (name);
    g_array_append_val (found, tensor);
  }
  return ituning_tensors_check_overlaps (path, found, first, error);
}

/* --- writing ------------------------------------------------------------ */

static int
compare_alignment (gconstpointer a, gconstpointer b, gpointer tensors)
{
  const ItuningTensor *all = tensors;
  const gsize i = *(const gsize *) a, j = *(const gsize *) b;
  const gsize x = ituning_type_size (all[i].type);
  const gsize y = ituning_type_size (all[j].type);

  if (x != y)
    return x > y ? -1 : 1;
  return i < j ? -1 : i > j;
}

static char *
build_header (const ItuningTensor *tensors, const gsize *order, gsize n_tensors,
    gsize *size)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;
  gsize offset = 0;
  GString *header;

  json_builder_begin_object (builder);
  for (gsize i = 0; i < n_tensors; i++) {
    const ItuningTensor *tensor = &tensors[order[i]];
    json_builder_set_member_name (builder, tensor->name);
    json_builder_begin_object (builder);
    json_builder_set_member_name (builder, "dtype");
    json_builder_add_string_value (builder, ituning_type_name (tensor->type));
    json_builder_set_member_name (builder, "shape");
    json_builder_begin_array (builder);
    for (guint dim = 0; dim < tensor->n_dims; dim++)
      json_builder_add_int_value (builder, (gint64) tensor->dims[dim]);
    json_builder_end_array (builder);
    json_builder_set_member_name (builder, "data_offsets");
    json_builder_begin_array (builder);
    json_builder_add_int_value (builder, (gint64) offset);
    offset += tensor->size;
    json_builder_add_int_value (builder, (gint64) offset);
    json_builder_end_array (builder);
    json_builder_end_object (builder);
  }
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  header = g_string_new (text);
  while (header->len % LENGTH_BYTES != 0)
    g_string_append_c (header, ' ');
  *size = header->len;
  return g_string_free (header, FALSE);
}

/* What is written, in which order. */
typedef struct
{
  const ItuningTensor *tensors;
  const gsize *order;
  gsize n_tensors;
} Output;

static gboolean
write_all (GOutputStream *stream, gpointer data, GError **error)
{
  const Output *self = data;
  gsize length;
  g_autofree char *header = build_header (self->tensors, self->order,
      self->n_tensors, &length);
  const guint64 promised = GUINT64_TO_LE ((guint64) length);

  if (!g_output_stream_write_all (stream, &promised, sizeof (promised), NULL,
          NULL, error) ||
      !g_output_stream_write_all (stream, header, length, NULL, NULL, error))
    return FALSE;
  for (gsize i = 0; i < self->n_tensors; i++) {
    const ItuningTensor *tensor = &self->tensors[self->order[i]];
    if (!g_output_stream_write_all (stream, tensor->data, tensor->size, NULL,
            NULL, error))
      return FALSE;
  }
  return TRUE;
}

/**
 * ituning_tensors_save:
 * @path: file to write
 * @tensors: [@n_tensors] what to write; names must differ
 * @n_tensors: how many
 *
 * Writes a safetensors file. It appears under its name only when it is whole;
 * an older file of that name stays if writing fails. Tensors of wider types
 * come first, so that each is aligned.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
ituning_tensors_save (const char *path, const ItuningTensor *tensors,
    gsize n_tensors, GError **error)
{
  g_autofree gsize *order = g_new (gsize, MAX (n_tensors, 1));
  Output output = { tensors, order, n_tensors };

  for (gsize i = 0; i < n_tensors; i++)
    order[i] = i;
  g_qsort_with_data (order, (int) n_tensors, sizeof (gsize), compare_alignment,
      (gpointer) tensors);
  return ituning_file_replace (path, write_all, &output, error);
}
