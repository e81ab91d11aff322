/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/ituning.h"

#include <glib/gstdio.h>
#include <string.h>

#include "model/json.h"
#include "model/tokenizerfiles.h"
#include "model/vocabulary.h"

/* A small vocabulary: the 256 bytes, some merges, <|endoftext|> at its end. */
static const char *const merges[] = { "h e", "l l", "he ll", "hell o", "Ġ w",
  "Ġw o", "r l", "rl d", "Ġwo rld", "' s", "Ã ©", "a a", "aa aa", "Ġ Ġ" };

#define N_MERGES G_N_ELEMENTS (merges)
#define END_OF_TEXT (256 + N_MERGES)
#define BYTE_LEVEL \
  "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"

static char *
make_symbol (guint byte)
{
  gunichar other = 0x100;
  char symbol[7] = { 0 };

  for (guint i = 0; i <= byte; i++) {
    const gboolean printable = (i >= 33 && i <= 126) ||
        (i >= 161 && i <= 172) || i >= 174;
    const gunichar c = printable ? i : other++;
    if (i == byte)
      g_unichar_to_utf8 (c, symbol);
  }
  return g_strdup (symbol);
}

static char *
make_vocab (void)
{
  GString *json = g_string_new ("{");

  for (guint byte = 0; byte < 256; byte++) {
    g_autofree char *symbol = make_symbol (byte);
    g_string_append_printf (json, "\"%s%s\":%u,",
        byte == '"' || byte == '\\' ? "\\" : "", symbol, byte);
  }
  for (guint i = 0; i < N_MERGES; i++) {
    g_auto (GStrv) parts = g_strsplit (merges[i], " ", 2);
    g_string_append_printf (json, "\"%s%s\":%u,", parts[0], parts[1], 256 + i);
  }
  g_string_append_printf (json, "\"<|endoftext|>\":%u}", (guint) END_OF_TEXT);
  return g_string_free (json, FALSE);
}

static char *
make_merges (void)
{
  GString *text = g_string_new ("#version: 0.2\n");

  for (guint i = 0; i < N_MERGES; i++)
    g_string_append_printf (text, "%s\n", merges[i]);
  return g_string_free (text, FALSE);
}

/* @model and @rest are members to put first; @as_pairs is the newer form. */
static char *
make_json (const char *model, const char *rest, gboolean as_pairs)
{
  g_autofree char *vocab = make_vocab ();
  GString *json = g_string_new (NULL);

  g_string_printf (json,
      "{\"version\":\"1.0\",%s,\"model\":{\"type\":\"BPE\",%s\"vocab\":%s,"
      "\"merges\":[",
      rest, model, vocab);
  for (guint i = 0; i < N_MERGES; i++) {
    g_auto (GStrv) parts = g_strsplit (merges[i], " ", 2);
    g_string_append (json, i > 0 ? "," : "");
    if (as_pairs)
      g_string_append_printf (json, "[\"%s\",\"%s\"]", parts[0], parts[1]);
    else
      g_string_append_printf (json, "\"%s\"", merges[i]);
  }
  g_string_append (json, "]}}");
  return g_string_free (json, FALSE);
}

static const char *const names[] = { "vocab.json", "merges.txt",
  "tokenizer.json", "added_tokens.json" };

static void
write_file (const char *dir, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  g_autoptr (GError) error = NULL;

  if (text != NULL)
    g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

/* Opens a folder of the files that are not %NULL, in the order of names. */
static ItuningTokenizer *
open_files (const char *const texts[4], GError **error)
{
  g_autofree char *dir = g_dir_make_tmp ("ituning-XXXXXX", NULL);
  ItuningTokenizer *tokenizer;

  g_assert_nonnull (dir);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    write_file (dir, names[i], texts[i]);
  tokenizer = ituning_tokenizer_open (dir, error);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (dir, names[i], NULL);
    g_remove (path);
  }
  g_assert_cmpint (g_rmdir (dir), ==, 0);
  return tokenizer;
}

