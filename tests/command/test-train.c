/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning train` as a user runs it: the numbers of an independent reference,
 * runs that are broken off, and what is refused. */

#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "model/ituning.h"
#include "tests/command/training.h"

/* --- the reference ------------------------------------------------------ */

static ItuningTensors *
open_tensors (const char *path)
{
  g_autoptr (GError) error = NULL;
  ItuningTensors *tensors = ituning_tensors_open (path, &error);

  g_assert_no_error (error);
  return tensors;
}

/* Largest difference as a part of the largest value. */
static double
compare (const ItuningTensor *got, const ItuningTensor *want)
{
  const float *x, *y;
  double largest = 0.0, worst = 0.0;

  g_assert_nonnull (got);
  g_assert_cmpuint (got->size, ==, want->size);
  x = got->data;
  y = want->data;
  for (gsize i = 0; i < want->size / sizeof (float); i++) {
    g_assert_true (isfinite (x[i]));
    largest = MAX (largest, fabs ((double) y[i]));
    worst = MAX (worst, fabs ((double) x[i] - (double) y[i]));
  }
  return worst / largest;
}

/* A module's keys do not feel their bias: softmax takes away what all have in
 * common. Its gradient is 0 but for rounding, of which AdamW makes whole steps. */
static gboolean
has_no_gradient (const char *name)
{
  return g_str_has_suffix (name, "k_proj.bias");
}

/* One value's gradient there is so near to 0 that even 64 bits of another order
 * give it another sign in one of the steps; seen: 2.7e-4. */
static double
get_limit (const char *name)
{
  return g_str_equal (name, "after5.h.2.ituning.k_proj.weight") ? 1e-3 : 1e-4;
}

static void
check_tensors (const ItuningTensors *expected, const ItuningTensors *exact,
    const ItuningTensors *gradients, const ItuningTensors *weights)
{
  gsize n_checked = 0;

  for (gsize i = 0; i < ituning_tensors_get_count (expected); i++) {
    const ItuningTensor *want = ituning_tensors_get (expected, i);
    const char *name = strchr (want->name, '.');
    const gboolean gradient = g_str_has_prefix (want->name, "grad.");
    const ItuningTensor *better = ituning_tensors_lookup (exact, want->name);
    double error;

    if (name == NULL || has_no_gradient (want->name))
      continue;
    error = compare (ituning_tensors_lookup (gradient ? gradients : weights,
                         name + 1),
        better != NULL ? better : want);
    g_test_message ("%s: %.2e", want->name, error);
    g_assert_cmpfloat (error, <, get_limit (want->name));
    n_checked++;
  }
  g_assert_cmpuint (n_checked, ==, 42);
}

static double
read_loss (const char *line)
{
  const char *found = strstr (line, "\"loss\": ");

  g_assert_nonnull (found);
  return g_ascii_strtod (found + 8, NULL);
}

static void
check_losses (const ItuningTensors *expected, const char *log)
{
  const float *losses = ituning_tensors_lookup (expected, "losses")->data;
  g_auto (GStrv) lines = g_strsplit (log, "\n", -1);

  for (guint i = 0; i < 5; i++) {
    g_assert_cmpfloat_with_epsilon (read_loss (lines[i]), (double) losses[i],
        1e-4 * (double) losses[i]);
  }
}

static void
test_five_steps_are_the_references (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *grad = g_build_filename (folder, "grad", NULL);
  g_autofree char *weights_path = g_build_filename (folder, "out",
      "model.safetensors", NULL);
  g_autofree char *expected_path = find_tiny ("train_expected.safetensors");
  g_autofree char *exact_path = find_tiny ("train64.safetensors");
  g_autoptr (Run) run = TRAIN (folder, "out", "--steps", "5", "--lr", "1e-3",
      "--weight-decay", "0.01", "--schedule", "constant", "--max-grad-norm",
      "0", "--log-every", "1", "--save-gradients", grad);
  g_autoptr (ItuningTensors) expected = open_tensors (expected_path);
  g_autoptr (ItuningTensors) exact = open_tensors (exact_path);
  g_autoptr (ItuningTensors) gradients = NULL, weights = NULL;
  g_autofree char *log = NULL;

  g_assert_cmpint (run->status, ==, 0);
  gradients = open_tensors (grad);
  weights = open_tensors (weights_path);
  check_tensors (expected, exact, gradients, weights);
  log = read_output (folder, "out", "log.jsonl", NULL);
  check_losses (expected, log);
}

/* Three steps through a frozen model. Returns the log. */
static char *
train_through (const char *folder, const char *model, const char *name)
{
  g_autofree char *path = g_build_filename (folder, model, NULL);
  g_autofree char *features = find_tiny ("train_input.safetensors");
  g_autofree char *output = g_build_filename (folder, name, NULL);
  g_autofree char *gradients = g_strconcat (output, ".gradients", NULL);
  g_autoptr (Run) run = run_command (NULL, "train", "--model", path,
      "--features", features, "-o", output, "--steps", "3", "--log-every", "1",
      "--save-gradients", gradients, NULL);

  g_assert_cmpint (run->status, ==, 0);
  return read_output (folder, name, "log.jsonl", NULL);
}

static void
assert_same_gradients (const char *folder)
{
  g_autofree char *a_path = g_build_filename (folder, "a.gradients", NULL);
  g_autofree char *b_path = g_build_filename (folder, "b.gradients", NULL);
  g_autoptr (ItuningTensors) a = open_tensors (a_path);
  g_autoptr (ItuningTensors) b = open_tensors (b_path);

  g_assert_cmpuint (ituning_tensors_get_count (b), >, 0);
  for (gsize i = 0; i < ituning_tensors_get_count (b); i++) {
    const ItuningTensor *want = ituning_tensors_get (b, i);
    if (!has_no_gradient (want->name))
      g_assert_cmpfloat (compare (ituning_tensors_lookup (a, want->name), want),
          <, 1e-5);
  }
}

/* Matrices of 16 bits, used in place, and the same values as F32. */
static void
test_halves_are_trained_through_as_floats (void)
{
  static const char *const types[] = { "f16", "bf16" };

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    g_autoptr (Folder) folder = make_folder ();
    g_autofree char *tiny = find_tiny ("");
    g_autofree char *narrow = g_build_filename (folder, "narrow.gguf", NULL);
    g_autofree char *wide = g_build_filename (folder, "wide.gguf", NULL);
    g_autoptr (Run) first = run_command (NULL, "convert", tiny, "--type",
        types[i], "-o", narrow, NULL);
    g_autoptr (Run) second = run_command (NULL, "convert", narrow, "--type",
        "f32", "-o", wide, NULL);
    g_autofree char *a = train_through (folder, "narrow.gguf", "a");
    g_autofree char *b = train_through (folder, "wide.gguf", "b");
    g_auto (GStrv) lines = g_strsplit (a, "\n", -1);
    g_auto (GStrv) wanted = g_strsplit (b, "\n", -1);
    g_assert_cmpint (first->status, ==, 0);
    g_assert_cmpint (second->status, ==, 0);
    for (guint step = 0; step < 3; step++)
      g_assert_cmpfloat_with_epsilon (read_loss (lines[step]),
          read_loss (wanted[step]), 1e-5);
    assert_same_gradients (folder);
  }
}

static void
test_threads_change_nothing (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autoptr (Run) one = TRAIN (folder, "one", "--steps", "20", "--threads", "1",
      "--dropout", "0.1");
  g_autoptr (Run) three = TRAIN (folder, "three", "--steps", "20", "--threads",
      "3", "--dropout", "0.1");

  g_assert_cmpint (one->status, ==, 0);
  g_assert_cmpint (three->status, ==, 0);
  assert_same_output (folder, "one", "three", "model.safetensors");
  assert_same_output (folder, "one", "three", "log.jsonl");
}

/* --- broken off --------------------------------------------------------- */

#define LONG_RUN \
  "--steps", "3000", "--checkpoint-every", "100", "--log-every", "10", \
      "--dropout", "0.2", "--warmup-steps", "50", "--label-smoothing", "0.1"

/* Starts a long run and sends it a signal when it has a checkpoint. Returns its
 * status, 128 + the signal when that ended it. */
static int
break_off (const char *folder, const char *name, int signal)
{
  g_autofree char *model = find_tiny ("");
  g_autofree char *features = find_tiny ("train_input.safetensors");
  g_autofree char *output = g_build_filename (folder, name, NULL);
  g_autofree char *checkpoint = g_build_filename (output,
      "checkpoint.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
          g_getenv ("ITUNING_COMMAND"), "train", "--model", model, "--features",
          features, "-o", output, "--batch-size", "2", LONG_RUN, NULL);

  g_assert_no_error (error);
  while (!g_file_test (checkpoint, G_FILE_TEST_EXISTS))
    g_usleep (500); /* a run that hangs fails by the test's time limit */
  g_subprocess_send_signal (process, signal);
  g_assert_true (g_subprocess_wait (process, NULL, NULL));
  return g_subprocess_get_if_exited (process)
      ? g_subprocess_get_exit_status (process)
      : 128 + g_subprocess_get_term_sig (process);
}

static void
check_resumed (int signal, int status)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autoptr (Run) whole = TRAIN (folder, "whole", LONG_RUN);
  g_autoptr (Run) resumed = NULL;

  g_assert_cmpint (whole->status, ==, 0);
  g_assert_cmpint (break_off (folder, "parts", signal), ==, status);
  resumed = TRAIN (folder, "parts", LONG_RUN, "--resume");
  g_assert_cmpint (resumed->status, ==, 0);
  assert_same_output (folder, "whole", "parts", "model.safetensors");
  assert_same_output (folder, "whole", "parts", "checkpoint.safetensors");
  assert_same_output (folder, "whole", "parts", "log.jsonl");
}

static void
test_killed_run_goes_on_to_the_same_end (void)
{
  check_resumed (SIGKILL, 128 + SIGKILL);
}

static void
test_interrupted_run_goes_on_to_the_same_end (void)
{
  check_resumed (SIGINT, 130);
}

static void
test_checkpoint_of_another_run_is_refused (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autoptr (Run) first = TRAIN (folder, "out", "--steps", "4");
  g_autoptr (Run) seed = TRAIN (folder, "out", "--steps", "4", "--seed", "1",
      "--resume");
  g_autoptr (Run) steps = TRAIN (folder, "out", "--steps", "5", "--resume");
  g_autoptr (Run) rate = TRAIN (folder, "out", "--steps", "4", "--lr", "1",
      "--resume");
  g_autoptr (Run) scale = TRAIN (folder, "out", "--steps", "4", "--fresh",
      "--scale", "7", "--resume");

  g_assert_cmpint (first->status, ==, 0);
  assert_fails (seed, 1, "checkpoint.safetensors", "another seed");
  assert_fails (steps, 1, "checkpoint.safetensors", "another steps");
  assert_fails (rate, 1, "checkpoint.safetensors", "learning rate");
  assert_fails (scale, 1, "checkpoint.safetensors", "another model");
}

/* Hours of work are not lost to a forgotten --resume. */
static void
test_run_is_not_replaced_unasked (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *checkpoint = g_build_filename (folder, "out",
      "checkpoint.safetensors", NULL);
  g_autoptr (Run) first = TRAIN (folder, "out", "--steps", "2");
  g_autoptr (Run) unasked = NULL, both = NULL, model = NULL, forced = NULL;
  g_autofree char *before = NULL, *after = NULL, *last = NULL;
  gsize n_before, n_after, n_last;

  g_assert_cmpint (first->status, ==, 0);
  before = read_output (folder, "out", "model.safetensors", &n_before);
  unasked = TRAIN (folder, "out", "--steps", "3");
  assert_fails (unasked, 1, "out: holds a run", "--resume");
  both = TRAIN (folder, "out", "--steps", "3", "--resume", "--force");
  assert_fails (both, 2, "--resume or --force", "");
  g_assert_cmpint (g_unlink (checkpoint), ==, 0);
  model = TRAIN (folder, "out", "--steps", "3");
  assert_fails (model, 1, "out: holds a trained model", "--force");
  after = read_output (folder, "out", "model.safetensors", &n_after);
  g_assert_cmpmem (before, n_before, after, n_after);
  forced = TRAIN (folder, "out", "--steps", "3", "--force");
  g_assert_cmpint (forced->status, ==, 0);
  last = read_output (folder, "out", "model.safetensors", &n_last);
  g_assert_false (n_last == n_before && memcmp (last, before, n_last) == 0);
}

/* --- what is trained ---------------------------------------------------- */

/* Three times two captions in steps of four: every one is seen so often. */
static void
test_epochs_are_whole (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autoptr (Run) run = TRAIN (folder, "out", "--epochs", "3", "--batch-size",
      "4", "--log-every", "1");
  g_autofree char *log = NULL;

  g_assert_cmpint (run->status, ==, 0);
  log = read_output (folder, "out", "log.jsonl", NULL);
  g_assert_nonnull (strstr (log, "\"step\": 2"));
  g_assert_null (strstr (log, "\"step\": 3"));
}

static void
test_upper_layers_alone (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autoptr (Run) run = TRAIN (folder, "out", "--fresh", "--layers", "top:1",
      "--bottleneck", "8", "--heads", "2", "--steps", "30", "--lr", "0.01");
  g_autofree char *model = find_tiny ("");
  g_autofree char *adapter = g_build_filename (folder, "out", NULL);
  const ItuningModelOptions options = { .adapter = adapter };
  g_autoptr (ItuningModel) opened = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (run->status, ==, 0);
  opened = ituning_model_open (model, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (ituning_model_get_info (opened)->adapter.n_layers, ==, 1);
  g_assert_cmpuint (ituning_model_get_info (opened)->adapter.layers[0], ==, 2);
  g_assert_cmpuint (ituning_model_get_info (opened)->adapter.num_heads, ==, 2);
}

static double
read_last_loss (const char *folder, const char *name)
{
  g_autofree char *log = read_output (folder, name, "log.jsonl", NULL);
  const char *found = g_strrstr (log, "\"loss\": ");

  g_assert_nonnull (found);
  return g_ascii_strtod (found + 8, NULL);
}

/* What an adapter cannot learn of two captions, a whole language model can. */
static void
test_unfrozen_language_learns_more (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autoptr (Run) frozen = TRAIN (folder, "frozen", "--steps", "60", "--lr",
      "0.01");
  g_autoptr (Run) whole = TRAIN (folder, "whole", "--steps", "60", "--lr",
      "0.01", "--unfreeze", "language");
  g_autofree char *path = g_build_filename (folder, "whole", "language",
      "model.safetensors", NULL);

  g_assert_cmpint (frozen->status, ==, 0);
  g_assert_cmpint (whole->status, ==, 0);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  g_assert_cmpfloat (read_last_loss (folder, "whole"), <,
      0.5 * read_last_loss (folder, "frozen"));
}

/* A prefix of the image embedding, and no modules: it is trained, packed and
 * captions with. */
static void
test_prefix_is_an_adapter (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autoptr (Run) run = TRAIN (folder, "out", "--fresh", "--method", "prefix",
      "--prefix-length", "4", "--steps", "60", "--lr", "0.01");
  g_autoptr (Run) long_one = TRAIN (folder, "long", "--fresh", "--method",
      "prefix", "--prefix-length", "32", "--steps", "1");
  g_autoptr (Run) other = TRAIN (folder, "other", "--method", "lora");
  g_autofree char *model = find_tiny ("");
  g_autofree char *adapter = g_build_filename (folder, "out", NULL);
  g_autofree char *packed = g_build_filename (folder, "packed.gguf", NULL);
  g_autofree char *image = g_test_build_filename (G_TEST_DIST, "data",
      "preprocess", "blobs-48x64.png", NULL);
  g_autoptr (Run) convert = NULL, apart = NULL, together = NULL;
  g_autoptr (Run) inspect = NULL;

  g_assert_cmpint (run->status, ==, 0);
  g_assert_cmpfloat (read_last_loss (folder, "out"), <, 3.0);
  assert_fails (long_one, 1, "a prefix of 32", "32 positions");
  assert_fails (other, 2, "lora", "prefix");
  convert = run_command (NULL, "convert", "--model", model, "--adapter",
      adapter, "-o", packed, NULL);
  g_assert_cmpint (convert->status, ==, 0);
  inspect = run_command (NULL, "inspect", packed, NULL);
  g_assert_nonnull (strstr (inspect->out, "prefix of 4 embeddings"));
  apart = run_command (NULL, "caption", "--model", model, "--adapter", adapter,
      "--max-new-tokens", "20", image, NULL);
  together = run_command (NULL, "caption", "--model", packed,
      "--max-new-tokens", "20", image, NULL);
  g_assert_cmpint (apart->status, ==, 0);
  g_assert_cmpstr (apart->out, ==, together->out);
}

/* --- refusals ----------------------------------------------------------- */

static void
test_bad_input_is_named (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = find_tiny ("");
  g_autofree char *expected = find_tiny ("expected.safetensors");
  g_autofree char *file = g_build_filename (folder, "file", NULL);
  g_autoptr (Run) nothing = run_command (NULL, "train", "--model", model, NULL);
  g_autoptr (Run) missing = run_command (NULL, "train", "--model", model,
      "--features", "/nowhere", "-o", file, NULL);
  g_autoptr (Run) wrong = run_command (NULL, "train", "--model", model,
      "--features", expected, "-o", file, NULL);
  g_autoptr (Run) layers = TRAIN (folder, "out", "--layers", "bottom:1");
  g_autoptr (Run) many = TRAIN (folder, "out", "--fresh", "--layers", "top:9");
  g_autoptr (Run) heads = TRAIN (folder, "out", "--fresh", "--heads", "5");
  g_autoptr (Run) rate = TRAIN (folder, "out", "--lr", "0");
  g_autoptr (Run) both = TRAIN (folder, "out", "--steps", "1", "--epochs", "1");
  g_autoptr (Run) old = TRAIN (folder, "out", "--bottleneck", "8");
  g_autoptr (Run) images = TRAIN (folder, "out", "--images", folder);
  g_autoptr (Run) unwritable = NULL;

  assert_fails (old, 2, "has an adapter", "--fresh");
  assert_fails (images, 2, "--images", "--captions");
  assert_fails (nothing, 2, "train", "--features");
  assert_fails (missing, 1, "/nowhere", "No such file");
  assert_fails (wrong, 1, "expected.safetensors", "input_ids");
  assert_fails (layers, 2, "bottom:1", "top:N");
  assert_fails (many, 1, "9", "3");
  assert_fails (heads, 1, "24", "5 heads");
  assert_fails (rate, 1, "lr", "more than 0");
  assert_fails (both, 2, "--steps", "not both");
  write_file (file, "in the way");
  unwritable = TRAIN (folder, "file", "--steps", "1");
  assert_fails (unwritable, 1, "file", "");
}

/* The run stops, and what it had saved before is whole. */
static void
test_loss_that_overflows_stops_the_run (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autoptr (Run) good = TRAIN (folder, "out", "--steps", "2");
  g_autoptr (Run) bad = TRAIN (folder, "out", "--steps", "50", "--lr", "1e30",
      "--max-grad-norm", "0", "--weight-decay", "0", "--schedule", "constant",
      "--checkpoint-every", "1", "--force");
  g_autofree char *path = g_build_filename (folder, "out",
      "checkpoint.safetensors", NULL);
  g_autoptr (ItuningTensors) checkpoint = NULL;

  g_assert_cmpint (good->status, ==, 0);
  g_assert_cmpint (bad->status, ==, 1);
  g_assert_nonnull (strstr (bad->err, "is not finite"));
  checkpoint = open_tensors (path);
  g_assert_nonnull (ituning_tensors_lookup (checkpoint, "state"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/train/five-steps-are-the-references",
      test_five_steps_are_the_references);
  g_test_add_func ("/train/halves-are-trained-through-as-floats",
      test_halves_are_trained_through_as_floats);
  g_test_add_func ("/train/threads-change-nothing",
      test_threads_change_nothing);
  g_test_add_func ("/train/killed-run-goes-on-to-the-same-end",
      test_killed_run_goes_on_to_the_same_end);
  g_test_add_func ("/train/interrupted-run-goes-on-to-the-same-end",
      test_interrupted_run_goes_on_to_the_same_end);
  g_test_add_func ("/train/checkpoint-of-another-run-is-refused",
      test_checkpoint_of_another_run_is_refused);
  g_test_add_func ("/train/run-is-not-replaced-unasked",
      test_run_is_not_replaced_unasked);
  g_test_add_func ("/train/epochs-are-whole", test_epochs_are_whole);
  g_test_add_func ("/train/upper-layers-alone", test_upper_layers_alone);
  g_test_add_func ("/train/unfrozen-language-learns-more",
      test_unfrozen_language_learns_more);
  g_test_add_func ("/train/prefix-is-an-adapter", test_prefix_is_an_adapter);
  g_test_add_func ("/train/bad-input-is-named", test_bad_input_is_named);
  g_test_add_func ("/train/loss-that-overflows-stops-the-run",
      test_loss_that_overflows_stops_the_run);
  return g_test_run ();
}
