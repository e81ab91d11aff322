/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/vocabulary.h"

#include <string.h>

/* `{"token": id, …}` as it is written by whoever writes one: an object of
 * strings and whole numbers. A parser of all of JSON takes a tenth of a second
 * for GPT-2's, which is most of the time that a model takes to open. */

#define MAX_DIGITS 9

typedef struct
{
  const char *at, *end;
  GString *token;
} Scanner;

static void
skip_space (Scanner *self)
{
  while (self->at < self->end && *self->at != '\0' &&
      strchr (" \t\r\n", *self->at) != NULL)
    self->at++;
}

static gboolean
take_char (Scanner *self, char wanted)
{
  skip_space (self);
  if (self->at == self->end || *self->at != wanted)
    return FALSE;
  self->at++;
  return TRUE;
}

/* Four digits behind "\u". */
static gboolean
take_unit (Scanner *self, gunichar *unit)
{
  *unit = 0;
  if (self->end - self->at < 4)
    return FALSE;
  for (guint i = 0; i < 4; i++) {
    const gint digit = g_ascii_xdigit_value (*self->at++);
    if (digit < 0)
      return FALSE;
    *unit = *unit << 4 | (gunichar) digit;
  }
  return TRUE;
}

/* What follows "\u": a character, or the two halves of one. */
static gboolean
take_unicode (Scanner *self)
{
  gunichar first, second;

  if (!take_unit (self, &first) || first == 0)
    return FALSE;
  if (first >= 0xd800 && first < 0xe000) {
    if (first >= 0xdc00 || self->end - self->at < 2 || self->at[0] != '\\' ||
        self->at[1] != 'u')
      return FALSE;
    self->at += 2;
    if (!take_unit (self, &second) || second < 0xdc00 || second >= 0xe000)
      return FALSE;
    first = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
  }
  g_string_append_unichar (self->token, first);
  return TRUE;
}

static gboolean
take_escape (Scanner *self)
{
  static const char letters[] = "\"\\/bfnrt";
  static const char values[] = "\"\\/\b\f\n\r\t";
  const char *letter;

  if (self->at == self->end)
    return FALSE;
  if (*self->at == 'u') {
    self->at++;
    return take_unicode (self);
  }
  letter = *self->at != '\0' ? strchr (letters, *self->at) : NULL;
  if (letter == NULL)
    return FALSE;
  g_string_append_c (self->token, values[letter - letters]);
  self->at++;
  return TRUE;
}

static gboolean
take_token (Scanner *self)
{
  g_string_truncate (self->token, 0);
  if (!take_char (self, '"'))
    return FALSE;
  while (self->at < self->end) {
    const char c = *self->at++;
    if (c == '"')
      return TRUE;
    if ((guchar) c < ' ' || (c == '\\' && !take_escape (self)))
      return FALSE;
    if (c != '\\')
      g_string_append_c (self->token, c);
  }
  return FALSE;
}

static gboolean
take_id (Scanner *self, gint64 *id)
{
  const char *start;

  skip_space (self);
  start = self->at;
  *id = 0;
  while (self->at < self->end && g_ascii_isdigit (*self->at) &&
      self->at - start <= MAX_DIGITS)
    *id = *id * 10 + (*self->at++ - '0');
  return self->at > start && self->at - start <= MAX_DIGITS &&
      (*start != '0' || self->at - start == 1);
}

/**
 * ituning_vocabulary_scan:
 * @vocabulary: what has been read so far; gets tokens also when this fails
 * @path: the file of @text
 * @text: [@size] UTF-8
 * @size: bytes of it
 *
 * Reads tokens where @text is as plain as such files are.
 *
 * Returns: FALSE where it is not, or is wrong, which
 *   ituning_vocabulary_add_tokens () can tell apart
 */
gboolean
ituning_vocabulary_scan (ItuningVocabulary *vocabulary, const char *path,
    const char *text, gsize size)
{
  g_autoptr (GString) token = g_string_new (NULL);
  Scanner scanner = { text, text + size, token };

  if (!take_char (&scanner, '{'))
    return FALSE;
  do {
    gint64 id;
    if (!take_token (&scanner) || !take_char (&scanner, ':') ||
        !take_id (&scanner, &id) ||
        !ituning_vocabulary_add_token (vocabulary, path, token->str, id, NULL))
      return FALSE;
  } while (take_char (&scanner, ','));
  if (!take_char (&scanner, '}'))
    return FALSE;
  skip_space (&scanner);
  return scanner.at == scanner.end;
}
