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
