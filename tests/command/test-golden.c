/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command's numbers against those of the reference. */

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#include "model/ituning.h"
#include "tests/command/run.h"
#include "tests/testutil.h"

static ItuningTensors *
open_tensors (const char *path)
{
  g_autoptr (GError) error = NULL;
  ItuningTensors *tensors = ituning_tensors_open (path, &error);

  g_assert_no_error (error);
  return tensors;
}

static JsonNode *
load_json (const char *name)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", name,
      NULL);
  g_autoptr (GError) error = NULL;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  return json_parser_steal_root (parser);
}

/* The limit is a share of the tensor's largest value, or @absolute. */
static void
assert_same_tensor (const ItuningTensor *got, const ItuningTensor *want,
    double relative, double absolute)
{
  const gsize n_values = want->size / sizeof (float);
  const float *values = want->data;
  double largest = 0.0;

  g_assert_cmpint (got->type, ==, ITUNING_TYPE_F32);
  g_assert_cmpuint (got->n_dims, ==, want->n_dims);
  for (guint i = 0; i < want->n_dims; i++)
    g_assert_cmpuint (got->dims[i], ==, want->dims[i]);
  for (gsize i = 0; i < n_values; i++)
    largest = MAX (largest, fabs ((double) values[i]));
  g_test_message ("%s", want->name);
  assert_close (got->data, values, n_values, 0.0,
      MAX (relative * largest, absolute));
}

static void
assert_same_tensors (const char *got_path, const char *want_path,
    double relative)
{
  g_autoptr (ItuningTensors) got = open_tensors (got_path);
  g_autoptr (ItuningTensors) want = open_tensors (want_path);

  g_assert_cmpuint (ituning_tensors_get_count (got), ==,
      ituning_tensors_get_count (want));
  for (gsize i = 0; i < ituning_tensors_get_count (want); i++) {
    const ItuningTensor *tensor = ituning_tensors_get (want, i);
    const ItuningTensor *ours = ituning_tensors_lookup (got, tensor->name);
    g_assert_nonnull (ours);
    assert_same_tensor (ours, tensor, relative, 0.0);
  }
}

static void
test_forward (gconstpointer name)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *output = g_build_filename (folder, "out.safetensors", NULL);
  g_autofree char *model = g_test_build_filename (G_TEST_DIST, "data", name,
      NULL);
  g_autofree char *input = g_build_filename (model, "input.safetensors", NULL);
  g_autofree char *expected = g_build_filename (model, "expected.safetensors",
      NULL);
  g_autoptr (Run) run = run_command (NULL, "forward", "--model", model,
      "--input", input, "--output", output, NULL);

  assert_works (run);
  /* Measured: 2e-5 in the logits, 4e-6 elsewhere. */
  assert_same_tensors (output, expected, 1e-4);
}

static void
add_option (GPtrArray *arguments, const char *option, JsonObject *search,
    const char *member)
{
  if (!json_object_has_member (search, member))
    return;
  g_ptr_array_add (arguments,
      g_strdup_printf ("%s=%g", option,
          json_object_get_double_member (search, member)));
}

static void
assert_same_caption (const char *line, JsonObject *want)
{
  g_autoptr (JsonNode) node = json_from_string (line, NULL);
  const double score = json_object_get_double_member (want, "score");
  JsonObject *got;

  g_assert_nonnull (node);
  got = json_node_get_object (node);
  g_assert_cmpint (json_object_get_int_member (got, "sample"), ==,
      json_object_get_int_member (want, "sample"));
  g_assert_true (json_node_equal (json_object_get_member (got, "ids"),
      json_object_get_member (want, "ids")));
  /* A sum of logarithms: the order of sums shows in it. Measured 4.6e-6. */
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (got, "score"),
      score, 2e-5 * fabs (score));
  g_assert_true (json_object_get_null_member (got, "text"));
}

/* Two results in a row are of the two samples and one search. */
static void
test_generate (void)
{
  g_autoptr (JsonNode) node = load_json ("tiny/beam.json");
  JsonArray *results = json_node_get_array (node);
  g_autofree char *model = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autofree char *input = g_build_filename (model, "input.safetensors", NULL);

  for (guint i = 0; i < json_array_get_length (results); i += 2) {
    JsonObject *search = json_array_get_object_element (results, i);
    g_autoptr (GPtrArray) arguments = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (Run) run = NULL;
    g_auto (GStrv) lines = NULL;

    g_ptr_array_add (arguments, g_strdup ("generate"));
    g_ptr_array_add (arguments, g_strdup_printf ("--model=%s", model));
    g_ptr_array_add (arguments, g_strdup_printf ("--input=%s", input));
    add_option (arguments, "--num-beams", search, "beams");
    add_option (arguments, "--max-new-tokens", search, "max_new");
    add_option (arguments, "--min-new-tokens", search, "min_new");
    add_option (arguments, "--length-penalty", search, "length_penalty");
    add_option (arguments, "--no-repeat-ngram-size", search, "no_repeat_ngram");
    g_ptr_array_add (arguments, NULL);
    run = run_argv (NULL, (const char *const *) arguments->pdata);
    assert_works (run);
    lines = g_strsplit (run->out, "\n", 0);
    g_assert_cmpuint (g_strv_length (lines), ==, 3);
    assert_same_caption (lines[0], search);
    assert_same_caption (lines[1],
        json_array_get_object_element (results, i + 1));
  }
}