static ItuningTokenizer *
open_small (void)
{
  g_autofree char *vocab = make_vocab ();
  g_autofree char *list = make_merges ();
  g_autoptr (GError) error = NULL;
  ItuningTokenizer *tokenizer = open_files ((const char *const[4]){ vocab, list,
                                                NULL, NULL },
      &error);

  g_assert_no_error (error);
  return tokenizer;
}

static void
assert_refused (const char *const texts[4], ItuningError code, const char *file,
    const char *cause)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (open_files (texts, &error));
  g_assert_error (error, ITUNING_ERROR, (gint) code);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, file));
  g_assert_nonnull (strstr (error->message, cause));
  g_assert_null (strchr (error->message, '\n'));
}

static GArray *
encode (const ItuningTokenizer *tokenizer, const char *text, gssize length)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (GError) error = NULL;

  g_assert_true (
      ituning_tokenizer_encode (tokenizer, text, length, ids, &error));
  g_assert_no_error (error);
  return ids;
}

static void
assert_ids (const ItuningTokenizer *tokenizer, const char *text, gssize length,
    const guint32 *wanted, gsize n)
{
  g_autoptr (GArray) ids = encode (tokenizer, text, length);

  g_assert_cmpmem (ids->data, ids->len * sizeof (guint32), wanted,
      n * sizeof (guint32));
}

static void
assert_round_trip (const ItuningTokenizer *tokenizer, const char *text,
    gsize size)
{
  g_autoptr (GArray) ids = encode (tokenizer, text, (gssize) size);
  g_autoptr (GString) back = g_string_new (NULL);

  g_assert_true (ituning_tokenizer_decode (tokenizer,
      (const guint32 *) (void *) ids->data, ids->len, back, NULL));
  g_assert_cmpmem (back->str, back->len, text, size);
}

static void
test_encodes_by_rank (void)
{
  g_autoptr (ItuningTokenizer) tokenizer = open_small ();
  const guint32 wanted[] = { 259, 264, 265, ' ', 266, 268, 'a' };

  /* hello| world|'s| |é|aaaa|a */
  assert_ids (tokenizer, "hello world's \u00e9aaaaa", -1, wanted,
      G_N_ELEMENTS (wanted));
  g_assert_cmpuint (ituning_tokenizer_get_size (tokenizer), ==,
      END_OF_TEXT + 1);
}

static void
test_length_may_hold_nul (void)
{
  g_autoptr (ItuningTokenizer) tokenizer = open_small ();

  assert_ids (tokenizer, "a\0b", 3, (const guint32[]){ 'a', 0, 'b' }, 3);
  assert_ids (tokenizer, "a\0b", -1, (const guint32[]){ 'a' }, 1);
  assert_ids (tokenizer, "hello", 2, (const guint32[]){ 256 }, 1);
  assert_ids (tokenizer, "", -1, NULL, 0);
  assert_ids (tokenizer, NULL, 0, NULL, 0);
}

static void
test_ids_are_appended (void)
{
  g_autoptr (ItuningTokenizer) tokenizer = open_small ();
  g_autoptr (GArray) ids = encode (tokenizer, "a", -1);

  g_assert_true (ituning_tokenizer_encode (tokenizer, "b", -1, ids, NULL));
  g_assert_cmpuint (ids->len, ==, 2);
  g_assert_cmpuint (g_array_index (ids, guint32, 1), ==, 'b');
}

static void
test_special_token_in_text_is_text (void)
{
  g_autoptr (ItuningTokenizer) tokenizer = open_small ();
  g_autoptr (GArray) ids = encode (tokenizer, "<|endoftext|>", -1);
  g_autoptr (GString) text = g_string_new ("=");
  const guint32 id = END_OF_TEXT;

  g_assert_cmpuint (ids->len, ==, strlen ("<|endoftext|>"));
  g_assert_true (ituning_tokenizer_decode (tokenizer, &id, 1, text, NULL));
  g_assert_cmpstr (text->str, ==, "=<|endoftext|>");
}

