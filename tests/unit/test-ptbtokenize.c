/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/ptbtokenize.h"

#include <string.h>

/* Tokens with a '|' between them. */
static char *
split (const char *text, gboolean keep_punctuation)
{
  g_autoptr (GPtrArray) tokens = g_ptr_array_new_with_free_func (g_free);

  ituning_ptb_tokenize (text, keep_punctuation, tokens);
  g_ptr_array_add (tokens, NULL);
  return g_strjoinv ("|", (char **) tokens->pdata);
}

static void
assert_kept (const char *text, const char *wanted)
{
  g_autofree char *tokens = split (text, TRUE);

  g_assert_cmpstr (tokens, ==, wanted);
}

static void
test_words_and_stops (void)
{
  assert_kept ("A dog runs.", "a|dog|runs|.");
  assert_kept ("A dog , a cat .", "a|dog|,|a|cat|.");
  assert_kept ("a dog, a cat", "a|dog|,|a|cat");
  assert_kept ("Stop!! Why?", "stop|!!|why|?");
  assert_kept ("one; two: three... four", "one|;|two|:|three|...|four");
  assert_kept ("one . . . two", "one|...|two");
  assert_kept ("\tA  dog\n", "a|dog");
  assert_kept ("", "");
  assert_kept ("UN CAF\303\211 \303\240 Paris",
      "un|caf\303\251|\303\240|paris");
}

static void
test_contractions_come_apart (void)
{
  assert_kept ("a dog's ball", "a|dog|'s|ball");
  assert_kept ("the girl's.", "the|girl|'s|.");
  assert_kept ("don't can't won't", "do|n't|ca|n't|wo|n't");
  assert_kept ("they're I've she'll he'd I'm",
      "they|'re|i|'ve|she|'ll|he|'d|i|'m");
  assert_kept ("You cannot", "you|can|not");
  assert_kept ("gonna wanna cannot.", "gon|na|wan|na|can|not|.");
  assert_kept ("five o'clock", "five|o'clock");
  assert_kept ("the boys' ball", "the|boys|'|ball");
  assert_kept ("y'all rock'n", "y'|all|rock|'n");
  assert_kept ("a woman\342\200\231s hat", "a|woman|'s|hat");
}

static void
test_hyphens_stay (void)
{
  assert_kept ("A t-shirt, blue-and-white.", "a|t-shirt|,|blue-and-white|.");
  assert_kept ("a 5-year-old", "a|5-year-old");
  assert_kept ("one - two -- three ---- four", "one|-|two|--|three|--|four");
  assert_kept ("one\342\200\224two", "one|--|two");
  assert_kept ("a red- and blue", "a|red|-|and|blue");
}

static void
test_numbers_stay_whole (void)
{
  assert_kept ("1,000.5 at 12:30, -5", "1,000.5|at|12:30|,|-5");
  assert_kept ("2 1/2 or 3/4", "2\302\2401\\/2|or|3\\/4");
  assert_kept ("$5 and 50%, #1", "$|5|and|50|%|,|#|1");
  assert_kept ("the 1st 4x4.", "the|1st|4x4|.");
  assert_kept ("12/25/2012", "12\\/25\\/2012");
  assert_kept ("\302\275 cup", "1\\/2|cup");
}

static void
test_abbreviations_keep_their_stop (void)
{
  assert_kept ("Mr. Smith", "mr.|smith");
  assert_kept ("on Mt. Rushmore", "on|mt.|rushmore");
  assert_kept ("a U.S. flag", "a|u.s.|flag");
  assert_kept ("in the U.S.", "in|the|u.s.|.");
  assert_kept ("the E.S.E. Electronics sign", "the|e.s.e.|electronics|sign");
  assert_kept ("plan B.", "plan|b|.");
  assert_kept ("Acme Inc. sells", "acme|inc.|sells");
  assert_kept ("by Acme Inc.", "by|acme|inc.|.");
  assert_kept ("He feels ill.", "he|feels|ill|.");
  assert_kept ("see fig. 3", "see|fig.|3");
}

static void
test_quotes_and_brackets (void)
{
  assert_kept ("a \"stop\" sign", "a|``|stop|''|sign");
  assert_kept ("a 'stop' sign", "a|`|stop|'|sign");
  assert_kept ("\342\200\234stop\342\200\235", "``|stop|''");
  assert_kept ("(a) [b] {c}", "-lrb-|a|-rrb-|-lsb-|b|-rsb-|-lcb-|c|-rcb-");
  assert_kept ("cats & dogs and/or AT&T", "cats|&|dogs|and\\/or|at&t");
  assert_kept ("a Texas A&M shirt", "a|texas|a&m|shirt");
  assert_kept ("a * b / c = d", "a|\\*|b|\\/|c|=|d");
  assert_kept ("fun :) now", "fun|:-rrb-|now");
}

static void
test_punctuation_goes (void)
{
  g_autofree char *tokens = split ("'A' \"dog\", (it) `runs`; - -- ... : ! ?",
      FALSE);
  g_autofree char *odd = split ("wow!! and/or", FALSE);

  g_assert_cmpstr (tokens, ==, "a|dog|-lrb-|it|-rrb-|runs");
  g_assert_cmpstr (odd, ==, "wow|!!|and\\/or");
}

static void
test_any_text_ends (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (int run = 0; run < 300; run++) {
    char text[64] = { 0 };
    g_autofree char *tokens = NULL;
    for (gsize i = 0; i + 1 < sizeof text; i++)
      text[i] = (char) g_rand_int_range (rand, 1, 256);
    tokens = split (text, TRUE);
    g_assert_true (g_utf8_validate (tokens, -1, NULL));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ptbtokenize/words-and-stops", test_words_and_stops);
  g_test_add_func ("/ptbtokenize/contractions-come-apart",
      test_contractions_come_apart);
  g_test_add_func ("/ptbtokenize/hyphens-stay", test_hyphens_stay);
  g_test_add_func ("/ptbtokenize/numbers-stay-whole", test_numbers_stay_whole);
  g_test_add_func ("/ptbtokenize/abbreviations-keep-their-stop",
      test_abbreviations_keep_their_stop);
  g_test_add_func ("/ptbtokenize/quotes-and-brackets",
      test_quotes_and_brackets);
  g_test_add_func ("/ptbtokenize/punctuation-goes", test_punctuation_goes);
  g_test_add_func ("/ptbtokenize/any-text-ends", test_any_text_ends);
  return g_test_run ();
}
