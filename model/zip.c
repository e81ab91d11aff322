/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/zip.h"

#include <string.h>

#include "model/ituning.h"

/* The way in, from the back: the end record (and the ZIP64 one that it stands
 * for) -> the central directory, one record an entry -> an entry's local
 * header, with the data behind it. Names and offsets are those of PKWARE's
 * APPNOTE 6.3, section 4.3. The checksums are not compared: that would read a
 * whole checkpoint from the disk, where a mapping reads only what is used. */

#define LOCAL_SIGNATURE 0x04034b50
#define RECORD_SIGNATURE 0x02014b50
#define END_SIGNATURE 0x06054b50
#define END64_SIGNATURE 0x06064b50
#define LOCATOR_SIGNATURE 0x07064b50

#define LOCAL_BYTES 30
#define RECORD_BYTES 46
#define END_BYTES 22
#define END64_BYTES 56
#define LOCATOR_BYTES 20

#define EXTRA_ZIP64 1
#define FLAGS_ENCRYPTED (1u << 0 | 1u << 6 | 1u << 13)

typedef struct
{
  char *name; /* owned */
  guint16 flags;
  guint16 method;
  guint64 size; /* bytes of data */
  guint64 start; /* of the local header */
  guint64 limit; /* where the next entry or the directory starts */
} Entry;

typedef struct
{
  guint64 start;
  guint64 size;
  guint64 n_entries;
} Directory;

/* Immutable once opened. */
struct _ItuningZip
{
  char *path; /* owned: for messages */
  const guint8 *bytes; /* borrowed: the archive */
  GArray *entries; /* owned: Entry, in the order of the data */
  GHashTable *index; /* owned: name (of @entries) -> Entry */
};

static guint16
read_u16 (const guint8 *bytes)
{
  return (guint16) (bytes[0] | bytes[1] << 8);
}

static guint32
read_u32 (const guint8 *bytes)
{
  return read_u16 (bytes) | (guint32) read_u16 (bytes + 2) << 16;
}

static guint64
read_u64 (const guint8 *bytes)
{
  return read_u32 (bytes) | (guint64) read_u32 (bytes + 4) << 32;
}

static gboolean
format_error (GError **error, const char *path, const char *what)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: is not a whole zip archive: %s", path, what);
  return FALSE;
}

static void
clear_entry (gpointer entry)
{
  g_free (((Entry *) entry)->name);
}

/* --- the end ------------------------------------------------------------ */

/* The end record is the last thing but for a comment, whose length it says. */
static gboolean
find_end (const guint8 *bytes, gsize size, gsize *end)
{
  const gsize longest = END_BYTES + G_MAXUINT16;

  for (gsize left = END_BYTES; left <= MIN (size, longest); left++) {
    const guint8 *record = bytes + size - left;
    if (read_u32 (record) == END_SIGNATURE &&
        read_u16 (record + 20) == left - END_BYTES) {
      *end = size - left;
      return TRUE;
    }
  }
  return FALSE;
}

/* The ZIP64 record, found by the locator that lies right before @end. */
static gboolean
read_end64 (const guint8 *bytes, gsize *end, Directory *directory)
{
  const gsize locator = *end - LOCATOR_BYTES;
  const guint64 start = read_u64 (bytes + locator + 8);

  if (start > locator || locator - start < END64_BYTES ||
      read_u32 (bytes + start) != END64_SIGNATURE)
    return FALSE;
  directory->n_entries = read_u64 (bytes + start + 32);
  directory->size = read_u64 (bytes + start + 40);
  directory->start = read_u64 (bytes + start + 48);
  *end = (gsize) start;
  return TRUE;
}

static gboolean
find_directory (const char *path, const guint8 *bytes, gsize size,
    Directory *directory, GError **error)
{
  gsize end;

  if (!find_end (bytes, size, &end))
    return format_error (error, path, "its end is missing (truncated?)");
  directory->n_entries = read_u16 (bytes + end + 10);
  directory->size = read_u32 (bytes + end + 12);
  directory->start = read_u32 (bytes + end + 16);
  if (end >= LOCATOR_BYTES &&
      read_u32 (bytes + end - LOCATOR_BYTES) == LOCATOR_SIGNATURE &&
      !read_end64 (bytes, &end, directory))
    return format_error (error, path, "its ZIP64 end record is missing");
  if (directory->start > end || directory->size > end - directory->start)
    return format_error (error, path, "its directory lies outside of it");
  if (directory->n_entries > directory->size / RECORD_BYTES)
    return format_error (error, path,
        "its directory promises more entries than it has room for");
  return TRUE;
}

