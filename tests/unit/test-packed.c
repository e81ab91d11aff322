/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "model/gguf.h"
#include "model/ituning.h"
#include "model/language.h"
#include "tests/testutil.h"

/* A model in one file: the same as its bundle, or a clear error. */

typedef struct
{
  char *folder, *path;
} Fixture;

static ItuningModel *
open_model (const char *path, const char *adapter)
{
  const ItuningModelOptions options = { .adapter = adapter, .n_threads = 1 };
  g_autoptr (GError) error = NULL;
  ItuningModel *model = ituning_model_open (path, &options, &error);

  g_assert_no_error (error);
  return model;
}

static ItuningModel *
open_tiny (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);

  return open_model (path, NULL);
}

static void
save (ItuningModel *model, const char *path, ItuningType type)
{
  g_autoptr (GError) error = NULL;

  ituning_model_save (model, path, type, NULL, &error);
  g_assert_no_error (error);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ItuningModel) model = open_tiny ();

  fixture->folder = g_dir_make_tmp ("ituning-packed-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "tiny.gguf", NULL);
  save (model, fixture->path, ITUNING_TYPE_F32);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_remove (fixture->path);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->path);
  g_free (fixture->folder);
}

/* --- the same numbers --------------------------------------------------- */

#define T 9

/* What a model makes of the two images and texts of tests/data/tiny: visual
 * tokens, then logits without an image, then logits with. */
static GArray *
run_model (ItuningModel *model)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      "input.safetensors", NULL);
  g_autoptr (ItuningTensors) input = ituning_tensors_open (path, NULL);
  const ItuningModelInfo *info = ituning_model_get_info (model);
  const gsize n_tokens = info->vision.num_tokens * info->vision.hidden_size;
  const gsize n_logits = T * info->language.vocab_size;
  const float *pixels = ituning_tensors_lookup (input, "pixel_values")->data;
  const gint64 *ids = ituning_tensors_lookup (input, "input_ids")->data;
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  GArray *all = g_array_new (FALSE, FALSE, sizeof (float));
  g_autoptr (GError) error = NULL;

  for (gsize image = 0; image < 2; image++) {
    g_autoptr (ItuningFeatures) features = NULL;
    g_autofree float *logits = g_new (float, n_logits);
    guint32 text[T];
    ituning_session_encode_pixels (session, pixels + image * 3 * 32 * 32, 1,
        &features, NULL, &error);
    g_assert_no_error (error);
    for (gsize i = 0; i < T; i++)
      text[i] = (guint32) ids[image * T + i];
    g_array_append_vals (all, ituning_features_get_last_hidden_state (features),
        (guint) n_tokens);
    for (int with = 0; with < 2; with++) {
      ituning_session_logits (session, with ? features : NULL, text, T, logits,
          NULL, &error);
      g_assert_no_error (error);
      g_array_append_vals (all, logits, (guint) n_logits);
    }
  }
  return all;
}

static void
assert_same_numbers (ItuningModel *got, ItuningModel *want, double limit)
{
  g_autoptr (GArray) a = run_model (got), b = run_model (want);
  float largest = 0.0f;

  g_assert_cmpuint (a->len, ==, b->len);
  for (guint i = 0; i < b->len; i++)
    largest = MAX (largest, ABS (g_array_index (b, float, i)));
  g_test_message ("%.3f of the limit",
      assert_close ((const float *) (const void *) a->data,
          (const float *) (const void *) b->data, b->len, 0.0,
          limit * (double) largest));
}

/* All of it is used where it is mapped. */
static void
assert_is_in_place (const ItuningModel *model)
{
  const ItuningModelInfo *info = ituning_model_get_info (model);

  g_assert_cmpuint (info->vision.part.owned_size, ==, 0);
  g_assert_cmpuint (info->language.part.owned_size, ==, 0);
  g_assert_cmpuint (info->adapter.part.owned_size, ==, 0);
}

/* The same to the last bit as measured; another BLAS may add in another order.
 */
static void
test_f32_is_the_bundle (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ItuningModel) bundle = open_tiny ();
  g_autoptr (ItuningModel) packed = open_model (fixture->path, NULL);
  const ItuningModelInfo *a = ituning_model_get_info (bundle);
  const ItuningModelInfo *b = ituning_model_get_info (packed);

  assert_same_numbers (packed, bundle, 1e-6);
  g_assert_cmpuint (a->vision.part.n_parameters, ==,
      b->vision.part.n_parameters);
  g_assert_cmpuint (a->language.part.n_parameters, ==,
      b->language.part.n_parameters);
  g_assert_cmpuint (a->adapter.part.n_parameters, ==,
      b->adapter.part.n_parameters);
  assert_is_in_place (packed);
}

