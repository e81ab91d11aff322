/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "model/pickle.h"
#include "model/tensors.h"
#include "model/zip.h"

/* What torch.save has written since PyTorch 1.6: a zip archive with the pickle
 * PREFIX/data.pkl and, for each storage that it refers to, its elements in
 * PREFIX/data/KEY. The way: archive -> pickle -> state dict, a dict of name to
 * tensor -> for each tensor its storage -> a view of the mapped file. */

#define REBUILD_TENSOR "torch._utils._rebuild_tensor_v2"
#define REBUILD_PARAMETER "torch._utils._rebuild_parameter"

static const struct
{
  const char *global;
  ItuningType type;
} storages[] = {
  { "torch.FloatStorage", ITUNING_TYPE_F32 },
  { "torch.HalfStorage", ITUNING_TYPE_F16 },
  { "torch.BFloat16Storage", ITUNING_TYPE_BF16 },
  { "torch.DoubleStorage", ITUNING_TYPE_F64 },
  { "torch.LongStorage", ITUNING_TYPE_I64 },
  { "torch.IntStorage", ITUNING_TYPE_I32 },
  { "torch.ShortStorage", ITUNING_TYPE_I16 },
  { "torch.CharStorage", ITUNING_TYPE_I8 },
  { "torch.ByteStorage", ITUNING_TYPE_U8 },
  { "torch.BoolStorage", ITUNING_TYPE_BOOL },
};

/* An open checkpoint. */
typedef struct
{
  const char *path; /* borrowed */
  ItuningZip *zip; /* owned */
  char *prefix; /* owned: the folder in the archive that all entries are in */
} Archive;

/* Where the elements of one or more tensors lie. */
typedef struct
{
  ItuningType type;
  const guint8 *data; /* borrowed from the mapping */
  gsize n_elements;
} Storage;

static gboolean
tensor_error (GError **error, ItuningError code, const Archive *archive,
    const char *name, const char *what)
{
  g_set_error (error, ITUNING_ERROR, (int) code, "%s: tensor \"%s\" %s",
      archive->path, name, what);
  return FALSE;
}

/* --- the archive -------------------------------------------------------- */

static void
archive_clear (Archive *archive)
{
  ituning_zip_free (archive->zip);
  g_free (archive->prefix);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Archive, archive_clear)

static gboolean
archive_contains (const Archive *archive, const char *name)
{
  g_autofree char *full = g_strconcat (archive->prefix, "/", name, NULL);

  return ituning_zip_contains (archive->zip, full);
}

static gboolean
archive_read (const Archive *archive, const char *name, const guint8 **data,
    gsize *size, GError **error)
{
  g_autofree char *full = g_strconcat (archive->prefix, "/", name, NULL);

  return ituning_zip_read (archive->zip, full, data, size, error);
}

static gboolean
check_byte_order (const Archive *archive, GError **error)
{
  const guint8 *order;
  gsize size;

  /* Older versions do not say, and wrote that of their machine. */
  if (!archive_contains (archive, "byteorder"))
    return TRUE;
  if (!archive_read (archive, "byteorder", &order, &size, error))
    return FALSE;
  if (size == 6 && memcmp (order, "little", 6) == 0)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      "%s: its byte order is not \"little\"", archive->path);
  return FALSE;
}

static gboolean
not_a_checkpoint (const char *path, GError **error)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: is not a PyTorch zip checkpoint (save it again with PyTorch 1.6 or "
      "later, or as safetensors)",
      path);
  return FALSE;
}

static gboolean
archive_open (Archive *archive, const guint8 *bytes, gsize size, GError **error)
{
  const char *first, *slash;

  if (size < 4 || memcmp (bytes, "PK\3\4", 4) != 0)
    return not_a_checkpoint (archive->path, error);
  archive->zip = ituning_zip_open (archive->path, bytes, size, error);
  if (archive->zip == NULL)
    return FALSE;
  first = ituning_zip_get_first_name (archive->zip);
  slash = first != NULL ? strchr (first, '/') : NULL;
  if (slash == NULL)
    return not_a_checkpoint (archive->path, error);
  archive->prefix = g_strndup (first, (gsize) (slash - first));
  if (!archive_contains (archive, "data.pkl"))
    return not_a_checkpoint (archive->path, error);
  if (archive_contains (archive, "constants.pkl")) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "%s: is a TorchScript program, not a checkpoint (save its state_dict "
        "instead)",
        archive->path);
    return FALSE;
  }
  return check_byte_order (archive, error);
}

/* --- tensors ------------------------------------------------------------ */

static const ItuningPickleValue *
get_item (const ItuningPickleValue *value, guint index)
{
  return g_ptr_array_index (value->items, index);
}

/* Checks the kinds of a value's first items against a text of one letter each:
 * i integer, s string, t tuple, g global, p persistent. */
