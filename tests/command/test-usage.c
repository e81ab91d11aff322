/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Options, exit statuses and the forms of the output. */

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "model/ituning.h"
#include "tests/command/run.h"

static const char *const commands[] = { "caption", "convert", "inspect",
  "bench", "generate", "forward", "preprocess", "tokenize", "tokenizer", "eval",
  "scenes", "features", "train", "pretrain" };

static char *
find_data (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "data", name, NULL);
}

static JsonObject *
parse_object (const char *line, JsonNode **node)
{
  g_autoptr (GError) error = NULL;

  *node = json_from_string (line, &error);
  g_assert_no_error (error);
  g_assert_true (JSON_NODE_HOLDS_OBJECT (*node));
  return json_node_get_object (*node);
}

/* --- help --------------------------------------------------------------- */

static void
test_help (void)
{
  g_autoptr (Run) all = run_command (NULL, "--help", NULL);
  g_autoptr (Run) version = run_command (NULL, "--version", NULL);

  assert_works (all);
  assert_works (version);
  g_assert_true (g_str_has_prefix (version->out, "ituning "));
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++) {
    g_autoptr (Run) run = run_command (NULL, commands[i], "--help", NULL);
    g_autofree char *usage = g_strdup_printf ("Usage:\n  ituning %s ",
        commands[i]);
    assert_works (run);
    g_assert_true (g_str_has_prefix (run->out, usage));
    g_assert_nonnull (strstr (all->out, commands[i]));
  }
}

static void
test_usage_errors (void)
{
  static const char *const wrong[][6] = {
    { NULL },
    { "fly" },
    { "--fly" },
    { "caption" },
    { "caption", "--fly" },
    { "caption", "--model", "m", "--format", "ass", "a.png" },
    { "caption", "--num-beams", "0", "a.png" },
    { "caption", "--num-beams", "-1", "a.png" },
    { "caption", "--num-beams", "two", "a.png" },
    { "caption", "--max-new-tokens", "99999999999", "a.png" },
    { "caption", "--temperature", "0", "a.png" },
    { "caption", "--top-p", "nan", "a.png" },
    { "caption", "--do-sample", "--num-beams", "2", "a.png" },
    { "caption", "--model" },
    { "caption", "--model", "m", "--threads", "-1", "a.png" },
    { "inspect", "a", "b" },
    { "inspect", "--size", "huge" },
    { "bench", "--size", "base", "--model", "m" },
    { "bench", "--size", "base", "--runs", "0" },
    { "bench", "--elements", "--size", "base" },
    { "bench", "--elements", "--runs", "0" },
    { "generate", "--model", "m" },
    { "generate", "--model", "m", "--input", "i", "more" },
    { "forward", "--model", "m", "--input", "i" },
    { "preprocess", "--vision", "v", "-o", "o" },
    { "tokenize" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    const char *arguments[G_N_ELEMENTS (wrong[i]) + 1] = { NULL };
    g_autoptr (Run) run = NULL;

    memcpy (arguments, wrong[i], sizeof wrong[i]);
    run = run_argv (NULL, arguments);
    assert_fails (run, 2, wrong[i][0] != NULL ? wrong[i][0] : "command",
        "--help");
  }
}

/* A model has to be named, unless one is built in. */
static void
test_no_model (void)
{
  g_autofree char *image = find_data ("preprocess/blobs-48x64.png");
  g_autoptr (Run) caption = run_command (NULL, "caption", image, NULL);
  g_autoptr (Run) inspect = run_command (NULL, "inspect", NULL);

  if (ituning_model_is_built_in ()) {
    assert_works (caption);
    assert_works (inspect);
    g_assert_true (g_str_has_prefix (inspect->out, "built-in\n  Knows "));
  } else {
    assert_fails (caption, 2, "caption", "--help");
    assert_fails (inspect, 2, "inspect", "--help");
  }
}

/* --- caption ------------------------------------------------------------ */

static void
test_one_caption (void)
{
  g_autofree char *model = find_data ("tiny");
  g_autofree char *image = find_data ("preprocess/blobs-48x64.png");
  g_autoptr (Run) run = run_command (NULL, "caption", "--model", model, image,
      NULL);

  assert_works (run);
  g_assert_true (g_ascii_isdigit (*run->out)); /* ids: no tokenizer */
  g_assert_true (g_str_has_suffix (run->out, "\n"));
}

static void
test_several_captions (void)
{
  g_autofree char *model = find_data ("tiny");
  g_autofree char *a = find_data ("preprocess/blobs-48x64.png");
  g_autofree char *b = find_data ("preprocess/missing.png");
  g_autofree char *c = find_data ("preprocess/checks-31x33.png");
  g_autoptr (Run) run = run_command (NULL, "caption", "--model", model, a, b, c,
      NULL);
  g_auto (GStrv) lines = g_strsplit (run->out, "\n", 0);

  g_assert_cmpint (run->status, ==, 1);
  g_assert_cmpuint (g_strv_length (lines), ==, 3);
  g_assert_true (g_str_has_prefix (lines[0], a));
  g_assert_true (g_str_has_prefix (lines[1], c));
  *run->out = '\0';
  assert_fails (run, 1, b, "No such file");
}

static void
test_json_to_file (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *output = g_build_filename (folder, "captions", NULL);
  g_autofree char *model = find_data ("tiny");
  g_autofree char *image = find_data ("preprocess/blobs-48x64.png");
  g_autoptr (Run) run = run_command (NULL, "caption", "--model", model,
      "--format", "json", "-o", output, "--num-beams", "3", image, NULL);
  g_autofree char *json = NULL;
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;
  JsonArray *ids, *log_probs;
  double sum = 0.0;

  assert_works (run);
  g_assert_cmpstr (run->out, ==, "");
  g_assert_true (g_file_get_contents (output, &json, NULL, NULL));
  object = parse_object (json, &node);
  g_assert_cmpstr (json_object_get_string_member (object, "file"), ==, image);
  g_assert_true (json_object_get_null_member (object, "text"));
  ids = json_object_get_array_member (object, "ids");
  log_probs = json_object_get_array_member (object, "log_probs");
  g_assert_cmpuint (json_array_get_length (ids), >, 0);
  g_assert_cmpuint (json_array_get_length (log_probs) -
          json_array_get_length (ids),
      <=, 1);
  for (guint i = 0; i < json_array_get_length (log_probs); i++)
    sum += json_array_get_double_element (log_probs, i);
  sum /= json_array_get_length (log_probs);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object,
                                      "score"),
      sum, 1e-5);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object,
                                      "confidence"),
      exp (sum), 1e-5);
}

