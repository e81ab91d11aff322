/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/gguf.h"

#include <string.h>

#include "model/files.h"
#include "model/half.h"
#include "model/tensors.h"

/* Writing: keys and tensors are gathered, in the order in which they are given;
 * the values of tensors stay where they are until they are written. */

/* Floats that are converted at a time. */
#define BLOCK ((gsize) 1 << 16)

typedef struct
{
  ItuningType type;
  gsize n_out, n_in; /* rows and columns as written */
  ItuningMatrix matrix; /* borrowed */
  gboolean transpose; /* its values are [n_in, n_out] */
  char *name; /* owned */
} Entry;

struct _ItuningGgufWriter
{
  GByteArray *values; /* owned: keys as they are written */
  GByteArray *infos; /* owned: tensors' descriptions likewise */
  guint64 n_values;
  GArray *entries; /* owned: Entry, by offset */
  guint64 offset; /* of the next tensor */
};

static void
clear_entry (gpointer entry)
{
  g_free (((Entry *) entry)->name);
}

/**
 * ituning_gguf_writer_free:
 * @writer: (nullable) (transfer full): a writer
 */
void
ituning_gguf_writer_free (ItuningGgufWriter *writer)
{
  if (writer == NULL)
    return;
  g_byte_array_unref (writer->values);
  g_byte_array_unref (writer->infos);
  g_array_unref (writer->entries);
  g_free (writer);
}

static gsize
padding_of (guint64 size)
{
  return (gsize) (-size % ITUNING_GGUF_ALIGNMENT);
}

/* --- metadata ----------------------------------------------------------- */

static void
append_u32 (GByteArray *out, guint32 value)
{
  value = GUINT32_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, sizeof (value));
}

static void
append_u64 (GByteArray *out, guint64 value)
{
  value = GUINT64_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, sizeof (value));
}

static void
append_string (GByteArray *out, const char *text)
{
  append_u64 (out, strlen (text));
  g_byte_array_append (out, (const guint8 *) text, (guint) strlen (text));
}

static void
append_double (GByteArray *out, double value)
{
  guint64 bits;

  memcpy (&bits, &value, sizeof (bits));
  append_u64 (out, bits);
}

/* What stands before a value. */
static void
begin_value (ItuningGgufWriter *self, const char *key, ItuningGgufKind kind)
{
  append_string (self->values, key);
  append_u32 (self->values, kind);
  self->n_values++;
}

static void
begin_array (ItuningGgufWriter *self, const char *key, ItuningGgufKind kind,
    gsize n)
{
  begin_value (self, key, ITUNING_GGUF_ARRAY);
  append_u32 (self->values, kind);
  append_u64 (self->values, n);
}

/**
 * ituning_gguf_writer_new:
 *
 * Returns: (transfer full): a writer of a file without keys and tensors
 */
ItuningGgufWriter *
ituning_gguf_writer_new (void)
{
  ItuningGgufWriter *self = g_new0 (ItuningGgufWriter, 1);

  self->values = g_byte_array_new ();
  self->infos = g_byte_array_new ();
  self->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  g_array_set_clear_func (self->entries, clear_entry);
  return self;
}

/**
 * ituning_gguf_writer_put_size:
 * @key: a key that has not been put yet, as in all these functions
 * @value: written as a U32, so below 2^32
 */
void
ituning_gguf_writer_put_size (ItuningGgufWriter *writer, const char *key,
    gsize value)
{
  g_assert (value <= G_MAXUINT32);
  begin_value (writer, key, ITUNING_GGUF_U32);
  append_u32 (writer->values, (guint32) value);
}

/**
 * ituning_gguf_writer_put_float:
 * @value: written as an F32
 */
void
ituning_gguf_writer_put_float (ItuningGgufWriter *writer, const char *key,
    double value)
{
  const float narrow = (float) value;
  guint32 bits;

  memcpy (&bits, &narrow, sizeof (bits));
  begin_value (writer, key, ITUNING_GGUF_F32);
  append_u32 (writer->values, bits);
}

/**
 * ituning_gguf_writer_put_double:
 * @value: written as an F64
 */
void
ituning_gguf_writer_put_double (ItuningGgufWriter *writer, const char *key,
    double value)
{
  begin_value (writer, key, ITUNING_GGUF_F64);
  append_double (writer->values, value);
}

/**
 * ituning_gguf_writer_put_boolean:
 * @value: TRUE or FALSE
 */
void
ituning_gguf_writer_put_boolean (ItuningGgufWriter *writer, const char *key,
    gboolean value)
{
  const guint8 byte = value ? 1 : 0;

  begin_value (writer, key, ITUNING_GGUF_BOOL);
  g_byte_array_append (writer->values, &byte, 1);
}

