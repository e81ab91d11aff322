/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/ituning.h"

/* What would make two copies of one file differ: the dates at which they were
 * made, and Matroska's random numbers. Both are taken from the file that is
 * copied. */

/* From 1904, where QuickTime's time begins, to 1970. */
#define QT_EPOCH_SECONDS 2082844800u

/* When the file was last changed, in seconds since 1970. */
static gint64
get_date (const char *path)
{
  struct stat info;

  return stat (path, &info) == 0 ? (gint64) info.st_mtime : 0;
}

static guint32
hash_file (const char *path)
{
  g_autofree char *base = g_path_get_basename (path);
  struct stat info = { 0 };

  (void) stat (path, &info);
  return g_str_hash (base) ^ (guint32) info.st_size ^
      ((guint32) info.st_mtime << 1);
}

/**
 * tool_stamp_muxer:
 * @muxer: a muxer that has not been given streams
 * @path: the file that is copied
 *
 * Makes @muxer write the same bytes each time. Its random numbers come from
 * GLib's generator of the whole process, which gets a seed.
 */
void
tool_stamp_muxer (GstElement *muxer, const char *path)
{
  g_autoptr (GDateTime) date = NULL;

  g_random_set_seed (hash_file (path));
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (muxer),
          "creation-time") == NULL)
    return;
  date = g_date_time_new_from_unix_utc (get_date (path));
  g_object_set (muxer, "creation-time", date, "writing-app", "ituning", NULL);
}

/* --- MP4 ---------------------------------------------------------------- */

/* A box: its size and its name, then what is in it. */
typedef struct
{
  guint64 offset; /* of what is in it */
  guint64 size; /* of what is in it */
  char name[4];
} Box;

static gboolean
read_at (int fd, guint64 offset, guint8 *bytes, gsize size)
{
  return pread (fd, bytes, size, (off_t) offset) == (ssize_t) size;
}

static guint64
get_be (const guint8 *bytes, gsize size)
{
  guint64 value = 0;

  for (gsize i = 0; i < size; i++)
    value = value << 8 | bytes[i];
  return value;
}

/* The box at @offset, which must end before @end. */
static gboolean
read_box (int fd, guint64 offset, guint64 end, Box *box)
{
  guint8 header[16];
  guint64 size, head = 8;

  if (end - offset < head || !read_at (fd, offset, header, 8))
    return FALSE;
  size = get_be (header, 4);
  memcpy (box->name, header + 4, 4);
  if (size == 1) {
    head = 16;
    if (end - offset < head || !read_at (fd, offset, header, 16))
      return FALSE;
    size = get_be (header + 8, 8);
  } else if (size == 0) {
    size = end - offset;
  }
  if (size < head || size > end - offset)
    return FALSE;
  box->offset = offset + head;
  box->size = size - head;
  return TRUE;
}

/* Sets both dates of an mvhd, tkhd or mdhd: after version and flags. */
static gboolean
set_dates (int fd, const Box *box, guint64 date)
{
  guint8 version, bytes[16];
  gsize width;

  if (!read_at (fd, box->offset, &version, 1))
    return FALSE;
  width = version == 1 ? 8 : 4;
  if (box->size < 4 + 2 * width)
    return FALSE;
  for (gsize i = 0; i < 2 * width; i++)
    bytes[i] = (guint8) (date >> (8 * (width - 1 - i % width)));
  return pwrite (fd, bytes, 2 * width, (off_t) box->offset + 4) ==
      (ssize_t) (2 * width);
}

/* moov, trak and mdia hold what has dates, two levels down at most. */
static gboolean
set_all_dates (int fd, guint64 offset, guint64 end, guint64 date, guint depth)
{
  Box box;

  while (offset < end) {
    if (!read_box (fd, offset, end, &box))
      return FALSE;
    if (memcmp (box.name, "mvhd", 4) == 0 ||
        memcmp (box.name, "tkhd", 4) == 0 ||
        memcmp (box.name, "mdhd", 4) == 0) {
      if (!set_dates (fd, &box, date))
        return FALSE;
    } else if (depth < 3 &&
        (memcmp (box.name, "moov", 4) == 0 ||
            memcmp (box.name, "trak", 4) == 0 ||
            memcmp (box.name, "mdia", 4) == 0)) {
      if (!set_all_dates (fd, box.offset, box.offset + box.size, date,
              depth + 1))
        return FALSE;
    }
    offset = box.offset + box.size;
  }
  return TRUE;
}

/**
 * tool_stamp_mp4:
 * @output: a finished MP4 file
 * @path: the file that it is a copy of
 *
 * mp4mux cannot be told a date: what it wrote is replaced.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
tool_stamp_mp4 (const char *output, const char *path, GError **error)
{
  const int fd = open (output, O_RDWR | O_CLOEXEC);
  struct stat info;
  gboolean done;

  done = fd >= 0 && fstat (fd, &info) == 0 &&
      set_all_dates (fd, 0, (guint64) info.st_size,
          (guint64) (get_date (path) + QT_EPOCH_SECONDS), 0);
  if (fd >= 0)
    done = close (fd) == 0 && done;
  if (!done)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "%s: cannot be written: its dates cannot be set", output);
  return done;
}
