/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/files.h"

#include <errno.h>
#include <sys/stat.h>

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

/* Closing while cancelled drops the temporary file. */
static void
drop (GFileOutputStream *stream)
{
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();

  g_cancellable_cancel (cancelled);
  g_output_stream_close (G_OUTPUT_STREAM (stream), cancelled, NULL);
}

/**
 * ituning_file_replace:
 * @path: file to write
 * @write: writes it
 * @data: for @write
 *
 * The file appears under its name only when it is whole; an older one of that
 * name stays if writing fails.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE, or the error of @write when it is
 *   an %ITUNING_ERROR, each with @path before it; or %G_IO_ERROR_CANCELLED
 */
gboolean
ituning_file_replace (const char *path, ItuningFileWrite write, gpointer data,
    GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GError) reason = NULL;
  g_autoptr (GFileOutputStream) stream = g_file_replace (file, NULL, FALSE,
      G_FILE_CREATE_REPLACE_DESTINATION, NULL, &reason);

  if (stream != NULL && write (G_OUTPUT_STREAM (stream), data, &reason) &&
      g_output_stream_close (G_OUTPUT_STREAM (stream), NULL, &reason))
    return TRUE;
  if (stream != NULL)
    drop (stream);
  if (g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, g_steal_pointer (&reason));
  else
    g_set_error (error, ITUNING_ERROR,
        reason->domain == ITUNING_ERROR ? reason->code : ITUNING_ERROR_WRITE,
        "%s: %s", path, reason->message);
  return FALSE;
}