/* Rounding to @type: half a unit of its last place. */
static void
assert_rounded (const char *path, const char *exact_path, ItuningType type,
    double unit)
{
  g_autoptr (ItuningGguf) rounded = ituning_gguf_open (path, NULL);
  g_autoptr (ItuningGguf) exact = ituning_gguf_open (exact_path, NULL);
  const char *name = "blk.1.ffn_up.weight";
  const ItuningTensor *a = ituning_gguf_lookup (rounded, name);
  const ItuningTensor *b = ituning_gguf_lookup (exact, name);
  const float *values = b->data;

  g_assert_cmpint (a->type, ==, type);
  for (gsize i = 0; i < b->size / sizeof (float); i++) {
    const guint16 bits = ((const guint16 *) a->data)[i];
    double value = ldexp ((bits & 0x3ff) | 0x400, (bits >> 10 & 31) - 25);
    if (type == ITUNING_TYPE_BF16)
      value = ldexp ((bits & 0x7f) | 0x80, (bits >> 7 & 255) - 134);
    if (bits & 0x8000)
      value = -value;
    if (fabs (value) > 1e-4) /* not one of binary16's subnormals */
      g_assert_cmpfloat_with_epsilon (value, (double) values[i],
          unit * fabs ((double) values[i]));
  }
  g_assert_cmpint (ituning_gguf_lookup (rounded, "blk.1.ffn_up.bias")->type, ==,
      ITUNING_TYPE_F32);
}

/* The rest is what rounded weights make of the numbers: 0.010 of the largest
 * value, with both types (as large as when an independent program rounds the
 * bundle's weights). */
static void
test_halves_are_rounded_weights (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "half.gguf", NULL);
  g_autoptr (ItuningModel) bundle = open_tiny ();

  for (int half = 0; half < 2; half++) {
    const ItuningType type = half ? ITUNING_TYPE_F16 : ITUNING_TYPE_BF16;
    g_autoptr (ItuningModel) packed = NULL;
    save (bundle, path, type);
    packed = open_model (path, NULL);
    g_assert_cmpint (ituning_model_get_info (packed)->vision.part.type, ==,
        type);
    assert_is_in_place (packed);
    assert_rounded (path, fixture->path, type, half ? 0x1p-11 : 0x1p-8);
    assert_same_numbers (packed, bundle, 0.05);
  }
  g_remove (path);
}

static void
assert_same_files (const char *a, const char *b)
{
  g_autofree char *x = NULL, *y = NULL;
  gsize n, m;

  g_assert_true (g_file_get_contents (a, &x, &n, NULL));
  g_assert_true (g_file_get_contents (b, &y, &m, NULL));
  g_assert_cmpmem (x, n, y, m);
}

/* A packed file packs to itself, and one of BF16 loses nothing on a way over
 * F32. */
static void
test_packing_again_changes_nothing (Fixture *fixture, gconstpointer data)
{
  static const ItuningType types[] = { ITUNING_TYPE_F32, ITUNING_TYPE_BF16,
    ITUNING_TYPE_F32, ITUNING_TYPE_BF16 };
  char *paths[G_N_ELEMENTS (types) + 1] = { NULL };

  paths[0] = g_strdup (fixture->path);
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    g_autofree char *folder = g_strdup_printf ("%s/%zu", fixture->folder, i);
    g_autoptr (ItuningModel) packed = open_model (paths[i], NULL);
    g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
    paths[i + 1] = g_build_filename (folder, "tiny.gguf", NULL);
    save (packed, paths[i + 1], types[i]);
  }
  assert_same_files (paths[1], paths[0]);
  assert_same_files (paths[4], paths[2]);
  for (gsize i = 1; i < G_N_ELEMENTS (paths); i++) {
    g_autofree char *folder = g_path_get_dirname (paths[i]);
    g_remove (paths[i]);
    g_rmdir (folder);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    g_free (paths[i]);
}

/* What is in memory stays there when it has been converted: only a file's pages
 * could be read again. */
