/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/ituning-metrics.h"

#include <glib/gstdio.h>
#include <string.h>

static ItuningCaptions *
load (const char *json, GError **error)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (),
      "ituning-captions-XXXXXX", NULL);
  const int fd = g_mkstemp (path);
  ItuningCaptions *captions;

  g_assert_cmpint (fd, >=, 0);
  g_assert_true (g_close (fd, NULL));
  g_assert_true (g_file_set_contents (path, json, -1, NULL));
  captions = ituning_captions_load (path, error);
  if (captions == NULL && error != NULL)
    g_assert_true (g_str_has_prefix ((*error)->message, path));
  g_unlink (path);
  return captions;
}

/* Ids, each with its captions, as "id=a|b;id=c". */
static void
assert_loads (const char *json, const char *wanted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningCaptions) captions = load (json, &error);
  g_autoptr (GString) found = g_string_new (NULL);

  g_assert_no_error (error);
  for (gsize i = 0; i < ituning_captions_get_n_images (captions); i++) {
    gsize n;
    const char *const *texts = ituning_captions_get_texts (captions, i, &n);
    g_string_append_printf (found, "%s%s=", i > 0 ? ";" : "",
        ituning_captions_get_id (captions, i));
    for (gsize j = 0; j < n; j++)
      g_string_append_printf (found, "%s%s", j > 0 ? "|" : "", texts[j]);
  }
  g_assert_cmpstr (found->str, ==, wanted);
}

static void
assert_refused (const char *json, const char *cause)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningCaptions) captions = load (json, &error);

  g_assert_null (captions);
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT);
  if (strstr (error->message, cause) == NULL)
    g_error ("%s: no \"%s\" in it", error->message, cause);
}

static void
test_coco_references (void)
{
  assert_loads ("{\"images\": [{\"id\": 7}, {\"id\": 8}, {\"id\": 9}],"
                " \"annotations\": ["
                "{\"image_id\": 8, \"id\": 1, \"caption\": \"a dog\"},"
                "{\"image_id\": 7, \"id\": 2, \"caption\": \"a cat\"},"
                "{\"image_id\": \"8\", \"id\": 3, \"caption\": \"dogs\"}]}",
      "8=a dog|dogs;7=a cat");
}

static void
test_coco_results (void)
{
  assert_loads ("[{\"image_id\": 8, \"caption\": \"a dog\"},"
                "{\"image_id\": \"x.jpg\", \"caption\": \"a cat\"}]",
      "8=a dog;x.jpg=a cat");
  assert_loads ("[{\"image_id\": 391895.0, \"caption\": \"\"}]", "391895=");
}

static void
test_plain (void)
{
  assert_loads ("{\"b\": [\"a dog\", \"dogs\"], \"a\": \"a cat\"}",
      "b=a dog|dogs;a=a cat");
  assert_loads ("{\"a:\\\"\": \"b: \\\"c\\\" {\"}", "a:\"=b: \"c\" {");
}

static void
test_bad_files (void)
{
  assert_refused ("{", "not JSON");
  assert_refused ("3", "not a JSON object");
  assert_refused ("{}", "no captions");
  assert_refused ("[]", "no captions");
  assert_refused ("{\"a\": []}", "image a has no caption");
  assert_refused ("{\"a\": \" \"}", "image a has an empty caption");
  assert_refused ("{\"a\": [\"b\", \"\"]}", "image a has an empty caption");
  assert_refused ("{\"a\": 3}", "image a has a caption that is no string");
  assert_refused ("{\"a\": null}", "image a has a caption that is no string");
  assert_refused ("[{\"image_id\": 1}]", "image 1 has a caption that is no");
  assert_refused ("[{\"caption\": \"a\"}]", "annotation 0 has no \"image_id\"");
  assert_refused ("[3]", "annotation 0 has no \"image_id\"");
  assert_refused ("[{\"image_id\": [1], \"caption\": \"a\"}]", "annotation 0");
  assert_refused ("[{\"image_id\": 1, \"caption\": \"a\"},"
                  "{\"image_id\": \"1\", \"caption\": \"b\"}]",
      "image 1 is there twice");
  assert_refused ("{\"annotations\": [{\"image_id\": 1, \"caption\": \"\"}]}",
      "image 1 has an empty caption");
  assert_refused ("[{\"image_id\": 1.5, \"caption\": \"a\"}]", "annotation 0");
  assert_refused ("{\"annotations\": 3}", "is not an array");
  assert_refused ("{\"images\": 3, \"annotations\": []}", "is not an array");
  assert_refused ("{\"images\": [{}], \"annotations\": []}", "element 0");
  assert_refused ("{\"images\": [{\"id\": 1}, {\"id\": 1}],"
                  "\"annotations\": []}",
      "image 1 is listed twice");
  assert_refused ("{\"a\": \"b\", \"a\": \"c\"}", "the same id twice");
}

static void
test_missing_file (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (ituning_captions_load ("/no/such/file.json", &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/captions/coco-references", test_coco_references);
  g_test_add_func ("/captions/coco-results", test_coco_results);
  g_test_add_func ("/captions/plain", test_plain);
  g_test_add_func ("/captions/bad-files", test_bad_files);
  g_test_add_func ("/captions/missing-file", test_missing_file);
  return g_test_run ();
}