/* --- the directory ------------------------------------------------------ */

/* Takes from the ZIP64 field, in its fixed order, each number that did not fit
 * the 32 bits of the record itself. */
static gboolean
widen (const guint8 *extra, gsize size, guint64 *const *numbers,
    gsize n_numbers)
{
  gsize left = 0;

  while (size >= 4 && read_u16 (extra) != EXTRA_ZIP64) {
    const gsize field = 4u + read_u16 (extra + 2);
    if (field > size)
      return FALSE;
    extra += field;
    size -= field;
  }
  if (size >= 4) {
    left = MIN (read_u16 (extra + 2), size - 4);
    extra += 4;
  }
  for (gsize i = 0; i < n_numbers; i++) {
    if (*numbers[i] != G_MAXUINT32)
      continue;
    if (left < 8)
      return FALSE;
    *numbers[i] = read_u64 (extra);
    extra += 8;
    left -= 8;
  }
  return TRUE;
}

/* Reads the record at @record, of which @left bytes remain in the directory;
 * @length gets its own. */
static gboolean
read_record (const char *path, const guint8 *record, gsize left, Entry *entry,
    gsize *length, GError **error)
{
  const char *name = (const char *) record + RECORD_BYTES;
  gsize name_length, extra_length;
  guint64 packed_size;

  if (left < RECORD_BYTES || read_u32 (record) != RECORD_SIGNATURE)
    return format_error (error, path, "its directory is damaged");
  entry->flags = read_u16 (record + 8);
  entry->method = read_u16 (record + 10);
  packed_size = read_u32 (record + 20);
  entry->size = read_u32 (record + 24);
  entry->start = read_u32 (record + 42);
  name_length = read_u16 (record + 28);
  extra_length = read_u16 (record + 30);
  *length = RECORD_BYTES + name_length + extra_length + read_u16 (record + 32);
  if (*length > left)
    return format_error (error, path, "its directory is damaged");
  if (!g_utf8_validate_len (name, name_length, NULL))
    return format_error (error, path, "an entry's name is not UTF-8");
  if (!widen (record + RECORD_BYTES + name_length, extra_length,
          (guint64 *const[]){ &entry->size, &packed_size, &entry->start }, 3))
    return format_error (error, path, "an entry's ZIP64 sizes are missing");
  if (entry->method == 0 && packed_size != entry->size)
    return format_error (error, path, "a stored entry has two sizes");
  entry->name = g_strndup (name, name_length);
  return TRUE;
}

static int
compare_starts (gconstpointer a, gconstpointer b)
{
  const Entry *x = a, *y = b;

  return x->start < y->start ? -1 : x->start > y->start;
}

/* Sorts the entries by place. Each then ends before the next starts, which
 * keeps one from reaching into another. */
static gboolean
index_entries (ItuningZip *self, guint64 end, GError **error)
{
  g_array_sort (self->entries, compare_starts);
  for (guint i = self->entries->len; i-- > 0;) {
    Entry *entry = &g_array_index (self->entries, Entry, i);
    entry->limit = end;
    end = entry->start;
    if (entry->start > entry->limit)
      return format_error (error, self->path,
          "an entry lies behind the directory");
    if (!g_hash_table_insert (self->index, entry->name, entry))
      return format_error (error, self->path, "two entries have the same name");
  }
  return TRUE;
}

static gboolean
read_directory (ItuningZip *self, const Directory *directory, GError **error)
{
  const guint8 *record = self->bytes + directory->start;
  gsize left = (gsize) directory->size;

  for (guint64 i = 0; i < directory->n_entries; i++) {
    Entry entry = { 0 };
    gsize length;
    if (!read_record (self->path, record, left, &entry, &length, error))
      return FALSE;
    g_array_append_val (self->entries, entry);
    record += length;
    left -= length;
  }
  return index_entries (self, directory->start, error);
}