static void
test_random_text_round_trips (void)
{
  static const gunichar edges[] = { 0, ' ', ' ', '\'', 's', 'l', 'a', '\n',
    0xa0, 0xad, 0x301, 0x3000, 0x1f600, 0xffff, 0x10ffff };
  g_autoptr (ItuningTokenizer) tokenizer = open_small ();

  for (guint round = 0; round < 500; round++) {
    g_autoptr (GString) text = g_string_new (NULL);
    const gint n = g_test_rand_int_range (0, 60);
    for (gint i = 0; i < n; i++) {
      gunichar c = (gunichar) g_test_rand_int_range (0, 0x110000);
      char bytes[6];
      if (g_test_rand_bit () || (c >= 0xd800 && c <= 0xdfff))
        c = edges[c % G_N_ELEMENTS (edges)];
      g_string_append_len (text, bytes, g_unichar_to_utf8 (c, bytes));
    }
    assert_round_trip (tokenizer, text->str, text->len);
  }
}

static void
test_every_byte_decodes_to_itself (void)
{
  g_autoptr (ItuningTokenizer) tokenizer = open_small ();

  for (guint32 byte = 0; byte < 256; byte++) {
    g_autoptr (GString) text = g_string_new (NULL);
    g_assert_true (ituning_tokenizer_decode (tokenizer, &byte, 1, text, NULL));
    g_assert_cmpuint (text->len, ==, 1);
    g_assert_cmpuint ((guint8) text->str[0], ==, byte);
  }
}

static void
test_unknown_id_is_an_input_error (void)
{
  g_autoptr (ItuningTokenizer) tokenizer = open_small ();
  g_autoptr (GString) text = g_string_new ("kept");
  g_autoptr (GError) error = NULL;
  const guint32 ids[] = { 'a', END_OF_TEXT + 1 };

  g_assert_false (ituning_tokenizer_decode (tokenizer, ids, 2, text, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT);
  g_assert_cmpstr (text->str, ==, "kept");
}

static void
test_invalid_utf8_is_an_input_error (void)
{
  static const char *const texts[] = { "ok\xff", "\xc3", "\xed\xa0\x80",
    "\xc0\x80", "\xf4\x90\x80\x80", "\x80" };
  g_autoptr (ItuningTokenizer) tokenizer = open_small ();
  g_autoptr (GArray) ids = encode (tokenizer, "a", -1);

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_false (
        ituning_tokenizer_encode (tokenizer, texts[i], -1, ids, &error));
    g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT);
    g_assert_cmpuint (ids->len, ==, 1);
  }
  g_assert_false (
      ituning_tokenizer_encode (tokenizer, "a\0\xff", 3, ids, NULL));
  g_assert_false (
      ituning_tokenizer_encode (tokenizer, "\xc3\xa9", 1, ids, NULL));
  g_assert_cmpuint (ids->len, ==, 1);
}

static void
test_long_text_takes_no_square_time (void)
{
  g_autoptr (ItuningTokenizer) tokenizer = open_small ();
  const gsize size = 1 << 20;
  const gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < 3; i++) {
    g_autofree char *text = g_strnfill (size, "a \0"[i]);
    assert_round_trip (tokenizer, text, size);
  }
  /* 0.3 s for each; a square loop takes minutes. */
  g_assert_cmpint (g_get_monotonic_time () - start, <,
      (gint64) 30 * G_USEC_PER_SEC);
}

static void
test_json_forms_give_the_same (void)
{
  static const char text[] = "hello world's  aaaa\xc3\xa9 <|endoftext|>\n";
  g_autoptr (ItuningTokenizer) pair = open_small ();
  g_autoptr (GArray) wanted = encode (pair, text, -1);
  const char *const added = BYTE_LEVEL
      ",\"normalizer\":null,\"added_tokens\":[{\"id\":270,"
      "\"content\":\"<|endoftext|>\",\"special\":true}]";

  for (guint as_pairs = 0; as_pairs < 2; as_pairs++) {
    g_autofree char *json = make_json ("\"dropout\":null,", added,
        (gboolean) as_pairs);
    g_autoptr (ItuningTokenizer) tokenizer =
        open_files ((const char *const[4]){ NULL, "h e\n", json, NULL }, NULL);
    g_assert_nonnull (tokenizer);
    g_assert_cmpuint (ituning_tokenizer_get_size (tokenizer), ==,
        ituning_tokenizer_get_size (pair));
    assert_ids (tokenizer, text, -1, (const guint32 *) (void *) wanted->data,
        wanted->len);
  }
}

