/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"
#include "model/kernels/matrix.h"

/* GGUF, the file format of ggml: metadata, a typed value a key, then tensors.
 *
 *   "GGUF", u32 version, u64 tensors, u64 keys
 *   each key: string, u32 type, value; an array is u32 type, u64 count, values
 *   each tensor: string, u32 dimensions, u64 each, u32 type, u64 offset
 *   padding to the alignment, then the data, which offsets count from
 *
 * A string is a u64 length and its bytes. All is little-endian. Dimensions go
 * from the contiguous one outwards, the reverse of ItuningTensor's. */

#define ITUNING_GGUF_VERSION 3
#define ITUNING_GGUF_ALIGNMENT 32 /* where general.alignment is absent */
#define ITUNING_GGUF_MAX_DIMS 4

/* Types of values, with the format's numbers. */
typedef enum
{
  ITUNING_GGUF_U8,
  ITUNING_GGUF_I8,
  ITUNING_GGUF_U16,
  ITUNING_GGUF_I16,
  ITUNING_GGUF_U32,
  ITUNING_GGUF_I32,
  ITUNING_GGUF_F32,
  ITUNING_GGUF_BOOL,
  ITUNING_GGUF_STRING,
  ITUNING_GGUF_ARRAY,
  ITUNING_GGUF_U64,
  ITUNING_GGUF_I64,
  ITUNING_GGUF_F64,
} ItuningGgufKind;

/* A value of the metadata, or an array of them. */
typedef struct
{
  char *key; /* owned */
  ItuningGgufKind kind; /* of an item */
  gboolean is_array;
  gsize n; /* items; 1 if it is no array */
  const guint8 *data; /* borrowed from the file; checked to hold them all */
} ItuningGgufValue;

/* The items of an array of strings that are still to come. */
typedef struct
{
  const guint8 *at;
  gsize n;
} ItuningGgufStrings;

/* --- reading ------------------------------------------------------------ */

/* Immutable once opened. */
typedef struct _ItuningGguf ItuningGguf;

ItuningGguf *ituning_gguf_open (const char *path, GError **error);
ItuningGguf *ituning_gguf_new (const char *name, GBytes *bytes, GError **error);
ItuningGguf *ituning_gguf_ref (ItuningGguf *gguf);
void ituning_gguf_unref (ItuningGguf *gguf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningGguf, ituning_gguf_unref)
const char *ituning_gguf_get_path (const ItuningGguf *gguf);
gboolean ituning_gguf_is_mapped (const ItuningGguf *gguf);
const ItuningTensor *ituning_gguf_lookup (const ItuningGguf *gguf,
    const char *name);
const ItuningGgufValue *ituning_gguf_find (const ItuningGguf *gguf,
    const char *key);
gboolean ituning_gguf_has_any (const ItuningGguf *gguf, const char *prefix);

gboolean ituning_gguf_get_size (const ItuningGguf *gguf, const char *key,
    gsize min, gsize max, gsize *value, GError **error);
gboolean ituning_gguf_get_double (const ItuningGguf *gguf, const char *key,
    double *value, GError **error);
gboolean ituning_gguf_get_boolean (const ItuningGguf *gguf, const char *key,
    gboolean *value, GError **error);
gboolean ituning_gguf_get_string (const ItuningGguf *gguf, const char *key,
    char **value, GError **error);
gboolean ituning_gguf_get_doubles (const ItuningGguf *gguf, const char *key,
    double *values, gsize n, GError **error);
guint *ituning_gguf_get_uints (const ItuningGguf *gguf, const char *key,
    gsize max_n, gsize *n, GError **error);
gboolean ituning_gguf_get_strings (const ItuningGguf *gguf, const char *key,
    ItuningGgufStrings *strings, GError **error);
gboolean ituning_gguf_strings_next (ItuningGgufStrings *strings,
    const char **text, gsize *size);

/* --- writing ------------------------------------------------------------ */

/* Of one thread. */
typedef struct _ItuningGgufWriter ItuningGgufWriter;

ItuningGgufWriter *ituning_gguf_writer_new (void);
void ituning_gguf_writer_free (ItuningGgufWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningGgufWriter, ituning_gguf_writer_free)
void ituning_gguf_writer_put_size (ItuningGgufWriter *writer, const char *key,
    gsize value);
void ituning_gguf_writer_put_float (ItuningGgufWriter *writer, const char *key,
    double value);
void ituning_gguf_writer_put_double (ItuningGgufWriter *writer, const char *key,
    double value);
void ituning_gguf_writer_put_boolean (ItuningGgufWriter *writer,
    const char *key, gboolean value);
void ituning_gguf_writer_put_string (ItuningGgufWriter *writer, const char *key,
    const char *value);
void ituning_gguf_writer_put_uints (ItuningGgufWriter *writer, const char *key,
    const guint *values, gsize n);
void ituning_gguf_writer_put_ints (ItuningGgufWriter *writer, const char *key,
    const gint32 *values, gsize n);
void ituning_gguf_writer_put_doubles (ItuningGgufWriter *writer,
    const char *key, const double *values, gsize n);
void ituning_gguf_writer_put_strings (ItuningGgufWriter *writer,
    const char *key, const char *const *values, gsize n);
void ituning_gguf_writer_add_tensor (ItuningGgufWriter *writer,
    const char *name, ItuningType type, const gsize *dims, gsize n_dims,
    const float *values, gboolean transpose);
void ituning_gguf_writer_add_matrix (ItuningGgufWriter *writer,
    const char *name, ItuningType type, const ItuningMatrix *matrix,
    gsize n_out, gsize n_in);
gboolean ituning_gguf_writer_save (ItuningGgufWriter *writer, const char *path,
    GCancellable *cancellable, GError **error);

/* --- types of tensors --------------------------------------------------- */

const char *ituning_gguf_type_name (guint32 id, int *type);
guint32 ituning_gguf_type_id (ItuningType type);
gsize ituning_gguf_kind_size (ItuningGgufKind kind);
