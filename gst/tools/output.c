/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/output.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/ituning.h"

/**
 * tool_report:
 * @format: the message, without the program's name and a newline
 *
 * Writes one line to stderr. Control characters, as a file name may have, are
 * escaped, so that it stays one line.
 */
void
tool_report (const char *format, ...)
{
  g_autoptr (GString) line = g_string_new ("ituning: ");
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  for (const char *c = message; *c != '\0'; c++) {
    if (*c == '\n')
      g_string_append (line, "\\n");
    else if (g_ascii_iscntrl (*c))
      g_string_append_printf (line, "\\x%02x", (guint8) *c);
    else
      g_string_append_c (line, *c);
  }
  g_string_append_c (line, '\n');
  fflush (stdout);
  fwrite (line->str, 1, line->len, stderr);
}

/**
 * tool_output_check:
 * @path: (nullable): a file to be written; %NULL for stdout
 *
 * Tells early, before the work is done, that @path will not be writable.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE when its folder is missing or not
 *   writable, or @path is a folder
 */
gboolean
tool_output_check (const char *path, GError **error)
{
  g_autofree char *folder = path != NULL ? g_path_get_dirname (path) : NULL;

  if (path == NULL)
    return TRUE;
  if (*path == '\0' || g_file_test (path, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "%s: cannot be written: %s", path,
        *path == '\0' ? "the name is empty" : "it is a folder");
    return FALSE;
  }
  if (access (folder, W_OK | X_OK) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "%s: cannot be written: %s: %s", path, folder, g_strerror (errno));
    return FALSE;
  }
  return TRUE;
}

static gboolean
write_stream (FILE *stream, const char *name, const char *text, gsize length,
    GError **error)
{
  if (fwrite (text, 1, length, stream) == length && fflush (stream) == 0)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
      "%s: cannot be written: %s", name, g_strerror (errno));
  return FALSE;
}

/**
 * tool_output_write:
 * @output: where to
 * @text: [@length] whole lines
 * @length: bytes
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE, as when a disk is full
 */
gboolean
tool_output_write (ToolOutput *output, const char *text, gsize length,
    GError **error)
{
  if (output->path == NULL)
    return write_stream (stdout, "standard output", text, length, error);
  if (output->held == NULL)
    output->held = g_string_new (NULL);
  g_string_append_len (output->held, text, (gssize) length);
  return TRUE;
}

/* What is there and no file, such as /dev/null, is not to be replaced by one.
 */
static gboolean
write_device (const char *path, const GString *text, GError **error)
{
  FILE *stream = fopen (path, "we");
  gboolean done;

  if (stream == NULL) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "%s: cannot be written: %s", path, g_strerror (errno));
    return FALSE;
  }
  done = write_stream (stream, path, text->str, text->len, error);
  fclose (stream);
  return done;
}

/**
 * tool_output_finish:
 *
 * Writes what was held for a file: all of it or nothing.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
tool_output_finish (ToolOutput *output, GError **error)
{
  g_autoptr (GError) reason = NULL;
  struct stat info;

  if (output->path == NULL)
    return TRUE;
  if (output->held == NULL)
    output->held = g_string_new (NULL);
  if (stat (output->path, &info) == 0 && !S_ISREG (info.st_mode))
    return write_device (output->path, output->held, error);
  if (g_file_set_contents (output->path, output->held->str,
          (gssize) output->held->len, &reason))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
      "%s: cannot be written: %s", output->path, reason->message);
  return FALSE;
}

/**
 * tool_output_clear:
 *
 * Frees what is held, written or not.
 */
void
tool_output_clear (ToolOutput *output)
{
  if (output->held != NULL)
    g_string_free (output->held, TRUE);
  output->held = NULL;
}
