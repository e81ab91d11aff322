/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Training when things go wrong: disks that are full, runs that are killed at
 * any moment, data that does not fit. What was saved before stays whole, and a
 * run that goes on ends as one that never stopped. */

#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "model/ituning.h"
#include "tests/command/training.h"

/* --- disks that are full ------------------------------------------------ */

/* Runs the command where no file may grow beyond @blocks of 512 bytes: writing
 * fails as on a disk that is full. */
static Run *
run_limited (const char *blocks, const char *const *arguments)
{
  const char *const shell[] = { "/bin/sh", "-c",
    "trap '' XFSZ; ulimit -f $0; exec \"$@\"", blocks,
    g_getenv ("ITUNING_COMMAND") };
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (shell); i++)
    g_ptr_array_add (argv, (char *) shell[i]);
  for (gsize i = 0; arguments[i] != NULL; i++)
    g_ptr_array_add (argv, (char *) arguments[i]);
  g_ptr_array_add (argv, NULL);
  return run_program (NULL, (const char *const *) argv->pdata);
}

/* The run has made steps, and said so; its last line is the failure. */
static void
assert_stopped (Run *run, const char *name, const char *cause)
{
  const char *last = g_strrstr (run->err, "ituning: ");
  char *line;

  g_assert_nonnull (last);
  line = g_strdup (last);
  g_free (run->err);
  run->err = line;
  assert_fails (run, 1, name, cause);
}

/* Nothing but what a run leaves: no file that is not whole, but for a few bytes
 * of one of GLib's. */
static void
assert_no_leftovers (const char *folder, const char *name)
{
  static const char *const known[] = { "checkpoint.safetensors", "config.json",
    "costs.json", "curves.svg", "language", "log.jsonl", "model.safetensors",
    "preprocessor_config.json", NULL };
  g_autofree char *path = g_build_filename (folder, name, NULL);
  GDir *dir = g_dir_open (path, 0, NULL);
  const char *file;

  while ((file = g_dir_read_name (dir)) != NULL)
    if (!g_strv_contains (known, file) &&
        (strstr (file, ".safetensors") != NULL ||
            strlen (strrchr (file, '.')) != strlen (".XXXXXX")))
      g_error ("%s was left in %s", file, path);
  g_dir_close (dir);
}

#define STEPS "--steps", "60", "--checkpoint-every", "20", "--dropout", "0.1"

/* Leaves a folder as a run leaves it that ends at its first checkpoint: the
 * curves are written last, and there is no room for them. */
