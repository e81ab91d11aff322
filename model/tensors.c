/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/tensors.h"

#include <string.h>

#include "model/files.h"
#include "model/json.h"

/* Immutable once opened. */
struct _ItuningTensors
{
  char *path; /* owned: what was opened, for messages */
  GPtrArray *files; /* owned: GMappedFile, what the tensors point into */
  GArray *tensors; /* owned: ItuningTensor, names owned */
  GHashTable *index; /* owned: name (of @tensors) -> position + 1 */
};

static const struct
{
  const char *name;
  gsize size;
  gsize block; /* elements that take @size bytes */
} types[] = {
  [ITUNING_TYPE_F32] = { "F32", 4, 1 },
  [ITUNING_TYPE_F16] = { "F16", 2, 1 },
  [ITUNING_TYPE_BF16] = { "BF16", 2, 1 },
  [ITUNING_TYPE_F64] = { "F64", 8, 1 },
  [ITUNING_TYPE_I64] = { "I64", 8, 1 },
  [ITUNING_TYPE_I32] = { "I32", 4, 1 },
  [ITUNING_TYPE_I16] = { "I16", 2, 1 },
  [ITUNING_TYPE_I8] = { "I8", 1, 1 },
  [ITUNING_TYPE_U8] = { "U8", 1, 1 },
  [ITUNING_TYPE_BOOL] = { "BOOL", 1, 1 },
  [ITUNING_TYPE_Q8_0] = { "Q8_0", 34, 32 },
  [ITUNING_TYPE_Q4_0] = { "Q4_0", 18, 32 },
};

/**
 * ituning_type_name:
 *
 * Returns: the name that safetensors or else GGUF gives @type, such as "BF16"
 */
const char *
ituning_type_name (ItuningType type)
{
  g_return_val_if_fail ((gsize) type < G_N_ELEMENTS (types), NULL);
  return types[type].name;
}

/**
 * ituning_type_size:
 *
 * Returns: bytes of an element; of a block for quantised types
 */
gsize
ituning_type_size (ItuningType type)
{
  g_return_val_if_fail ((gsize) type < G_N_ELEMENTS (types), 0);
  return types[type].size;
}

/**
 * ituning_type_bits:
 *
 * Returns: bits of a weight in a quantised type; 0 for others
 */
guint
ituning_type_bits (ItuningType type)
{
  return type == ITUNING_TYPE_Q8_0 ? 8 : type == ITUNING_TYPE_Q4_0 ? 4 : 0;
}

/**
 * ituning_type_row_size:
 * @n: elements; of a quantised type a multiple of its block
 *
 * Returns: bytes that they take, or what is larger than memory can be
 */
guint64
ituning_type_row_size (ItuningType type, guint64 n)
{
  const gsize block = types[type].block;

  return n / block > G_MAXSSIZE ? G_MAXUINT64 : n / block * types[type].size;
}

/**
 * ituning_tensor_set_shape:
 * @tensor: a tensor with its type set; gets the shape and its size in bytes
 * @dims: [@n_dims] lengths, from a file
 * @n_dims: how many
 *
 * Returns: FALSE when there are too many dimensions, the tensor would be larger
 *   than memory can be, or rows are no whole blocks
 */
gboolean
ituning_tensor_set_shape (ItuningTensor *tensor, const guint64 *dims,
    gsize n_dims)
{
  const gsize block = types[tensor->type].block;
  gsize size = ituning_type_size (tensor->type);

  if (n_dims > ITUNING_MAX_DIMS ||
      (block > 1 && (n_dims == 0 || dims[n_dims - 1] % block != 0)))
    return FALSE;
  tensor->n_dims = (guint) n_dims;
  for (gsize i = 0; i < n_dims; i++) {
    const guint64 n = i + 1 < n_dims ? dims[i] : dims[i] / block;
    if (dims[i] > G_MAXSSIZE || (n > 0 && size > G_MAXSSIZE / n))
      return FALSE;
    tensor->dims[i] = (gsize) dims[i];
    size *= (gsize) n;
  }
  tensor->size = size;
  return TRUE;
}

/**
 * ituning_tensor_describe_dims:
 * @dims: [@n_dims] lengths
 * @n_dims: how many
 *
 * Returns: (transfer full): a shape to show, such as "[768, 3]"
 */
