/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/sidecar.h"

#include <string.h>

#include "gst/tools/json.h"

#define NS_PER_MS 1000000u

/**
 * tool_cue_new:
 * @start: nanoseconds
 * @end: nanoseconds, more than @start
 * @keyframe: nanoseconds
 * @text: any text
 * @confidence: 0..1
 *
 * Returns: (transfer full): a cue
 */
ToolCue *
tool_cue_new (guint64 start, guint64 end, guint64 keyframe, const char *text,
    double confidence)
{
  ToolCue *self = g_new0 (ToolCue, 1);

  self->start = start;
  self->end = end;
  self->keyframe = keyframe;
  self->text = g_strdup (text);
  self->confidence = confidence;
  return self;
}

/**
 * tool_cue_free:
 * @cue: (nullable) (transfer full): a cue
 */
void
tool_cue_free (ToolCue *cue)
{
  if (cue == NULL)
    return;
  g_free (cue->text);
  g_free (cue);
}

/**
 * tool_cue_get_plain_text:
 *
 * Returns: (transfer full): the text as one line of valid UTF-8: each run of
 *   spaces, line breaks and control characters is one space
 */
char *
tool_cue_get_plain_text (const ToolCue *cue)
{
  g_autofree char *valid = g_utf8_make_valid (cue->text, -1);
  GString *line = g_string_new (NULL);
  gboolean space = FALSE;

  for (const char *c = valid; *c != '\0'; c = g_utf8_next_char (c)) {
    const gunichar value = g_utf8_get_char (c);

    /* No-break spaces stay: they are there on purpose. */
    if (g_unichar_iscntrl (value) || value == ' ' || value == 0x2028 ||
        value == 0x2029) {
      space = TRUE;
      continue;
    }
    if (space && line->len > 0)
      g_string_append_c (line, ' ');
    space = FALSE;
    g_string_append_unichar (line, value);
  }
  return g_string_free (line, FALSE);
}

/**
 * tool_cue_get_srt_text:
 *
 * SubRip, which S_TEXT/UTF8 in Matroska is too, has no way to escape. What a
 * player would take for a tag, a style or a line of times is parted by a space.
 *
 * Returns: (transfer full): one line
 */
char *
tool_cue_get_srt_text (const ToolCue *cue)
{
  g_autofree char *plain = tool_cue_get_plain_text (cue);
  GString *line = g_string_new (NULL);

  for (const char *c = plain; *c != '\0'; c++) {
    const gboolean tag = *c == '<' &&
        (g_ascii_isalpha (c[1]) || (c[1] != '\0' && strchr ("/!?", c[1])));
    const gboolean style = *c == '{' && c[1] != '\0' &&
        (c[1] == '\\' || (g_ascii_isalpha (c[1]) && c[2] == ':'));
    const gboolean arrow = strncmp (c, "-->", 3) == 0;

    g_string_append_c (line, *c);
    if (arrow)
      g_string_append_c (line, *++c);
    if (tag || style || arrow)
      g_string_append_c (line, ' ');
  }
  return g_string_free (line, FALSE);
}

/**
 * tool_cue_append_time:
 * @to: gets HH:MM:SS and milliseconds, with as many digits of hours as it takes
 * @time: nanoseconds, rounded down: a cue then begins no later than its frame
 * @separator: before the milliseconds
 */
void
tool_cue_append_time (GString *to, guint64 time, char separator)
{
  const guint64 ms = time / NS_PER_MS;

  g_string_append_printf (to, "%02" G_GUINT64_FORMAT ":%02u:%02u%c%03u",
      ms / 3600000, (guint) (ms / 60000 % 60), (guint) (ms / 1000 % 60),
      separator, (guint) (ms % 1000));
}

static void
append_seconds (GString *to, guint64 time)
{
  g_string_append_printf (to, "%" G_GUINT64_FORMAT ".%03u",
      time / NS_PER_MS / 1000, (guint) (time / NS_PER_MS % 1000));
}

/**
 * tool_cue_append_json:
 * @to: gets one JSON object, without a newline
 * @cue: what goes into it; its text as it is
 * @file: (nullable): the video's name
 */
void
tool_cue_append_json (GString *to, const ToolCue *cue, const char *file)
{
  g_string_append_c (to, '{');
  if (file != NULL) {
    g_string_append (to, "\"file\": ");
    tool_json_append_string (to, file, strlen (file));
    g_string_append (to, ", ");
  }
  g_string_append (to, "\"start\": ");
  append_seconds (to, cue->start);
  g_string_append (to, ", \"end\": ");
  append_seconds (to, cue->end);
  g_string_append (to, ", \"keyframe\": ");
  append_seconds (to, cue->keyframe);
  g_string_append (to, ", \"text\": ");
  tool_json_append_string (to, cue->text, strlen (cue->text));
  g_string_append (to, ", \"confidence\": ");
  tool_json_append_double (to, cue->confidence);
  g_string_append_c (to, '}');
}
