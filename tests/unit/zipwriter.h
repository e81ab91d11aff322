/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

/* Writes zip archives for tests, wrong ones included: what an entry says of
 * itself is written as it is said. */

#define ZIP_ALIGNMENT 64
#define ZIP_END_BYTES 22
#define ZIP_MAX_ENTRIES 8

typedef struct
{
  const char *name;
  const void *data;
  gsize size;
  guint16 flags;
  guint16 method;
} ZipEntry;

static inline void
zip_put (GByteArray *out, guint64 number, guint width)
{
  for (; width > 0; width--, number >>= 8) {
    const guint8 byte = (guint8) number;
    g_byte_array_append (out, &byte, 1);
  }
}

static inline void
zip_put_bytes (GByteArray *out, const void *bytes, gsize size)
{
  if (size > 0)
    g_byte_array_append (out, bytes, (guint) size);
}

/* The local header, padded so that the data is aligned as PyTorch does it. */
static inline void
zip_put_local (GByteArray *out, const ZipEntry *entry)
{
  const gsize name_length = strlen (entry->name);
  const gsize unpadded = out->len + 30 + name_length + 4;
  const gsize padding = -unpadded % ZIP_ALIGNMENT;

  zip_put (out, 0x04034b50, 4);
  zip_put (out, 20, 2);
  zip_put (out, entry->flags, 2);
  zip_put (out, entry->method, 2);
  zip_put (out, 0, 8);
  zip_put (out, entry->size, 4);
  zip_put (out, entry->size, 4);
  zip_put (out, name_length, 2);
  zip_put (out, 4 + padding, 2);
  zip_put_bytes (out, entry->name, name_length);
  zip_put (out, 0x4246, 2);
  zip_put (out, padding, 2);
  for (gsize i = 0; i < padding; i++)
    zip_put (out, 'Z', 1);
  zip_put_bytes (out, entry->data, entry->size);
}

static inline void
zip_put_record (GByteArray *out, const ZipEntry *entry, guint64 start,
    gboolean zip64)
{
  const guint64 size = zip64 ? G_MAXUINT32 : entry->size;

  zip_put (out, 0x02014b50, 4);
  zip_put (out, 20 | 20 << 16, 4);
  zip_put (out, entry->flags, 2);
  zip_put (out, entry->method, 2);
  zip_put (out, 0, 8);
  zip_put (out, size, 4);
  zip_put (out, size, 4);
  zip_put (out, strlen (entry->name), 2);
  zip_put (out, zip64 ? 4 + 2 + 4 + 24 : 0, 2);
  zip_put (out, 0, 10);
  zip_put (out, zip64 ? G_MAXUINT32 : start, 4);
  zip_put_bytes (out, entry->name, strlen (entry->name));
  if (!zip64)
    return;
  zip_put (out, 0x4246, 2); /* another field before the one that counts */
  zip_put (out, 2, 2);
  zip_put (out, 0, 2);
  zip_put (out, 1, 2);
  zip_put (out, 24, 2);
  zip_put (out, entry->size, 8);
  zip_put (out, entry->size, 8);
  zip_put (out, start, 8);
}

static inline void
zip_put_end (GByteArray *out, gsize n_entries, guint64 start, gboolean zip64)
{
  const guint64 end = out->len;

  if (zip64) {
    zip_put (out, 0x06064b50, 4);
    zip_put (out, 44, 8);
    zip_put (out, 45 | 45 << 16, 4);
    zip_put (out, 0, 8);
    zip_put (out, n_entries, 8);
    zip_put (out, n_entries, 8);
    zip_put (out, end - start, 8);
    zip_put (out, start, 8);
    zip_put (out, 0x07064b50, 4);
    zip_put (out, 0, 4);
    zip_put (out, end, 8);
    zip_put (out, 1, 4);
  }
  zip_put (out, 0x06054b50, 4);
  zip_put (out, 0, 4);
  zip_put (out, zip64 ? G_MAXUINT16 : n_entries, 2);
  zip_put (out, zip64 ? G_MAXUINT16 : n_entries, 2);
  zip_put (out, zip64 ? G_MAXUINT32 : end - start, 4);
  zip_put (out, zip64 ? G_MAXUINT32 : start, 4);
  zip_put (out, 0, 2);
}

static inline GByteArray *
zip_write (const ZipEntry *entries, gsize n_entries, gboolean zip64)
{
  GByteArray *out = g_byte_array_new ();
  guint64 starts[ZIP_MAX_ENTRIES], start;

  g_assert_cmpuint (n_entries, <=, ZIP_MAX_ENTRIES);
  for (gsize i = 0; i < n_entries; i++) {
    starts[i] = out->len;
    zip_put_local (out, &entries[i]);
  }
  start = out->len;
  for (gsize i = 0; i < n_entries; i++)
    zip_put_record (out, &entries[i], starts[i], zip64);
  zip_put_end (out, n_entries, start, zip64);
  return out;
}