/* --- the archive -------------------------------------------------------- */

/**
 * ituning_zip_open:
 * @path: its name, for messages
 * @bytes: [@size] the archive, which must outlive what is returned
 * @size: bytes of it
 *
 * Reads the directory of an archive. The entries themselves are checked when
 * they are read.
 *
 * Returns: (transfer full): the archive; or %NULL with %ITUNING_ERROR_FORMAT
 */
ItuningZip *
ituning_zip_open (const char *path, const guint8 *bytes, gsize size,
    GError **error)
{
  ItuningZip *self;
  Directory directory;

  if (!find_directory (path, bytes, size, &directory, error))
    return NULL;
  self = g_new0 (ItuningZip, 1);
  self->path = g_strdup (path);
  self->bytes = bytes;
  self->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  g_array_set_clear_func (self->entries, clear_entry);
  self->index = g_hash_table_new (g_str_hash, g_str_equal);
  if (!read_directory (self, &directory, error))
    g_clear_pointer (&self, ituning_zip_free);
  return self;
}

/**
 * ituning_zip_free:
 * @zip: (nullable) (transfer full): an archive; the bytes stay
 */
void
ituning_zip_free (ItuningZip *zip)
{
  if (zip == NULL)
    return;
  g_hash_table_unref (zip->index);
  g_array_unref (zip->entries);
  g_free (zip->path);
  g_free (zip);
}

/**
 * ituning_zip_get_first_name:
 *
 * Returns: (nullable): name of the entry that comes first in the file; %NULL
 *   when there is none
 */
const char *
ituning_zip_get_first_name (const ItuningZip *zip)
{
  return zip->entries->len > 0 ? g_array_index (zip->entries, Entry, 0).name
                               : NULL;
}

/**
 * ituning_zip_contains:
 *
 * Returns: whether there is an entry of the name @name
 */
gboolean
ituning_zip_contains (const ItuningZip *zip, const char *name)
{
  return g_hash_table_contains (zip->index, name);
}

/* Finds the data behind the local header, whose name must be the directory's.
 * The header's sizes may be missing, so the directory's count. */
static gboolean
find_data (const ItuningZip *self, const Entry *entry, const guint8 **data)
{
  const guint8 *header = self->bytes + entry->start;
  const gsize name_length = strlen (entry->name);
  const guint64 room = entry->limit - entry->start;
  gsize length;

  if (room < LOCAL_BYTES || read_u32 (header) != LOCAL_SIGNATURE ||
      read_u16 (header + 26) != name_length)
    return FALSE;
  length = LOCAL_BYTES + name_length + read_u16 (header + 28);
  if (room < length || room - length < entry->size ||
      memcmp (header + LOCAL_BYTES, entry->name, name_length) != 0)
    return FALSE;
  *data = header + length;
  return TRUE;
}

/**
 * ituning_zip_read:
 * @zip: an archive
 * @name: name of an entry
 * @data: (out) (transfer none): [@size] its data, within the archive's bytes
 * @size: (out): bytes of it
 *
 * Returns: FALSE with %ITUNING_ERROR_UNSUPPORTED when the entry is compressed
 *   or encrypted, with %ITUNING_ERROR_FORMAT when it is missing or damaged
 */
gboolean
ituning_zip_read (const ItuningZip *zip, const char *name, const guint8 **data,
    gsize *size, GError **error)
{
  const Entry *entry = g_hash_table_lookup (zip->index, name);

  if (entry == NULL) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: has no entry \"%s\"", zip->path, name);
    return FALSE;
  }
  if (entry->method != 0 || (entry->flags & FLAGS_ENCRYPTED) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "%s: entry \"%s\" is %s, and can only be used when it is stored as it "
        "is",
        zip->path, name, entry->method != 0 ? "compressed" : "encrypted");
    return FALSE;
  }
  if (!find_data (zip, entry, data)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: entry \"%s\" is not where the archive's directory says, or "
        "overlaps another",
        zip->path, name);
    return FALSE;
  }
  *size = (gsize) entry->size;
  return TRUE;
}
