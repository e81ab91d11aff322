/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/pickle.h"

#include <string.h>

#include "model/ituning.h"

#define BYTES(text) text, sizeof (text) - 1

/* More than this many instructions are refused. */
#define MAX_STEPS (1u << 19)

static gboolean
may_name (const char *global)
{
  return g_str_equal (global, "known.thing");
}

/* Reads a copy in memory of just its size, for ASan to guard. */
static ItuningPickle *
read_copy (const void *text, gsize size, GError **error)
{
  g_autofree guint8 *copy = g_memdup2 (text, size);

  return ituning_pickle_read ("x.bin", copy, size, may_name, error);
}

static ItuningPickle *
read_good (const char *text, gsize size)
{
  g_autoptr (GError) error = NULL;
  ItuningPickle *pickle = read_copy (text, size, &error);

  g_assert_no_error (error);
  return pickle;
}

static const ItuningPickleValue *
get_item (const ItuningPickleValue *value, guint index)
{
  g_assert_cmpuint (index, <, value->items->len);
  return g_ptr_array_index (value->items, index);
}

static void
test_values_are_read (void)
{
  static const gint64 integers[] = { 255, 65535, -2, 0, -1, 255, G_MININT64 };
  g_autoptr (ItuningPickle) pickle = read_good (
      BYTES ("\x80\2("
             "K\xff"
             "M\xff\xff"
             "J\xfe\xff\xff\xff"
             "\x8a\0"
             "\x8a\1\xff"
             "\x8a\2\xff\0"
             "\x8a\x08\0\0\0\0\0\0\0\x80"
             "N\x88\x89G\0\0\0\0\0\0\0\0"
             "X\3\0\0\0abc\x8c\2\xc3\xa9\x8d\0\0\0\0\0\0\0\0"
             "](K\1K\2eK\3a"
             ")\x85"
             "t.ignored"));
  const ItuningPickleValue *root = ituning_pickle_get_root (pickle);

  g_assert_cmpint (root->kind, ==, ITUNING_PICKLE_TUPLE);
  for (guint i = 0; i < 7; i++) {
    g_assert_cmpint (get_item (root, i)->kind, ==, ITUNING_PICKLE_INTEGER);
    g_assert_cmpint (get_item (root, i)->integer, ==, integers[i]);
  }
  for (guint i = 7; i < 11; i++)
    g_assert_cmpint (get_item (root, i)->kind, ==, ITUNING_PICKLE_ATOM);
  g_assert_cmpstr (get_item (root, 11)->text, ==, "abc");
  g_assert_cmpstr (get_item (root, 12)->text, ==, "\xc3\xa9");
  g_assert_cmpstr (get_item (root, 13)->text, ==, "");
  g_assert_cmpint (get_item (root, 14)->kind, ==, ITUNING_PICKLE_LIST);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (get_item (get_item (root, 14), i)->integer, ==, i + 1);
  g_assert_cmpint (get_item (root, 15)->kind, ==, ITUNING_PICKLE_TUPLE);
  g_assert_cmpuint (get_item (get_item (root, 15), 0)->items->len, ==, 0);
}

static void
test_objects_are_described (void)
{
  /* Protocol 4: a frame, memoized texts and a global taken from the stack. */
  g_autoptr (ItuningPickle) pickle = read_good (
      BYTES ("\x80\4\x95\0\0\0\0\0\0\0\0"
             "(\x8c\5known\x94\x8c\5thing\x94\x93\x94"
             "K\7\x85R\x94"
             "h\2)R"
             "K\1\x85Q"
             "j\3\0\0\0"
             "t."));
  const ItuningPickleValue *root = ituning_pickle_get_root (pickle);

  g_assert_cmpuint (root->items->len, ==, 4);
  g_assert_cmpint (get_item (root, 0)->kind, ==, ITUNING_PICKLE_CALL);
  g_assert_cmpstr (get_item (root, 0)->text, ==, "known.thing");
  g_assert_cmpint (get_item (get_item (root, 0), 0)->integer, ==, 7);
  g_assert_cmpuint (get_item (root, 1)->items->len, ==, 0);
  g_assert_cmpint (get_item (root, 2)->kind, ==, ITUNING_PICKLE_PERSISTENT);
  g_assert_cmpint (get_item (get_item (root, 2), 0)->integer, ==, 1);
  g_assert_true (get_item (root, 3) == get_item (root, 0));
}