static void
begin (const char *folder, const char *name)
{
  g_autofree char *output = g_build_filename (folder, name, NULL);
  g_autofree char *log = g_build_filename (output, "log.jsonl", NULL);
  g_autofree char *checkpoint = g_build_filename (output,
      "checkpoint.safetensors", NULL);
  g_autofree char *device = g_build_filename (output, "curves.svg", NULL);
  g_autoptr (Run) run = NULL;

  g_assert_cmpint (g_mkdir (output, 0700), ==, 0);
  g_assert_cmpint (symlink ("/dev/full", device), ==, 0);
  run = TRAIN (folder, name, STEPS);
  assert_stopped (run, "curves.svg", "No space left on device");
  g_assert_true (g_file_test (checkpoint, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (log, G_FILE_TEST_EXISTS));
  g_assert_cmpint (g_unlink (device), ==, 0);
}

/* The run stops with the file's name, the checkpoint before stays as it was to
 * the byte, and with room again the run ends as if nothing had been. */
static void
test_full_disk_leaves_the_last_checkpoint (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = find_tiny ("");
  g_autofree char *features = find_tiny ("train_input.safetensors");
  g_autofree char *output = g_build_filename (folder, "parts", NULL);
  const char *const arguments[] = { "train", "--model", model, "--features",
    features, "-o", output, "--batch-size", "2", STEPS, "--resume", NULL };
  g_autoptr (Run) whole = TRAIN (folder, "whole", STEPS);
  g_autoptr (Run) limited = NULL, resumed = NULL;
  g_autofree char *before = NULL, *after = NULL;
  gsize n, m;

  g_assert_cmpint (whole->status, ==, 0);
  begin (folder, "parts");
  before = read_output (folder, "parts", "checkpoint.safetensors", &n);
  /* Room for the adapter, a third of the checkpoint. */
  limited = run_limited ("200", arguments);
  assert_stopped (limited, "parts/checkpoint.safetensors", "File too large");
  after = read_output (folder, "parts", "checkpoint.safetensors", &m);
  g_assert_cmpmem (before, n, after, m);
  assert_no_leftovers (folder, "parts");
  resumed = TRAIN (folder, "parts", STEPS, "--resume");
  g_assert_cmpint (resumed->status, ==, 0);
  assert_same_output (folder, "whole", "parts", "model.safetensors");
  assert_same_output (folder, "whole", "parts", "checkpoint.safetensors");
  assert_same_output (folder, "whole", "parts", "log.jsonl");
}

static void
test_full_disk_at_the_first_file (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = find_tiny ("");
  g_autofree char *features = find_tiny ("train_input.safetensors");
  g_autofree char *output = g_build_filename (folder, "out", NULL);
  const char *const arguments[] = { "train", "--model", model, "--features",
    features, "-o", output, "--batch-size", "2", STEPS, NULL };
  g_autoptr (Run) run = run_limited ("8", arguments);

  assert_fails (run, 1, "out/model.safetensors", "File too large");
  assert_no_leftovers (folder, "out");
}

/* The log of a run that goes on is not lost for want of room. */
static void
test_full_disk_leaves_the_log (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *output = g_build_filename (folder, "out", NULL);
  g_autofree char *log = g_build_filename (output, "log.jsonl", NULL);
  g_autoptr (Run) whole = TRAIN (folder, "out", STEPS, "--log-every", "1");
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autofree char *model = find_tiny ("");
  g_autofree char *features = find_tiny ("train_input.safetensors");
  const char *const arguments[] = { "train", "--model", model, "--features",
    features, "-o", output, "--batch-size", "2", STEPS, "--log-every", "1",
    "--resume", NULL };
  g_autoptr (Run) limited = NULL;
  g_autofree char *after = NULL;

  g_assert_cmpint (whole->status, ==, 0);
  /* Longer than the adapter, which is written first. */
  for (gsize i = 0; i < 4000; i++)
    g_string_append (lines, "{\"step\": 60, \"loss\": 1.25}\n");
  write_file (log, lines->str);
  limited = run_limited ("160", arguments);
  assert_fails (limited, 1, "out/log.jsonl", "File too large");
  after = read_output (folder, "out", "log.jsonl", NULL);
  g_assert_cmpstr (after, ==, lines->str);
}

static void
test_log_that_cannot_be_written_is_named (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *full = g_build_filename (folder, "full", NULL);
  g_autofree char *output = g_build_filename (folder, "out", "log.jsonl", NULL);
  g_autofree char *log = g_build_filename (full, "log.jsonl", NULL);
  g_autoptr (Run) blocked = NULL, run = NULL;

  g_assert_cmpint (g_mkdir_with_parents (output, 0700), ==, 0);
  blocked = TRAIN (folder, "out", "--steps", "1");
  assert_fails (blocked, 1, "out/log.jsonl", "Is a directory");
  g_assert_cmpint (g_mkdir (full, 0700), ==, 0);
  g_assert_cmpint (symlink ("/dev/full", log), ==, 0);
  run = TRAIN (folder, "full", "--steps", "10");
  assert_stopped (run, "full/log.jsonl", "No space left on device");
}

/* --- killed at any moment ----------------------------------------------- */

/* What a kind of training is started with, from a folder with its data. */
typedef Run *(*Start) (const char *folder, const char *name, gboolean resume,
    GSubprocess **process);

static GSubprocess *
spawn (const char *const *arguments)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  GSubprocess *process;

  g_ptr_array_add (argv, (char *) g_getenv ("ITUNING_COMMAND"));
  for (gsize i = 0; arguments[i] != NULL; i++)
    g_ptr_array_add (argv, (char *) arguments[i]);
  g_ptr_array_add (argv, NULL);
  process = g_subprocess_newv ((const char *const *) argv->pdata,
      G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error);
  g_assert_no_error (error);
  return process;
}

/* Runs it, or starts it when @process is to be given. */
static Run *
start (const char *const *arguments, GSubprocess **process)
{
  if (process == NULL)
    return run_argv (NULL, arguments);
  *process = spawn (arguments);
  return NULL;
}

#define OFTEN "--checkpoint-every", "5", "--log-every", "5", "--batch-size", "2"

static Run *
start_adapter (const char *folder, const char *name, gboolean resume,
    GSubprocess **process)
{
  g_autofree char *model = find_tiny ("");
  g_autofree char *features = find_tiny ("train_input.safetensors");
  g_autofree char *output = g_build_filename (folder, name, NULL);
  const char *const arguments[] = { "train", "--model", model, "--features",
    features, "-o", output, OFTEN, "--steps", "150", "--unfreeze", "language",
    resume ? "--resume" : NULL, NULL };

  return start (arguments, process);
}