/**
 * ituning_gguf_writer_put_string:
 * @value: UTF-8
 */
void
ituning_gguf_writer_put_string (ItuningGgufWriter *writer, const char *key,
    const char *value)
{
  begin_value (writer, key, ITUNING_GGUF_STRING);
  append_string (writer->values, value);
}

/**
 * ituning_gguf_writer_put_uints:
 * @values: [@n] written as U32
 */
void
ituning_gguf_writer_put_uints (ItuningGgufWriter *writer, const char *key,
    const guint *values, gsize n)
{
  begin_array (writer, key, ITUNING_GGUF_U32, n);
  for (gsize i = 0; i < n; i++)
    append_u32 (writer->values, values[i]);
}

/**
 * ituning_gguf_writer_put_ints:
 * @values: [@n] written as I32
 */
void
ituning_gguf_writer_put_ints (ItuningGgufWriter *writer, const char *key,
    const gint32 *values, gsize n)
{
  begin_array (writer, key, ITUNING_GGUF_I32, n);
  for (gsize i = 0; i < n; i++)
    append_u32 (writer->values, (guint32) values[i]);
}

/**
 * ituning_gguf_writer_put_doubles:
 * @values: [@n] written as F64
 */
void
ituning_gguf_writer_put_doubles (ItuningGgufWriter *writer, const char *key,
    const double *values, gsize n)
{
  begin_array (writer, key, ITUNING_GGUF_F64, n);
  for (gsize i = 0; i < n; i++)
    append_double (writer->values, values[i]);
}

/**
 * ituning_gguf_writer_put_strings:
 * @values: [@n] UTF-8
 */
void
ituning_gguf_writer_put_strings (ItuningGgufWriter *writer, const char *key,
    const char *const *values, gsize n)
{
  begin_array (writer, key, ITUNING_GGUF_STRING, n);
  for (gsize i = 0; i < n; i++)
    append_string (writer->values, values[i]);
}

/* --- tensors ------------------------------------------------------------ */

/* What a reader is told of a tensor: [@n_dims] @dims. */
static void
add_entry (ItuningGgufWriter *self, Entry *entry, const char *name,
    const gsize *dims, gsize n_dims)
{
  guint64 size;

  entry->name = g_strdup (name);
  entry->n_out = 1;
  entry->n_in = dims[n_dims - 1];
  for (gsize i = 0; i + 1 < n_dims; i++)
    entry->n_out *= dims[i];
  append_string (self->infos, name);
  append_u32 (self->infos, (guint32) n_dims);
  for (gsize i = n_dims; i > 0; i--)
    append_u64 (self->infos, dims[i - 1]);
  append_u32 (self->infos, ituning_gguf_type_id (entry->type));
  append_u64 (self->infos, self->offset);
  size = entry->n_out * ituning_type_row_size (entry->type, entry->n_in);
  self->offset += size + padding_of (size);
  g_array_append_val (self->entries, *entry);
}

/**
 * ituning_gguf_writer_add_tensor:
 * @name: its name, which no other has
 * @type: F32, F16, BF16, Q8_0 or Q4_0: what it is written as; the last two
 *   want rows of a multiple of 32
 * @dims: [@n_dims] its shape, the contiguous dimension last
 * @n_dims: 1 to 4
 * @values: its values, borrowed until the file is written
 * @transpose: whether @values are the transpose of a matrix of that shape
 */
void
ituning_gguf_writer_add_tensor (ItuningGgufWriter *writer, const char *name,
    ItuningType type, const gsize *dims, gsize n_dims, const float *values,
    gboolean transpose)
{
  Entry entry = { .type = type,
    .matrix.values = values,
    .transpose = transpose };

  g_assert (n_dims <= ITUNING_GGUF_MAX_DIMS && (!transpose || n_dims == 2));
  add_entry (writer, &entry, name, dims, n_dims);
}

/**
 * ituning_gguf_writer_add_matrix:
 * @name: its name, which no other has
 * @type: as ituning_gguf_writer_add_tensor (); blocks of the type that they
 *   were made of come out as they were
 * @matrix: [@n_out, @n_in] its values, borrowed until the file is written
 */
void
ituning_gguf_writer_add_matrix (ItuningGgufWriter *writer, const char *name,
    ItuningType type, const ItuningMatrix *matrix, gsize n_out, gsize n_in)
{
  const gsize dims[] = { n_out, n_in };
  Entry entry = { .type = type, .matrix = *matrix };

  add_entry (writer, &entry, name, dims, 2);
}

/* Where to, and memory for a block of values as they are and as written. */
typedef struct
{
  ItuningGgufWriter *writer;
  GOutputStream *stream;
  GCancellable *cancellable;
  float *block; /* owned: [BLOCK] or a row, if that is longer */
  guint16 *narrow; /* owned: likewise; blocks of 32 fit too */
} Output;