/* Numbers in the token embedding of `tiny`, and with 257 tokens. */
#define OLD_VALUES ((gsize) 97 * 48)
#define NEW_VALUES ((gsize) 257 * 48)

/* `tiny` with room for the 257 tokens of write_tokenizer (): the rows of its
 * embedding over and over. */
static char *
make_speaking_bundle (const char *folder)
{
  char *model = copy_bundle (folder, "tiny");
  g_autofree char *language = g_build_filename (model, "language", NULL);
  g_autofree char *config = g_build_filename (language, "config.json", NULL);
  g_autofree char *weights = g_build_filename (language, "model.safetensors",
      NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningTensors) old = ituning_tensors_open (weights, &error);
  g_autofree ItuningTensor *new = NULL;
  g_autofree float *rows = g_new (float, NEW_VALUES);
  gsize n_tensors;

  g_assert_no_error (error);
  n_tensors = ituning_tensors_get_count (old);
  new = g_new (ItuningTensor, n_tensors);
  for (gsize i = 0; i < n_tensors; i++) {
    new[i] = *ituning_tensors_get (old, i);
    if (!g_str_equal (new[i].name, "wte.weight"))
      continue;
    for (gsize j = 0; j < NEW_VALUES; j++)
      rows[j] = ((const float *) new[i].data)[j % (OLD_VALUES)];
    new[i].dims[0] = 257;
    new[i].data = rows;
    new[i].size = NEW_VALUES * sizeof (float);
  }
  ituning_tensors_save (weights, new, n_tensors, &error);
  g_assert_no_error (error);
  replace_text (config, "\"vocab_size\": 97", "\"vocab_size\": 257");
  replace_text (config, "\"bos_token_id\": 96", "\"bos_token_id\": 256");
  replace_text (config, "\"eos_token_id\": 96", "\"eos_token_id\": 256");
  write_tokenizer (language);
  return model;
}

static void
test_text (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = make_speaking_bundle (folder);
  g_autofree char *image = find_data ("preprocess/blobs-48x64.png");
  g_autoptr (Run) text = run_command (NULL, "caption", "--model", model,
      "--do-sample", "--temperature", "9", "--top-k", "0", "--seed", "3", image,
      NULL);
  g_autoptr (Run) json = run_command (NULL, "caption", "--model", model,
      "--do-sample", "--temperature", "9", "--top-k", "0", "--seed", "3",
      "--format", "json", image, NULL);
  g_autoptr (JsonNode) node = NULL;
  const char *caption;

  assert_works (text);
  assert_works (json);
  caption = json_object_get_string_member (parse_object (json->out, &node),
      "text");
  g_assert_nonnull (caption);
  g_assert_true (g_utf8_validate (text->out, -1, NULL));
  for (gsize i = 0; i < strlen (caption); i++)
    g_assert_true (
        text->out[i] == (g_ascii_iscntrl (caption[i]) ? ' ' : caption[i]));
  g_assert_cmpstr (text->out + strlen (caption), ==, "\n");
}

