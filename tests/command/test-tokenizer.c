/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning tokenizer train`: what it reads, writes and refuses. */

#include <string.h>

#include "tests/command/run.h"

static void
test_train (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *lines = g_build_filename (folder, "lines.txt", NULL);
  g_autofree char *captions = g_build_filename (folder, "captions.json", NULL);
  g_autofree char *language = g_build_filename (folder, "language", NULL);
  g_autoptr (Run) trained = NULL, encoded = NULL, decoded = NULL;

  write_file (lines, "hug hug\r\nhug pug\n\n");
  write_file (captions, "{\"1\": [\"hug\"], \"2\": \"pug\"}");
  trained = run_command (NULL, "tokenizer", "train", "--input", lines, captions,
      "--vocab-size", "259", "-o", language, NULL);
  assert_works (trained);
  encoded = run_command ("\"hug\"\n", "tokenize", "--language", language, NULL);
  assert_works (encoded);
  g_assert_cmpstr (encoded->out, ==, "[257]\n");
  decoded = run_command ("[257, 258]\n", "tokenize", "--decode", "--language",
      language, NULL);
  assert_works (decoded);
  g_assert_cmpstr (decoded->out, ==, "\"hug<|endoftext|>\"\n");
}

/* Of lines of JSON the captions alone are learned, not the names around them. */
static void
test_json_lines (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *pairs = g_build_filename (folder, "pairs.jsonl", NULL);
  g_autofree char *language = g_build_filename (folder, "language", NULL);
  g_autofree char *merges = g_build_filename (language, "merges.txt", NULL);
  g_autofree char *learned = NULL;
  g_autoptr (Run) trained = NULL, broken = NULL;

  write_file (pairs,
      "{\"image\": \"a.jpg\", \"caption\": \"hug hug\"}\n"
      "{\"image\": \"b.jpg\", \"caption\": \"hug pug\"}\n");
  trained = run_command (NULL, "tokenizer", "train", "--input", pairs,
      "--vocab-size", "259", "-o", language, NULL);
  assert_works (trained);
  g_assert_true (g_file_get_contents (merges, &learned, NULL, NULL));
  g_assert_nonnull (strstr (learned, "\nu g\nh ug\n"));
  write_file (pairs, "{\"image\": \"a.jpg\"}\n{\"image\": \"b.jpg\"}\n");
  broken = run_command (NULL, "tokenizer", "train", "--input", pairs,
      "--vocab-size", "259", "-o", language, NULL);
  assert_fails (broken, 1, pairs, "line 1");
}

static void
test_errors (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *lines = g_build_filename (folder, "lines.txt", NULL);
  g_autofree char *language = g_build_filename (folder, "language", NULL);
  g_autoptr (Run) few = NULL, latin = NULL, file = NULL;

  write_file (lines, "abc\n");
  few = run_command (NULL, "tokenizer", "train", "--input", lines,
      "--vocab-size", "300", "-o", language, NULL);
  assert_fails (few, 1, lines, "259 tokens, not 300");
  g_assert_false (g_file_test (language, G_FILE_TEST_EXISTS));
  file = run_command (NULL, "tokenizer", "train", "--input", lines,
      "--vocab-size", "259", "-o", lines, NULL);
  assert_fails (file, 1, lines, "cannot be");
  write_file (lines, "abc\ncaf\351\n");
  latin = run_command (NULL, "tokenizer", "train", "--input", lines,
      "--vocab-size", "258", "-o", language, NULL);
  assert_fails (latin, 1, lines, "line 2: is not UTF-8");
}

static void
test_usage (void)
{
  g_autoptr (Run) none = run_command (NULL, "tokenizer", NULL);
  g_autoptr (Run) input = run_command (NULL, "tokenizer", "train", NULL);
  g_autoptr (Run) size = run_command (NULL, "tokenizer", "train", "a", NULL);
  g_autoptr (Run) small = run_command (NULL, "tokenizer", "train", "a",
      "--vocab-size", "256", "-o", "b", NULL);

  assert_fails (none, 2, "tokenizer", "train");
  assert_fails (input, 2, "tokenizer", "--input is missing");
  assert_fails (size, 2, "tokenizer", "--vocab-size is missing");
  assert_fails (small, 2, "tokenizer", "--vocab-size");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/command/tokenizer/json-lines", test_json_lines);
  g_test_add_func ("/command/tokenizer/train-writes-what-tokenize-reads",
      test_train);
  g_test_add_func ("/command/tokenizer/errors-name-file-and-cause",
      test_errors);
  g_test_add_func ("/command/tokenizer/a-wrong-line-is-status-2", test_usage);
  return g_test_run ();
}
