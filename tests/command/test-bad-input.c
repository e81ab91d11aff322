/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is broken, hostile or does not fit ends in one clear line and status 1.
 */

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "model/ituning.h"
#include "tests/command/run.h"

#define FIRST_IMAGE "blobs-48x64.png"

static char *
find_image (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "data", "preprocess", name, NULL);
}

static Run *
caption (const char *model, const char *image)
{
  return run_command (NULL, "caption", "--model", model, image, NULL);
}

/* --- broken bundles ----------------------------------------------------- */

typedef struct
{
  const char *test; /* what is true */
  const char *file; /* in the bundle */
  void (*damage) (const char *path);
  const char *cause; /* in the message, beside the file's name */
} Damage;

static void
check_damage (const Damage *damage, const char *name)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = copy_bundle (folder, "tiny");
  g_autofree char *path = g_build_filename (model, damage->file, NULL);
  g_autofree char *image = find_image (FIRST_IMAGE);
  g_autoptr (Run) before = caption (model, image);
  g_autoptr (Run) captioned = NULL, inspected = NULL;

  assert_works (before);
  damage->damage (path);
  captioned = caption (model, image);
  assert_fails (captioned, 1, name, damage->cause);
  inspected = run_command (NULL, "inspect", model, NULL);
  assert_fails (inspected, 1, name, damage->cause);
}

static void
test_damage (gconstpointer data)
{
  const Damage *damage = data;

  check_damage (damage, damage->file);
}

/* A config that is fine, but not with its weights: they are named. */
static void
test_misfit (gconstpointer data)
{
  const Damage *damage = data;
  g_autofree char *part = g_path_get_dirname (damage->file);
  g_autofree char *weights = g_build_filename (part, "model.safetensors", NULL);

  check_damage (damage, weights);
}

static void
remove_it (const char *path)
{
  g_assert_cmpint (g_unlink (path), ==, 0);
}

static void
empty_it (const char *path)
{
  write_file (path, "");
}

static void
put_folder_there (const char *path)
{
  remove_it (path);
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
}

static void
cut_size (const char *path, gsize size)
{
  g_autofree char *contents = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (path, &contents, &length, NULL));
  g_assert_cmpuint (size, <, length);
  g_assert_true (g_file_set_contents (path, contents, (gssize) size, NULL));
}

static void
cut_last_byte (const char *path)
{
  g_autofree char *contents = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (path, &contents, &length, NULL));
  cut_size (path, length - 1);
}

static void
cut_in_header (const char *path)
{
  cut_size (path, 100);
}

static void
cut_in_length (const char *path)
{
  cut_size (path, 5);
}

static void
promise_long_header (const char *path)
{
  const guint64 length = GUINT64_TO_LE (1000000);

  replace_bytes (path, 0, &length, sizeof length);
}

static void
promise_endless_header (const char *path)
{
  const guint64 length = GUINT64_TO_LE (G_MAXUINT64 - 7);

  replace_bytes (path, 0, &length, sizeof length);
}

static void
spoil_header (const char *path)
{
  replace_text (path, "\"dtype\":", "\"dtype\"\"");
}

static void
overlap_tensors (const char *path)
{
  replace_text (path, "[576,28224]", "[572,28220]");
}

static void
leave_file (const char *path)
{
  replace_text (path, "[345792,364416]", "[945792,964416]");
}

static void
end_before_start (const char *path)
{
  replace_text (path, "[576,28224]", "[28224,576]");
}

static void
mistake_size (const char *path)
{
  replace_text (path, "[576,28224]", "[576,28220]");
}

static void
misalign_tensors (const char *path)
{
  replace_text (path, "[576,28224]", "[577,28225]");
}

static void
swap_dimensions (const char *path)
{
  replace_text (path, "\"shape\":[48,144]", "\"shape\":[144,48]");
}

/* 2^62 x 4 elements: 0 of them when computed without care. The blanks keep the
 * header's length a multiple of 8. */
static void
overflow_shape (const char *path)
{
  replace_header (path, "\"shape\":[32,48]",
      "\"shape\":[4611686018427387904,4]        ");
}

static void
invent_type (const char *path)
{
  replace_text (path, "\"dtype\":\"F32\"", "\"dtype\":\"F33\"");
}

static void
rename_tensor (const char *path)
{
  replace_text (path, "\"ln_f.weight\"", "\"ln_x.weight\"");
}

static void
plant_nan (const char *path)
{
  const float nan = NAN;

  replace_bytes (path, get_header_size (path) + 40, &nan, sizeof nan);
}