static void
test_unwritable_output (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *output = g_build_filename (folder, "missing", "out", NULL);
  g_autofree char *model = find_data ("tiny");
  g_autofree char *vision = find_data ("tiny/vision");
  g_autofree char *input = find_data ("tiny/input.safetensors");
  g_autofree char *image = find_data ("preprocess/blobs-48x64.png");
  g_autoptr (Run) caption = run_command (NULL, "caption", "--model", model,
      "-o", output, image, NULL);
  g_autoptr (Run) forward = run_command (NULL, "forward", "--model", model,
      "-i", input, "-o", folder, NULL);
  g_autoptr (Run) preprocess = run_command (NULL, "preprocess", "--vision",
      vision, "-o", output, image, NULL);

  assert_fails (caption, 1, output, "cannot be written");
  assert_fails (forward, 1, folder, "cannot be written");
  assert_fails (preprocess, 1, output, "cannot be written");
}

static void
test_same_stem (void)
{
  g_autofree char *vision = find_data ("tiny/vision");
  g_autoptr (Run) run = run_command (NULL, "preprocess", "--vision", vision,
      "-o", "out", "a/x.png", "b/x.jpg", NULL);

  assert_fails (run, 1, "b/x.jpg", "a/x.png");
}

/* A seed draws the same again, and the threads make no difference. */
static void
test_repeatable (void)
{
  static const char *const threads[] = { "1", "2", "4" };
  g_autofree char *model = find_data ("tiny");
  g_autofree char *image = find_data ("preprocess/blobs-640x360.png");
  g_autofree char *first = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++) {
    g_autoptr (Run) run = run_command (NULL, "caption", "--model", model,
        "--threads", threads[i], "--do-sample", "--seed", "7", image, NULL);
    assert_works (run);
    if (first == NULL)
      first = g_strdup (run->out);
    g_assert_cmpstr (run->out, ==, first);
  }
}

static void
test_fewer_visual_tokens (void)
{
  static const char *const all[] = { "0", "17", "1000" };
  g_autofree char *model = find_data ("tiny");
  g_autofree char *image = find_data ("preprocess/blobs-640x360.png");
  g_autofree char *input = find_data ("tiny/input.safetensors");
  g_autoptr (Run) plain = run_command (NULL, "caption", "--model", model,
      "--format", "json", image, NULL);
  g_autoptr (Run) fewer = run_command (NULL, "caption", "--model", model,
      "--format", "json", "--visual-tokens", "5", image, NULL);
  g_autoptr (Run) tensors = run_command (NULL, "generate", "--model", model,
      "--input", input, "--visual-tokens", "5", NULL);
  g_autoptr (Run) wrong = run_command (NULL, "caption", "--model", model,
      "--visual-tokens", "-1", image, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++) {
    g_autoptr (Run) run = run_command (NULL, "caption", "--model", model,
        "--format", "json", "--visual-tokens", all[i], image, NULL);
    assert_works (run);
    g_assert_cmpstr (run->out, ==, plain->out);
  }
  assert_works (fewer);
  g_assert_cmpstr (fewer->out, !=, plain->out);
  assert_works (tensors);
  assert_fails (wrong, 2, "--visual-tokens", "-1");
}

/* --- images ------------------------------------------------------------- */

static char *
caption_pixbuf (GdkPixbuf *pixbuf, const char *path, const char *type,
    const char *key, const char *value)
{
  g_autofree char *model = find_data ("tiny");
  g_autoptr (GError) error = NULL;
  g_autoptr (Run) run = NULL;

  gdk_pixbuf_save (pixbuf, path, type, &error, key, value, NULL);
  g_assert_no_error (error);
  run = run_command (NULL, "caption", "--model", model, "--format", "json",
      path, NULL);
  assert_works (run);
  return g_steal_pointer (&run->out);
}

static void
test_format (gconstpointer type)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *path = g_build_filename (folder, "image", NULL);
  g_autofree char *photo = find_data ("preprocess/blobs-48x64.png");
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new_from_file (photo, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *caption = NULL;

  if (!gdk_pixbuf_save (pixbuf, path, type, &error, NULL)) {
    g_test_skip (error->message);
    return;
  }
  caption = caption_pixbuf (pixbuf, path, type, NULL, NULL);
  g_assert_nonnull (strstr (caption, "\"ids\": ["));
}