static gboolean
has_items (const ItuningPickleValue *value, const char *kinds)
{
  static const ItuningPickleKind letters[] = {
    ['i'] = ITUNING_PICKLE_INTEGER,
    ['s'] = ITUNING_PICKLE_TEXT,
    ['t'] = ITUNING_PICKLE_TUPLE,
    ['g'] = ITUNING_PICKLE_GLOBAL,
    ['p'] = ITUNING_PICKLE_PERSISTENT,
  };

  if (value->items->len < strlen (kinds))
    return FALSE;
  for (guint i = 0; kinds[i] != '\0'; i++) {
    if (get_item (value, i)->kind != letters[(guchar) kinds[i]])
      return FALSE;
  }
  return TRUE;
}

static gboolean
is_call (const ItuningPickleValue *value, const char *callee)
{
  return value->kind == ITUNING_PICKLE_CALL &&
      g_str_equal (value->text, callee);
}

static gboolean
find_type (const char *global, ItuningType *type)
{
  for (guint i = 0; i < G_N_ELEMENTS (storages); i++) {
    if (g_str_equal (global, storages[i].global)) {
      *type = storages[i].type;
      return TRUE;
    }
  }
  return FALSE;
}

/* Finds what a persistent id stands for: ("storage", class, key, device it was
 * on, number of elements). */
static gboolean
read_storage (const Archive *archive, const char *name,
    const ItuningPickleValue *id, Storage *storage, GError **error)
{
  g_autofree char *entry = NULL;
  gint64 promised;
  gsize size;

  if (!has_items (id, "sgssi") ||
      !g_str_equal (get_item (id, 0)->text, "storage") ||
      !find_type (get_item (id, 1)->text, &storage->type))
    return tensor_error (error, ITUNING_ERROR_FORMAT, archive, name,
        "has no usable storage");
  entry = g_strconcat ("data/", get_item (id, 2)->text, NULL);
  if (!archive_read (archive, entry, &storage->data, &size, error))
    return FALSE;
  promised = get_item (id, 4)->integer;
  storage->n_elements = size / ituning_type_size (storage->type);
  if (promised < 0 || (guint64) promised > storage->n_elements) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: tensor \"%s\" is promised %" G_GINT64_FORMAT
        " elements, its storage has %" G_GSIZE_FORMAT,
        archive->path, name, promised, storage->n_elements);
    return FALSE;
  }
  return TRUE;
}

static gboolean
read_shape (const ItuningPickleValue *sizes, ItuningTensor *tensor)
{
  guint64 dims[ITUNING_MAX_DIMS];

  if (sizes->items->len > ITUNING_MAX_DIMS)
    return FALSE;
  for (guint i = 0; i < sizes->items->len; i++) {
    const ItuningPickleValue *dim = get_item (sizes, i);
    if (dim->kind != ITUNING_PICKLE_INTEGER || dim->integer < 0)
      return FALSE;
    dims[i] = (guint64) dim->integer;
  }
  return ituning_tensor_set_shape (tensor, dims, sizes->items->len);
}

/* Whether the strides are those of row-major elements without gaps. Along a
 * dimension of one, and in a tensor of none, every stride is. */
static gboolean
is_contiguous (const ItuningTensor *tensor, const ItuningPickleValue *strides)
{
  gint64 stride = 1;

  if (tensor->size == 0)
    return TRUE;
  for (guint i = tensor->n_dims; i-- > 0;) {
    if (tensor->dims[i] == 1)
      continue;
    if (get_item (strides, i)->kind != ITUNING_PICKLE_INTEGER ||
        get_item (strides, i)->integer != stride)
      return FALSE;
    stride *= (gint64) tensor->dims[i];
  }
  return TRUE;
}

/* Reads what _rebuild_tensor_v2 would make of (storage, offset, sizes, strides,
 * ...), the offset and the strides counted in elements. */
static gboolean
read_tensor (const Archive *archive, const char *name,
    const ItuningPickleValue *call, ItuningTensor *tensor, GError **error)
{
  const ItuningPickleValue *strides;
  Storage storage;
  gsize element;
  gint64 offset;

  if (!has_items (call, "pitt"))
    return tensor_error (error, ITUNING_ERROR_FORMAT, archive, name,
        "is not made from a storage, offset, size and stride");
  if (!read_storage (archive, name, get_item (call, 0), &storage, error))
    return FALSE;
  tensor->type = storage.type;
  if (!read_shape (get_item (call, 2), tensor))
    return tensor_error (error, ITUNING_ERROR_FORMAT, archive, name,
        "has no usable shape");
  strides = get_item (call, 3);
  if (strides->items->len != tensor->n_dims)
    return tensor_error (error, ITUNING_ERROR_FORMAT, archive, name,
        "has not one stride for each dimension");
  if (!is_contiguous (tensor, strides))
    return tensor_error (error, ITUNING_ERROR_UNSUPPORTED, archive, name,
        "is not contiguous (save it again after .contiguous ())");
  element = ituning_type_size (tensor->type);
  offset = get_item (call, 1)->integer;
  if (offset < 0 || (guint64) offset > storage.n_elements ||
      tensor->size / element > storage.n_elements - (gsize) offset)
    return tensor_error (error, ITUNING_ERROR_FORMAT, archive, name,
        "reaches outside of its storage");
  tensor->data = storage.data + (gsize) offset * element;
  if ((gsize) tensor->data % element != 0)
    return tensor_error (error, ITUNING_ERROR_FORMAT, archive, name,
        "starts at an offset that is not a multiple of its type's size");
  return TRUE;
}