static void
test_memory_is_left_alone (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ItuningModel) bundle = open_tiny ();
  g_autoptr (ItuningGguf) gguf = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  char *contents, *copy;
  gsize size;

  save (bundle, fixture->path, ITUNING_TYPE_Q8_0);
  g_assert_true (g_file_get_contents (fixture->path, &contents, &size, NULL));
  copy = g_memdup2 (contents, size);
  bytes = g_bytes_new_take (contents, size);
  gguf = ituning_gguf_new ("memory", bytes, &error);
  g_assert_no_error (error);
  ituning_language_free (ituning_language_new_packed (gguf, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (contents, size, copy, size);
  g_free (copy);
}

/* --- other parts -------------------------------------------------------- */

static void
test_parts_come_from_either (Fixture *fixture, gconstpointer data)
{
  g_autofree char *bundle = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autofree char *adapter = g_build_filename (bundle, "adapter", NULL);
  g_autofree char *vision = g_build_filename (bundle, "vision", NULL);
  const ItuningModelOptions mixed = { vision, fixture->path, adapter, 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningModel) want = open_tiny ();
  g_autoptr (ItuningModel) overridden = open_model (fixture->path, adapter);
  g_autoptr (ItuningModel) packed = open_model (bundle, fixture->path);
  g_autoptr (ItuningModel) parts = ituning_model_open (NULL, &mixed, &error);
  g_autoptr (ItuningModel) swapped = NULL;

  g_assert_no_error (error);
  swapped = ituning_model_with_adapter (want, fixture->path, &error);
  g_assert_no_error (error);
  assert_same_numbers (overridden, want, 1e-6);
  assert_same_numbers (packed, want, 1e-6);
  assert_same_numbers (parts, want, 1e-6);
  assert_same_numbers (swapped, want, 1e-6);
}

static void
test_a_misfit_names_the_file (Fixture *fixture, gconstpointer data)
{
  g_autofree char *adapter = g_test_build_filename (G_TEST_DIST, "data",
      "tiny-bf16", "adapter", NULL);
  const ItuningModelOptions options = { .adapter = adapter };
  g_autoptr (GError) error = NULL;

  g_assert_null (ituning_model_open (fixture->path, &options, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, adapter));
}

static void
test_without_an_adapter_it_opens (Fixture *fixture, gconstpointer data)
{
  g_autofree char *bundle = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autofree char *vision = g_build_filename (bundle, "vision", NULL);
  g_autofree char *language = g_build_filename (bundle, "language", NULL);
  const ItuningModelOptions options = { vision, language, NULL, 1 };
  g_autoptr (ItuningModel) model = ituning_model_open (NULL, &options, NULL);
  g_autoptr (ItuningModel) packed = NULL;
  g_autoptr (GError) error = NULL;

  save (model, fixture->path, ITUNING_TYPE_F32);
  packed = open_model (fixture->path, NULL);
  g_assert_null (ituning_model_get_info (packed)->adapter.layers);
  g_assert_null (ituning_model_with_adapter (model, fixture->path, &error));
  g_assert_nonnull (strstr (error->message, "no key \"ituning.adapter."));
}

static void
test_a_picture_gives_the_same_pixels (Fixture *fixture, gconstpointer data)
{
  g_autofree char *vision = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      "vision", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningPreprocessor) a = ituning_preprocessor_open (vision,
      &error);
  g_autoptr (ItuningPreprocessor) b = ituning_preprocessor_open (fixture->path,
      &error);
  static guint8 pixels[50 * 40 * 3];
  const ItuningImage image = { pixels, 50, 40, 150 };
  float x[3 * 32 * 32], y[3 * 32 * 32];

  g_assert_no_error (error);
  for (gsize i = 0; i < sizeof (pixels); i++)
    pixels[i] = (guint8) (i * 37 % 251);
  g_assert_true (ituning_preprocessor_run (a, &image, x, NULL));
  g_assert_true (ituning_preprocessor_run (b, &image, y, NULL));
  g_assert_cmpmem (x, sizeof (x), y, sizeof (y));
}

/* --- the tokenizer ------------------------------------------------------ */

/* Tokens: 256 bytes, "th", "the", a space with "the", then the end. */
static void
write_language (const char *folder)
{
  g_autofree char *vocab = g_build_filename (folder, "vocab.json", NULL);
  g_autofree char *merges = g_build_filename (folder, "merges.txt", NULL);
  g_autoptr (GString) json = g_string_new ("{");
  guint next = 0x100;

  for (guint byte = 0; byte < 256; byte++) {
    const gboolean visible = (byte > 0x20 && byte < 0x7f) ||
        (byte > 0xa0 && byte != 0xad);
    g_string_append_printf (json, "\"\\u%04x\": %u, ", visible ? byte : next++,
        byte);
  }
  g_string_append (json,
      "\"th\": 256, \"the\": 257, \"\\u0120the\": 258, "
      "\"<|endoftext|>\": 259}");
  g_file_set_contents (vocab, json->str, -1, NULL);
  g_file_set_contents (merges, "#version: 0.2\nt h\nth e\n\xc4\xa0 the\n", -1,
      NULL);
}

