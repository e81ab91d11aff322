/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/ituning-train.h"

#include <glib/gstdio.h>
#include <string.h>

/* The files that say which captions belong to which image. */

static ItuningPairs *
open_pairs (const char *text, const char *folder, const char *split,
    GError **error)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (),
      "ituning-pairs-XXXXXX", NULL);
  const int fd = g_mkstemp (path);
  ItuningPairs *pairs;

  g_assert_cmpint (fd, >=, 0);
  g_assert_true (g_close (fd, NULL));
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  pairs = ituning_pairs_open (path, folder, split, error);
  if (pairs == NULL)
    g_assert_true (g_str_has_prefix ((*error)->message, path));
  g_unlink (path);
  return pairs;
}

/* Each image as "id path=a|b", parted by ";". */
static void
assert_pairs (const char *text, const char *folder, const char *split,
    const char *wanted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningPairs) pairs = open_pairs (text, folder, split, &error);
  g_autoptr (GString) found = g_string_new (NULL);

  g_assert_no_error (error);
  for (gsize i = 0; i < ituning_pairs_get_n_images (pairs); i++) {
    g_autofree char *captions = g_strjoinv ("|",
        (char **) ituning_pairs_get_captions (pairs, i));
    g_string_append_printf (found, "%s%s %s=%s", i > 0 ? ";" : "",
        ituning_pairs_get_id (pairs, i), ituning_pairs_get_image (pairs, i),
        captions);
  }
  g_assert_cmpstr (found->str, ==, wanted);
}

static void
assert_refused (const char *text, const char *cause)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningPairs) pairs = open_pairs (text, NULL, NULL, &error);

  g_assert_null (pairs);
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT);
  if (strstr (error->message, cause) == NULL)
    g_error ("%s: no \"%s\" in it", error->message, cause);
}

#define COCO \
  "{\"images\": [{\"id\": 7, \"file_name\": \"a.jpg\"}," \
  "{\"id\": \"x\", \"file_name\": \"/b.jpg\"}," \
  "{\"id\": 9, \"file_name\": \"c.jpg\"}], \"annotations\": [" \
  "{\"image_id\": \"7\", \"caption\": \"one\"}," \
  "{\"image_id\": \"x\", \"caption\": \"two\"}," \
  "{\"image_id\": 7, \"caption\": \" three\\n\"}," \
  "{\"image_id\": 9, \"caption\": \" \"}]}"

static void
test_coco (void)
{
  assert_pairs (COCO, NULL, NULL, "7 a.jpg=one|three;x /b.jpg=two");
  assert_pairs (COCO, "dir", NULL, "7 dir/a.jpg=one|three;x /b.jpg=two");
}

/* As `jq -c` and most programs write it: one line, with an end. */
static void
test_coco_of_one_line (void)
{
  assert_pairs (COCO "\n", NULL, NULL, "7 a.jpg=one|three;x /b.jpg=two");
  assert_pairs (COCO "\r\n\n", NULL, NULL, "7 a.jpg=one|three;x /b.jpg=two");
}

static void
test_karpathy (void)
{
  static const char text[] =
      "{\"images\": ["
      "{\"filepath\": \"v\", \"filename\": \"a.jpg\", \"split\": \"train\","
      " \"sentences\": [{\"raw\": \"one\"}, {\"raw\": \"two\"}]},"
      "{\"filename\": \"b.jpg\", \"split\": \"restval\","
      " \"sentences\": [{\"raw\": \"three\"}]},"
      "{\"filename\": \"c.jpg\", \"split\": \"val\","
      " \"sentences\": [{\"raw\": \"four\"}]}]}";

  assert_pairs (text, "d", "train", "0 d/v/a.jpg=one|two;1 d/b.jpg=three");
  assert_pairs (text, NULL, "val", "2 c.jpg=four");
  assert_pairs (text, NULL, NULL,
      "0 v/a.jpg=one|two;1 b.jpg=three;2 c.jpg=four");
}

/* Results of it are to be compared with COCO's own references. */
static void
test_karpathy_keeps_the_ids_of_coco (void)
{
  assert_pairs ("{\"images\": [{\"filename\": \"a.jpg\", \"imgid\": 0,"
                " \"cocoid\": 391895, \"sentences\": [{\"raw\": \"one\"}]}]}",
      NULL, NULL, "391895 a.jpg=one");
  assert_refused ("{\"images\": [{\"filename\": \"a\", \"cocoid\": 3,"
                  " \"sentences\": [{\"raw\": \"one\"}]}, {\"filename\": \"b\","
                  " \"cocoid\": 3, \"sentences\": [{\"raw\": \"two\"}]}]}",
      "two images have the id 3");
}