/* --- the state dict ----------------------------------------------------- */

static const ItuningPickleValue *
find_member (const ItuningPickleValue *dict, const char *name)
{
  for (guint i = dict->items->len; i >= 2; i -= 2) {
    const ItuningPickleValue *key = get_item (dict, i - 2);
    if (key->kind == ITUNING_PICKLE_TEXT && g_str_equal (key->text, name))
      return get_item (dict, i - 1);
  }
  return NULL;
}

/* The state dict: the pickled dict itself, or the one that training programs
 * put into it beside their own state. */
static const ItuningPickleValue *
find_state (const Archive *archive, const ItuningPickleValue *root,
    GError **error)
{
  static const char *const members[] = { "state_dict", "model_state_dict",
    "model" };

  if (root->kind != ITUNING_PICKLE_DICT) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "%s: holds something other than a dict of tensors (save the model's "
        "state_dict)",
        archive->path);
    return NULL;
  }
  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    const ItuningPickleValue *inner = find_member (root, members[i]);
    if (inner != NULL && inner->kind == ITUNING_PICKLE_DICT)
      return inner;
  }
  return root;
}

/* Adds the tensor or parameter of a state dict; what else is in one, such as a
 * number of steps, is passed over. */
static gboolean
add_value (const Archive *archive, const char *name,
    const ItuningPickleValue *value, GArray *found, GError **error)
{
  ItuningTensor tensor = { 0 };

  if (is_call (value, REBUILD_PARAMETER)) {
    if (value->items->len == 0 ||
        !is_call (get_item (value, 0), REBUILD_TENSOR))
      return tensor_error (error, ITUNING_ERROR_FORMAT, archive, name,
          "is a parameter without data");
    value = get_item (value, 0);
  }
  if (!is_call (value, REBUILD_TENSOR))
    return TRUE;
  if (!read_tensor (archive, name, value, &tensor, error))
    return FALSE;
  tensor.name = g_strdup (name);
  g_array_append_val (found, tensor);
  return TRUE;
}

/* Adds the tensors in the dict's order. Of a key that is set twice the last
 * value counts, as in Python. */
static gboolean
add_state (const Archive *archive, const ItuningPickleValue *state,
    GArray *found, GError **error)
{
  g_autoptr (GHashTable) last = g_hash_table_new (g_str_hash, g_str_equal);
  const guint n_items = state->items->len, first = found->len;

  for (guint i = 0; i < n_items; i += 2) {
    if (get_item (state, i)->kind == ITUNING_PICKLE_TEXT)
      g_hash_table_insert (last, (char *) get_item (state, i)->text,
          GUINT_TO_POINTER (i + 1));
  }
  for (guint i = 0; i < n_items; i += 2) {
    const char *name = get_item (state, i)->text;
    if (get_item (state, i)->kind == ITUNING_PICKLE_TEXT &&
        g_hash_table_lookup (last, name) == GUINT_TO_POINTER (i + 1) &&
        !add_value (archive, name, get_item (state, i + 1), found, error))
      return FALSE;
  }
  if (found->len > first)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: its dict holds no tensors", archive->path);
  return FALSE;
}

/* All that the pickle of a state dict has reason to name. */
static gboolean
may_name (const char *global)
{
  ItuningType type;

  return g_str_equal (global, REBUILD_TENSOR) ||
      g_str_equal (global, REBUILD_PARAMETER) || find_type (global, &type);
}

/* Nothing in the file is executed: the pickle is read as data, and may name
 * only what a state dict consists of. */
gboolean
ituning_pytorch_read (const char *path, GMappedFile *file, GArray *found,
    GError **error)
{
  g_auto (Archive) archive = { .path = path };
  g_autoptr (ItuningPickle) pickle = NULL;
  const ItuningPickleValue *state;
  const guint8 *data;
  gsize size;

  if (!archive_open (&archive,
          (const guint8 *) g_mapped_file_get_contents (file),
          g_mapped_file_get_length (file), error) ||
      !archive_read (&archive, "data.pkl", &data, &size, error))
    return FALSE;
  pickle = ituning_pickle_read (path, data, size, may_name, error);
  if (pickle == NULL)
    return FALSE;
  state = find_state (&archive, ituning_pickle_get_root (pickle), error);
  return state != NULL && add_state (&archive, state, found, error);
}