static void
test_an_ordered_dict_is_a_dict (void)
{
  g_autoptr (ItuningPickle) pickle = read_good (
      BYTES ("\x80\2ccollections\nOrderedDict\n)R(K\1K\2K\3K\4uK\5K\6s"
             "}X\1\0\0\0mNsb."));
  const ItuningPickleValue *root = ituning_pickle_get_root (pickle);

  g_assert_cmpint (root->kind, ==, ITUNING_PICKLE_DICT);
  g_assert_cmpuint (root->items->len, ==, 6);
  for (guint i = 0; i < 6; i++)
    g_assert_cmpint (get_item (root, i)->integer, ==, i + 1);
}

static void
test_a_value_may_contain_itself (void)
{
  g_autoptr (ItuningPickle) pickle = read_good (BYTES ("]q\0h\0ah\0a."));
  const ItuningPickleValue *root = ituning_pickle_get_root (pickle);

  g_assert_true (get_item (root, 0) == root);
  g_assert_true (get_item (root, 1) == root);
}

static const struct
{
  const char *name;
  const char *text;
  gsize size;
  int code;
  const char *message;
} bad[] = {
  { "empty", BYTES (""), ITUNING_ERROR_FORMAT, "ends within" },
  { "no-stop", BYTES ("N"), ITUNING_ERROR_FORMAT, "ends within" },
  { "no-value", BYTES ("."), ITUNING_ERROR_FORMAT, "one value" },
  { "two-values", BYTES ("NN."), ITUNING_ERROR_FORMAT, "one value" },
  { "open-mark", BYTES ("N(."), ITUNING_ERROR_FORMAT, "one value" },
  { "system", BYTES ("cos\nsystem\nX\2\0\0\0ls\x85R."),
      ITUNING_ERROR_UNSUPPORTED, "asks for os.system," },
  { "stack-system", BYTES ("\x8c\2os\x8c\6system\x93."),
      ITUNING_ERROR_UNSUPPORTED, "asks for os.system," },
  { "escapes", BYTES ("c\33[2J\nx\n."), ITUNING_ERROR_UNSUPPORTED,
      "asks for \\033[2J.x," },
  { "nameless", BYTES ("cos\nsystem"), ITUNING_ERROR_FORMAT, "within a name" },
  { "inst", BYTES ("(ios\nsystem\n."), ITUNING_ERROR_UNSUPPORTED, "0x69" },
  { "newobj", BYTES (")\x81."), ITUNING_ERROR_UNSUPPORTED, "0x81" },
  { "zero", BYTES ("\0."), ITUNING_ERROR_UNSUPPORTED, "0x00" },
  { "call-of-text", BYTES ("X\1\0\0\0x)R."), ITUNING_ERROR_FORMAT, "type" },
  { "call-with-list", BYTES ("cknown\nthing\n]R."), ITUNING_ERROR_FORMAT,
      "type" },
  { "filled-ordered-dict", BYTES ("ccollections\nOrderedDict\n]\x85R."),
      ITUNING_ERROR_FORMAT, "not made empty" },
  { "state-of-call", BYTES ("cknown\nthing\n)R}b."), ITUNING_ERROR_FORMAT,
      "type" },
  { "memo", BYTES ("h\0."), ITUNING_ERROR_FORMAT, "not stored" },
  { "long-memo", BYTES ("Nr\0\0\0\x80j\xff\xff\xff\xff."), ITUNING_ERROR_FORMAT,
      "not stored" },
  { "memo-of-nothing", BYTES ("q\0."), ITUNING_ERROR_FORMAT, "not made" },
  { "pop-past-mark", BYTES ("N(\x85."), ITUNING_ERROR_FORMAT, "not made" },
  { "no-mark", BYTES ("Nt."), ITUNING_ERROR_FORMAT, "not made" },
  { "append-to-tuple", BYTES (")Na."), ITUNING_ERROR_FORMAT, "type" },
  { "append-to-nothing", BYTES ("Na."), ITUNING_ERROR_FORMAT, "not made" },
  { "append-past-mark", BYTES ("](Nat."), ITUNING_ERROR_FORMAT, "not made" },
  { "set-in-list", BYTES ("]NNs."), ITUNING_ERROR_FORMAT, "type" },
  { "odd-items", BYTES ("}(Nu."), ITUNING_ERROR_FORMAT, "without a value" },
  { "persistent-text", BYTES ("X\0\0\0\0Q."), ITUNING_ERROR_FORMAT, "type" },
  { "long-text", BYTES ("X\xff\xff\xff\xffx."), ITUNING_ERROR_FORMAT,
      "ends within" },
  { "longer-text", BYTES ("\x8d\xff\xff\xff\xff\xff\xff\xff\xffx."),
      ITUNING_ERROR_FORMAT, "ends within" },
  { "zero-in-text", BYTES ("X\3\0\0\0a\0b."), ITUNING_ERROR_FORMAT, "UTF-8" },
  { "not-utf8", BYTES ("X\1\0\0\0\xff."), ITUNING_ERROR_FORMAT, "UTF-8" },
  { "wide-long", BYTES ("\x8a\x09\0\0\0\0\0\0\0\0\1."), ITUNING_ERROR_FORMAT,
      "64 bits" },
};

