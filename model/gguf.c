/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/gguf.h"

#include <string.h>

#include "model/files.h"
#include "model/tensors.h"

/* Reading the header: every count, length and offset is held against what is
 * left of the file before it is used. Typed values: ggufvalues.c. */

#define MAX_KEY_SIZE 65535 /* the format's own limit */

/* The fewest bytes that a key with its value, and a tensor's entry, take. */
#define MIN_KEY_BYTES (8 + 4 + 1)
#define MIN_TENSOR_BYTES (8 + 4 + 4 + 8)

struct _ItuningGguf
{
  gatomicrefcount refs;
  char *path; /* owned: for messages */
  GBytes *bytes; /* owned reference: what all else points into */
  gboolean is_mapped;
  GArray *values; /* owned: ItuningGgufValue */
  GHashTable *keys; /* owned: key (of @values) -> position + 1 */
  GArray *tensors; /* owned: ItuningTensor, names owned */
  GHashTable *names; /* owned: name (of @tensors) -> position + 1 */
};

/* Where the reading is; the first failure ends it. */
typedef struct
{
  const char *path;
  const guint8 *start;
  gsize size, at;
  GError **error;
} Cursor;

static gboolean fail (Cursor *self, ItuningError code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

static gboolean
fail (Cursor *self, ItuningError code, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (self->error, ITUNING_ERROR, (int) code, "%s: %s", self->path,
      what);
  return FALSE;
}

/* --- pieces ------------------------------------------------------------- */

static gboolean
take_bytes (Cursor *self, guint64 n, const guint8 **bytes)
{
  if (n > self->size - self->at) {
    fail (self, ITUNING_ERROR_FORMAT,
        "ends inside its header (is it truncated?)");
    return FALSE; /* where the compiler sees it */
  }
  *bytes = self->start + self->at;
  self->at += (gsize) n;
  return TRUE;
}

static gboolean
take_u32 (Cursor *self, guint32 *value)
{
  const guint8 *bytes;

  if (!take_bytes (self, sizeof (*value), &bytes))
    return FALSE;
  memcpy (value, bytes, sizeof (*value));
  *value = GUINT32_FROM_LE (*value);
  return TRUE;
}

static gboolean
take_u64 (Cursor *self, guint64 *value)
{
  const guint8 *bytes;

  if (!take_bytes (self, sizeof (*value), &bytes))
    return FALSE;
  memcpy (value, bytes, sizeof (*value));
  *value = GUINT64_FROM_LE (*value);
  return TRUE;
}

static gboolean
skip_string (Cursor *self)
{
  const guint8 *bytes;
  guint64 length;

  return take_u64 (self, &length) && take_bytes (self, length, &bytes);
}

/* A key or a tensor's name: UTF-8 without NUL, not empty. */
static gboolean
take_name (Cursor *self, const char *what, char **name)
{
  const guint8 *bytes;
  guint64 length;

  if (!take_u64 (self, &length))
    return FALSE;
  if (length == 0 || length > MAX_KEY_SIZE)
    return fail (self, ITUNING_ERROR_FORMAT,
        "has a %s of %" G_GUINT64_FORMAT " bytes", what, length);
  if (!take_bytes (self, length, &bytes))
    return FALSE;
  if (!g_utf8_validate_len ((const char *) bytes, (gsize) length, NULL))
    return fail (self, ITUNING_ERROR_FORMAT, "has a %s that is not UTF-8 text",
        what);
  *name = g_strndup ((const char *) bytes, (gsize) length);
  return TRUE;
}

/* --- metadata ----------------------------------------------------------- */

/* The items of an array, or one value. */
static gboolean
take_items (Cursor *self, ItuningGgufValue *value)
{
  const gsize size = ituning_gguf_kind_size (value->kind);

  if (value->is_array && value->kind == ITUNING_GGUF_ARRAY)
    return fail (self, ITUNING_ERROR_UNSUPPORTED,
        "key \"%s\" is an array of arrays", value->key);
  if (size == 0)
    return fail (self, ITUNING_ERROR_FORMAT,
        "key \"%s\" is of the unknown type %u", value->key,
        (guint) value->kind);
  if (value->n > (self->size - self->at) / size)
    return fail (self, ITUNING_ERROR_FORMAT,
        "key \"%s\" promises %" G_GSIZE_FORMAT
        " values, more than there is room for",
        value->key, value->n);
  value->data = self->start + self->at;
  if (value->kind != ITUNING_GGUF_STRING) {
    self->at += value->n * size;
    return TRUE;
  }
  for (gsize i = 0; i < value->n; i++)
    if (!skip_string (self))
      return FALSE;
  return TRUE;
}

static gboolean
take_value (Cursor *self, ItuningGgufValue *value)
{
  guint32 kind;
  guint64 n = 1;

  if (!take_u32 (self, &kind))
    return FALSE;
  value->is_array = kind == ITUNING_GGUF_ARRAY;
  if (value->is_array && (!take_u32 (self, &kind) || !take_u64 (self, &n)))
    return FALSE;
  value->kind = (ItuningGgufKind) kind;
  value->n = (gsize) MIN (n, G_MAXSSIZE);
  return take_items (self, value);
}

static gboolean
take_values (ItuningGguf *self, Cursor *cursor, guint64 n)
{
  if (n > (cursor->size - cursor->at) / MIN_KEY_BYTES)
    return fail (cursor, ITUNING_ERROR_FORMAT,
        "promises %" G_GUINT64_FORMAT " keys, more than there is room for", n);
  for (guint64 i = 0; i < n; i++) {
    ItuningGgufValue value = { 0 };
    if (!take_name (cursor, "key", &value.key))
      return FALSE;
    g_array_append_val (self->values, value);
    if (!take_value (cursor,
            &g_array_index (self->values, ItuningGgufValue, i)))
      return FALSE;
  }
  for (guint i = 0; i < self->values->len; i++) {
    const char *key = g_array_index (self->values, ItuningGgufValue, i).key;
    if (!g_hash_table_insert (self->keys, (char *) key,
            GUINT_TO_POINTER (i + 1)))
      return fail (cursor, ITUNING_ERROR_FORMAT, "has the key \"%s\" twice",
          key);
  }
  return TRUE;
}

/* --- tensors ------------------------------------------------------------ */

static gboolean
take_type (Cursor *self, ItuningTensor *tensor)
{
  const char *name;
  guint32 id;
  int type;

  if (!take_u32 (self, &id))
    return FALSE;
  name = ituning_gguf_type_name (id, &type);
  if (name == NULL)
    return fail (self, ITUNING_ERROR_FORMAT,
        "tensor \"%s\" has the unknown type %u", tensor->name, id);
  if (type < 0)
    return fail (self, ITUNING_ERROR_UNSUPPORTED,
        "tensor \"%s\" is quantised as %s, which is not supported; known are "
        "F32, F16, BF16, Q8_0 and Q4_0",
        tensor->name, name);
  tensor->type = (ItuningType) type;
  return TRUE;
}

/* Its place is as yet only an offset, kept in @offset. */
static gboolean
take_tensor (Cursor *self, ItuningTensor *tensor, guint64 *offset)
{
  guint64 dims[ITUNING_GGUF_MAX_DIMS];
  guint32 n_dims;

  if (!take_u32 (self, &n_dims))
    return FALSE;
  if (n_dims > ITUNING_GGUF_MAX_DIMS)
    return fail (self, ITUNING_ERROR_FORMAT,
        "tensor \"%s\" has %u dimensions, more than %d", tensor->name, n_dims,
        ITUNING_GGUF_MAX_DIMS);
  for (guint32 i = n_dims; i > 0; i--)
    if (!take_u64 (self, &dims[i - 1]))
      return FALSE;
  if (!take_type (self, tensor) || !take_u64 (self, offset))
    return FALSE;
  return ituning_tensor_set_shape (tensor, dims, n_dims) ||
      fail (self, ITUNING_ERROR_FORMAT, "tensor \"%s\" has no usable shape",
          tensor->name);
}

static gboolean
take_tensors (ItuningGguf *self, Cursor *cursor, guint64 n, GArray *offsets)
{
  if (n > (cursor->size - cursor->at) / MIN_TENSOR_BYTES)
    return fail (cursor, ITUNING_ERROR_FORMAT,
        "promises %" G_GUINT64_FORMAT " tensors, more than there is room for",
        n);
  for (guint64 i = 0; i < n; i++) {
    ItuningTensor tensor = { 0 };
    guint64 offset;
    if (!take_name (cursor, "tensor's name", (char **) &tensor.name))
      return FALSE;
    g_array_append_val (self->tensors, tensor);
    if (!take_tensor (cursor, &g_array_index (self->tensors, ItuningTensor, i),
            &offset))
      return FALSE;
    g_array_append_val (offsets, offset);
  }
  return TRUE;
}

static gboolean
read_alignment (ItuningGguf *self, gsize *alignment, GError **error)
{
  const char *key = "general.alignment";

  *alignment = ITUNING_GGUF_ALIGNMENT;
  if (ituning_gguf_find (self, key) == NULL)
    return TRUE;
  if (!ituning_gguf_get_size (self, key, 8, 1 << 20, alignment, error))
    return FALSE;
  if ((*alignment & (*alignment - 1)) == 0)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: key \"%s\" is %" G_GSIZE_FORMAT ", not a power of two", self->path,
      key, *alignment);
  return FALSE;
}