/* Tiny's language model with rows of its embeddings for 260 tokens. */
static void
write_weights (const char *folder)
{
  g_autofree char *from = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      "language", "model.safetensors", NULL);
  g_autofree char *to = g_build_filename (folder, "model.safetensors", NULL);
  g_autofree char *config = g_build_filename (folder, "config.json", NULL);
  g_autoptr (ItuningTensors) tensors = ituning_tensors_open (from, NULL);
  const gsize n = ituning_tensors_get_count (tensors);
  g_autofree ItuningTensor *copies = g_new (ItuningTensor, n);
  g_autofree float *rows = g_new0 (float, 260 * 48);

  for (gsize i = 0; i < n; i++) {
    copies[i] = *ituning_tensors_get (tensors, i);
    if (!g_str_has_suffix (copies[i].name, "wte.weight"))
      continue;
    for (gsize token = 0; token < 260; token++)
      memcpy (rows + token * 48,
          (const float *) copies[i].data + token % 97 * 48,
          48 * sizeof (float));
    copies[i].data = rows;
    copies[i].dims[0] = 260;
    copies[i].size = sizeof (float) * 260 * 48;
  }
  g_assert_true (ituning_tensors_save (to, copies, n, NULL));
  g_file_set_contents (config,
      "{\"vocab_size\": 260, \"n_positions\": 32, \"n_embd\": 48, "
      "\"n_layer\": 3, \"n_head\": 4, \"bos_token_id\": 259, "
      "\"eos_token_id\": 259, \"scale_attn_by_inverse_layer_idx\": true}",
      -1, NULL);
}

static void
remove_language (const char *folder)
{
  static const char *const names[] = { "vocab.json", "merges.txt",
    "model.safetensors", "config.json" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);
    g_remove (path);
  }
  g_rmdir (folder);
}

static void
test_the_tokenizer_is_in_it (Fixture *fixture, gconstpointer data)
{
  static const char text[] = "the then, \xc3\xa9the";
  g_autofree char *language = g_build_filename (fixture->folder, "l", NULL);
  g_autofree char *bundle = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  const ItuningModelOptions options = { NULL, language, NULL, 1 };
  g_autoptr (GArray) a = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (GArray) b = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (ItuningModel) model = NULL, packed = NULL;
  g_autoptr (ItuningTokenizer) alone = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir (language, 0700), ==, 0);
  write_language (language);
  write_weights (language);
  model = ituning_model_open (bundle, &options, &error);
  g_assert_no_error (error);
  save (model, fixture->path, ITUNING_TYPE_F32);
  packed = open_model (fixture->path, NULL);
  g_assert_true (ituning_model_get_info (packed)->language.has_tokenizer);
  assert_same_numbers (packed, model, 1e-6);
  alone = ituning_tokenizer_open (fixture->path, &error);
  g_assert_no_error (error);
  ituning_tokenizer_encode (ituning_model_get_tokenizer (model), text, -1, a,
      NULL);
  ituning_tokenizer_encode (alone, text, -1, b, NULL);
  g_assert_cmpuint (g_array_index (a, guint32, 1), ==, 258); /* a merge */
  g_assert_cmpmem (a->data, a->len * 4, b->data, b->len * 4);
  remove_language (language);
}

static void
test_no_tokenizer_is_said (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (ituning_tokenizer_open (fixture->path, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "tokenizer.ggml.model"));
}

/* --- what is wrong ------------------------------------------------------ */

/* Replaces the first @old in the file by @new, of the same length. */
static void
replace_bytes (const char *path, const void *old, const void *new, gsize n)
{
  g_autofree char *bytes = NULL;
  char *found;
  gsize size;

  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  found = memmem (bytes, size, old, n);
  g_assert_nonnull (found);
  memcpy (found, new, n);
  g_assert_true (g_file_set_contents (path, bytes, (gssize) size, NULL));
}