char *
ituning_tensor_describe_dims (const gsize *dims, gsize n_dims)
{
  GString *text = g_string_new ("[");

  for (gsize i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GSIZE_FORMAT, i > 0 ? ", " : "",
        dims[i]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

static int
compare_data (gconstpointer a, gconstpointer b)
{
  const ItuningTensor *x = a, *y = b;

  if (x->data != y->data)
    return (const guint8 *) x->data < (const guint8 *) y->data ? -1 : 1;
  return x->size < y->size ? -1 : x->size > y->size;
}

/**
 * ituning_tensors_check_overlaps:
 * @path: their file, for messages
 * @found: ItuningTensor array, sorted by place from @first on
 * @first: the first one of that file
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when two of them share bytes
 */
gboolean
ituning_tensors_check_overlaps (const char *path, GArray *found, guint first,
    GError **error)
{
  const ItuningTensor *tensors;
  const guint8 *end = NULL;

  if (found->len == first)
    return TRUE;
  tensors = &g_array_index (found, ItuningTensor, first);
  qsort ((void *) tensors, found->len - first, sizeof (ItuningTensor),
      compare_data);
  for (guint i = 0; i < found->len - first; i++) {
    const guint8 *data = tensors[i].data;
    if (tensors[i].size == 0)
      continue;
    if (data < end) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: tensor \"%s\" overlaps another tensor", path, tensors[i].name);
      return FALSE;
    }
    end = data + tensors[i].size;
  }
  return TRUE;
}

static void
clear_name (gpointer tensor)
{
  g_free ((char *) ((ItuningTensor *) tensor)->name);
}

static ItuningTensors *
tensors_new (const char *path)
{
  ItuningTensors *self = g_new0 (ItuningTensors, 1);

  self->path = g_strdup (path);
  self->files = g_ptr_array_new_with_free_func (
      (GDestroyNotify) g_mapped_file_unref);
  self->tensors = g_array_new (FALSE, FALSE, sizeof (ItuningTensor));
  g_array_set_clear_func (self->tensors, clear_name);
  self->index = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

/**
 * ituning_tensors_free:
 * @tensors: (nullable) (transfer full): a set; its tensors go with it
 */
void
ituning_tensors_free (ItuningTensors *tensors)
{
  if (tensors == NULL)
    return;
  g_hash_table_unref (tensors->index);
  g_array_unref (tensors->tensors);
  g_ptr_array_unref (tensors->files);
  g_free (tensors->path);
  g_free (tensors);
}

static gboolean
add_file (ItuningTensors *self, const char *path, GError **error)
{
  GMappedFile *file = ituning_file_map (path, error);

  if (file == NULL)
    return FALSE;
  g_ptr_array_add (self->files, file);
  if (g_mapped_file_get_length (file) >= 4 &&
      memcmp (g_mapped_file_get_contents (file), "PK\3\4", 4) == 0)
    return ituning_pytorch_read (path, file, self->tensors, error);
  if (g_str_has_suffix (path, ".bin") || g_str_has_suffix (path, ".pt"))
    return ituning_pytorch_read (path, file, self->tensors, error);
  return ituning_safetensors_read (path, file, self->tensors, error);
}

static gboolean
build_index (ItuningTensors *self, GError **error)
{
  for (guint i = 0; i < self->tensors->len; i++) {
    const ItuningTensor *tensor = &g_array_index (self->tensors, ItuningTensor,
        i);
    if (!g_hash_table_insert (self->index, (char *) tensor->name,
            GUINT_TO_POINTER (i + 1))) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: has two tensors of the name \"%s\"", self->path, tensor->name);
      return FALSE;
    }
  }
  return TRUE;
}

/* The files of an index, each once; shards lie beside the index. */
static GHashTable *
list_shards (const char *path, JsonObject *weight_map, GError **error)
{
  g_autoptr (GHashTable) shards = g_hash_table_new_full (g_str_hash,
      g_str_equal, g_free, NULL);
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, weight_map);
  while (json_object_iter_next (&iter, &name, &node)) {
    const char *shard = json_node_get_value_type (node) == G_TYPE_STRING
        ? json_node_get_string (node)
        : "";
    if (*shard == '\0' || strchr (shard, '/') != NULL ||
        g_str_equal (shard, "..")) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: tensor \"%s\" is said to lie in \"%s\", which is no file beside "
          "the index",
          path, name, shard);
      return NULL;
    }
    g_hash_table_add (shards, g_strdup (shard));
  }
  return g_steal_pointer (&shards);
}

