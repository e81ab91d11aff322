/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/pretokenize.h"

#include <string.h>

typedef enum
{
  KIND_LETTER, /* \p{L} */
  KIND_NUMBER, /* \p{N} */
  KIND_SPACE, /* \s */
  KIND_OTHER,
} Kind;

/* \s is Unicode's White_Space, as in Python's regex module, which GPT-2 uses.
 * U+001C to U+001F, space to Python's own re, are not. */
static Kind
get_kind (gunichar c)
{
  switch (g_unichar_type (c)) {
    case G_UNICODE_UPPERCASE_LETTER:
    case G_UNICODE_LOWERCASE_LETTER:
    case G_UNICODE_TITLECASE_LETTER:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_OTHER_LETTER:
      return KIND_LETTER;
    case G_UNICODE_DECIMAL_NUMBER:
    case G_UNICODE_LETTER_NUMBER:
    case G_UNICODE_OTHER_NUMBER:
      return KIND_NUMBER;
    case G_UNICODE_SPACE_SEPARATOR:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
      return KIND_SPACE;
    case G_UNICODE_CONTROL:
      return (c >= '\t' && c <= '\r') || c == 0x85 ? KIND_SPACE : KIND_OTHER;
    default:
      return KIND_OTHER;
  }
}

static gsize
skip_kind (const char *text, gsize size, gsize from, Kind kind)
{
  while (from < size && get_kind (g_utf8_get_char (text + from)) == kind)
    from = (gsize) (g_utf8_next_char (text + from) - text);
  return from;
}

/* 's|'t|'re|'ve|'m|'ll|'d */
static gsize
measure_contraction (const char *text, gsize size)
{
  static const char *const endings[] = { "s", "t", "re", "ve", "m", "ll", "d" };

  if (text[0] != '\'')
    return 0;
  for (gsize i = 0; i < G_N_ELEMENTS (endings); i++) {
    const gsize length = strlen (endings[i]);
    if (length < size && memcmp (text + 1, endings[i], length) == 0)
      return 1 + length;
  }
  return 0;
}

/* \s+(?!\S)|\s+: white space leaves its last character to the word after. */
static gsize
measure_space (const char *text, gsize size)
{
  const gsize end = skip_kind (text, size, 0, KIND_SPACE);
  gsize last;

  if (end == size)
    return end;
  last = (gsize) (g_utf8_prev_char (text + end) - text);
  return last > 0 ? last : end;
}

/**
 * ituning_pretokenize:
 * @text: [@size] bytes of valid UTF-8, which may hold U+0000
 * @size: at least 1
 *
 * Finds the first of the words that no token reaches across. They are the
 * matches of GPT-2's pattern
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * for the Unicode version that GLib knows. They cover the text without gaps.
 *
 * Returns: bytes of that word, at least 1
 */
gsize
ituning_pretokenize (const char *text, gsize size)
{
  const gsize contraction = measure_contraction (text, size);
  const gsize start = size > 1 && text[0] == ' ' ? 1 : 0;
  Kind kind;

  if (contraction > 0)
    return contraction;
  kind = get_kind (g_utf8_get_char (text + start));
  if (kind == KIND_SPACE)
    return measure_space (text, size);
  return skip_kind (text, size, start, kind);
}