/* Pillow's convert ("RGB") drops alpha: under it the colours stay. */
static void
test_alpha (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *path = g_build_filename (folder, "image.png", NULL);
  g_autofree char *photo = find_data ("preprocess/blobs-48x64.png");
  g_autoptr (GdkPixbuf) opaque = gdk_pixbuf_new_from_file (photo, NULL);
  g_autoptr (GdkPixbuf) seen = gdk_pixbuf_add_alpha (opaque, FALSE, 0, 0, 0);
  guint8 *pixels = gdk_pixbuf_get_pixels (seen);
  g_autofree char *want = NULL, *got = NULL;

  for (int y = 0; y < gdk_pixbuf_get_height (seen); y++) {
    for (int x = 0; x < gdk_pixbuf_get_width (seen); x++)
      pixels[y * gdk_pixbuf_get_rowstride (seen) + 4 * x + 3] = (guint8) (x *
          5);
  }
  want = caption_pixbuf (opaque, path, "png", NULL, NULL);
  got = caption_pixbuf (seen, path, "png", NULL, NULL);
  g_assert_cmpstr (got, ==, want);
}

/* A JPEG gets an EXIF block that says to turn it right (orientation 6). */
static void
test_orientation (void)
{
  static const guint8 exif[] = { 0xff, 0xe1, 0x00, 0x22, 'E', 'x', 'i', 'f', 0,
    0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0,
    0, 0, 0, 0, 0 };
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *path = g_build_filename (folder, "image.jpg", NULL);
  g_autofree char *photo = find_data ("preprocess/blobs-48x64.png");
  g_autofree char *model = find_data ("tiny");
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new_from_file (photo, NULL);
  g_autofree char *flat = caption_pixbuf (pixbuf, path, "jpeg", "quality",
      "100");
  g_autoptr (GdkPixbuf) decoded = gdk_pixbuf_new_from_file (path, NULL);
  g_autoptr (GdkPixbuf) turned = gdk_pixbuf_rotate_simple (decoded,
      GDK_PIXBUF_ROTATE_CLOCKWISE);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree char *jpeg = NULL, *want = NULL;
  g_autoptr (Run) run = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &jpeg, &size, NULL));
  g_byte_array_append (bytes, (guint8 *) jpeg, 2);
  g_byte_array_append (bytes, exif, sizeof exif);
  g_byte_array_append (bytes, (guint8 *) jpeg + 2, (guint) size - 2);
  want = caption_pixbuf (turned, path, "png", NULL, NULL);
  g_assert_cmpstr (want, !=, flat);
  g_assert_true (
      g_file_set_contents (path, (char *) bytes->data, bytes->len, NULL));
  run = run_command (NULL, "caption", "--model", model, "--format", "json",
      path, NULL);
  assert_works (run);
  g_assert_cmpstr (run->out, ==, want);
}

/* --- inspect and bench -------------------------------------------------- */

static gboolean
has_memory (guint64 bytes)
{
  g_autofree char *text = NULL;
  const char *line;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return FALSE;
#endif
  return g_file_get_contents ("/proc/meminfo", &text, NULL, NULL) &&
      (line = strstr (text, "MemAvailable:")) != NULL &&
      g_ascii_strtoull (line + strlen ("MemAvailable:"), NULL, 10) >
      bytes / 1024;
}

static void
test_trained (const char *size, const char *trained, guint64 bytes)
{
  g_autofree char *wanted = g_strdup_printf ("%s of them trained", trained);
  g_autoptr (Run) run = NULL;

  if (!has_memory (bytes)) {
    g_test_skip ("needs more memory than there is");
    return;
  }
  run = run_command (NULL, "inspect", "--size", size, NULL);
  assert_works (run);
  g_assert_nonnull (strstr (run->out, wanted));
}

static void
test_base (void)
{
  test_trained ("base", "14.18M", (guint64) 1 << 30);
}

static void
test_medium (void)
{
  test_trained ("medium", "44.10M", (guint64) 3 << 30);
}

static void
test_large (void)
{
  test_trained ("large", "94.49M", (guint64) 5 << 30);
}