static void
test_preprocess (void)
{
  static const char *const images[] = { "blobs-48x64", "blobs-640x360",
    "checks-31x33" };
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *config = g_build_filename (folder,
      "preprocessor_config.json", NULL);
  g_autofree char *output = g_build_filename (folder, "out.safetensors", NULL);
  g_autoptr (GPtrArray) arguments = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (ItuningTensors) got = NULL;
  g_autoptr (Run) run = NULL;

  write_file (config,
      "{\"size\": 224, \"crop_size\": 224, \"resample\": 3, "
      "\"do_resize\": true, \"do_center_crop\": true, \"do_normalize\": true,"
      "\"image_mean\": [0.48145466, 0.4578275, 0.40821073],"
      "\"image_std\": [0.26862954, 0.26130258, 0.27577711]}");
  g_ptr_array_add (arguments, g_strdup ("preprocess"));
  g_ptr_array_add (arguments, g_strdup_printf ("--vision=%s", folder));
  g_ptr_array_add (arguments, g_strdup_printf ("--output=%s", output));
  for (gsize i = 0; i < G_N_ELEMENTS (images); i++) {
    g_autofree char *file = g_strconcat (images[i], ".png", NULL);
    g_ptr_array_add (arguments,
        g_test_build_filename (G_TEST_DIST, "data", "preprocess", file, NULL));
  }
  g_ptr_array_add (arguments, NULL);
  run = run_argv (NULL, (const char *const *) arguments->pdata);
  assert_works (run);
  got = open_tensors (output);
  g_assert_cmpuint (ituning_tensors_get_count (got), ==, G_N_ELEMENTS (images));
  for (gsize i = 0; i < G_N_ELEMENTS (images); i++) {
    g_autofree char *file = g_strconcat (images[i], ".safetensors", NULL);
    g_autofree char *expected = g_test_build_filename (G_TEST_DIST, "data",
        "preprocess", file, NULL);
    g_autoptr (ItuningTensors) want = open_tensors (expected);
    const ItuningTensor *tensor = ituning_tensors_lookup (got, images[i]);

    g_assert_nonnull (tensor);
    /* A step of 8 bits is 0.0152 after normalising. */
    assert_same_tensor (tensor, ituning_tensors_get (want, 0), 0.0, 0.02);
  }
}

/* tokenizer.json holds \u0000, where json-glib's strings would end: its texts
 * go through the command as they stand in the file. */
static void
test_tokenize (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data",
      "tokenizer.json", NULL);
  g_autofree char *language = g_test_build_filename (G_TEST_DIST, "..", "..",
      "shared", "gpt2", NULL);
  g_autofree char *json = NULL;
  g_autoptr (JsonNode) node = load_json ("tokenizer.json");
  JsonArray *examples = json_node_get_array (node);
  g_auto (GStrv) lines = NULL;
  g_auto (GStrv) ids = NULL;
  g_autoptr (GString) texts = g_string_new (NULL);
  g_autoptr (Run) encoded = NULL, decoded = NULL, again = NULL;
  guint n_texts = 0;

  if (!g_file_test (language, G_FILE_TEST_IS_DIR)) {
    g_test_skip ("GPT-2's vocabulary is not here");
    return;
  }
  g_assert_true (g_file_get_contents (path, &json, NULL, NULL));
  lines = g_strsplit (json, "\n", 0);
  for (gsize i = 0; lines[i] != NULL; i++) {
    gsize length = strlen (lines[i]);
    if (!g_str_has_prefix (lines[i], "\"text\": "))
      continue;
    g_assert_true (lines[i][length - 1] == ',');
    lines[i][length - 1] = '\n';
    g_string_append (texts, lines[i] + strlen ("\"text\": "));
    n_texts++;
  }
  g_assert_cmpuint (n_texts, ==, json_array_get_length (examples));
  encoded = run_command (texts->str, "tokenize", "--language", language, NULL);
  assert_works (encoded);
  ids = g_strsplit (encoded->out, "\n", 0);
  g_assert_cmpuint (g_strv_length (ids), ==, n_texts + 1);
  for (guint i = 0; i < n_texts; i++) {
    g_autoptr (JsonNode) got = json_from_string (ids[i], NULL);
    JsonObject *want = json_array_get_object_element (examples, i);
    g_assert_true (json_node_equal (got, json_object_get_member (want, "ids")));
  }
  decoded = run_command (encoded->out, "tokenize", "--decode", "--language",
      language, NULL);
  assert_works (decoded);
  g_assert_nonnull (strstr (decoded->out, "\\u0000\\u001f\\u007f"));
  again = run_command (decoded->out, "tokenize", "--language", language, NULL);
  assert_works (again);
  g_assert_cmpstr (again->out, ==, encoded->out);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/command/forward/gives-the-reference/tiny", "tiny",
      test_forward);
  g_test_add_data_func ("/command/forward/gives-the-reference/tiny-bf16",
      "tiny-bf16", test_forward);
  g_test_add_func ("/command/generate/gives-the-reference", test_generate);
  g_test_add_func ("/command/preprocess/is-within-one-step-of-the-reference",
      test_preprocess);
  g_test_add_func ("/command/tokenize/gives-the-reference-and-back",
      test_tokenize);
  return g_test_run ();
}