static void
replace (const char *path, const char *old, const char *new)
{
  g_assert_cmpuint (strlen (old), ==, strlen (new));
  replace_bytes (path, old, new, strlen (old));
}

static void
assert_fails (const char *path, const char *cause)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (ituning_model_open (path, NULL, &error));
  g_assert_cmpuint (error->domain, ==, ITUNING_ERROR);
  g_assert_true (g_str_has_prefix (error->message, path));
  if (strstr (error->message, cause) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, cause);
}

/* Every key and one tensor of each kind, renamed so that it is missing. */
static void
test_what_is_missing_is_named (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "general.architecture",
    "ituning.vocab_size", "ituning.context_length", "ituning.embedding_length",
    "ituning.feed_forward_length", "ituning.block_count",
    "ituning.attention.head_count", "ituning.attention.layer_norm_epsilon",
    "ituning.activation_function", "ituning.attention.scale_weights",
    "ituning.attention.scale_by_layer", "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id", "clip.vision.embedding_length",
    "clip.vision.feed_forward_length", "clip.vision.block_count",
    "clip.vision.attention.head_count", "clip.vision.image_size",
    "clip.vision.patch_size", "clip.vision.projection_dim",
    "clip.vision.attention.layer_norm_epsilon", "clip.vision.image_mean",
    "clip.vision.image_std", "ituning.vision.hidden_act",
    "ituning.preprocess.do_resize", "ituning.preprocess.crop_width",
    "ituning.preprocess.resample", "ituning.preprocess.rescale_factor",
    "ituning.adapter.vision_embedding_length",
    "ituning.adapter.embedding_length", "ituning.adapter.bottleneck_length",
    "ituning.adapter.attention.head_count", "ituning.adapter.scale",
    "ituning.adapter.layers", "ituning.adapter.visual_post_layernorm",
    "v.class_embd", "v.patch_embd.weight", "v.position_embd.weight",
    "v.pre_ln.bias", "v.post_ln.weight", "v.blk.0.ln1.weight",
    "v.blk.0.attn_q.weight", "v.blk.0.ffn_down.bias", "token_embd.weight",
    "blk.2.attn_norm.weight", "blk.2.attn_qkv.weight",
    "blk.0.attn_output.weight", "output_norm.bias", "blk.1.ituning_o.weight" };
  g_autofree char *bytes = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (fixture->path, &bytes, &size, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *other = g_strdup (names[i]);
    g_autofree char *quoted = g_strdup_printf ("\"%s\"", names[i]);
    other[strlen (other) - 1] = '_';
    g_file_set_contents (fixture->path, bytes, (gssize) size, NULL);
    replace (fixture->path, names[i], other);
    assert_fails (fixture->path, quoted);
  }
}

static void
test_what_does_not_fit_is_named (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *old, *new, *cause;
  } edits[] = {
    { "\7\0\0\0\0\0\0\0ituning", "\7\0\0\0\0\0\0\0llama-2", "llama-2" },
    { "gelu_new", "softsign", "softsign" },
    { "quick_gelu", "quick_gelv", "ituning.vision.hidden_act" },
    { "blk.2.attn_norm.weight", "blk.3.attn_norm.weight",
        "blk.2.attn_norm.weight" },
  };
  static const struct
  {
    const char *key;
    guint8 value;
    const char *cause;
  } numbers[] = {
    { "ituning.block_count", 2, "does not have" },
    { "ituning.block_count", 0, "not from 1" },
    { "ituning.embedding_length", 44, "[97, 48]" },
    { "ituning.attention.head_count", 5, "not a multiple" },
    { "clip.vision.block_count", 1, "v.blk.1.ln1.weight" },
    { "ituning.preprocess.resample", 0, "nearest" },
    { "ituning.preprocess.crop_width", 31, "makes images of 31" },
    { "ituning.preprocess.crop_height", 0, "crop_height" },
    { "ituning.preprocess.size_width", 7, "excludes" },
  };
  g_autofree char *bytes = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (fixture->path, &bytes, &size, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (edits); i++) {
    const gsize n = i == 0 ? 15 : strlen (edits[i].old);
    g_file_set_contents (fixture->path, bytes, (gssize) size, NULL);
    replace_bytes (fixture->path, edits[i].old, edits[i].new, n);
    assert_fails (fixture->path, edits[i].cause);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
    g_autofree char *copy = g_memdup2 (bytes, size);
    char *found = memmem (copy, size, numbers[i].key, strlen (numbers[i].key));
    found[strlen (numbers[i].key) + 4] = (char) numbers[i].value;
    g_file_set_contents (fixture->path, copy, (gssize) size, NULL);
    assert_fails (fixture->path, numbers[i].cause);
  }
}

