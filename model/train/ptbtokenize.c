/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Splits English text as the Penn Treebank does, the way that Stanford's
 * PTBTokenizer of 2014 does it (which COCO's evaluation runs with -lowerCase):
 * a table of rules, of which the longest match wins, of equal ones the first. */

#include "model/train/ptbtokenize.h"

#include <string.h>

/* A letter, accents that follow one and the soft hyphen. */
#define LETTER "[\\p{L}\\p{M}\\x{AD}]"
#define WORD \
  LETTER "(?:" LETTER "|[0-9])*+(?:[.!?]" LETTER "(?:" LETTER "|[0-9])*+)*"
#define APOS "(?:['\\x{92}\\x{2019}]|&apos;)"
#define ANY_APOS "(?:['`\\x{91}\\x{92}\\x{2018}\\x{2019}\\x{201B}]|&apos;)"
#define CLITIC APOS "(?i:[msd]|re|ve|ll)"
#define NUM "(?:[0-9]*(?:[.,][0-9]+)+|[0-9]+(?:[.:,\\x{AD}][0-9]+)*)"
#define PART "(?:[dDoOlL]" ANY_APOS "[\\p{L}\\p{M}])?[\\p{L}\\p{M}0-9]+"
#define SLASHED "[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"
/* What ends a sentence behind a full stop. */
#define SENTENCE_END "\\s(?:\\s|[A-Z])"

/* What is in [] comes with this case only, as these are words, too. */
#define ABBREVIATION \
  "(?i:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Mon|Tues?|Wed|Thu(?:rs)?" \
  "|Fri|Ala|Ariz|Calif|Colo|Conn|Ct|Dak|Fla|Ga|Ind|Kans?|Ky|Md|Mich|Minn|Mo" \
  "|Mont|Neb|Nev|Okla|Penn|Tenn|Va|Vt|Wisc?|Wyo|Inc|Cos?|Corp|Pp?t[ye]s?|Ltd" \
  "|Plc|Bancorp|Dept|Bhd|Assn|Univ|Intl|Sys|tel|est|ext|sq|Jr|Sr|Bros" \
  "|(?:Ed|Ph)\\.D|Blvd|Rd|Esq|etc|al|seq|Bldg)" \
  "|[A]z|[A]rk|[D]el|[I]ll|[L]a|[M]ass|[M]iss|[O]re|[P]a|[T]ex|[W]ash"
#define TITLE \
  "(?i:Mr|Mrs|Ms|Drs?|Profs?|Sens?|Reps?|Attys?|Lt|Col|Gen|Messrs|Govs?|Adm" \
  "|Rev|Maj|Sgt|Cpl|Pvt|Capt|Ste?|Ave|Pres|Lieut|Hon|Brig|Co?mdr|Pfc|Spc" \
  "|Supts?|Det|Mt|Ft|Adj|Adv|Asst|Assoc|Ens|Insp|Mlle|Mme|Msgr|Sfc|Invt|Elec" \
  "|Natl|viz|Exhs?|ass't|Govt|Wm|Jos|Cie|cf|vs)|[M]iss|[P]h|[v]|[M][ft]g|[P]l"
#define ACRONYM "[A-Za-z](?:\\.[A-Za-z])*"

typedef struct
{
  const char *pattern; /* group 1 is the token, what follows is looked at */
  const char *token; /* what it becomes; NULL: it stays, escaped */
  gboolean repeat_stop; /* its full stop is a token, too */
} Rule;

static const Rule rules[] = {
  /* words and what apostrophes cut off */
  { "(?i)(can)not", NULL, FALSE },
  { "(?i)(?|(gon)na|(got)ta|(lem)me|(gim)me|(wan)na)", NULL, FALSE },
  { "(?i)(" APOS "t)(?:is|was)", NULL, FALSE },
  { "(</?[A-Za-z][A-Za-z0-9_:.-]*(?: +[^<>\\n]*)?/?>|<[!?][A-Za-z-][^<>\\n]*>)",
      NULL, FALSE },
  { "(&(?:MD|mdash|ndash);|[\\x{96}\\x{97}\\x{2013}-\\x{2015}])", "--", FALSE },
  { "(?i)(&amp;)", "&", FALSE },
  { "(" WORD ")" CLITIC, NULL, FALSE },
  { "([A-Za-z\\x{AD}]*[A-MO-Za-mo-z]\\x{AD}*)[nN]" ANY_APOS "[tT]", NULL,
      FALSE },
  { "(" WORD ")", NULL, FALSE },
  { "(" APOS "[nN]" APOS "?|[lLdDjJ]" APOS "|(?i:Dunkin|somethin|ol)" APOS
    "|" APOS "(?i:em|till?|cause|twixt)|[A-HJ-XZn]" ANY_APOS LETTER "{2,}"
    "|" APOS "[2-9]0s|" LETTER "+[aeiouyAEIOUY]" ANY_APOS "[aeiouA-Z]" LETTER
    "*)",
      NULL, FALSE },
  { "([yY]" APOS ")" LETTER, NULL, FALSE },
  { "((?i:https?|ftp)://[^\\s\"<>|()]+[^\\s\"<>|.!?(){},-]"
    "|(?:www\\.(?:[^\\s\"<>|.!?(){},]+\\.)+[a-zA-Z]{2,4}"
    "|(?:[^\\s\"`'<>|.!?(){},_$-]+\\.)+(?i:com|net|org|edu))"
    "(?:/[^\\s\"<>|()]+[^\\s\"<>|.!?(){},-])?)",
      NULL, FALSE },
  { "([a-zA-Z0-9][^\\s\"<>|()]*@(?:[^\\s\"<>|().]+\\.)*[^\\s\"<>|().,]+)", NULL,
      FALSE },
  { "([@#][a-zA-Z_][a-zA-Z_0-9]*)", NULL, FALSE },
  { "(" CLITIC ")[^A-Za-z]", NULL, FALSE },
  { "([nN]" ANY_APOS "[tT])[^A-Za-z]", NULL, FALSE },
  /* numbers */
  { "([0-9]{1,2}[-/][0-9]{1,2}[-/][0-9]{2,4})", NULL, FALSE },
  { "([-+]?" NUM ")", NULL, FALSE },
  { "((?:[0-9]{1,4}[- \\x{A0}])?[0-9]{1,4}(?:\\\\?/|\\x{2044})[0-9]{1,4})",
      NULL, FALSE },
  { "(\\x{BC})", "1\\/4", FALSE },
  { "(\\x{BD})", "1\\/2", FALSE },
  { "(\\x{BE})", "3\\/4", FALSE },
  { "([\\x{2153}-\\x{215E}])", NULL, FALSE },
  { "((?i:C\\.D\\.s|pro-|anti-)|S(?:&|&amp;)P-500|S(?:&|&amp;)Ls)", NULL,
      FALSE },
  { "(" SLASHED "(?:\\\\?/" SLASHED "){1,2})", NULL, FALSE },
  { "([A-Z]*\\$|#)", NULL, FALSE },
  { "(\\x{A2})", "cents", FALSE },
  { "(\\x{A3})", "#", FALSE },
  { "([\\x{A4}\\x{A5}\\x{20A0}-\\x{20AC}])", "$", FALSE },
  /* abbreviations; a single letter gives its full stop away */
  { "((?:" ABBREVIATION ")\\.)" SENTENCE_END, NULL, TRUE },
  { "((?:" ABBREVIATION ")\\.)", NULL, FALSE },
  { "((?i:ca|figs?|prop|nos?|art|bldg|pp|op)\\.)\\s?[0-9]", NULL, FALSE },
  { "([A-Za-z])\\." SENTENCE_END, NULL, FALSE },
  { "(" ACRONYM "\\.)\\s\\s", NULL, TRUE }, /* at the end, not before a name */
  { "((?:" TITLE "|" ACRONYM ")\\.)", NULL, FALSE },
  { "(" APOS "[0-9][0-9])\\s", NULL, FALSE },
  /* punctuation */
  { "([<>]?[:;=][-o*']?[()DPdpO\\\\{@|\\[\\]])[^A-Za-z]", NULL, FALSE },
  { "(&lt;)", "<", FALSE },
  { "(&gt;)", ">", FALSE },
  { "([()])", NULL, FALSE },
  { "(\\[)", "-lsb-", FALSE },
  { "(\\])", "-rsb-", FALSE },
  { "(\\{)", "-lcb-", FALSE },
  { "(\\})", "-rcb-", FALSE },
  { "(\\.{3,}|[\\x{85}\\x{2026}]|\\.(?:[ \\x{A0}]\\.){2,})", "...", FALSE },
  { "(-{3,4})", "--", FALSE },
  { "([?!]+|@+|#+|_+|-+|[,;:.=/<>+%&~^|\\\\\\x{A1}\\x{BF}]|\\*+)", NULL,
      FALSE },
  { "([A-Za-z0-9][A-Za-z0-9.,\\x{AD}]*+"
    "(?:-(?:[A-Za-z](?:\\.[A-Za-z])+\\.|[A-Za-z0-9\\x{AD}]+))+)",
      NULL, FALSE },
  { "(" PART "(?:[-\\x{2010}\\x{2011}]" PART ")*)", NULL, FALSE },
  { "([A-Z]+(?:(?:[+&]|&amp;)[A-Z]+)+)", NULL, FALSE },
  { "(\"|&quot;)[A-Za-z0-9$]", "``", FALSE },
  { "(\"|&quot;)", "''", FALSE },
  { "(')[A-Za-z][^\\s\\x{A0}]", "`", FALSE },
  { "(" CLITIC ")", NULL, FALSE },
  { "([`\\x{91}\\x{2018}\\x{201B}\\x{2039}])", "`", FALSE },
  { "(``|[\\x{93}\\x{201C}\\x{AB}])", "``", FALSE },
  { "(" APOS "|\\x{203A})", "'", FALSE },
  { "(''|[\\x{94}\\x{201D}\\x{BB}])", "''", FALSE },
  { "(<<|>>|[\\x{A6}-\\x{A9}\\x{AC}\\x{AE}-\\x{BA}\\x{D7}\\x{F7}]"
    "|[\\x{2020}-\\x{2022}\\x{2030}-\\x{2038}\\x{2100}-\\x{214F}]"
    "|[\\x{2190}-\\x{2BFF}])",
      NULL, FALSE },
};

/* Not words to COCO's evaluation. Brackets are there as well, in large
 * letters, which no bracket has: they count as words. */
static const char *const punctuation[] = { "''", "'", "``", "`", ".", "?", "!",
  ",", ":", "-", "--", "...", ";" };

/* Words of letters only that a rule takes apart, or leaves their full stop. */
#define SPECIAL \
  "(?i:cannot|gonna|gotta|lemme|gimme|wanna)|" ABBREVIATION "|" TITLE \
  "|[A-Za-z]"

typedef struct
{
  GRegex *rules[G_N_ELEMENTS (rules)];
  GRegex *special;
} Regexes;

static GRegex *
compile (const char *pattern)
{
  GRegex *regex = g_regex_new (pattern, G_REGEX_OPTIMIZE | G_REGEX_ANCHORED, 0,
      NULL);

  g_assert (regex != NULL);
  return regex;
}

static gpointer
compile_all (gpointer unused)
{
  Regexes *regexes = g_new (Regexes, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
    regexes->rules[i] = compile (rules[i].pattern);
  regexes->special = compile ("(?i:" SPECIAL ")$");
  return regexes;
}

static gboolean
is_punctuation (const char *token)
{
  for (gsize i = 0; i < G_N_ELEMENTS (punctuation); i++) {
    if (g_str_equal (punctuation[i], token))
      return TRUE;
  }
  return FALSE;
}

static void
add_token (GPtrArray *tokens, gboolean keep_punctuation, char *token)
{
  if (keep_punctuation || !is_punctuation (token))
    g_ptr_array_add (tokens, token);
  else
    g_free (token);
}

/* In small letters; a slash or asterisk gets a backslash, except in a web
 * address, a space is one that does not break, a curly apostrophe straight, a
 * parenthesis (of a smiley, too) its name. */
static char *
write_token (const char *text, gsize size)
{
  g_autofree char *small = g_utf8_strdown (text, (gssize) size);
  const gboolean escape = strstr (small, "://") == NULL &&
      strstr (small, "www.") == NULL && small[0] != '<';
  GString *token = g_string_new (NULL);

  for (const char *c = small; *c != '\0'; c = g_utf8_next_char (c)) {
    const gboolean escaped = c > small && c[-1] == '\\';
    if (escape && (*c == '/' || *c == '*') && !escaped)
      g_string_append_c (token, '\\');
    switch (g_utf8_get_char (c)) {
      case ' ':
        g_string_append_unichar (token, 0xa0);
        break;
      case '(':
        g_string_append (token, "-lrb-");
        break;
      case ')':
        g_string_append (token, "-rrb-");
        break;
      case 0x2019:
        g_string_append_c (token, '\'');
        break;
      default:
        g_string_append_unichar (token, g_utf8_get_char (c));
    }
  }
  return g_string_free (token, FALSE);
}

/* Whether what is at @text ends a token of letters: a space, a comma before
 * one, or the caption's last full stop. */
static gboolean
is_plain_end (const char *text)
{
  return g_ascii_isspace (*text) ||
      (*text == ',' && g_ascii_isspace (text[1])) ||
      g_str_equal (text, ".\n\n");
}

/* Takes what most captions consist of without the rules, which would do the
 * same: words of letters, commas, the full stop at the end. Returns the token;
 * NULL when it takes the rules to tell. */
static char *
take_plain (const Regexes *regexes, const char *text)
{
  gsize size = 0;
  char *token;

  while (g_ascii_isalpha (text[size]))
    size++;
  if (!is_plain_end (text + size))
    return NULL;
  if (size == 0)
    return g_strndup (text, 1);
  token = g_ascii_strdown (text, (gssize) size);
  if ((text[size] == '.' ||
          (size >= strlen ("gonna") && size <= strlen ("cannot"))) &&
      g_regex_match (regexes->special, token, 0, NULL))
    g_clear_pointer (&token, g_free);
  return token;
}

/* The rule of the longest match at @at, NULL for none, and the bytes of its
 * token. */
static const Rule *
find_rule (const Regexes *regexes, const char *text, gsize at, gsize *size)
{
  const Rule *best = NULL;
  int longest = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++) {
    g_autoptr (GMatchInfo) match = NULL;
    int start, end, token_end;

    if (!g_regex_match_full (regexes->rules[i], text, -1, (int) at, 0, &match,
            NULL))
      continue;
    (void) g_match_info_fetch_pos (match, 0, &start, &end);
    (void) g_match_info_fetch_pos (match, 1, NULL, &token_end);
    if (end - start > longest) {
      longest = end - start;
      best = &rules[i];
      *size = (gsize) (token_end - start);
    }
  }
  return best;
}

/* Takes the token at @at; returns where the next begins. */
static gsize
take_token (const Regexes *regexes, const char *text, gsize at,
    gboolean keep_punctuation, GPtrArray *tokens)
{
  char *token = take_plain (regexes, text + at);
  gsize size = token != NULL ? strlen (token) : 0;
  const Rule *rule;

  if (token != NULL) {
    add_token (tokens, keep_punctuation, token);
    return at + size;
  }
  rule = find_rule (regexes, text, at, &size);
  if (rule == NULL) /* a sign that no rule knows is left out */
    return (gsize) (g_utf8_next_char (text + at) - text);
  token = rule->token != NULL ? g_strdup (rule->token)
                              : write_token (text + at, size);
  add_token (tokens, keep_punctuation, token);
  if (rule->repeat_stop)
    add_token (tokens, keep_punctuation, g_strdup ("."));
  return at + size;
}

/**
 * ituning_ptb_tokenize:
 * @text: one caption, UTF-8; its end is the end of a sentence
 * @keep_punctuation: whether punctuation counts as a word
 * @tokens: (element-type utf8): gets the words appended, to be freed with
 *   g_free (), in small letters
 *
 * Contractions are taken apart ("do" "n't", "dog" "'s"), hyphens are not,
 * numbers and abbreviations keep their full stops, brackets become "-lrb-" and
 * the like, quotation marks "``" and "''".
 */
void
ituning_ptb_tokenize (const char *text, gboolean keep_punctuation,
    GPtrArray *tokens)
{
  static GOnce once = G_ONCE_INIT;
  const Regexes *regexes = g_once (&once, compile_all, NULL);
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autofree char *ended = g_strconcat (valid, "\n\n", NULL);

  for (gsize at = 0; ended[at] != '\0';) {
    if (g_ascii_isspace (ended[at]))
      at++;
    else
      at = take_token (regexes, ended, at, keep_punctuation, tokens);
  }
}