static Run *
start_language (const char *folder, const char *name, gboolean resume,
    GSubprocess **process)
{
  g_autofree char *features = find_tiny ("train_input.safetensors");
  g_autofree char *output = g_build_filename (folder, name, NULL);
  const char *const arguments[] = { "pretrain", "gpt2", "--features", features,
    "--tokenizer", folder, "-o", output, OFTEN, "--steps", "150", "--width",
    "32", "--layers", "2", "--heads", "2", "--seed", "5",
    resume ? "--resume" : NULL, NULL };

  return start (arguments, process);
}

static Run *
start_clip (const char *folder, const char *name, gboolean resume,
    GSubprocess **process)
{
  g_autofree char *features = g_build_filename (folder, "pixels", NULL);
  g_autofree char *output = g_build_filename (folder, name, NULL);
  const char *const arguments[] = { "pretrain", "clip", "--features", features,
    "--tokenizer", folder, "-o", output, OFTEN, "--steps", "150", "--width",
    "16", "--layers", "2", "--heads", "2", "--patch-size", "8", "--embedding",
    "8", "--text-width", "16", "--text-layers", "1", "--text-heads", "2",
    "--captioning", "1", resume ? "--resume" : NULL, NULL };

  return start (arguments, process);
}

/* Four images of noise, with a caption each. */
static void
write_pixels (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "pixels", NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  g_autoptr (GError) error = NULL;
  guint8 pixels[4 * 16 * 16 * 3];
  gint64 ids[4 * 5], lengths[] = { 5, 4, 3, 5 };
  const ItuningTensor tensors[] = {
    { "pictures", ITUNING_TYPE_U8, 4, { 4, 16, 16, 3 }, pixels, sizeof pixels },
    { "input_ids", ITUNING_TYPE_I64, 2, { 4, 5 }, ids, sizeof ids },
    { "lengths", ITUNING_TYPE_I64, 1, { 4 }, lengths, sizeof lengths },
  };

  for (gsize i = 0; i < sizeof pixels; i++)
    pixels[i] = (guint8) g_rand_int_range (rand, 0, 256);
  for (gsize i = 0; i < G_N_ELEMENTS (ids); i++)
    ids[i] = g_rand_int_range (rand, 97, 123);
  ituning_tensors_save (path, tensors, G_N_ELEMENTS (tensors), &error);
  g_assert_no_error (error);
}

/* Whatever the moment was, the file is whole. */
static void
assert_whole (const char *folder, const char *name, const char *file)
{
  g_autofree char *path = g_build_filename (folder, name, file, NULL);
  g_autoptr (ItuningTensors) tensors = NULL;
  g_autoptr (GError) error = NULL;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return;
  tensors = ituning_tensors_open (path, &error);
  g_assert_no_error (error);
  g_assert_nonnull (tensors);
}

static void
test_killed_at_any_moment (gconstpointer data)
{
  static const Start starts[] = { start_adapter, start_language, start_clip };
  const Start begin_run = starts[GPOINTER_TO_SIZE (data)];
  g_autoptr (Folder) folder = make_folder ();
  g_autoptr (Run) whole = NULL, last = NULL;
  guint n_killed = 0;

  write_tokenizer (folder);
  write_pixels (folder);
  whole = begin_run (folder, "whole", FALSE, NULL);
  g_assert_cmpint (whole->status, ==, 0);
  for (guint i = 0; i < 8; i++) {
    g_autoptr (GSubprocess) process = NULL;
    begin_run (folder, "parts", TRUE, &process);
    g_usleep ((gulong) g_test_rand_int_range (10000, 120000));
    g_subprocess_send_signal (process, SIGKILL);
    g_assert_true (g_subprocess_wait (process, NULL, NULL));
    n_killed += g_subprocess_get_if_signaled (process);
    assert_whole (folder, "parts", "checkpoint.safetensors");
    assert_whole (folder, "parts", "model.safetensors");
  }
  g_test_message ("%u of 8 runs were killed", n_killed);
  last = begin_run (folder, "parts", TRUE, NULL);
  g_assert_cmpint (last->status, ==, 0);
  assert_same_output (folder, "whole", "parts", "model.safetensors");
  assert_same_output (folder, "whole", "parts", "checkpoint.safetensors");
  assert_same_output (folder, "whole", "parts", "log.jsonl");
  assert_no_leftovers (folder, "parts");
}