static gboolean
write_bytes (Output *self, const void *bytes, gsize size, GError **error)
{
  return g_output_stream_write_all (self->stream, bytes, size, NULL,
      self->cancellable, error);
}

static gboolean
write_padding (Output *self, guint64 size, GError **error)
{
  static const guint8 zeros[ITUNING_GGUF_ALIGNMENT] = { 0 };

  return write_bytes (self, zeros, padding_of (size), error);
}

/* Rows @first to @first + @n of what is written, in one piece. */
static const float *
get_rows (Output *self, const Entry *entry, gsize first, gsize n)
{
  if (entry->matrix.values != NULL && !entry->transpose)
    return entry->matrix.values + first * entry->n_in;
  for (gsize row = 0; row < n; row++) {
    float *to = self->block + row * entry->n_in;
    if (entry->matrix.values == NULL) {
      ituning_matrix_get_row (to, &entry->matrix, entry->n_in, first + row);
      continue;
    }
    for (gsize i = 0; i < entry->n_in; i++)
      to[i] = entry->matrix.values[i * entry->n_out + first + row];
  }
  return self->block;
}

static gboolean
write_floats (Output *self, const Entry *entry, const float *values, gsize n,
    GError **error)
{
  const guint bits = ituning_type_bits (entry->type);
  gboolean finite = TRUE;

  if (entry->type == ITUNING_TYPE_F32)
    return write_bytes (self, values, n * sizeof (float), error);
  if (bits > 0)
    finite = ituning_quant_encode (bits, (guint8 *) self->narrow, values, n);
  else if (entry->type == ITUNING_TYPE_F16)
    finite = ituning_half_from_float (self->narrow, values, n);
  else
    finite = ituning_bfloat16_from_float (self->narrow, values, n);
  if (!finite) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_NUMERIC,
        "tensor \"%s\" holds a value that is too large for %s", entry->name,
        ituning_type_name (entry->type));
    return FALSE;
  }
  return write_bytes (self, self->narrow,
      (gsize) ituning_type_row_size (entry->type, n), error);
}

static gboolean
write_tensor (Output *self, const Entry *entry, GError **error)
{
  const gsize rows = MAX (1, BLOCK / MAX (entry->n_in, 1));

  for (gsize first = 0; first < entry->n_out; first += rows) {
    const gsize n = MIN (rows, entry->n_out - first);
    if (!write_floats (self, entry, get_rows (self, entry, first, n),
            n * entry->n_in, error))
      return FALSE;
  }
  return write_padding (self,
      entry->n_out * ituning_type_row_size (entry->type, entry->n_in), error);
}

static gboolean
write_header (Output *self, GError **error)
{
  const ItuningGgufWriter *writer = self->writer;
  g_autoptr (GByteArray) out = g_byte_array_new ();

  g_byte_array_append (out, (const guint8 *) "GGUF", 4);
  append_u32 (out, ITUNING_GGUF_VERSION);
  append_u64 (out, writer->entries->len);
  append_u64 (out, writer->n_values);
  g_byte_array_append (out, writer->values->data, writer->values->len);
  g_byte_array_append (out, writer->infos->data, writer->infos->len);
  return write_bytes (self, out->data, out->len, error) &&
      write_padding (self, out->len, error);
}

static gboolean
write_all (GOutputStream *stream, gpointer output, GError **error)
{
  Output *self = output;
  const GArray *entries = self->writer->entries;

  self->stream = stream;
  if (!write_header (self, error))
    return FALSE;
  for (guint i = 0; i < entries->len; i++)
    if (!write_tensor (self, &g_array_index (entries, Entry, i), error))
      return FALSE;
  return TRUE;
}

/**
 * ituning_gguf_writer_save:
 * @writer: what to write; it may be saved again
 * @path: file to write
 * @cancellable: (nullable): ends it early
 *
 * The file appears under its name only when it is whole; an older one of that
 * name stays if writing fails. The same content gives the same bytes.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE, %ITUNING_ERROR_NUMERIC when a
 *   value does not fit its type, or %G_IO_ERROR_CANCELLED
 */
gboolean
ituning_gguf_writer_save (ItuningGgufWriter *writer, const char *path,
    GCancellable *cancellable, GError **error)
{
  Output output = { .writer = writer, .cancellable = cancellable };
  gsize longest = BLOCK;
  gboolean done;

  for (guint i = 0; i < writer->entries->len; i++)
    longest = MAX (longest, g_array_index (writer->entries, Entry, i).n_in);
  output.block = g_new (float, longest);
  output.narrow = g_new (guint16, longest);
  done = ituning_file_replace (path, write_all, &output, error);
  g_free (output.block);
  g_free (output.narrow);
  return done;
}
