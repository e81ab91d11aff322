/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/json.h"

#include <math.h>
#include <string.h>

#include "model/ituning.h"

/* What is left of a line. Every access checks @next < @end. */
typedef struct
{
  const char *next;
  const char *end;
} Scanner;

static gboolean
fail (GError **error, const char *message)
{
  g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_INPUT, message);
  return FALSE;
}

static void
skip_blanks (Scanner *in)
{
  while (in->next < in->end && strchr (" \t\r\n", *in->next) != NULL &&
      *in->next != '\0')
    in->next++;
}

static gboolean
skip_char (Scanner *in, char c)
{
  if (in->next == in->end || *in->next != c)
    return FALSE;
  in->next++;
  return TRUE;
}

static gboolean
check_end (Scanner *in, GError **error)
{
  skip_blanks (in);
  if (in->next < in->end)
    return fail (error, "more follows the first JSON value");
  return TRUE;
}

static gboolean
parse_hex4 (Scanner *in, gunichar *unit)
{
  *unit = 0;
  if (in->end - in->next < 4)
    return FALSE;
  for (int i = 0; i < 4; i++) {
    const int digit = g_ascii_xdigit_value (*in->next++);
    if (digit < 0)
      return FALSE;
    *unit = *unit << 4 | (gunichar) digit;
  }
  return TRUE;
}

/* What follows \u: one UTF-16 unit, or two of them. */
static gboolean
parse_unicode (Scanner *in, GString *text, GError **error)
{
  gunichar unit, low;

  if (!parse_hex4 (in, &unit))
    return fail (error, "\\u needs four hexadecimal digits");
  if (unit >= 0xd800 && unit < 0xdc00) {
    if (!skip_char (in, '\\') || !skip_char (in, 'u') ||
        !parse_hex4 (in, &low) || low < 0xdc00 || low > 0xdfff)
      return fail (error, "half a surrogate pair is no character");
    unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  } else if (unit >= 0xdc00 && unit < 0xe000) {
    return fail (error, "half a surrogate pair is no character");
  }
  g_string_append_unichar (text, unit);
  return TRUE;
}

static gboolean
parse_escape (Scanner *in, GString *text, GError **error)
{
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  const char *name;

  if (skip_char (in, 'u'))
    return parse_unicode (in, text, error);
  if (in->next == in->end || *in->next == '\0' ||
      (name = strchr (names, *in->next)) == NULL)
    return fail (error, "there is no such escape in JSON");
  g_string_append_c (text, values[name - names]);
  in->next++;
  return TRUE;
}

/**
 * tool_json_parse_string:
 * @line: [@length] one JSON string
 * @length: bytes
 * @text: gets its UTF-8 appended, NUL characters included
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT when it is no string, or one that
 *   stands for no UTF-8
 */
gboolean
tool_json_parse_string (const char *line, gsize length, GString *text,
    GError **error)
{
  Scanner in = { line, line + length };

  skip_blanks (&in);
  if (!skip_char (&in, '"'))
    return fail (error, "is no JSON string");
  while (!skip_char (&in, '"')) {
    gunichar c;

    if (in.next == in.end)
      return fail (error, "the string has no end");
    if (skip_char (&in, '\\')) {
      if (!parse_escape (&in, text, error))
        return FALSE;
      continue;
    }
    if ((guint8) *in.next < 0x20)
      return fail (error, "a control character must be escaped");
    c = g_utf8_get_char_validated (in.next, in.end - in.next);
    if (c >= (gunichar) -2)
      return fail (error, "is not valid UTF-8");
    g_string_append_unichar (text, c);
    in.next = g_utf8_next_char (in.next);
  }
  return check_end (&in, error);
}

static gboolean
parse_id (Scanner *in, guint32 *id, GError **error)
{
  const char *start = in->next;
  guint64 value = 0;

  while (in->next < in->end && g_ascii_isdigit (*in->next)) {
    value = value * 10 + (guint64) (*in->next++ - '0');
    if (value > G_MAXUINT32)
      return fail (error, "a token id is too large");
  }
  if (in->next == start)
    return fail (error, "is no JSON array of token ids");
  *id = (guint32) value;
  return TRUE;
}