/* Each tensor's bytes, of those that follow the header. */
static gboolean
place_tensors (ItuningGguf *self, Cursor *cursor, const GArray *offsets)
{
  gsize alignment, padding;

  if (!read_alignment (self, &alignment, cursor->error))
    return FALSE;
  padding = (alignment - cursor->at % alignment) % alignment;
  cursor->at += MIN (padding, cursor->size - cursor->at);
  for (guint i = 0; i < offsets->len; i++) {
    ItuningTensor *tensor = &g_array_index (self->tensors, ItuningTensor, i);
    const guint64 offset = g_array_index (offsets, guint64, i);
    const gsize room = cursor->size - cursor->at;
    if (offset % alignment != 0)
      return fail (cursor, ITUNING_ERROR_FORMAT,
          "tensor \"%s\" starts at an offset that is not a multiple of the "
          "alignment, %" G_GSIZE_FORMAT,
          tensor->name, alignment);
    if (offset > room || tensor->size > room - offset)
      return fail (cursor, ITUNING_ERROR_FORMAT,
          "tensor \"%s\" reaches past the end of the file (is it truncated?)",
          tensor->name);
    tensor->data = cursor->start + cursor->at + offset;
  }
  return ituning_tensors_check_overlaps (self->path, self->tensors, 0,
      cursor->error);
}