static void
plant_infinity (const char *path)
{
  const float infinity = INFINITY;

  replace_bytes (path, get_header_size (path) + 40, &infinity, sizeof infinity);
}

static void
spoil_json (const char *path)
{
  write_file (path, "{\"hidden_size\": 64,");
}

static void
widen_language (const char *path)
{
  replace_text (path, "\"n_embd\": 48", "\"n_embd\": 64");
}

static void
widen_vision (const char *path)
{
  replace_text (path, "\"hidden_size\": 64", "\"hidden_size\": 96");
}

static void
widen_adapter (const char *path)
{
  replace_text (path, "\"hidden_size\": 48", "\"hidden_size\": 56");
}

static void
divide_by_zero (const char *path)
{
  replace_text (path, "\"patch_size\": 8", "\"patch_size\": 0");
}

static void
change_activation (const char *path)
{
  replace_text (path, "\"gelu_new\"", "\"softsign\"");
}

#define LANGUAGE "language/model.safetensors"
#define VISION "vision/model.safetensors"
#define ADAPTER "adapter/model.safetensors"

static const Damage damages[] = {
  { "a-missing-config-is-named", "vision/config.json", remove_it, "No such" },
  { "a-spoiled-config-is-named", "vision/config.json", spoil_json, "" },
  { "an-empty-config-is-named", "language/config.json", empty_it, "empty" },
  { "empty-weights-are-named", LANGUAGE, empty_it, "empty" },
  { "a-folder-is-no-weights", LANGUAGE, put_folder_there, "folder" },
  { "truncated-weights-are-named", LANGUAGE, cut_last_byte, "" },
  { "a-truncated-header-is-named", LANGUAGE, cut_in_header, "header" },
  { "a-truncated-length-is-named", LANGUAGE, cut_in_length, "" },
  { "a-header-longer-than-the-file-is-refused", LANGUAGE, promise_long_header,
      "header" },
  { "a-header-without-end-is-refused", VISION, promise_endless_header,
      "safetensors" },
  { "a-spoiled-header-is-refused", VISION, spoil_header, "" },
  { "overlapping-tensors-are-refused", LANGUAGE, overlap_tensors,
      "h.0.attn.c_attn" },
  { "a-tensor-beyond-the-file-is-refused", LANGUAGE, leave_file, "wte.weight" },
  { "a-tensor-that-ends-before-it-starts-is-refused", LANGUAGE,
      end_before_start, "h.0.attn.c_attn.weight" },
  { "a-tensor-of-another-size-than-its-shape-is-refused", LANGUAGE,
      mistake_size, "h.0.attn.c_attn.weight" },
  { "misaligned-tensors-are-refused", LANGUAGE, misalign_tensors, "multiple" },
  { "swapped-dimensions-are-refused", LANGUAGE, swap_dimensions, "[144, 48]" },
  { "a-shape-that-overflows-is-refused", LANGUAGE, overflow_shape,
      "wpe.weight" },
  { "an-unknown-type-is-named", LANGUAGE, invent_type, "F33" },
  { "a-missing-tensor-is-named", LANGUAGE, rename_tensor, "ln_f.weight" },
  { "nan-is-found-in-the-language-model", LANGUAGE, plant_nan, "" },
  { "nan-is-found-in-the-vision-tower", VISION, plant_nan, "" },
  { "nan-is-found-in-the-adapter", ADAPTER, plant_nan, "" },
  { "infinity-is-found", LANGUAGE, plant_infinity, "" },
  { "a-patch-of-nothing-is-refused", "vision/config.json", divide_by_zero,
      "patch_size" },
  { "an-unknown-activation-is-named", "language/config.json", change_activation,
      "softsign" },
};

static const Damage misfits[] = {
  { "a-wider-language-config-does-not-fit", "language/config.json",
      widen_language, "[97, 64]" },
  { "a-wider-vision-config-does-not-fit", "vision/config.json", widen_vision,
      "[96]" },
  { "a-wider-adapter-config-does-not-fit", "adapter/config.json", widen_adapter,
      "56" },
};

/* --- a tokenizer that does not fit -------------------------------------- */

static void
test_vocabulary_fits (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = copy_bundle (folder, "tiny");
  g_autofree char *language = g_build_filename (model, "language", NULL);
  g_autofree char *image = find_image (FIRST_IMAGE);
  g_autoptr (Run) run = NULL;

  write_tokenizer (language);
  run = caption (model, image);
  assert_fails (run, 1, "language", "257");
}

