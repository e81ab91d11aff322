/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/pretokenize.h"

#include <string.h>

/* Words of a text with '|' between them; U+0000 is written as '0'. */
static char *
split (const char *text, gsize size)
{
  GString *words = g_string_new (NULL);

  for (gsize at = 0; at < size;) {
    const gsize n = ituning_pretokenize (text + at, size - at);
    g_assert_cmpuint (n, >, 0);
    g_assert_cmpuint (n, <=, size - at);
    if (at > 0)
      g_string_append_c (words, '|');
    for (gsize i = at; i < at + n; i++)
      g_string_append_c (words, text[i] == '\0' ? '0' : text[i]);
    at += n;
  }
  return g_string_free (words, FALSE);
}

static void
assert_split (const char *text, const char *wanted)
{
  g_autofree char *words = split (text, strlen (text));

  g_assert_cmpstr (words, ==, wanted);
}

static void
test_contractions_are_words (void)
{
  assert_split ("it's", "it|'s");
  assert_split ("a't're've'm'll'd", "a|'t|'re|'ve|'m|'ll|'d");
  assert_split ("'store", "'s|tore");
  assert_split ("'rest", "'re|st");
  assert_split ("WE'RE", "WE|'|RE");
  assert_split ("''s", "''|s");
  assert_split (" 's", " '|s");
  assert_split ("!'s", "!'|s");
  assert_split ("'", "'");
  assert_split ("'l", "'|l");
  assert_split ("'r", "'|r");
  assert_split ("x'\xc5\xbf", "x|'|\xc5\xbf"); /* long s is no s */
}

static void
test_kinds_are_kept_apart (void)
{
  assert_split ("ab12..", "ab|12|..");
  assert_split (" ab 12 ..", " ab| 12| ..");
  assert_split ("\xc2\xbd\xe2\x85\xa7\xe0\xa5\xa7",
      "\xc2\xbd\xe2\x85\xa7\xe0\xa5\xa7");
  assert_split ("\xc7\x85\xca\xb0\xe6\x9d\xb1", "\xc7\x85\xca\xb0\xe6\x9d\xb1");
  assert_split ("e\xcc\x81", "e|\xcc\x81");
  assert_split ("a_b", "a|_|b");
  assert_split ("a\xf0\x9f\x98\x80\xf0\x9f\x91\x8d!1",
      "a|\xf0\x9f\x98\x80\xf0\x9f\x91\x8d!|1");
  assert_split ("a\xe2\x80\x8b"
                "b",
      "a|\xe2\x80\x8b|b");
}

static void
test_space_leaves_its_last_to_the_word (void)
{
  assert_split (" ", " ");
  assert_split ("   ", "   ");
  assert_split ("a  ", "a|  ");
  assert_split ("   a", "  | a");
  assert_split ("\ta", "\t|a");
  assert_split (" \ta", " |\t|a");
  assert_split ("\t a", "\t| a");
  assert_split ("\r\n\r\na", "\r\n\r|\n|a");
  assert_split ("  's", " | '|s");
  assert_split ("\n's", "\n|'s");
}

static void
test_white_space_is_unicodes (void)
{
  static const gunichar spaces[] = { 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0x85,
    0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006,
    0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000 };
  gsize found = 0;

  for (gunichar c = 1; c <= 0x10ffff; c++) {
    g_autoptr (GString) text = NULL;
    if (c >= 0xd800 && c <= 0xdfff)
      continue;
    text = g_string_new (NULL);
    g_string_append_unichar (text, c);
    g_string_append_unichar (text, c);
    g_string_append_c (text, c == '!' || g_unichar_isalnum (c) ? '\t' : '!');
    /* Only of white space does a pair not stay whole. */
    if (ituning_pretokenize (text->str, text->len) ==
            (gsize) g_unichar_to_utf8 (c, NULL) &&
        c != '!') {
      g_assert_cmpuint (found, <, G_N_ELEMENTS (spaces));
      g_assert_cmphex (c, ==, spaces[found]);
      found++;
    }
  }
  g_assert_cmpuint (found, ==, G_N_ELEMENTS (spaces));
}

static void
test_control_characters_are_no_space (void)
{
  const char text[] = "a\0\x1f\x7f b\0";
  g_autofree char *words = split (text, sizeof text - 1);

  g_assert_cmpstr (words, ==, "a|0\x1f\x7f| b|0");
  assert_split ("\x1c\x1d's", "\x1c\x1d'|s");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pretokenize/contractions-are-words",
      test_contractions_are_words);
  g_test_add_func ("/pretokenize/kinds-are-kept-apart",
      test_kinds_are_kept_apart);
  g_test_add_func ("/pretokenize/space-leaves-its-last-to-the-word",
      test_space_leaves_its_last_to_the_word);
  g_test_add_func ("/pretokenize/white-space-is-unicode-s",
      test_white_space_is_unicodes);
  g_test_add_func ("/pretokenize/control-characters-are-no-space",
      test_control_characters_are_no_space);
  return g_test_run ();
}