static void
test_inspect (void)
{
  g_autofree char *model = find_data ("tiny");
  g_autoptr (Run) text = run_command (NULL, "inspect", model, NULL);
  g_autoptr (Run) json = run_command (NULL, "inspect", "--json", model, NULL);
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object, *language, *adapter;

  assert_works (text);
  assert_works (json);
  g_assert_nonnull (strstr (text->out, "16.49K of them trained"));
  object = parse_object (json->out, &node);
  language = json_object_get_object_member (object, "language");
  adapter = json_object_get_object_member (object, "adapter");
  g_assert_cmpint (json_object_get_int_member (object, "trained_parameters"),
      ==, 16488);
  g_assert_cmpint (json_object_get_int_member (object, "mapped_bytes"), >, 0);
  g_assert_cmpint (json_object_get_int_member (language, "vocab_size"), ==, 97);
  g_assert_cmpstr (json_object_get_string_member (language, "type"), ==, "F32");
  g_assert_cmpint (json_array_get_length (
                       json_object_get_array_member (adapter, "layers")),
      ==, 3);
}

static void
assert_times (JsonObject *object, const char *name)
{
  JsonObject *times = json_object_get_object_member (object, name);

  g_assert_cmpfloat (json_object_get_double_member (times, "min"), >, 0.0);
  g_assert_cmpfloat (json_object_get_double_member (times, "median"), >=,
      json_object_get_double_member (times, "min"));
}

static void
test_bench (void)
{
  g_autofree char *model = find_data ("tiny");
  g_autoptr (Run) text = run_command (NULL, "bench", "--model", model, NULL);
  g_autoptr (Run) json = run_command (NULL, "bench", "--model", model, "--json",
      "--num-beams", "2", "--threads", "2", NULL);
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object, *limits;

  assert_works (text);
  assert_works (json);
  object = parse_object (json->out, &node);
  assert_times (object, "encode_ms");
  assert_times (object, "decode_ms");
  assert_times (object, "caption_ms");
  g_assert_cmpint (json_object_get_int_member (object, "new_tokens"), ==, 16);
  g_assert_cmpint (json_object_get_int_member (object, "threads"), ==, 2);
  g_assert_cmpint (json_object_get_int_member (object, "peak_memory_bytes"), >,
      0);
  limits = json_object_get_object_member (object, "limits");
  g_assert_cmpfloat (json_object_get_double_member (limits, "gflops"), >, 0.0);
  g_assert_cmpfloat (json_object_get_double_member (limits, "gbs"), >, 0.0);
}

/* --- interrupts --------------------------------------------------------- */

static void
test_interrupt (void)
{
  g_autofree char *model = find_data ("tiny");
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE |
              G_SUBPROCESS_FLAGS_STDERR_PIPE,
          &error, g_getenv ("ITUNING_COMMAND"), "bench", "--model", model,
          "--runs", "1000000", "--json", NULL);
  g_autofree char *out = NULL, *err = NULL;

  g_assert_no_error (error);
  g_usleep (1500000); /* long past the start */
  g_subprocess_send_signal (process, SIGINT);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &out, &err, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 130);
  g_assert_cmpstr (out, ==, "");
  g_assert_cmpstr (err, ==, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/command/help/works-everywhere", test_help);
  g_test_add_func ("/command/usage/a-wrong-line-is-status-2",
      test_usage_errors);
  g_test_add_func ("/command/no-model", test_no_model);
  g_test_add_func ("/command/caption/of-one-image-stands-alone",
      test_one_caption);
  g_test_add_func ("/command/caption/of-several-goes-on-after-a-failure",
      test_several_captions);
  g_test_add_func ("/command/caption/as-json-to-a-file", test_json_to_file);
  g_test_add_func ("/command/caption/with-a-tokenizer-is-text", test_text);
  g_test_add_func ("/command/caption/is-the-same-with-any-threads",
      test_repeatable);
  g_test_add_func ("/command/usage/fewer-visual-tokens",
      test_fewer_visual_tokens);
  g_test_add_func ("/command/output/unwritable-is-said-first",
      test_unwritable_output);
  g_test_add_func ("/command/preprocess/two-of-a-name-are-refused",
      test_same_stem);
  g_test_add_data_func ("/command/image/jpeg-is-read", "jpeg", test_format);
  g_test_add_data_func ("/command/image/webp-is-read", "webp", test_format);
  g_test_add_func ("/command/image/alpha-is-dropped", test_alpha);
  g_test_add_func ("/command/image/is-turned-upright", test_orientation);
  g_test_add_func ("/command/inspect/prints-and-writes-json", test_inspect);
  g_test_add_func ("/command/inspect/base-has-14.18M", test_base);
  g_test_add_func ("/command/inspect/medium-has-44.10M", test_medium);
  g_test_add_func ("/command/inspect/large-has-94.49M", test_large);
  g_test_add_func ("/command/bench/measures", test_bench);
  g_test_add_func ("/command/interrupt/ends-with-130", test_interrupt);
  return g_test_run ();
}