static void
test_no_weights (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = copy_bundle (folder, "tiny");
  g_autofree char *weights = g_build_filename (model, LANGUAGE, NULL);
  g_autofree char *image = find_image (FIRST_IMAGE);
  g_autoptr (Run) run = NULL;

  remove_it (weights);
  run = caption (model, image);
  assert_fails (run, 1, "tiny/language", "no weights");
}

static void
test_no_bundle (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *missing = g_build_filename (folder, "missing", NULL);
  g_autofree char *file = g_build_filename (folder, "file", NULL);
  g_autofree char *image = find_image (FIRST_IMAGE);
  g_autoptr (Run) run = caption (missing, image);

  assert_fails (run, 1, missing, "no such");
  g_clear_pointer (&run, run_free);
  write_file (file, "model");
  run = caption (file, image);
  assert_fails (run, 1, file, "file");
  g_clear_pointer (&run, run_free);
  run = caption (folder, image);
  assert_fails (run, 1, folder, "No such");
}

/* --- images ------------------------------------------------------------- */

static void
save_image (const char *path, int width, int height, gboolean alpha)
{
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, alpha, 8,
      width, height);
  g_autoptr (GError) error = NULL;

  gdk_pixbuf_fill (pixbuf, 0x3366cc40);
  gdk_pixbuf_save (pixbuf, path, "png", &error, NULL);
  g_assert_no_error (error);
}

static void
test_extreme_image (gconstpointer size)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autofree char *image = g_build_filename (folder, "image.png", NULL);
  g_autofree char *output = g_build_filename (folder, "out.safetensors", NULL);
  g_autofree char *vision = g_build_filename (model, "vision", NULL);
  g_autoptr (Run) captioned = NULL, preprocessed = NULL;
  int width, height;

  g_assert_cmpint (sscanf (size, "%dx%d", &width, &height), ==, 2);
  save_image (image, width, height, FALSE);
  captioned = caption (model, image);
  assert_works (captioned);
  g_assert_cmpstr (captioned->out, !=, "");
  preprocessed = run_command (NULL, "preprocess", "--vision", vision, "-o",
      output, image, NULL);
  assert_works (preprocessed);
}

static void
test_bad_images (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autofree char *image = g_build_filename (folder, "image.png", NULL);
  g_autoptr (Run) missing = caption (model, image);
  g_autoptr (Run) folded = caption (model, folder);
  g_autoptr (Run) empty = NULL, cut = NULL, text = NULL;

  assert_fails (missing, 1, "image.png", "No such file");
  assert_fails (folded, 1, folder, "folder");
  write_file (image, "");
  empty = caption (model, image);
  assert_fails (empty, 1, "image.png", "empty");
  write_file (image, "Not an image.\n");
  text = caption (model, image);
  assert_fails (text, 1, "image.png", "");
  save_image (image, 200, 100, FALSE);
  cut_size (image, 60);
  cut = caption (model, image);
  assert_fails (cut, 1, "image.png", "");
}

/* 60 000 x 60 000 pixels in 100 bytes. */
static void
test_image_bomb (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autofree char *image = g_build_filename (folder, "image.ppm", NULL);
  g_autoptr (Run) run = NULL;

  write_file (image, "P6 60000 60000 255\nabcdefghijklmnopqrstuvwxyz");
  run = caption (model, image);
  assert_fails (run, 1, "image.ppm", "");
}

/* --- tensor files of forward and generate ------------------------------- */

typedef struct
{
  const char *test;
  const char *old, *new; /* in the header, of one length */
  const char *cause;
} Edit;

static const Edit edits[] = {
  { "pixels-of-another-size-are-refused", "[2,3,32,32]", "[2,3,64,16]",
      "[2, 3, 64, 16]" },
  { "pixels-of-another-type-are-refused",
      "\"dtype\":\"F32\",\"shape\":[2,3,32,32]",
      "\"dtype\":\"I32\",\"shape\":[2,3,32,32]", "I32" },
  { "missing-pixels-are-named", "\"pixel_values\"", "\"voxel_values\"",
      "pixel_values" },
  { "pixels-without-a-batch-are-refused", "[2,3,32,32]", "[   6,1024]",
      "dimensions" },
};

static void
test_edited_input (gconstpointer data)
{
  const Edit *edit = data;
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autofree char *from = g_build_filename (model, "input.safetensors", NULL);
  g_autofree char *input = g_build_filename (folder, "in.safetensors", NULL);
  g_autofree char *output = g_build_filename (folder, "out", NULL);
  g_autofree char *contents = NULL;
  g_autoptr (Run) forward = NULL, generate = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (from, &contents, &size, NULL));
  g_assert_true (g_file_set_contents (input, contents, (gssize) size, NULL));
  replace_text (input, edit->old, edit->new);
  forward = run_command (NULL, "forward", "--model", model, "--input", input,
      "--output", output, NULL);
  assert_fails (forward, 1, "in.safetensors", edit->cause);
  g_assert_false (g_file_test (output, G_FILE_TEST_EXISTS));
  generate = run_command (NULL, "generate", "--model", model, "--input", input,
      NULL);
  assert_fails (generate, 1, "in.safetensors", edit->cause);
}