static void
test_nan_is_found (Fixture *fixture, gconstpointer data)
{
  g_autofree char *bytes = NULL;
  const float nan = NAN;
  gsize size;

  g_assert_true (g_file_get_contents (fixture->path, &bytes, &size, NULL));
  memcpy (bytes + size - 64, &nan, sizeof (nan));
  g_file_set_contents (fixture->path, bytes, (gssize) size, NULL);
  assert_fails (fixture->path, "NaN");
}

/* In matrices that are used in place: the first, and the last of all. */
static void
test_half_that_is_not_finite_is_found (Fixture *fixture, gconstpointer data)
{
  static const char *const name = "blk.1.ffn_up.weight";
  g_autoptr (ItuningModel) bundle = open_tiny ();

  for (int is_last = 0; is_last < 2; is_last++) {
    for (int is_bfloat16 = 0; is_bfloat16 < 2; is_bfloat16++) {
      const guint16 bad = is_bfloat16 ? 0x7f80 : 0x7c01; /* infinity, a NaN */
      g_autofree char *bytes = NULL;
      const ItuningTensor *tensor;
      gsize size, at;
      save (bundle, fixture->path,
          is_bfloat16 ? ITUNING_TYPE_BF16 : ITUNING_TYPE_F16);
      g_assert_true (g_file_get_contents (fixture->path, &bytes, &size, NULL));
      {
        g_autoptr (GBytes) whole = g_bytes_new_static (bytes, size);
        g_autoptr (ItuningGguf) gguf = ituning_gguf_new ("copy", whole, NULL);
        tensor = ituning_gguf_lookup (gguf, name);
        at = (gsize) ((const char *) tensor->data - bytes) +
            (is_last ? tensor->size - sizeof (bad) : 0);
      }
      memcpy (bytes + at, &bad, sizeof (bad));
      g_file_set_contents (fixture->path, bytes, (gssize) size, NULL);
      assert_fails (fixture->path, name);
    }
  }
}

static void
test_other_types_are_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "i64.gguf", NULL);
  g_autoptr (ItuningModel) model = open_tiny ();
  g_autoptr (GError) error = NULL;

  g_assert_false (
      ituning_model_save (model, path, ITUNING_TYPE_I64, NULL, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT);
}

static void
test_a_cancelled_save_leaves_the_old (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (ItuningModel) model = open_tiny ();
  g_autoptr (ItuningModel) packed = NULL;
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_false (ituning_model_save (model, fixture->path, ITUNING_TYPE_F16,
      cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  packed = open_model (fixture->path, NULL);
  g_assert_cmpint (ituning_model_get_info (packed)->vision.part.type, ==,
      ITUNING_TYPE_F32);
}

#define ADD(path, function) \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/packed/f32-is-the-bundle", test_f32_is_the_bundle);
  ADD ("/packed/halves-are-rounded-weights", test_halves_are_rounded_weights);
  ADD ("/packed/packing-again-changes-nothing",
      test_packing_again_changes_nothing);
  ADD ("/packed/memory-is-left-alone", test_memory_is_left_alone);
  ADD ("/packed/parts-come-from-either", test_parts_come_from_either);
  ADD ("/packed/a-misfit-names-the-file", test_a_misfit_names_the_file);
  ADD ("/packed/without-an-adapter-it-opens", test_without_an_adapter_it_opens);
  ADD ("/packed/a-picture-gives-the-same-pixels",
      test_a_picture_gives_the_same_pixels);
  ADD ("/packed/the-tokenizer-is-in-it", test_the_tokenizer_is_in_it);
  ADD ("/packed/no-tokenizer-is-said", test_no_tokenizer_is_said);
  ADD ("/packed/what-is-missing-is-named", test_what_is_missing_is_named);
  ADD ("/packed/what-does-not-fit-is-named", test_what_does_not_fit_is_named);
  ADD ("/packed/nan-is-found", test_nan_is_found);
  ADD ("/packed/half-that-is-not-finite-is-found",
      test_half_that_is_not_finite_is_found);
  ADD ("/packed/other-types-are-refused", test_other_types_are_refused);
  ADD ("/packed/a-cancelled-save-leaves-the-old",
      test_a_cancelled_save_leaves_the_old);
  return g_test_run ();
}
