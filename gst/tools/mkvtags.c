/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/mkvtags.h"

#include <fcntl.h>
#include <gst/gst.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/ituning.h"

/* matroskamux writes the values of tags as GStreamer quotes strings: My film
 * becomes "My\ film", and that is what players show. Each such value is put
 * right in its place; the bytes that are saved become an element Void. */

#define ID_SEGMENT 0x18538067u
#define ID_TAGS 0x1254c367u
#define ID_TAG 0x7373u
#define ID_SIMPLE_TAG 0x67c8u
#define ID_TAG_STRING 0x4487u
#define ID_VOID 0xecu

#define MAX_VALUE_BYTES (1u << 20)

/* An element of EBML. */
typedef struct
{
  guint32 id;
  guint64 size_offset; /* where its size stands */
  guint size_width; /* bytes of it */
  guint64 offset; /* of what is in it */
  guint64 size;
} Element;

static gboolean
read_at (int fd, guint64 offset, void *bytes, gsize size)
{
  return pread (fd, bytes, size, (off_t) offset) == (ssize_t) size;
}

static gboolean
write_at (int fd, guint64 offset, const void *bytes, gsize size)
{
  return pwrite (fd, bytes, size, (off_t) offset) == (ssize_t) size;
}

/* A number whose first byte says by its leading zeros how long it is. */
static guint
read_number (int fd, guint64 offset, guint64 end, gboolean keep_marker,
    guint64 *value)
{
  guint8 bytes[8];
  guint width = 1;

  if (offset >= end || !read_at (fd, offset, bytes, 1) || bytes[0] == 0)
    return 0;
  while ((bytes[0] & (0x80 >> (width - 1))) == 0)
    width++;
  if (width > end - offset || !read_at (fd, offset, bytes, width))
    return 0;
  *value = keep_marker ? bytes[0] : bytes[0] & (0xffu >> width);
  for (guint i = 1; i < width; i++)
    *value = *value << 8 | bytes[i];
  return width;
}

static gboolean
read_element (int fd, guint64 offset, guint64 end, Element *element)
{
  guint64 id;
  const guint id_width = read_number (fd, offset, end, TRUE, &id);

  if (id_width == 0 || id_width > 4)
    return FALSE;
  element->id = (guint32) id;
  element->size_offset = offset + id_width;
  element->size_width = read_number (fd, element->size_offset, end, FALSE,
      &element->size);
  element->offset = element->size_offset + element->size_width;
  return element->size_width > 0 && element->size <= end - element->offset;
}

/* Returns NULL when @text is not quoted. */
static char *
unquote (const char *text)
{
  GValue value = G_VALUE_INIT;
  char *plain = NULL;
  const gsize length = strlen (text);

  if (length < 2 || text[0] != '"' || text[length - 1] != '"')
    return NULL;
  g_value_init (&value, G_TYPE_STRING);
  if (gst_value_deserialize (&value, text))
    plain = g_value_dup_string (&value);
  g_value_unset (&value);
  return plain != NULL && strlen (plain) + 2 <= length ? plain
                                                       : (g_free (plain), NULL);
}

/* Writes @size into a field of @width bytes. */
static void
put_size (guint8 *bytes, guint width, guint64 size)
{
  for (guint i = width; i-- > 0; size >>= 8)
    bytes[i] = (guint8) size;
  bytes[0] |= (guint8) (0x80 >> (width - 1));
}

static gboolean
write_void (int fd, guint64 offset, guint64 size)
{
  guint8 head[9] = { ID_VOID };
  const guint width = size <= 128 ? 1 : 8;

  put_size (head + 1, width, size - 1 - width);
  return write_at (fd, offset, head, 1 + width);
}

static gboolean
repair_string (int fd, const Element *element)
{
  g_autofree char *text = NULL, *plain = NULL;
  guint8 size[8];
  gsize length;

  if (element->size > MAX_VALUE_BYTES)
    return TRUE;
  text = g_malloc0 ((gsize) element->size + 1);
  if (!read_at (fd, element->offset, text, (gsize) element->size))
    return FALSE;
  plain = unquote (text);
  if (plain == NULL)
    return TRUE;
  length = strlen (plain);
  put_size (size, element->size_width, length);
  return write_at (fd, element->size_offset, size, element->size_width) &&
      write_at (fd, element->offset, plain, length) &&
      write_void (fd, element->offset + length, element->size - length);
}

/* What holds values is looked into, everything else is passed over. */
static gboolean
repair_all (int fd, guint64 offset, guint64 end)
{
  Element element;

  while (offset < end) {
    gboolean done = TRUE;

    if (!read_element (fd, offset, end, &element))
      return FALSE;
    if (element.id == ID_TAG_STRING)
      done = repair_string (fd, &element);
    else if (element.id == ID_SEGMENT || element.id == ID_TAGS ||
        element.id == ID_TAG || element.id == ID_SIMPLE_TAG)
      done = repair_all (fd, element.offset, element.offset + element.size);
    if (!done)
      return FALSE;
    offset = element.offset + element.size;
  }
  return TRUE;
}

/**
 * tool_mkv_repair_tags:
 * @path: a finished file of matroskamux
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
tool_mkv_repair_tags (const char *path, GError **error)
{
  const int fd = open (path, O_RDWR | O_CLOEXEC);
  struct stat info;
  gboolean done = fd >= 0 && fstat (fd, &info) == 0 &&
      repair_all (fd, 0, (guint64) info.st_size);

  if (fd >= 0)
    done = close (fd) == 0 && done;
  if (!done)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "%s: cannot be written: its tags cannot be set", path);
  return done;
}
