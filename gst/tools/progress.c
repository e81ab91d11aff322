/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/progress.h"

#include <stdio.h>
#include <unistd.h>

#define TERMINAL_INTERVAL (G_USEC_PER_SEC / 5)
#define PLAIN_INTERVAL (10 * G_USEC_PER_SEC)
#define NAME_CHARACTERS 40

/* Used by one thread. */
struct _ToolProgress
{
  char *name; /* owned */
  const char *doing;
  gboolean terminal;
  gboolean shown; /* a line is on the terminal */
  gint64 started; /* microseconds */
  gint64 told; /* when it was last shown */
};

/* The file's name, short and without what a terminal would obey. */
static char *
make_name (const char *path)
{
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *valid = g_utf8_make_valid (base, -1);

  for (char *c = valid; *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      *c = '?';
  if (g_utf8_strlen (valid, -1) > NAME_CHARACTERS) {
    g_autofree char *start = g_utf8_substring (valid, 0, NAME_CHARACTERS - 3);
    return g_strconcat (start, "...", NULL);
  }
  return g_steal_pointer (&valid);
}

/**
 * tool_progress_new:
 * @path: the file that is worked on
 * @doing: what is done with it; a literal
 *
 * Returns: (transfer full): shows nothing yet
 */
ToolProgress *
tool_progress_new (const char *path, const char *doing)
{
  ToolProgress *self = g_new0 (ToolProgress, 1);

  self->name = make_name (path);
  self->doing = doing;
  self->terminal = isatty (STDERR_FILENO) != 0;
  self->started = self->told = g_get_monotonic_time ();
  return self;
}

static void
append_left (GString *line, double seconds)
{
  const guint64 left = (guint64) (seconds + 0.5);

  if (left >= 3600)
    g_string_append_printf (line, ", %" G_GUINT64_FORMAT ":%02u:%02u left",
        left / 3600, (guint) (left / 60 % 60), (guint) (left % 60));
  else
    g_string_append_printf (line, ", %u:%02u left", (guint) (left / 60),
        (guint) (left % 60));
}

/**
 * tool_progress_update:
 * @progress: (nullable): where to show it
 * @fraction: how much is done, 0..1; less than 0 when that is not known
 *
 * May be called as often as one likes.
 */
void
tool_progress_update (ToolProgress *progress, double fraction)
{
  const gint64 now = g_get_monotonic_time ();
  g_autoptr (GString) line = NULL;
  double elapsed;

  if (progress == NULL ||
      now - progress->told <
          (progress->terminal ? TERMINAL_INTERVAL : PLAIN_INTERVAL))
    return;
  progress->told = now;
  elapsed = (double) (now - progress->started) / G_USEC_PER_SEC;
  line = g_string_new (progress->terminal ? "\r" : "");
  g_string_append_printf (line, "%s: %s", progress->name, progress->doing);
  if (fraction >= 0)
    g_string_append_printf (line, " %.0f %%", MIN (fraction, 1) * 100);
  if (fraction > 0.005)
    append_left (line, elapsed / fraction * MAX (1 - fraction, 0));
  g_string_append (line, progress->terminal ? "\033[K" : "\n");
  fputs (line->str, stderr);
  fflush (stderr);
  progress->shown = progress->terminal;
}

/**
 * tool_progress_clear:
 * @progress: (nullable): where it was shown
 *
 * Makes way for another line.
 */
void
tool_progress_clear (ToolProgress *progress)
{
  if (progress == NULL || !progress->shown)
    return;
  fputs ("\r\033[K", stderr);
  fflush (stderr);
  progress->shown = FALSE;
}

/**
 * tool_progress_free:
 * @progress: (nullable) (transfer full): what is over
 */
void
tool_progress_free (ToolProgress *progress)
{
  if (progress == NULL)
    return;
  tool_progress_clear (progress);
  g_free (progress->name);
  g_free (progress);
}