static gboolean
index_tensors (ItuningGguf *self, Cursor *cursor)
{
  for (guint i = 0; i < self->tensors->len; i++) {
    const char *name = g_array_index (self->tensors, ItuningTensor, i).name;
    if (!g_hash_table_insert (self->names, (char *) name,
            GUINT_TO_POINTER (i + 1)))
      return fail (cursor, ITUNING_ERROR_FORMAT,
          "has two tensors of the name \"%s\"", name);
  }
  return TRUE;
}

/* --- the whole ---------------------------------------------------------- */

/* Version 2 differs only in that it had no big-endian twin. */
static gboolean
take_version (Cursor *self)
{
  const guint8 *magic;
  guint32 version;

  if (self->size < 4 || memcmp (self->start, "GGUF", 4) != 0)
    return fail (self, ITUNING_ERROR_FORMAT, "is not a GGUF file");
  if (!take_bytes (self, 4, &magic) || !take_u32 (self, &version))
    return FALSE;
  if (version == GUINT32_SWAP_LE_BE (ITUNING_GGUF_VERSION))
    return fail (self, ITUNING_ERROR_UNSUPPORTED,
        "is a big-endian GGUF file, which is not supported");
  if (version != 2 && version != ITUNING_GGUF_VERSION)
    return fail (self, ITUNING_ERROR_UNSUPPORTED,
        "is of GGUF version %u; known are 2 and 3", version);
  return TRUE;
}

static gboolean
read_all (ItuningGguf *self, GError **error)
{
  g_autoptr (GArray) offsets = g_array_new (FALSE, FALSE, sizeof (guint64));
  Cursor cursor = { .path = self->path, .error = error };
  guint64 n_tensors, n_values;

  cursor.start = g_bytes_get_data (self->bytes, &cursor.size);
  return take_version (&cursor) && take_u64 (&cursor, &n_tensors) &&
      take_u64 (&cursor, &n_values) && take_values (self, &cursor, n_values) &&
      take_tensors (self, &cursor, n_tensors, offsets) &&
      place_tensors (self, &cursor, offsets) && index_tensors (self, &cursor);
}

static void
clear_value (gpointer value)
{
  g_free (((ItuningGgufValue *) value)->key);
}

static void
clear_tensor (gpointer tensor)
{
  g_free ((char *) ((ItuningTensor *) tensor)->name);
}