static void
test_bad_ids (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autofree char *from = g_build_filename (model, "input.safetensors", NULL);
  g_autofree char *input = g_build_filename (folder, "in.safetensors", NULL);
  g_autofree char *output = g_build_filename (folder, "out", NULL);
  g_autofree char *contents = NULL;
  const gint64 id = GINT64_TO_LE (97);
  g_autoptr (Run) large = NULL, shaped = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (from, &contents, &size, NULL));
  g_assert_true (g_file_set_contents (input, contents, (gssize) size, NULL));
  replace_bytes (input, get_header_size (input) + 8, &id, sizeof id);
  large = run_command (NULL, "forward", "--model", model, "--input", input,
      "--output", output, NULL);
  assert_fails (large, 1, "in.safetensors", "97");
  replace_text (input, "\"shape\":[2,9]", "\"shape\":[9,2]");
  shaped = run_command (NULL, "forward", "--model", model, "--input", input,
      "--output", output, NULL);
  assert_fails (shaped, 1, "in.safetensors", "[9, 2]");
}

/* --- texts -------------------------------------------------------------- */

static void
test_bad_lines (void)
{
  static const char *const texts[] = { "\"abc", "abc", "\"\\ud800\"",
    "\"\\u12\"", "\"\\x\"", "\"a\" b", "\"\xff\"", "\"\xe2\x82\"", "\"\x01\"",
    "" };
  static const char *const ids[] = { "[1", "[1,]", "1", "[1.5]", "[-1]",
    "[99999999999]", "[257]", "[1] 2", "" };
  g_autoptr (Folder) folder = make_folder ();

  write_tokenizer (folder);
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree char *input = g_strdup_printf ("\"\\u0000\"\n%s\n", texts[i]);
    g_autoptr (Run) run = run_command (input, "tokenize", "--language", folder,
        NULL);
    g_assert_cmpstr (run->out, ==, "[0]\n");
    *run->out = '\0';
    assert_fails (run, 1, "standard input", "line 2: ");
  }
  for (gsize i = 0; i < G_N_ELEMENTS (ids); i++) {
    g_autofree char *input = g_strdup_printf ("[0, 195, 34, 226, 130]\n%s\n",
        ids[i]);
    g_autoptr (Run) run = run_command (input, "tokenize", "--decode",
        "--language", folder, NULL);
    g_assert_cmpstr (run->out, ==, "\"\\u0000\357\277\275\\\"\357\277\275\"\n");
    *run->out = '\0';
    assert_fails (run, 1, "standard input", "line 2: ");
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (damages); i++) {
    g_autofree char *path = g_strconcat ("/command/bundle/", damages[i].test,
        NULL);
    g_test_add_data_func (path, &damages[i], test_damage);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (misfits); i++) {
    g_autofree char *path = g_strconcat ("/command/bundle/", misfits[i].test,
        NULL);
    g_test_add_data_func (path, &misfits[i], test_misfit);
  }
  g_test_add_func ("/command/bundle/another-vocabulary-is-refused",
      test_vocabulary_fits);
  g_test_add_func ("/command/bundle/missing-weights-are-named",
      test_no_weights);
  g_test_add_func ("/command/bundle/what-is-none-is-named", test_no_bundle);
  g_test_add_data_func ("/command/image/1x1-works", "1x1", test_extreme_image);
  g_test_add_data_func ("/command/image/20000x10-works", "20000x10",
      test_extreme_image);
  g_test_add_data_func ("/command/image/10x20000-works", "10x20000",
      test_extreme_image);
  g_test_add_func ("/command/image/what-is-none-is-named", test_bad_images);
  g_test_add_func ("/command/image/a-bomb-is-refused", test_image_bomb);
  for (gsize i = 0; i < G_N_ELEMENTS (edits); i++) {
    g_autofree char *path = g_strconcat ("/command/input/", edits[i].test,
        NULL);
    g_test_add_data_func (path, &edits[i], test_edited_input);
  }
  g_test_add_func ("/command/input/bad-ids-are-named", test_bad_ids);
  g_test_add_func ("/command/tokenize/a-bad-line-is-numbered", test_bad_lines);
  return g_test_run ();
}