/* --- data that does not fit --------------------------------------------- */

/* One caption of the tiny model's kind, of an image of @n tokens, all @value. */
static char *
write_features (const char *folder, const char *name, gsize n, gsize width,
    float value)
{
  char *path = g_build_filename (folder, name, NULL);
  g_autofree float *tokens = g_new (float, n *width);
  const gint32 ids[] = { 96, 1, 96 }, length = 3;
  g_autoptr (GError) error = NULL;
  const ItuningTensor tensors[] = {
    { "visual_tokens", ITUNING_TYPE_F32, 3, { 1, n, width }, tokens,
        n * width * sizeof (float) },
    { "input_ids", ITUNING_TYPE_I32, 2, { 1, 3 }, ids, sizeof ids },
    { "lengths", ITUNING_TYPE_I32, 1, { 1 }, &length, sizeof length },
  };

  for (gsize i = 0; i < n * width; i++)
    tokens[i] = value;
  ituning_tensors_save (path, tensors, G_N_ELEMENTS (tensors), &error);
  g_assert_no_error (error);
  return path;
}

/* A log whose last validation was broken off gets it from the next run. */
static void
test_broken_off_validation_is_made_up_for (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *data = find_tiny ("train_input.safetensors");
  g_autofree char *path = g_build_filename (folder, "out", "log.jsonl", NULL);
  g_autofree char *whole = NULL, *again = NULL;
  g_autoptr (Run) first = TRAIN (folder, "out", "--steps", "4", "--validation",
      data, "--validate-every", "2");
  g_autoptr (Run) second = NULL;
  char *last;

  g_assert_cmpint (first->status, ==, 0);
  whole = read_output (folder, "out", "log.jsonl", NULL);
  again = g_strdup (whole);
  last = strstr (again, "{\"step\": 4, \"validation_loss\"");
  g_assert_nonnull (last);
  *last = '\0';
  write_file (path, again);
  second = TRAIN (folder, "out", "--steps", "4", "--validation", data,
      "--validate-every", "2", "--resume");
  g_assert_cmpint (second->status, ==, 0);
  g_free (again);
  again = read_output (folder, "out", "log.jsonl", NULL);
  g_assert_cmpstr (again, ==, whole);
}

/* Before the first step, not when the first validation is due. */
static void
test_validation_of_another_model_is_refused_at_once (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *other = write_features (folder, "other", 17, 48, 0.1f);
  g_autofree char *log = g_build_filename (folder, "out", "log.jsonl", NULL);
  g_autoptr (Run) run = TRAIN (folder, "out", "--validation", other, "--steps",
      "2000", "--validate-every", "1000");
  g_autofree char *fewer = write_features (folder, "few", 16, 64, 0.1f);
  g_autoptr (Run) few = TRAIN (folder, "out", "--validation", fewer, "--steps",
      "2000", "--validate-every", "1000");

  assert_fails (run, 1, "other", "width 48");
  assert_fails (few, 1, "few", "16 visual tokens");
  g_assert_false (g_file_test (log, G_FILE_TEST_EXISTS));
}

/* What a run has left in a bundle is no adapter that it would go on with in
 * another form: the same command takes up its checkpoint. */
static void
test_run_in_the_models_own_folder_goes_on (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *data = find_tiny ("train_input.safetensors");
  g_autofree char *vision = find_tiny ("vision");
  g_autofree char *language = find_tiny ("language");
  g_autofree char *own_vision = g_build_filename (folder, "vision", NULL);
  g_autofree char *own_language = g_build_filename (folder, "language", NULL);
  g_autofree char *output = g_build_filename (folder, "adapter", NULL);
  const char *line[] = { "train", "--model", folder, "--features", data, "-o",
    output, "--layers", "top:1", "--steps", "2", NULL, NULL };
  g_autoptr (Run) first = NULL, again = NULL, unasked = NULL, other = NULL;

  g_assert_cmpint (symlink (vision, own_vision), ==, 0);
  g_assert_cmpint (symlink (language, own_language), ==, 0);
  first = run_argv (NULL, line);
  g_assert_cmpint (first->status, ==, 0);
  unasked = run_argv (NULL, line);
  assert_fails (unasked, 1, "holds a run", "--resume");
  line[G_N_ELEMENTS (line) - 2] = "--force";
  other = run_argv (NULL, line);
  assert_fails (other, 2, "has an adapter", "--fresh");
  line[G_N_ELEMENTS (line) - 2] = "--resume";
  again = run_argv (NULL, line);
  g_assert_cmpint (again->status, ==, 0);
}