static ItuningGguf *
gguf_new (const char *name, GBytes *bytes, gboolean is_mapped, GError **error)
{
  g_autoptr (ItuningGguf) self = g_new0 (ItuningGguf, 1);

  g_atomic_ref_count_init (&self->refs);
  self->path = g_strdup (name);
  self->bytes = g_bytes_ref (bytes);
  self->is_mapped = is_mapped;
  self->values = g_array_new (FALSE, FALSE, sizeof (ItuningGgufValue));
  g_array_set_clear_func (self->values, clear_value);
  self->keys = g_hash_table_new (g_str_hash, g_str_equal);
  self->tensors = g_array_new (FALSE, FALSE, sizeof (ItuningTensor));
  g_array_set_clear_func (self->tensors, clear_tensor);
  self->names = g_hash_table_new (g_str_hash, g_str_equal);
  if (!read_all (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * ituning_gguf_new:
 * @name: what to call it in messages
 * @bytes: a GGUF file in memory, kept for as long as the result
 *
 * Checks all that the file says of its keys and tensors.
 *
 * Returns: (transfer full): what is in it; or %NULL with
 *   %ITUNING_ERROR_FORMAT or %ITUNING_ERROR_UNSUPPORTED
 */
ItuningGguf *
ituning_gguf_new (const char *name, GBytes *bytes, GError **error)
{
  return gguf_new (name, bytes, FALSE, error);
}

/**
 * ituning_gguf_open:
 * @path: a GGUF file, which is mapped
 *
 * Returns: (transfer full): what is in it; or %NULL with %ITUNING_ERROR_OPEN
 *   or as ituning_gguf_new ()
 */
ItuningGguf *
ituning_gguf_open (const char *path, GError **error)
{
  g_autoptr (GMappedFile) file = ituning_file_map (path, error);
  g_autoptr (GBytes) bytes = NULL;

  if (file == NULL)
    return NULL;
  bytes = g_mapped_file_get_bytes (file);
  return gguf_new (path, bytes, TRUE, error);
}

/**
 * ituning_gguf_ref:
 *
 * Returns: (transfer full): @gguf
 */
ItuningGguf *
ituning_gguf_ref (ItuningGguf *gguf)
{
  g_atomic_ref_count_inc (&gguf->refs);
  return gguf;
}

/**
 * ituning_gguf_unref:
 * @gguf: (nullable) (transfer full): a file; its tensors go with the last
 *   reference
 */
void
ituning_gguf_unref (ItuningGguf *gguf)
{
  if (gguf == NULL || !g_atomic_ref_count_dec (&gguf->refs))
    return;
  g_hash_table_unref (gguf->names);
  g_array_unref (gguf->tensors);
  g_hash_table_unref (gguf->keys);
  g_array_unref (gguf->values);
  g_bytes_unref (gguf->bytes);
  g_free (gguf->path);
  g_free (gguf);
}

/**
 * ituning_gguf_get_path:
 *
 * Returns: (transfer none): what messages call it
 */
const char *
ituning_gguf_get_path (const ItuningGguf *gguf)
{
  return gguf->path;
}

/**
 * ituning_gguf_is_mapped:
 *
 * Returns: whether its pages can be given back and read from a file again
 */
gboolean
ituning_gguf_is_mapped (const ItuningGguf *gguf)
{
  return gguf->is_mapped;
}

/**
 * ituning_gguf_lookup:
 * @name: a tensor's name
 *
 * Returns: (transfer none) (nullable): the tensor; or %NULL if there is none
 */
const ItuningTensor *
ituning_gguf_lookup (const ItuningGguf *gguf, const char *name)
{
  const guint position = GPOINTER_TO_UINT (
      g_hash_table_lookup (gguf->names, name));

  return position > 0
      ? &g_array_index (gguf->tensors, ItuningTensor, position - 1)
      : NULL;
}

/**
 * ituning_gguf_find:
 * @key: a key
 *
 * Returns: (transfer none) (nullable): its value; or %NULL if there is none
 */
const ItuningGgufValue *
ituning_gguf_find (const ItuningGguf *gguf, const char *key)
{
  const guint position = GPOINTER_TO_UINT (
      g_hash_table_lookup (gguf->keys, key));

  return position > 0
      ? &g_array_index (gguf->values, ItuningGgufValue, position - 1)
      : NULL;
}

/**
 * ituning_gguf_has_any:
 * @prefix: how a key begins
 *
 * Returns: whether there is one
 */
gboolean
ituning_gguf_has_any (const ItuningGguf *gguf, const char *prefix)
{
  for (guint i = 0; i < gguf->values->len; i++)
    if (g_str_has_prefix (g_array_index (gguf->values, ItuningGgufValue, i).key,
            prefix))
      return TRUE;
  return FALSE;
}
