/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning eval`: its files, its output, its errors. */

#include <json-glib/json-glib.h>
#include <string.h>

#include "tests/command/run.h"

typedef struct
{
  Folder *folder; /* owned */
  char *references; /* owned; two images, in COCO's form */
  char *results; /* owned; what a test writes */
} Files;

static void
set_up (Files *files, gconstpointer unused)
{
  files->folder = make_folder ();
  files->references = g_build_filename (files->folder, "references.json", NULL);
  files->results = g_build_filename (files->folder, "results.json", NULL);
  write_file (files->references,
      "{\"images\": [{\"id\": 1}, {\"id\": 2}], \"annotations\": ["
      "{\"image_id\": 1, \"caption\": \"A dog runs home.\"},"
      "{\"image_id\": 2, \"caption\": \"a cat\"},"
      "{\"image_id\": 1, \"caption\": \"dogs\"}]}");
}

static void
tear_down (Files *files, gconstpointer unused)
{
  g_free (files->references);
  g_free (files->results);
  remove_folder (files->folder);
}

static Run *
evaluate (const Files *files, const char *option)
{
  return run_command (NULL, "eval", "--references", files->references,
      "--results", files->results, option, NULL);
}

static void
test_json (Files *files, gconstpointer unused)
{
  static const char *const keys[] = { "Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4",
    "ROUGE_L", "CIDEr" };
  g_autoptr (Run) run = NULL;
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;

  write_file (files->results, "{\"1\": \"a dog runs home\", \"2\": \"a cat\"}");
  run = evaluate (files, "--json");
  assert_works (run);
  node = json_from_string (run->out, NULL);
  object = json_node_get_object (node);
  g_assert_cmpuint (json_object_get_size (object), ==, G_N_ELEMENTS (keys));
  for (gsize i = 0; i < 4; i++)
    g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object,
                                        keys[i]),
        1, 1e-6);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object,
                                      "ROUGE_L"),
      1, 1e-6);
  g_assert_true (json_object_has_member (object, "CIDEr"));
}

static void
test_text (Files *files, gconstpointer unused)
{
  g_autoptr (Run) run = NULL, kept = NULL, partial = NULL;

  write_file (files->results,
      "[{\"image_id\": 2, \"caption\": \"a cat .\"},"
      "{\"image_id\": 1, \"caption\": \"a dog\"}]");
  run = evaluate (files, NULL);
  assert_works (run);
  g_assert_true (g_str_has_prefix (run->out, "Bleu_1   1.0000\nBleu_2   1.0"));
  g_assert_true (g_str_has_suffix (run->out, "\n"));
  kept = evaluate (files, "--keep-punctuation");
  assert_works (kept);
  g_assert_true (g_str_has_prefix (kept->out, "Bleu_1   0.8000\n"));
  write_file (files->results, "{\"2\": \"a cat\"}");
  partial = evaluate (files, "--partial");
  assert_works (partial);
  g_assert_true (g_str_has_prefix (partial->out, "Bleu_1   1.0000\n"));
}

static void
test_errors (Files *files, gconstpointer unused)
{
  static const char *const wrong[][2] = {
    { "{\"2\": \"a cat\"}", "no caption of image 1" },
    { "{\"1\": \"a\", \"2\": \"b\", \"3\": \"c\"}", "image 3 is not in" },
    { "{\"1\": \"a\", \"2\": [\"b\", \"c\"]}", "image 2 has 2 captions" },
    { "{\"1\": \"a\", \"2\": \"\"}", "image 2 has an empty caption" },
    { "[{\"image_id\": 1, \"caption\": \"a\"},"
      "{\"image_id\": 1, \"caption\": \"a\"}]",
        "image 1 is there twice" },
    { "{\"1\": \"a\"", "not JSON" },
    { "", "empty" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (Run) run = NULL;
    write_file (files->results, wrong[i][0]);
    run = evaluate (files, NULL);
    assert_fails (run, 1, files->results, wrong[i][1]);
  }
}

/* --- captions of a model ------------------------------------------------ */

/* The built-in model captions three pictures, of which some are broken. */
static Run *
evaluate_model (const Files *files, gsize n_broken, const char *option)
{
  g_autofree char *scenes = g_build_filename (files->folder, "scenes", NULL);
  g_autofree char *captions = g_build_filename (scenes, "captions.json", NULL);
  g_autoptr (Run) drawn = run_command (NULL, "scenes", "--count", "3",
      "--patterns", "0", "-o", scenes, NULL);

  g_assert_cmpint (drawn->status, ==, 0);
  for (gsize i = 0; i < n_broken; i++) {
    g_autofree char *name = g_strdup_printf ("%06zu.jpg", i);
    g_autofree char *path = g_build_filename (scenes, "images", name, NULL);
    write_file (path, "not a picture");
  }
  return run_command (NULL, "eval", "--references", captions, "--images",
      scenes, "--save-results", files->results, option, NULL);
}

static gboolean
has_model (void)
{
  g_autoptr (Run) run = run_command (NULL, "inspect", NULL);

  if (run->status == 0)
    return TRUE;
  g_test_skip ("the library has no model in it");
  return FALSE;
}

static void
assert_two_are_saved (const Files *files)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  g_assert_true (json_parser_load_from_file (parser, files->results, NULL));
  g_assert_cmpuint (json_array_get_length (
                        json_node_get_array (json_parser_get_root (parser))),
      ==, 2);
}

static void
test_broken_image (Files *files, gconstpointer unused)
{
  g_autoptr (Run) run = NULL;

  if (!has_model ())
    return;
  run = evaluate_model (files, 1, NULL);
  g_assert_cmpint (run->status, ==, 1);
  g_assert_cmpstr (run->out, ==, "");
  g_assert_nonnull (strstr (run->err, "000000.jpg"));
  g_assert_nonnull (strstr (run->err, "1 of 3 images were skipped"));
  assert_two_are_saved (files);
}

static void
test_broken_image_partial (Files *files, gconstpointer unused)
{
  g_autoptr (Run) run = NULL;

  if (!has_model ())
    return;
  run = evaluate_model (files, 1, "--partial");
  g_assert_cmpint (run->status, ==, 0);
  g_assert_nonnull (strstr (run->out, "CIDEr"));
  g_assert_nonnull (strstr (run->err, "000000.jpg"));
  assert_two_are_saved (files);
}

/* What was saved before stays. */
static void
test_all_broken (Files *files, gconstpointer unused)
{
  g_autofree char *saved = NULL;
  g_autoptr (Run) run = NULL;

  if (!has_model ())
    return;
  write_file (files->results, "[]");
  run = evaluate_model (files, 3, "--partial");
  g_assert_cmpint (run->status, ==, 1);
  g_assert_nonnull (strstr (run->err, "3 of 3 images were skipped"));
  g_assert_true (g_file_get_contents (files->results, &saved, NULL, NULL));
  g_assert_cmpstr (saved, ==, "[]");
}

static void
test_usage (Files *files, gconstpointer unused)
{
  g_autoptr (Run) none = run_command (NULL, "eval", NULL);
  g_autoptr (Run) one = run_command (NULL, "eval", "--references", "a", NULL);
  g_autoptr (Run) missing = evaluate (files, NULL);

  assert_fails (none, 2, "eval", "--references is missing");
  assert_fails (one, 2, "eval", "give --results, or --images");
  assert_fails (missing, 1, files->results, "No such file");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/command/eval/json-has-six-scores", Files, NULL, set_up,
      test_json, tear_down);
  g_test_add ("/command/eval/text-has-a-line-each", Files, NULL, set_up,
      test_text, tear_down);
  g_test_add ("/command/eval/errors-name-file-and-cause", Files, NULL, set_up,
      test_errors, tear_down);
  g_test_add ("/command/eval/broken-image-is-no-score-but-the-others-are-saved",
      Files, NULL, set_up, test_broken_image, tear_down);
  g_test_add ("/command/eval/partial-scores-the-others", Files, NULL, set_up,
      test_broken_image_partial, tear_down);
  g_test_add ("/command/eval/all-broken-leaves-what-was-saved", Files, NULL,
      set_up, test_all_broken, tear_down);
  g_test_add ("/command/eval/needs-two-files", Files, NULL, set_up, test_usage,
      tear_down);
  return g_test_run ();
}
