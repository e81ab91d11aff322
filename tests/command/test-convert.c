/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning convert`: one file that serves as the folders do, and what is wrong
 * with a file that does not. */

#include <string.h>

#include "model/ituning.h"
#include "tests/command/run.h"

typedef struct
{
  char *folder, *bundle, *image, *packed;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Run) run = NULL;

  fixture->folder = make_folder ();
  fixture->bundle = g_test_build_filename (G_TEST_DIST, "data", "tiny", NULL);
  fixture->image = g_test_build_filename (G_TEST_DIST, "data", "preprocess",
      "blobs-48x64.png", NULL);
  fixture->packed = g_build_filename (fixture->folder, "tiny.gguf", NULL);
  run = run_command (NULL, "convert", fixture->bundle, "-o", fixture->packed,
      NULL);
  assert_works (run);
  g_assert_cmpstr (run->out, ==, "");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  remove_folder (fixture->folder);
  g_free (fixture->bundle);
  g_free (fixture->image);
  g_free (fixture->packed);
}

static char *
read_file (const char *path, gsize *size)
{
  char *bytes = NULL;

  g_assert_true (g_file_get_contents (path, &bytes, size, NULL));
  return bytes;
}

static void
assert_same_files (const char *a, const char *b)
{
  gsize n, m;
  g_autofree char *x = read_file (a, &n), *y = read_file (b, &m);

  g_assert_cmpmem (x, n, y, m);
}

static void
test_description_is_shown_and_kept (Fixture *fixture, gconstpointer data)
{
  const char *text = "Knows blobs, and nothing else at all: neither cats nor "
                     "dogs nor people, nor anything that walks.";
  g_autofree char *said = g_build_filename (fixture->folder, "said.gguf", NULL);
  g_autofree char *half = g_build_filename (fixture->folder, "half.gguf", NULL);
  g_autoptr (Run) first = run_command (NULL, "convert", fixture->packed, "-o",
      said, "--description", text, NULL);
  g_autoptr (Run) second = run_command (NULL, "convert", said, "-o", half,
      "--type", "f16", NULL);
  g_autoptr (Run) shown = run_command (NULL, "inspect", half, NULL);
  g_autoptr (Run) json = run_command (NULL, "inspect", "--json", half, NULL);
  g_autoptr (Run) none = run_command (NULL, "inspect", "--json",
      fixture->packed, NULL);

  assert_works (first);
  assert_works (second);
  g_assert_nonnull (strstr (shown->out,
      "  Knows blobs, and nothing else at "
      "all: neither cats nor dogs nor people, "
      "nor\n  anything that walks.\n"));
  g_assert_nonnull (strstr (json->out, text));
  g_assert_nonnull (strstr (none->out, "\"description\": null"));
}

/* --- what it is for ----------------------------------------------------- */

/* Another program, that knows the format by its specification only. */
static void
test_another_reader_reads_it (Fixture *fixture, gconstpointer data)
{
  static const char *const types[] = { "f32", "f16", "bf16", "q8_0", "q4_0" };
  g_autofree char *python = g_find_program_in_path ("python3");
  g_autofree char *script = g_test_build_filename (G_TEST_DIST, "command",
      "read-gguf.py", NULL);

  if (python == NULL) {
    g_test_skip ("no python3");
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    g_autoptr (Run) run = run_command (NULL, "convert", fixture->bundle, "-f",
        "-o", fixture->packed, "--type", types[i], NULL);
    const char *const argv[] = { python, script, fixture->packed,
      fixture->bundle, types[i], NULL };
    g_autoptr (GSubprocess) process = g_subprocess_newv (argv,
        G_SUBPROCESS_FLAGS_NONE, NULL);
    assert_works (run);
    g_assert_true (g_subprocess_wait_check (process, NULL, NULL));
  }
}

/* `ituning NAME --model MODEL` with the tensors of tests/data/tiny. */
static Run *
run_on (const Fixture *fixture, const char *name, const char *model,
    const char *output)
{
  g_autofree char *input = g_build_filename (fixture->bundle,
      "input.safetensors", NULL);

  return run_command (NULL, name, "--model", model, "--input", input,
      output != NULL ? "--output" : NULL, output, NULL);
}

static void
test_commands_take_it (Fixture *fixture, gconstpointer data)
{
  g_autofree char *vision = g_build_filename (fixture->bundle, "vision", NULL);
  g_autofree char *adapter = g_build_filename (fixture->bundle, "adapter",
      NULL);
  g_autofree char *a = g_build_filename (fixture->folder, "a", NULL);
  g_autofree char *b = g_build_filename (fixture->folder, "b", NULL);
  g_autoptr (Run) forward = run_on (fixture, "forward", fixture->packed, a);
  g_autoptr (Run) generate = run_on (fixture, "generate", fixture->packed,
      NULL);
  g_autoptr (Run) inspect = run_command (NULL, "inspect", fixture->packed,
      NULL);
  g_autoptr (Run) folder = run_command (NULL, "caption", "--model",
      fixture->bundle, fixture->image, NULL);
  g_autoptr (Run) packed = run_command (NULL, "caption", "--model",
      fixture->packed, fixture->image, NULL);
  g_autoptr (Run) mixed = run_command (NULL, "caption", "--model",
      fixture->packed, "--adapter", adapter, fixture->image, NULL);
  g_autoptr (Run) one = run_command (NULL, "preprocess", "--vision", vision,
      "-o", a, fixture->image, NULL);
  g_autoptr (Run) other = run_command (NULL, "preprocess", "--vision",
      fixture->packed, "-o", b, fixture->image, NULL);

  assert_works (forward);
  assert_works (generate);
  assert_works (inspect);
  g_assert_nonnull (strstr (inspect->out, "274.31K parameters, 16.49K"));
  assert_works (folder);
  assert_works (packed);
  assert_works (mixed);
  g_assert_cmpstr (packed->out, ==, folder->out);
  g_assert_cmpstr (mixed->out, ==, folder->out);
  assert_works (one);
  assert_works (other);
  assert_same_files (a, b);
}

static void
test_it_is_made_of_parts_or_of_itself (Fixture *fixture, gconstpointer data)
{
  g_autofree char *vision = g_build_filename (fixture->bundle, "vision", NULL);
  g_autofree char *language = g_build_filename (fixture->bundle, "language",
      NULL);
  g_autofree char *adapter = g_build_filename (fixture->bundle, "adapter",
      NULL);
  g_autofree char *inner = make_folder ();
  g_autofree char *again = g_build_filename (inner, "tiny.gguf", NULL);
  g_autoptr (Run) parts = run_command (NULL, "convert", "--vision", vision,
      "--language", language, "--adapter", adapter, "-o", again, NULL);
  g_autoptr (Run) itself = NULL;

  assert_works (parts);
  assert_same_files (again, fixture->packed);
  itself = run_command (NULL, "convert", again, "-f", "-o", again, NULL);
  assert_works (itself);
  assert_same_files (again, fixture->packed);
  remove_folder (g_steal_pointer (&inner));
}

/* --- its output --------------------------------------------------------- */

static void
test_a_file_is_kept_without_force (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "old.gguf", NULL);
  g_autoptr (Run) refused = NULL, failed = NULL, forced = NULL;
  g_autofree char *bytes = NULL;
  gsize size;

  write_file (path, "old");
  refused = run_command (NULL, "convert", fixture->bundle, "-o", path, NULL);
  assert_fails (refused, 1, "old.gguf", "-f overwrites it");
  failed = run_command (NULL, "convert", "/none", "-f", "-o", path, NULL);
  assert_fails (failed, 1, "/none", "no such model");
  bytes = read_file (path, &size);
  g_assert_cmpmem (bytes, size, "old", 3);
  forced = run_command (NULL, "convert", fixture->bundle, "-f", "-o", path,
      NULL);
  assert_works (forced);
}

static void
test_wrong_arguments_are_named (Fixture *fixture, gconstpointer data)
{
  g_autofree char *missing = g_build_filename (fixture->folder, "no", "a.gguf",
      NULL);
  g_autoptr (Run) output = run_command (NULL, "convert", fixture->bundle, NULL);
  g_autoptr (Run) type = run_command (NULL, "convert", fixture->bundle, "-o",
      missing, "--type", "q3", NULL);
  g_autoptr (Run) none = run_command (NULL, "convert", "-o", missing, NULL);
  g_autoptr (Run) two = run_command (NULL, "convert", "a", "b", "-o", missing,
      NULL);
  g_autoptr (Run) both = run_command (NULL, "convert", "a", "--model", "b",
      "-o", missing, NULL);
  g_autoptr (Run) folder = run_command (NULL, "convert", fixture->bundle, "-o",
      missing, NULL);
  g_autoptr (Run) size = run_command (NULL, "convert", fixture->bundle,
      "--size", "base", "-o", missing, NULL);
  g_autoptr (Run) unknown = run_command (NULL, "convert", "--size", "huge",
      "-o", missing, NULL);

  assert_fails (output, 2, "convert", "--output");
  assert_fails (type, 2, "q3", "q8_0 and q4_0");
  if (ituning_model_is_built_in ())
    assert_fails (none, 1, missing, "cannot be written");
  else
    assert_fails (none, 2, "convert", "no model");
  assert_fails (two, 2, "b", "only one");
  assert_fails (both, 2, "a", "only one");
  assert_fails (folder, 1, missing, "cannot be written");
  assert_fails (size, 2, "--size", "none to give");
  assert_fails (unknown, 2, "huge", "base, medium and large");
}

static void
test_what_f16_cannot_hold_is_named (Fixture *fixture, gconstpointer data)
{
  g_autofree char *bundle = copy_bundle (fixture->folder, "tiny");
  g_autofree char *weights = g_build_filename (bundle, "adapter",
      "model.safetensors", NULL);
  g_autofree char *path = g_build_filename (fixture->folder, "f16.gguf", NULL);
  g_autoptr (ItuningTensors) tensors = ituning_tensors_open (weights, NULL);
  const ItuningTensor *tensor = ituning_tensors_lookup (tensors,
      "h.1.ituning.k_proj.weight");
  const gsize offset =
      (gsize) ((const char *) tensor->data -
          (const char *) ituning_tensors_get (tensors, 0)->data) +
      get_header_size (weights);
  const float large = 1e6f;
  g_autoptr (Run) narrow = NULL, wide = NULL;

  replace_bytes (weights, offset, &large, sizeof large);
  narrow = run_command (NULL, "convert", bundle, "-o", path, "--type", "f16",
      NULL);
  assert_fails (narrow, 1, "f16.gguf", "blk.1.ituning_k.weight");
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  wide = run_command (NULL, "convert", bundle, "-o", path, "--type", "bf16",
      NULL);
  assert_works (wide);
}

/* --- broken files ------------------------------------------------------- */

static void
assert_refused (const Fixture *fixture, const char *cause)
{
  g_autoptr (Run) caption = run_command (NULL, "caption", "--model",
      fixture->packed, fixture->image, NULL);
  g_autoptr (Run) inspect = run_command (NULL, "inspect", fixture->packed,
      NULL);

  assert_fails (caption, 1, "tiny.gguf: ", cause);
  assert_fails (inspect, 1, "tiny.gguf: ", cause);
}

static void
test_broken_files_are_named (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    gsize offset;
    guint32 value;
    const char *cause;
  } numbers[] = {
    { 0, 0x46554746, "not a GGUF file" },
    { 4, 1, "GGUF version 1" },
    { 12, 0xffffff, "tensors, more than there is room for" },
    { 20, 0xffffff, "keys, more than there is room for" },
  };
  gsize size;
  g_autofree char *bytes = read_file (fixture->packed, &size);
  char *type;

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
    const guint32 value = GUINT32_TO_LE (numbers[i].value);
    g_file_set_contents (fixture->packed, bytes, (gssize) size, NULL);
    replace_bytes (fixture->packed, numbers[i].offset, &value, sizeof value);
    assert_refused (fixture, numbers[i].cause);
  }
  g_file_set_contents (fixture->packed, bytes, (gssize) size / 2, NULL);
  assert_refused (fixture, "past the end of the file");
  g_file_set_contents (fixture->packed, bytes, 100, NULL);
  assert_refused (fixture, "");
  g_file_set_contents (fixture->packed, bytes, 0, NULL);
  assert_refused (fixture, "empty");
  /* Behind the name and two dimensions of it. */
  type = (char *) memmem (bytes, size, "token_embd.weight", 17) + 17 + 4 + 16;
  *type = 12;
  g_file_set_contents (fixture->packed, bytes, (gssize) size, NULL);
  assert_refused (fixture, "\"token_embd.weight\" is quantised as Q4_K");
}

static Run *
train_on (const Fixture *fixture, const char *model)
{
  g_autofree char *features = g_build_filename (fixture->bundle,
      "train_input.safetensors", NULL);
  g_autofree char *output = g_build_filename (fixture->folder, "adapter", NULL);

  return run_command (NULL, "train", "--model", model, "--features", features,
      "--steps", "1", "-o", output, NULL);
}

/* Most of the tiny model's text is no multiple of 32 wide, and stays F32. */
static void
test_quantised_models_caption (Fixture *fixture, gconstpointer data)
{
  static const char *const types[] = { "q8_0", "q4_0" };

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    g_autoptr (Run) convert = run_command (NULL, "convert", fixture->bundle,
        "-f", "-o", fixture->packed, "--type", types[i], NULL);
    g_autofree char *type = g_ascii_strup (types[i], -1);
    g_autoptr (Run) inspect = NULL, caption = NULL, train = NULL;
    assert_works (convert);
    inspect = run_command (NULL, "inspect", fixture->packed, NULL);
    assert_works (inspect);
    g_assert_nonnull (strstr (inspect->out, type));
    caption = run_command (NULL, "caption", "--model", fixture->packed,
        fixture->image, NULL);
    assert_works (caption);
    g_assert_cmpstr (caption->out, !=, "");
    train = train_on (fixture, fixture->packed);
    assert_fails (train, 1, "quantised", type);
  }
}

static void
assert_has_type (const Run *inspect, const char *part, const char *type)
{
  const char *key = "\"type\": \"";
  const char *found = strstr (strstr (inspect->out, part), key);

  g_assert_true (g_str_has_prefix (found + strlen (key), type));
}

/* The tiny model's vision tower and the way back from its adapter are wide
 * enough for blocks; the rest shows in tests/unit/test-quantpacked.c. */
static void
test_parts_have_types_of_their_own (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *type, *vision, *adapter;
  } mixes[] = {
    { "q8_0,adapter=f16", "Q8_0", "F16" },
    { "vision=q4_0", "Q4_0", "F32" },
    { "F16,vision=Q8_0,language=bf16,vocabulary=f32,adapter=q8_0", "Q8_0",
        "Q8_0" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (mixes); i++) {
    g_autoptr (Run) convert = run_command (NULL, "convert", fixture->bundle,
        "-f", "-o", fixture->packed, "--type", mixes[i].type, NULL);
    g_autoptr (Run) inspect = run_command (NULL, "inspect", "--json",
        fixture->packed, NULL);
    g_autoptr (Run) caption = run_command (NULL, "caption", "--model",
        fixture->packed, fixture->image, NULL);
    assert_works (convert);
    assert_has_type (inspect, "\"vision\": ", mixes[i].vision);
    assert_has_type (inspect, "\"adapter\": ", mixes[i].adapter);
    assert_works (caption);
    g_assert_cmpstr (caption->out, !=, "");
  }
}

static void
test_wrong_mixes_are_named (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *type, *name, *cause;
  } mixes[] = {
    { "q8_0,text=q4_0", "text", "vision, language, vocabulary and adapter" },
    { "vision=q8_0,q4_0", "q4_0", "comes first" },
    { "f32,vision=", "--type", "q8_0 and q4_0" },
    { "", "--type", "q8_0 and q4_0" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (mixes); i++) {
    g_autoptr (Run) run = run_command (NULL, "convert", fixture->bundle, "-f",
        "-o", fixture->packed, "--type", mixes[i].type, NULL);
    assert_fails (run, 2, mixes[i].name, mixes[i].cause);
  }
}

static void
test_no_tokenizer_is_said (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Run) run = run_command ("\"a\"\n", "tokenize", "--language",
      fixture->packed, NULL);

  assert_fails (run, 1, "tiny.gguf", "tokenizer.ggml.model");
}

#define ADD(path, function) \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/command/convert/another-reader-reads-it",
      test_another_reader_reads_it);
  ADD ("/command/convert/commands-take-it", test_commands_take_it);
  ADD ("/command/convert/quantised-models-caption",
      test_quantised_models_caption);
  ADD ("/command/convert/parts-have-types-of-their-own",
      test_parts_have_types_of_their_own);
  ADD ("/command/convert/wrong-mixes-are-named", test_wrong_mixes_are_named);
  ADD ("/command/convert/it-is-made-of-parts-or-of-itself",
      test_it_is_made_of_parts_or_of_itself);
  ADD ("/command/convert/description-is-shown-and-kept",
      test_description_is_shown_and_kept);
  ADD ("/command/convert/a-file-is-kept-without-force",
      test_a_file_is_kept_without_force);
  ADD ("/command/convert/wrong-arguments-are-named",
      test_wrong_arguments_are_named);
  ADD ("/command/convert/what-f16-cannot-hold-is-named",
      test_what_f16_cannot_hold_is_named);
  ADD ("/command/convert/broken-files-are-named", test_broken_files_are_named);
  ADD ("/command/convert/no-tokenizer-is-said", test_no_tokenizer_is_said);
  return g_test_run ();
}