static gboolean
check_shards_hold (ItuningTensors *self, JsonObject *weight_map, GError **error)
{
  JsonObjectIter iter;
  const char *name;

  json_object_iter_init (&iter, weight_map);
  while (json_object_iter_next (&iter, &name, NULL)) {
    if (ituning_tensors_lookup (self, name) == NULL) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
          "%s: tensor \"%s\" is in none of the files that the index names",
          self->path, name);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
add_index (ItuningTensors *self, GError **error)
{
  g_autoptr (JsonNode) root = ituning_json_load (self->path, error);
  g_autofree char *folder = g_path_get_dirname (self->path);
  g_autoptr (GHashTable) shards = NULL;
  JsonObject *object, *weight_map;
  GHashTableIter iter;
  gpointer shard;

  if (root == NULL || !ituning_json_object (root, self->path, &object, error))
    return FALSE;
  if (!json_object_has_member (object, "weight_map") ||
      !JSON_NODE_HOLDS_OBJECT (json_object_get_member (object, "weight_map"))) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: has no \"weight_map\": not the index of a sharded checkpoint",
        self->path);
    return FALSE;
  }
  weight_map = json_object_get_object_member (object, "weight_map");
  shards = list_shards (self->path, weight_map, error);
  if (shards == NULL)
    return FALSE;
  g_hash_table_iter_init (&iter, shards);
  while (g_hash_table_iter_next (&iter, &shard, NULL)) {
    g_autofree char *path = g_build_filename (folder, shard, NULL);
    if (!add_file (self, path, error))
      return FALSE;
  }
  return build_index (self, error) &&
      check_shards_hold (self, weight_map, error);
}

/**
 * ituning_tensors_open:
 * @path: a safetensors file, a PyTorch zip checkpoint, or the
 *   `.index.json` of a sharded one of either kind
 *
 * Maps the file and checks all that it says of its tensors. Nothing is read
 * but the header, and nothing in the file is executed.
 *
 * Returns: (transfer full): its tensors; or %NULL with %ITUNING_ERROR_OPEN,
 *   %ITUNING_ERROR_FORMAT, %ITUNING_ERROR_UNSUPPORTED or
 *   %ITUNING_ERROR_MISMATCH
 */
ItuningTensors *
ituning_tensors_open (const char *path, GError **error)
{
  g_autoptr (ItuningTensors) self = NULL;

  g_return_val_if_fail (path != NULL, NULL);
  self = tensors_new (path);
  if (g_str_has_suffix (path, ".json")) {
    if (!add_index (self, error))
      return NULL;
  } else if (!add_file (self, path, error) || !build_index (self, error)) {
    return NULL;
  }
  return g_steal_pointer (&self);
}

/**
 * ituning_tensors_open_folder:
 * @folder: a folder as it is downloaded, one model in it
 *
 * Opens the first of `model.safetensors`, `model.safetensors.index.json`,
 * `pytorch_model.bin` and `pytorch_model.bin.index.json` that is there.
 *
 * Returns: (transfer full): its tensors; or %NULL as ituning_tensors_open ()
 */
ItuningTensors *
ituning_tensors_open_folder (const char *folder, GError **error)
{
  static const char *const names[] = { "model.safetensors",
    "model.safetensors.index.json", "pytorch_model.bin",
    "pytorch_model.bin.index.json" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);
    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return ituning_tensors_open (path, error);
  }
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN,
      "%s: has no weights: neither model.safetensors nor pytorch_model.bin, "
      "nor the index of one",
      folder);
  return NULL;
}

/**
 * ituning_tensors_get_path:
 *
 * Returns: (transfer none): the path it was opened with
 */
const char *
ituning_tensors_get_path (const ItuningTensors *tensors)
{
  return tensors->path;
}

/**
 * ituning_tensors_get_count:
 *
 * Returns: how many tensors there are
 */
gsize
ituning_tensors_get_count (const ItuningTensors *tensors)
{
  g_return_val_if_fail (tensors != NULL, 0);
  return tensors->tensors->len;
}

/**
 * ituning_tensors_get:
 * @index: less than ituning_tensors_get_count ()
 *
 * Returns: (transfer none): a tensor; their order is that of the data
 */
const ItuningTensor *
ituning_tensors_get (const ItuningTensors *tensors, gsize index)
{
  g_return_val_if_fail (tensors != NULL, NULL);
  g_return_val_if_fail (index < tensors->tensors->len, NULL);
  return &g_array_index (tensors->tensors, ItuningTensor, index);
}

/**
 * ituning_tensors_lookup:
 * @name: a tensor's name
 *
 * Returns: (transfer none) (nullable): the tensor; or %NULL if there is none
 */
const ItuningTensor *
ituning_tensors_lookup (const ItuningTensors *tensors, const char *name)
{
  guint position;

  g_return_val_if_fail (tensors != NULL && name != NULL, NULL);
  position = GPOINTER_TO_UINT (g_hash_table_lookup (tensors->index, name));
  return position > 0
      ? &g_array_index (tensors->tensors, ItuningTensor, position - 1)
      : NULL;
}
