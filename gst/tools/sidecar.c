/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/ituning.h"

/* A file is complete after every cue: each goes out with one write (), together
 * with what ends the file, which the next cue overwrites. */

#define NS_PER_MS 1000000u

/* Used by one thread. */
struct _ToolSidecar
{
  char *path; /* owned; NULL for standard output */
  ToolSidecarFormat format;
  int fd;
  gboolean seekable; /* a file, which can be repaired */
  off_t size; /* up to which the file is as it shall be, without its end */
  guint64 n_cues;
};

static const char *
get_start (const ToolSidecar *self)
{
  if (self->format == TOOL_SIDECAR_VTT)
    return "WEBVTT\n";
  return self->format == TOOL_SIDECAR_JSON && self->seekable ? "[" : "";
}

static const char *
get_end (const ToolSidecar *self)
{
  return self->format == TOOL_SIDECAR_JSON && self->seekable ? "\n]\n" : "";
}

static gboolean
fail (const ToolSidecar *self, GError **error)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
      "%s: cannot be written: %s",
      self->path != NULL ? self->path : "standard output", g_strerror (errno));
  return FALSE;
}

static gboolean
write_all (ToolSidecar *self, const char *text, gsize length)
{
  while (length > 0) {
    const ssize_t n = write (self->fd, text, length);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return FALSE;
    text += n;
    length -= (gsize) n;
  }
  return TRUE;
}

/* Writes @text over the file's end and an end after it. When there is no room,
 * what was there before is put back: that much room there was. */
static gboolean
append (ToolSidecar *self, const GString *text, GError **error)
{
  const char *end = get_end (self);
  g_autofree char *bytes = g_strconcat (text->str, end, NULL);

  if (self->seekable && lseek (self->fd, self->size, SEEK_SET) < 0)
    return fail (self, error);
  if (write_all (self, bytes, text->len + strlen (end))) {
    self->size += (off_t) text->len;
    return TRUE;
  }
  fail (self, error);
  if (self->seekable && lseek (self->fd, self->size, SEEK_SET) >= 0 &&
      write_all (self, end, strlen (end)) &&
      ftruncate (self->fd, self->size + (off_t) strlen (end)) != 0)
    g_prefix_error (error, "(and is damaged) ");
  return FALSE;
}

/**
 * tool_sidecar_open:
 * @path: (nullable): a file, which is emptied if it is there; %NULL for
 *   standard output
 * @format: its format. JSON is an array of cues in a file, and an object a line
 *   anywhere else.
 *
 * Starts a file, which is valid at once.
 *
 * Returns: (transfer full): to be closed; or %NULL with %ITUNING_ERROR_WRITE
 */
ToolSidecar *
tool_sidecar_open (const char *path, ToolSidecarFormat format, GError **error)
{
  ToolSidecar *self = g_new0 (ToolSidecar, 1);
  g_autoptr (GString) start = NULL;
  struct stat info;

  self->path = g_strdup (path);
  self->format = format;
  self->fd = path != NULL
      ? open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
      : STDOUT_FILENO;
  self->seekable = path != NULL && self->fd >= 0 &&
      fstat (self->fd, &info) == 0 && S_ISREG (info.st_mode);
  start = g_string_new (get_start (self));
  if (self->fd < 0)
    fail (self, error);
  else if (append (self, start, error))
    return self;
  tool_sidecar_close (self, NULL);
  return NULL;
}

/* In WebVTT a text is markup. */
static char *
get_vtt_text (const ToolCue *cue)
{
  g_autofree char *plain = tool_cue_get_plain_text (cue);
  GString *line = g_string_new (NULL);

  for (const char *c = plain; *c != '\0'; c++) {
    if (*c == '&')
      g_string_append (line, "&amp;");
    else if (*c == '<')
      g_string_append (line, "&lt;");
    else if (*c == '>')
      g_string_append (line, "&gt;");
    else
      g_string_append_c (line, *c);
  }
  return g_string_free (line, FALSE);
}

static void
append_times (GString *to, const ToolCue *cue, char separator)
{
  /* Never a cue without duration, however short it was. */
  const guint64 least = (cue->start / NS_PER_MS + 1) * NS_PER_MS;

  tool_cue_append_time (to, cue->start, separator);
  g_string_append (to, " --> ");
  tool_cue_append_time (to, MAX (cue->end, least), separator);
  g_string_append_c (to, '\n');
}

static void
append_cue (ToolSidecar *self, GString *to, const ToolCue *cue)
{
  g_autofree char *text = self->format == TOOL_SIDECAR_SRT
      ? tool_cue_get_srt_text (cue)
      : get_vtt_text (cue);

  switch (self->format) {
    case TOOL_SIDECAR_SRT:
      g_string_append_printf (to, "%s%" G_GUINT64_FORMAT "\n",
          self->n_cues > 0 ? "\n" : "", self->n_cues + 1);
      append_times (to, cue, ',');
      g_string_append_printf (to, "%s\n", text);
      break;
    case TOOL_SIDECAR_VTT:
      g_string_append_c (to, '\n');
      append_times (to, cue, '.');
      g_string_append_printf (to, "%s\n", text);
      break;
    case TOOL_SIDECAR_JSON:
      if (self->seekable)
        g_string_append (to, self->n_cues > 0 ? ",\n" : "\n");
      tool_cue_append_json (to, cue, NULL);
      if (!self->seekable)
        g_string_append_c (to, '\n');
      break;
  }
}

/**
 * tool_sidecar_write:
 * @cue: the next cue; one with nothing to read is left out
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE, as when the disk is full; the file
 *   then has the cues before
 */
gboolean
tool_sidecar_write (ToolSidecar *self, const ToolCue *cue, GError **error)
{
  g_autofree char *plain = tool_cue_get_plain_text (cue);
  g_autoptr (GString) text = g_string_new (NULL);

  if (*plain == '\0')
    return TRUE;
  append_cue (self, text, cue);
  if (!append (self, text, error))
    return FALSE;
  self->n_cues++;
  return TRUE;
}

/**
 * tool_sidecar_close:
 * @sidecar: (nullable) (transfer full): a file
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE, as some network file systems tell
 *   only now that it is not written
 */
gboolean
tool_sidecar_close (ToolSidecar *sidecar, GError **error)
{
  gboolean closed = TRUE;

  if (sidecar == NULL)
    return TRUE;
  if (sidecar->fd >= 0 && sidecar->path != NULL && close (sidecar->fd) != 0)
    closed = fail (sidecar, error);
  g_free (sidecar->path);
  g_free (sidecar);
  return closed;
}