static void
test_features_that_are_not_finite_are_named (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *bad = write_features (folder, "bad", 17, 64, NAN);
  g_autoptr (Run) run = TRAIN (folder, "out", "--features", bad, "--steps",
      "2");

  assert_fails (run, 1, "bad", "image 0 hold a NaN");
}

static void
test_visual_tokens_make_no_vision_tower (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *features = find_tiny ("train_input.safetensors");
  g_autofree char *output = g_build_filename (folder, "out", NULL);
  g_autoptr (Run) run = NULL;

  write_tokenizer (folder);
  run = run_command (NULL, "pretrain", "clip", "--features", features,
      "--tokenizer", folder, "-o", output, NULL);
  assert_fails (run, 1, "train_input.safetensors", "wanted pixels");
}

static void
test_sizes_without_sense_are_refused (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autoptr (Run) batch = TRAIN (folder, "out", "--batch-size", "1048576",
      "--accumulate", "1048576");
  g_autoptr (Run) epochs = TRAIN (folder, "out", "--epochs",
      "9223372036854775807");

  assert_fails (batch, 2, "train", "captions");
  assert_fails (epochs, 2, "train", "epochs");
}

/* --- what is written ---------------------------------------------------- */

/* A language model that divides its attention otherwise does so after it was
 * trained, too. */
static void
test_trained_language_keeps_its_config (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = copy_bundle (folder, "tiny");
  g_autofree char *config = g_build_filename (model, "language", "config.json",
      NULL);
  g_autofree char *features = find_tiny ("train_input.safetensors");
  g_autofree char *output = g_build_filename (folder, "out", NULL);
  g_autofree char *written = NULL;
  g_autoptr (Run) run = NULL;

  replace_text (config, "\"n_layer\"",
      "\"scale_attn_weights\":false,"
      "\"scale_attn_by_inverse_layer_idx\":true,\"n_layer\"");
  run = run_command (NULL, "train", "--model", model, "--features", features,
      "-o", output, "--steps", "1", "--unfreeze", "language", NULL);
  g_assert_cmpint (run->status, ==, 0);
  written = read_output (folder, "out", "language/config.json", NULL);
  g_assert_nonnull (strstr (written, "\"scale_attn_weights\" : false"));
  g_assert_nonnull (
      strstr (written, "\"scale_attn_by_inverse_layer_idx\" : true"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trainfaults/full-disk-leaves-the-last-checkpoint",
      test_full_disk_leaves_the_last_checkpoint);
  g_test_add_func ("/trainfaults/full-disk-at-the-first-file",
      test_full_disk_at_the_first_file);
  g_test_add_func ("/trainfaults/full-disk-leaves-the-log",
      test_full_disk_leaves_the_log);
  g_test_add_func ("/trainfaults/log-that-cannot-be-written-is-named",
      test_log_that_cannot_be_written_is_named);
  g_test_add_data_func ("/trainfaults/killed-at-any-moment/adapter",
      GSIZE_TO_POINTER (0), test_killed_at_any_moment);
  g_test_add_data_func ("/trainfaults/killed-at-any-moment/language",
      GSIZE_TO_POINTER (1), test_killed_at_any_moment);
  g_test_add_data_func ("/trainfaults/killed-at-any-moment/clip",
      GSIZE_TO_POINTER (2), test_killed_at_any_moment);
  g_test_add_func ("/trainfaults/broken-off-validation-is-made-up-for",
      test_broken_off_validation_is_made_up_for);
  g_test_add_func (
      "/trainfaults/validation-of-another-model-is-refused-at-once",
      test_validation_of_another_model_is_refused_at_once);
  g_test_add_func ("/trainfaults/run-in-the-models-own-folder-goes-on",
      test_run_in_the_models_own_folder_goes_on);
  g_test_add_func ("/trainfaults/features-that-are-not-finite-are-named",
      test_features_that_are_not_finite_are_named);
  g_test_add_func ("/trainfaults/visual-tokens-make-no-vision-tower",
      test_visual_tokens_make_no_vision_tower);
  g_test_add_func ("/trainfaults/sizes-without-sense-are-refused",
      test_sizes_without_sense_are_refused);
  g_test_add_func ("/trainfaults/trained-language-keeps-its-config",
      test_trained_language_keeps_its_config);
  return g_test_run ();
}
