/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <string.h>

#include "tests/command/run.h"

/* `ituning bench`: what it says; how fast anything is is not asserted. */

static void
check_way (JsonObject *object, const char *way)
{
  JsonObject *result = json_object_get_object_member (object, way);

  g_assert_cmpfloat (json_object_get_double_member (result, "fps"), >, 0.0);
  g_assert_cmpfloat (json_object_get_double_member (result, "ratio"), >, 0.0);
  g_assert_true (json_object_has_member (result, "added_us"));
}

static void
check_run (const Run *run, gboolean watching)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_from_string (run->out, &error);
  JsonObject *object;

  g_assert_no_error (error);
  object = json_node_get_object (node);
  g_assert_cmpint (json_object_get_int_member (object, "width"), ==, 1920);
  check_way (object, "identity");
  check_way (object, "off");
  g_assert_cmpint (json_object_has_member (object, "watching"), ==, watching);
  if (watching)
    check_way (object, "watching");
}

static void
test_needs_no_model (void)
{
  g_autoptr (Run) run = run_command (NULL, "bench", "--elements", "--runs", "1",
      "--json", NULL);

  assert_works (run);
  check_run (run, FALSE);
}

static void
test_watches_with_a_model (void)
{
  g_autofree char *model = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autoptr (Run) run = run_command (NULL, "bench", "--elements", "--model",
      model, "--runs", "1", "--json", NULL);

  assert_works (run);
  check_run (run, TRUE);
}

static void
test_bad_model_is_named (void)
{
  g_autoptr (Run) run = run_command (NULL, "bench", "--elements", "--model",
      "/nowhere", "--runs", "1", NULL);

  assert_fails (run, 1, "/nowhere", "no such model");
}

/* A run beside one that took 1, 2 and 3 ms, and beside what is none. */
static void
test_compares_with_a_saved_run (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *saved = g_build_filename (folder, "saved.json", NULL);
  g_autofree char *model = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (Run) run = NULL, bad = NULL, missing = NULL;
  JsonObject *object, *ratios, *decode;

  write_file (saved,
      "{\"model\": \"other\", \"encode_ms\": {\"median\": 1}, "
      "\"decode_ms\": {\"median\": 2}, \"caption_ms\": {\"median\": 3}}");
  run = run_command (NULL, "bench", "--model", model, "--runs", "1", "--json",
      "--compare", saved, NULL);
  assert_works (run);
  node = json_from_string (run->out, NULL);
  object = json_node_get_object (node);
  ratios = json_object_get_object_member (object, "times_as_fast");
  decode = json_object_get_object_member (object, "decode_ms");
  g_assert_cmpstr (json_object_get_string_member (ratios, "as"), ==, "other");
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (ratios,
                                      "decode") *
          json_object_get_double_member (decode, "median"),
      2.0, 1e-3);
  write_file (saved, "{\"encode_ms\": {\"median\": 1}}");
  bad = run_command (NULL, "bench", "--model", model, "--runs", "1",
      "--compare", saved, NULL);
  missing = run_command (NULL, "bench", "--model", model, "--runs", "1",
      "--compare", "/nowhere", NULL);
  assert_fails (bad, 1, saved, "decode_ms");
  assert_fails (missing, 1, "/nowhere", "No such file");
}

/* What a caption is made of, and what bounds it. */
static void
test_stages_and_limits_are_told (void)
{
  static const char *const stages[] = { "preprocess", "encode", "image",
    "steps", "vocabulary", "search" };
  static const char *const limits[] = { "gflops", "gops_int8", "gbs" };
  g_autofree char *model = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autoptr (Run) run = run_command (NULL, "bench", "--model", model, "--runs",
      "1", "--visual-tokens", "5", "--json", NULL);
  g_autoptr (Run) text = run_command (NULL, "bench", "--model", model, "--runs",
      "1", NULL);
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object, *part;

  assert_works (run);
  assert_works (text);
  node = json_from_string (run->out, NULL);
  object = json_node_get_object (node);
  part = json_object_get_object_member (object, "stages_ms");
  for (gsize i = 0; i < G_N_ELEMENTS (stages); i++)
    g_assert_cmpfloat (json_object_get_double_member (part, stages[i]), >=, 0);
  part = json_object_get_object_member (object, "limits");
  for (gsize i = 0; i < G_N_ELEMENTS (limits); i++)
    g_assert_cmpfloat (json_object_get_double_member (part, limits[i]), >, 0);
  g_assert_cmpint (json_object_get_int_member (object, "visual_tokens"), ==, 5);
  g_assert_cmpfloat (json_object_get_double_member (object, "encode_percent"),
      >, 0);
  g_assert_cmpfloat (json_object_get_double_member (object, "decode_percent"),
      >, 0);
  g_assert_cmpstr (json_object_get_string_member (object, "encode_limit"), ==,
      "gflops");
  g_assert_nonnull (strstr (text->out, "% of the machine's"));
}

/* A sanitizer makes 226M numbers slowly: one type will do then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW TRUE
#else
#define SLOW FALSE
#endif

/* 226M parameters of F32 would be 903 MB; there is room for the sanitizers' own. */
static void
check_random_weights (const char *type, const char *limit, gint64 megabytes)
{
  g_autoptr (Run) run = run_command (NULL, "bench", "--size", "base", "--type",
      type, "--runs", "1", "--new-tokens", "1", "--json", NULL);
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;

  assert_works (run);
  node = json_from_string (run->out, NULL);
  object = json_node_get_object (node);
  g_assert_cmpstr (json_object_get_string_member (object, "encode_limit"), ==,
      limit);
  g_assert_cmpint (json_object_get_int_member (object, "peak_memory_bytes"), <,
      megabytes * 1000000);
}

static void
test_random_weights_have_a_type (void)
{
  g_autoptr (Run) wrong = run_command (NULL, "bench", "--size", "base",
      "--type", "q5_0", NULL);
  g_autoptr (Run) own = run_command (NULL, "bench", "--model", "x", "--type",
      "q8_0", NULL);

  check_random_weights ("q4_0", "gops_int8", 630);
  if (SLOW)
    g_test_message ("f16 is left out: a sanitizer makes it slow");
  else
    check_random_weights ("f16", "gflops", 800);
  assert_fails (wrong, 2, "q5_0", "q8_0 and q4_0");
  assert_fails (own, 2, "--type", "--size");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/command/bench-elements/needs-no-model",
      test_needs_no_model);
  g_test_add_func ("/command/bench-elements/watches-with-a-model",
      test_watches_with_a_model);
  g_test_add_func ("/command/bench/compares-with-a-saved-run",
      test_compares_with_a_saved_run);
  g_test_add_func ("/command/bench-elements/bad-model-is-named",
      test_bad_model_is_named);
  g_test_add_func ("/command/bench/stages-and-limits-are-told",
      test_stages_and_limits_are_told);
  g_test_add_func ("/command/bench/random-weights-have-a-type",
      test_random_weights_have_a_type);
  return g_test_run ();
}