static void
test_pair_wins_over_json (void)
{
  g_autofree char *vocab = make_vocab ();
  g_autoptr (ItuningTokenizer) tokenizer =
      open_files ((const char *const[4]){ vocab, "h e\r\nl l\r\n\nhe ll", "{" },
          NULL);
  const guint32 wanted[] = { 258, 'o' };

  g_assert_nonnull (tokenizer);
  assert_ids (tokenizer, "hello", -1, wanted, G_N_ELEMENTS (wanted));
}

static void
test_added_tokens_decode (void)
{
  g_autofree char *vocab = make_vocab ();
  g_autofree char *list = make_merges ();
  g_autoptr (ItuningTokenizer) tokenizer =
      open_files ((const char *const[4]){ vocab, list, NULL,
                      "{\"<pad \xc3\xa9>\":271}" },
          NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  const guint32 id = END_OF_TEXT + 1;

  g_assert_nonnull (tokenizer);
  g_assert_cmpuint (ituning_tokenizer_get_size (tokenizer), ==, 272);
  g_assert_true (ituning_tokenizer_decode (tokenizer, &id, 1, text, NULL));
  g_assert_cmpstr (text->str, ==, "<pad \xc3\xa9>");
}

static void
test_missing_files_are_an_open_error (void)
{
  assert_refused ((const char *const[4]){ NULL }, ITUNING_ERROR_OPEN,
      "ituning-", "vocab.json with merges.txt, nor tokenizer.json");
  assert_refused ((const char *const[4]){ "{}", NULL, NULL, NULL },
      ITUNING_ERROR_OPEN, "ituning-", "merges.txt");
  g_assert_false (ituning_tokenizer_files_exist ("/nonexistent"));
}

static void
test_broken_tokens_are_a_format_error (void)
{
  static const char *const cases[][2] = {
    { "[]", "not a JSON object" },
    { "{\"a\":0", "not JSON" },
    { "{\"a\":0}", "no token \"\xc4\x80\" for the byte 0x00" },
    { "{}", "byte 0x00" },
    { "{\"a\":\"0\"}", "whole id" },
    { "{\"a\":0.5}", "whole id" },
    { "{\"a\":null}", "whole id" },
    { "{\"a\":{}}", "whole id" },
    { "{\"a\":-1}", "id -1" },
    { "{\"a\":1048576}", "id 1048576" },
    { "{\"a\":9223372036854775807}", "id 9223372036854775807" },
    { "{\"a\":0,\"b\":0}", "id 0 to two" },
    { "{\"a\":0,\"b\":2}", "but not 1" },
    { "{\"\":0}", "empty token" },
    { "{\"\\u0000\":0}", "empty token" },
    { "", "empty" },
    { "\xff", "UTF-8" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused ((const char *const[4]){ cases[i][0], "a b", NULL, NULL },
        ITUNING_ERROR_FORMAT, "vocab.json", cases[i][1]);
}

static void
test_broken_merges_are_a_format_error (void)
{
  static const char *const cases[][2] = {
    { "h e\nhe", "merge 1 is not two" },
    { "h  e", "merge 0 is not two" },
    { " he", "merge 0 is not two" },
    { "he ", "merge 0 is not two" },
    { "h e l", "merge 0 is not two" },
    { "h e\nh e", "merges 0 and 1 join" },
    { "h e\nx y", "merge 1 does not fit the vocabulary, which lacks what" },
    { "xy z", "lacks its left" },
    { "z xy", "lacks its right" },
    { "h\xff e", "UTF-8" },
    { "", "empty" },
  };
  g_autofree char *vocab = make_vocab ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused ((const char *const[4]){ vocab, cases[i][0], NULL, NULL },
        ITUNING_ERROR_FORMAT, "merges.txt", cases[i][1]);
}

static void
test_what_json_asks_beyond_is_refused (void)
{
  static const char *const cases[][3] = {
    { "\"byte_fallback\":true,", BYTE_LEVEL, "byte_fallback" },
    { "\"ignore_merges\":true,", BYTE_LEVEL, "ignore_merges" },
    { "\"dropout\":0.1,", BYTE_LEVEL, "dropout" },
    { "\"end_of_word_suffix\":\"</w>\",", BYTE_LEVEL, "end_of_word_suffix" },
    { "", "\"normalizer\":{\"type\":\"NFC\"}," BYTE_LEVEL, "NFC" },
    { "", "\"pre_tokenizer\":{\"type\":\"Meta\\nspace\"}", "Meta\\nspace" },
    { "", "\"pre_tokenizer\":null", "pre_tokenizer" },
    { "", "\"pre_tokenizer\":{}", "without a type" },
    { "", "\"pre_tokenizer\":{\"type\":\"ByteLevel\"}", "add_prefix_space" },
    { "",
        "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"use_regex\":false,"
        "\"add_prefix_space\":false}",
        "use_regex" },
    { "", BYTE_LEVEL ",\"post_processor\":{\"type\":\"Bert\"}", "Bert" },
    { "", BYTE_LEVEL ",\"decoder\":{\"type\":\"Fuse\"}", "Fuse" },
    { "",
        BYTE_LEVEL ",\"added_tokens\":[{\"id\":271,\"content\":\"wave\","
                   "\"special\":false}]",
        "not special" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *json = make_json (cases[i][0], cases[i][1], FALSE);
    assert_refused ((const char *const[4]){ NULL, NULL, json, NULL },
        ITUNING_ERROR_UNSUPPORTED, "tokenizer.json", cases[i][2]);
  }
  assert_refused ((const char *const[4]){ NULL, NULL,
                      "{\"model\":{\"type\":\"Unigram\"}}", NULL },
      ITUNING_ERROR_UNSUPPORTED, "tokenizer.json", "Unigram");
}

static void
test_broken_json_is_a_format_error (void)
{
#define MODEL(x) "{" BYTE_LEVEL ",\"model\":{\"type\":\"BPE\"," x "}}"
  static const char *const cases[][2] = {
    { "{}", "model" },
    { "{\"model\":[]}", "model" },
    { "{\"model\":{\"type\":3}}", "type" },
    { "{\"model\":{}," BYTE_LEVEL "}", "vocab" },
    { MODEL ("\"merges\":[]"), "vocab" },
    { MODEL ("\"vocab\":[],\"merges\":[]"), "vocab" },
    { MODEL ("\"vocab\":{\"a\":0}"), "merges" },
    { MODEL ("\"vocab\":{\"a\":0},\"merges\":{}"), "merges" },
    { MODEL ("\"vocab\":{\"a\":0},\"merges\":[3]"), "merge 0" },
    { MODEL ("\"vocab\":{\"a\":0},\"merges\":[null]"), "merge 0" },
    { MODEL ("\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]"), "merge 0" },
    { MODEL ("\"vocab\":{\"a\":0},\"merges\":[[\"a\",1]]"), "merge 0" },
    { MODEL ("\"vocab\":{\"a\":0},\"merges\":[[\"a\",[]]]"), "merge 0" },
    { "{\"added_tokens\":[3]," BYTE_LEVEL
      ",\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"type\":\"BPE\"}}",
        "object" },
    { "{\"added_tokens\":[{\"id\":1,\"special\":true}]," BYTE_LEVEL
      ",\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"type\":\"BPE\"}}",
        "empty token" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused ((const char *const[4]){ NULL, NULL, cases[i][0], NULL },
        ITUNING_ERROR_FORMAT, "tokenizer.json", cases[i][1]);
}

static void
test_one_token_with_two_ids_is_a_format_error (void)
{
  g_autofree char *vocab = make_vocab ();

  assert_refused ((const char *const[4]){ vocab, "h e", NULL,
                      "{\"<|endoftext|>\":271}" },
      ITUNING_ERROR_FORMAT, "vocab.json", "id 271 twice");
}

static gpointer
encode_in_thread (gpointer data)
{
  for (guint i = 0; i < 300; i++)
    assert_round_trip (data, "hello world's  aaaaaa hello", 27);
  ituning_tokenizer_unref (data);
  return NULL;
}

static void
test_threads_share_one (void)
{
  ItuningTokenizer *tokenizer = open_small ();
  GThread *threads[8];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("encode", encode_in_thread,
        ituning_tokenizer_ref (tokenizer));
  ituning_tokenizer_unref (tokenizer);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static ItuningTokenizer *
open_gpt2 (void)
{
  g_autofree char *dir = g_test_build_filename (G_TEST_DIST, "..", "..",
      "shared", "gpt2", NULL);
  g_autoptr (GError) error = NULL;
  ItuningTokenizer *tokenizer;
  gint64 start;

  if (!ituning_tokenizer_files_exist (dir)) {
    g_test_skip ("GPT-2's vocabulary is not there");
    return NULL;
  }
  start = g_get_monotonic_time ();
  tokenizer = ituning_tokenizer_open (dir, &error);
  g_assert_no_error (error);
  g_test_message ("opened in %.1f ms",
      (double) (g_get_monotonic_time () - start) / 1e3);
  return tokenizer;
}

/* Ids and texts of tests/data/tokenizer.json come from the reference. */
static void
test_gpt2_is_exact (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data",
      "tokenizer.json", NULL);
  g_autoptr (ItuningTokenizer) tokenizer = open_gpt2 ();
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = NULL;
  JsonArray *cases;

  if (tokenizer == NULL)
    return;
  root = ituning_json_load (path, &error);
  g_assert_no_error (error);
  cases = json_node_get_array (root);
  g_assert_cmpuint (json_array_get_length (cases), >, 300);
  for (guint i = 0; i < json_array_get_length (cases); i++) {
    JsonObject *object = json_array_get_object_element (cases, i);
    const char *text = json_object_get_string_member (object, "text");
    JsonArray *wanted = json_object_get_array_member (object, "ids");
    g_autoptr (GString) back = g_string_new (NULL);
    g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint32));
    for (guint j = 0; j < json_array_get_length (wanted); j++) {
      const guint32 id = (guint32) json_array_get_int_element (wanted, j);
      g_array_append_val (ids, id);
    }
    g_assert_true (ituning_tokenizer_decode (tokenizer,
        (const guint32 *) (void *) ids->data, ids->len, back, NULL));
    /* json-glib ends a string at U+0000; the ids know the rest. */
    g_assert_cmpint (strncmp (back->str, text, strlen (text)), ==, 0);
    assert_ids (tokenizer, back->str, (gssize) back->len,
        (const guint32 *) (void *) ids->data, ids->len);
  }
}

/* Plain text is read as json-glib reads it; what is not plain is left to it. */
static void
test_plain_tokens_are_scanned (void)
{
  static const struct
  {
    const char *text;
    gboolean plain;
  } cases[] = {
    { "{\"a\":0,\"b\":1}", TRUE },
    { " {\n\t\"\\u0120w\" : 1 ,\r\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":0 } \n", TRUE },
    { "{\"\\ud83d\\ude00\":0,\"\xc4\xa0\":1}", TRUE },
    { "{\"a\":999999}", TRUE },
    { "{}", FALSE },
    { "", FALSE },
    { "{\"a\":0", FALSE },
    { "{\"a\":0}x", FALSE },
    { "{\"a\":0,}", FALSE },
    { "{\"a\":00}", FALSE },
    { "{\"a\":-1}", FALSE },
    { "{\"a\":1.0}", FALSE },
    { "{\"a\":1e0}", FALSE },
    { "{\"a\":1048576}", FALSE },
    { "{\"a\":99999999999}", FALSE },
    { "{\"a\":\"0\"}", FALSE },
    { "{\"\":0}", FALSE },
    { "{\"a\n\":0}", FALSE },
    { "{\"\\u0000\":0}", FALSE },
    { "{\"\\ud83d\":0}", FALSE },
    { "{\"\\ude00\":0}", FALSE },
    { "{\"\\x\":0}", FALSE },
    { "{\"\\u12\":0}", FALSE },
    { "{\"a", FALSE },
    { "{\"a\\", FALSE },
    { "{\"a\":0,\"b\":0}", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const gsize size = strlen (cases[i].text);
    g_autofree char *text = g_memdup2 (cases[i].text, MAX (size, 1));
    g_autoptr (ItuningVocabulary) scanned = ituning_vocabulary_new ();
    g_autoptr (ItuningVocabulary) wanted = ituning_vocabulary_new ();
    g_autoptr (JsonNode) root = NULL;
    JsonObject *object = NULL;
    g_assert_cmpint (ituning_vocabulary_scan (scanned, "f", text, size), ==,
        cases[i].plain);
    if (!cases[i].plain)
      continue;
    root = ituning_json_parse ("f", text, size, NULL);
    g_assert_true (ituning_json_object (root, "f", &object, NULL));
    g_assert_true (ituning_vocabulary_add_tokens (wanted, "f", object, NULL));
    g_assert_cmpuint (scanned->tokens->len, ==, wanted->tokens->len);
    for (guint id = 0; id < wanted->tokens->len; id++)
      g_assert_cmpstr (scanned->tokens->pdata[id], ==,
          wanted->tokens->pdata[id]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tokenizer/plain-tokens-are-scanned",
      test_plain_tokens_are_scanned);
  g_test_add_func ("/tokenizer/encodes-by-rank", test_encodes_by_rank);
  g_test_add_func ("/tokenizer/length-may-hold-nul", test_length_may_hold_nul);
  g_test_add_func ("/tokenizer/ids-are-appended", test_ids_are_appended);
  g_test_add_func ("/tokenizer/special-token-in-text-is-text",
      test_special_token_in_text_is_text);
  g_test_add_func ("/tokenizer/random-text-round-trips",
      test_random_text_round_trips);
  g_test_add_func ("/tokenizer/every-byte-decodes-to-itself",
      test_every_byte_decodes_to_itself);
  g_test_add_func ("/tokenizer/unknown-id-is-an-input-error",
      test_unknown_id_is_an_input_error);
  g_test_add_func ("/tokenizer/invalid-utf8-is-an-input-error",
      test_invalid_utf8_is_an_input_error);
  g_test_add_func ("/tokenizer/long-text-takes-no-square-time",
      test_long_text_takes_no_square_time);
  g_test_add_func ("/tokenizer/json-forms-give-the-same",
      test_json_forms_give_the_same);
  g_test_add_func ("/tokenizer/pair-wins-over-json", test_pair_wins_over_json);
  g_test_add_func ("/tokenizer/added-tokens-decode", test_added_tokens_decode);
  g_test_add_func ("/tokenizer/missing-files-are-an-open-error",
      test_missing_files_are_an_open_error);
  g_test_add_func ("/tokenizer/broken-tokens-are-a-format-error",
      test_broken_tokens_are_a_format_error);
  g_test_add_func ("/tokenizer/broken-merges-are-a-format-error",
      test_broken_merges_are_a_format_error);
  g_test_add_func ("/tokenizer/what-json-asks-beyond-is-refused",
      test_what_json_asks_beyond_is_refused);
  g_test_add_func ("/tokenizer/broken-json-is-a-format-error",
      test_broken_json_is_a_format_error);
  g_test_add_func ("/tokenizer/one-token-with-two-ids-is-a-format-error",
      test_one_token_with_two_ids_is_a_format_error);
  g_test_add_func ("/tokenizer/threads-share-one", test_threads_share_one);
  g_test_add_func ("/tokenizer/gpt2-is-exact", test_gpt2_is_exact);
  return g_test_run ();
}