/**
 * tool_json_parse_ids:
 * @line: [@length] one JSON array of numbers
 * @length: bytes
 * @ids: (element-type guint32): gets them appended
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT when it is no array of ids
 */
gboolean
tool_json_parse_ids (const char *line, gsize length, GArray *ids,
    GError **error)
{
  Scanner in = { line, line + length };
  guint32 id;

  skip_blanks (&in);
  if (!skip_char (&in, '['))
    return fail (error, "is no JSON array of token ids");
  skip_blanks (&in);
  if (skip_char (&in, ']'))
    return check_end (&in, error);
  do {
    skip_blanks (&in);
    if (!parse_id (&in, &id, error))
      return FALSE;
    g_array_append_val (ids, id);
    skip_blanks (&in);
  } while (skip_char (&in, ','));
  if (!skip_char (&in, ']'))
    return fail (error, "is no JSON array of token ids");
  return check_end (&in, error);
}

/* Bytes of the longest start of a character at @text, at least 1: what one
 * U+FFFD stands for where the character is cut short (Unicode's "maximal
 * subpart", which Python's errors="replace" follows). */
static gsize
measure_broken (const guint8 *text, gsize length)
{
  const guint8 lead = text[0];
  const gsize want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  gsize n = 1;

  if (lead < 0xc2 || lead > 0xf4 || length < 2)
    return 1;
  if (text[1] < (lead == 0xe0          ? 0xa0
                        : lead == 0xf0 ? 0x90
                                       : 0x80) ||
      text[1] > (lead == 0xed          ? 0x9f
                        : lead == 0xf4 ? 0x8f
                                       : 0xbf))
    return 1;
  while (n < want && n < length && (text[n] & 0xc0) == 0x80)
    n++;
  return n;
}

/**
 * tool_json_append_string:
 * @json: what to write to
 * @text: [@length] bytes; what is no UTF-8 becomes U+FFFD
 * @length: bytes
 */
void
tool_json_append_string (GString *json, const char *text, gsize length)
{
  static const char names[] = "\"\\bfnrt", values[] = "\"\\\b\f\n\r\t";
  const char *end = text + length;

  g_string_append_c (json, '"');
  while (text < end) {
    const gunichar c = *text == '\0'
        ? 0
        : g_utf8_get_char_validated (text, end - text);
    const char *name = c > 0 && c < 0x80 ? strchr (values, (int) c) : NULL;

    if (c >= (gunichar) -2) {
      g_string_append (json, "\357\277\275");
      text += measure_broken ((const guint8 *) text, (gsize) (end - text));
      continue;
    }
    if (name != NULL)
      g_string_append_printf (json, "\\%c", names[name - values]);
    else if (c < 0x20 || c == 0x7f)
      g_string_append_printf (json, "\\u%04x", c);
    else
      g_string_append_unichar (json, c);
    text = g_utf8_next_char (text);
  }
  g_string_append_c (json, '"');
}

/**
 * tool_json_append_ids:
 * @json: what to write to
 * @ids: [@n_ids] numbers
 * @n_ids: how many
 */
void
tool_json_append_ids (GString *json, const guint32 *ids, gsize n_ids)
{
  g_string_append_c (json, '[');
  for (gsize i = 0; i < n_ids; i++)
    g_string_append_printf (json, "%s%u", i > 0 ? ", " : "", ids[i]);
  g_string_append_c (json, ']');
}

static void
append_number (GString *json, const char *format, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (isfinite (value))
    g_string_append (json,
        g_ascii_formatd (buffer, sizeof buffer, format, value));
  else
    g_string_append (json, "null"); /* JSON has no infinity */
}

/**
 * tool_json_append_float:
 * @json: what to write to
 * @value: a number, written with as many digits as tell floats apart
 */
void
tool_json_append_float (GString *json, float value)
{
  append_number (json, "%.9g", (double) value);
}

/**
 * tool_json_append_double:
 * @json: what to write to
 * @value: a number, to ten digits: none that we write is known better
 */
void
tool_json_append_double (GString *json, double value)
{
  append_number (json, "%.10g", value);
}