static void
test_bad_is_refused (gconstpointer data)
{
  const guint i = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningPickle) pickle = read_copy (bad[i].text, bad[i].size,
      &error);

  g_assert_null (pickle);
  g_assert_error (error, ITUNING_ERROR, bad[i].code);
  if (strstr (error->message, bad[i].message) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, bad[i].message);
}

/* @n times @unit, after @head and before @tail */
static char *
repeat (const char *head, const char *unit, gsize n, const char *tail)
{
  GString *text = g_string_new (head);

  for (gsize i = 0; i < n; i++)
    g_string_append (text, unit);
  g_string_append (text, tail);
  return g_string_free (text, FALSE);
}

static void
test_depth_needs_no_stack (void)
{
  g_autofree char *tuples = repeat (")", "\x85", MAX_STEPS - 2, ".");
  g_autofree char *lists = repeat ("", "]", MAX_STEPS / 2, "");
  g_autofree char *nested = repeat (lists, "a", MAX_STEPS / 2 - 1, ".");
  g_autoptr (ItuningPickle) first = read_good (tuples, strlen (tuples));
  g_autoptr (ItuningPickle) second = read_good (nested, strlen (nested));

  g_assert_cmpint (ituning_pickle_get_root (first)->kind, ==,
      ITUNING_PICKLE_TUPLE);
  g_assert_cmpint (ituning_pickle_get_root (second)->kind, ==,
      ITUNING_PICKLE_LIST);
}

static void
test_length_is_bounded (void)
{
  g_autofree char *text = repeat ("", "(", MAX_STEPS, ".");
  g_autoptr (GError) error = NULL;

  g_assert_null (read_copy (text, strlen (text), &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED);
}

/* Each level holds the one below it ten times: 10^20 values if it were walked,
 * and one for each level in memory. */
static void
test_a_memo_bomb_stays_small (void)
{
  g_autofree char *bomb = repeat ("]q\1", "(h\1h\1h\1h\1h\1h\1h\1h\1h\1h\1tq\1",
      20, "");
  g_autofree char *marked = repeat ("(", bomb, 1, "t.");
  g_autoptr (ItuningPickle) pickle = read_good (marked, strlen (marked));

  g_assert_cmpuint (ituning_pickle_get_root (pickle)->items->len, ==, 21);
}

static void
test_random_instructions_are_harmless (void)
{
  static const char opcodes[] = "\x85\x86\x87\x88\x8a\x8c\x93\x94()]}NKMJXc"
                                "aesutRQbqhj.GG\x80\x95";
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);

  for (guint i = 0; i < 50000; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ItuningPickle) pickle = NULL;
    guint8 text[40];
    for (gsize k = 0; k < sizeof (text); k++)
      text[k] = g_rand_int_range (rand, 0, 4) == 0
          ? (guint8) g_rand_int_range (rand, 0, 4)
          : (guint8) opcodes[g_rand_int_range (rand, 0, sizeof (opcodes) - 1)];
    pickle = read_copy (text, sizeof (text), &error);
    g_assert_true ((pickle == NULL) == (error != NULL));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pickle/read/values-are-read", test_values_are_read);
  g_test_add_func ("/pickle/read/objects-are-described",
      test_objects_are_described);
  g_test_add_func ("/pickle/read/an-ordered-dict-is-a-dict",
      test_an_ordered_dict_is_a_dict);
  g_test_add_func ("/pickle/read/a-value-may-contain-itself",
      test_a_value_may_contain_itself);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autofree char *path = g_strconcat ("/pickle/refuse/", bad[i].name, NULL);
    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_bad_is_refused);
  }
  g_test_add_func ("/pickle/read/depth-needs-no-stack",
      test_depth_needs_no_stack);
  g_test_add_func ("/pickle/read/length-is-bounded", test_length_is_bounded);
  g_test_add_func ("/pickle/read/a-memo-bomb-stays-small",
      test_a_memo_bomb_stays_small);
  g_test_add_func ("/pickle/read/random-instructions-are-harmless",
      test_random_instructions_are_harmless);
  return g_test_run ();
}