static void
assert_has_no_splits (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningPairs) pairs = open_pairs (text, NULL, "test", &error);

  g_assert_null (pairs);
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "has no splits"));
}

/* Who asked for one would get all. */
static void
test_no_split_of_what_has_none (void)
{
  assert_has_no_splits (COCO);
  assert_has_no_splits ("{\"image\": \"a\", \"caption\": \"one\"}\n");
  assert_has_no_splits ("{\"image\": \"a\", \"caption\": \"one\"}\n"
                        "{\"image\": \"b\", \"caption\": \"two\"}\n");
}

static void
test_lines (void)
{
  assert_pairs ("{\"image\": \"a\", \"caption\": \"one\"}\n\n"
                "{\"image\": \"b\", \"caption\": \"two\"}\n"
                "{\"image\": \"a\", \"caption\": \"th\\tree\"}",
      NULL, NULL, "a a=one|th ree;b b=two");
  assert_pairs ("{\"image\": \"a\", \"caption\": \"one\"}", NULL, NULL,
      "a a=one");
}

/* The members may come in any order, the lines may end as on Windows. */
static void
test_lines_however_they_were_written (void)
{
  assert_pairs ("{\"caption\": \"one\", \"image\": \"a\"}\r\n"
                "{\"caption\": \"two\", \"image\": \"b\"}\r\n",
      NULL, NULL, "a a=one;b b=two");
  assert_pairs ("{\"caption\": \"one\", \"image\": \"a\"}\n", NULL, NULL,
      "a a=one");
  assert_pairs ("{\"id\": 3, \"image\": \"a\", \"caption\": \"one\"} \n\n"
                "{\"id\": 4, \"image\": \"b\", \"caption\": \"two\"}",
      NULL, NULL, "a a=one;b b=two");
}

static void
test_what_is_wrong_is_named (void)
{
  assert_refused ("[]", "no list of captions");
  assert_refused ("{\"images\": [{\"id\": 1}], \"annotations\": []}",
      "image 0 has no");
  assert_refused ("{\"images\": [3], \"annotations\": []}", "image 0 has no");
  assert_refused ("{\"images\": [{\"id\": 1, \"file_name\": \"a\"},"
                  "{\"id\": \"1\", \"file_name\": \"b\"}],"
                  "\"annotations\": []}",
      "two images have the id 1");
  assert_refused ("{\"images\": [{\"id\": 1, \"file_name\": \"a\"}],"
                  "\"annotations\": [{\"image_id\": 2, \"caption\": \"x\"}]}",
      "of image 2, which is not there");
  assert_refused ("{\"images\": [{\"id\": 1, \"file_name\": \"a\"}],"
                  "\"annotations\": [{\"image_id\": 1, \"caption\": 2}]}",
      "annotation 0 has no");
  assert_refused ("{\"images\": [{\"filename\": \"a\"}]}", "image 0 has no");
  assert_refused ("{\"images\": [{\"filename\": \"a\", \"sentences\": [{}]}]}",
      "sentence 0 of image 0");
  assert_refused ("{\"images\": [], \"annotations\": []}", "no captions");
  assert_refused ("{\"image\": \"a\", \"caption\": \"x\"}\n{\"image\": 3}\n",
      "line 2 has no");
  assert_refused ("{\"image\": \"a\", \"caption\": \"x\"}\n{\"image\n", ":2: ");
  assert_refused ("{\"image\": \"a\", \"cap\n{\"image\": \"a\"}\n", ":1: ");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pairs/coco", test_coco);
  g_test_add_func ("/pairs/coco-of-one-line", test_coco_of_one_line);
  g_test_add_func ("/pairs/karpathy-with-splits", test_karpathy);
  g_test_add_func ("/pairs/karpathy-keeps-the-ids-of-coco",
      test_karpathy_keeps_the_ids_of_coco);
  g_test_add_func ("/pairs/no-split-of-what-has-none",
      test_no_split_of_what_has_none);
  g_test_add_func ("/pairs/lines", test_lines);
  g_test_add_func ("/pairs/lines-however-they-were-written",
      test_lines_however_they_were_written);
  g_test_add_func ("/pairs/what-is-wrong-is-named",
      test_what_is_wrong_is_named);
  return g_test_run ();
}
