/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/files.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/ituning.h"

/**
 * ituning_file_map:
 * @path: a regular file
 *
 * Maps a file for reading. It must not shrink while it is mapped: reading past
 * the new end ends the process, as with every memory-mapped file.
 *
 * Returns: (transfer full): the mapping; or %NULL with %ITUNING_ERROR_OPEN
 *   when it is missing, unreadable, a folder or another thing without contents
 */
GMappedFile *
ituning_file_map (const char *path, GError **error)
{
  g_autoptr (GError) reason = NULL;
  GMappedFile *file;
  struct stat info;

  if (stat (path, &info) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN, "%s: %s", path,
        g_strerror (errno));
    return NULL;
  }
  if (!S_ISREG (info.st_mode)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN, "%s: %s", path,
        S_ISDIR (info.st_mode) ? "is a folder, not a file"
                               : "is not a regular file");
    return NULL;
  }
  if (info.st_size == 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: the file is empty", path);
    return NULL;
  }
  file = g_mapped_file_new (path, FALSE, &reason);
  if (file == NULL)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN, "%s: %s", path,
        reason->message);
  return file;
}

static gboolean
set_errno (GError **error)
{
  g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
      g_strerror (errno));
  return FALSE;
}

/* Writes the empty file @path, which is open as @fd. */
static gboolean
write_there (const char *path, int fd, ItuningFileWrite write, gpointer data,
    GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileOutputStream) stream = g_file_append_to (file,
      G_FILE_CREATE_NONE, NULL, error);

  if (stream == NULL || !write (G_OUTPUT_STREAM (stream), data, error) ||
      !g_output_stream_close (G_OUTPUT_STREAM (stream), NULL, error))
    return FALSE;
  return fsync (fd) == 0 || set_errno (error);
}

/* A new file beside @path, which becomes @path when it is whole. */
static gboolean
replace (const char *path, ItuningFileWrite write, gpointer data,
    GError **error)
{
  g_autofree char *temporary = g_strconcat (path, ".part-XXXXXX", NULL);
  struct stat info;
  gboolean done;
  int fd;

  if (stat (path, &info) == 0 && !S_ISREG (info.st_mode)) {
    g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "is there, and not a regular file");
    return FALSE;
  }
  fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0)
    return set_errno (error);
  done = write_there (temporary, fd, write, data, error) &&
      (g_rename (temporary, path) == 0 || set_errno (error));
  if (!done)
    g_unlink (temporary);
  close (fd);
  return done;
}

/**
 * ituning_file_replace:
 * @path: file to write
 * @write: writes it
 * @data: for @write
 *
 * The file appears under its name only when it is whole; an older one of that
 * name stays if writing fails. A process that is killed meanwhile leaves @path
 * with `.part-` and six letters behind it.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE, or the error of @write when it is
 *   an %ITUNING_ERROR, each with @path before it; or %G_IO_ERROR_CANCELLED
 */
gboolean
ituning_file_replace (const char *path, ItuningFileWrite write, gpointer data,
    GError **error)
{
  g_autoptr (GError) reason = NULL;

  if (replace (path, write, data, &reason))
    return TRUE;
  if (g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, g_steal_pointer (&reason));
  else
    g_set_error (error, ITUNING_ERROR,
        reason->domain == ITUNING_ERROR ? reason->code : ITUNING_ERROR_WRITE,
        "%s: %s", path, reason->message);
  return FALSE;
}
