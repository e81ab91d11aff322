/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "model/gguf.h"
#include "model/model.h"
#include "model/preprocess.h"
#include "tests/testutil.h"

/* Packed models of 8 and 4 bits a weight: what is in them, and that they compute
 * what they hold. */

#define V ((gsize) 97)
#define T ((gsize) 9)
#define I ((gsize) 32)

static const struct
{
  ItuningType type;
  guint bits;
  double
      limit; /* of logits, as part of the largest; 0.0095 and 0.115 measured */
} types[] = {
  { ITUNING_TYPE_Q8_0, 8, 0.03 },
  { ITUNING_TYPE_Q4_0, 4, 0.3 },
};

typedef struct
{
  char *folder, *exact, *path;
  ItuningModel *model;
} Fixture;

static ItuningAdapter *
make_adapter (GError **error)
{
  ItuningAdapterConfig config = {
    .vision_hidden_size = 64,
    .hidden_size = 64,
    .bottleneck_size = 32,
    .num_heads = 2,
    .scale = 1.0,
    .layers = g_memdup2 ((const guint[]){ 0, 1 }, 2 * sizeof (guint)),
    .n_layers = 2,
  };

  return ituning_adapter_new (&config, ituning_weights_new_random (3), error);
}

/* All of whose rows are whole blocks. */
static ItuningModel *
make_model (void)
{
  static const ItuningVisionConfig vision = {
    .hidden_size = 64,
    .intermediate_size = 256,
    .num_hidden_layers = 2,
    .num_attention_heads = 2,
    .image_size = I,
    .patch_size = 8,
    .projection_dim = 48,
    .hidden_act = ITUNING_ACTIVATION_QUICK_GELU,
    .layer_norm_eps = 1e-5,
  };
  static const ItuningLanguageConfig language = {
    .vocab_size = V,
    .n_positions = I,
    .n_embd = 64,
    .n_layer = 2,
    .n_head = 2,
    .n_inner = 256,
    .bos_token_id = V - 1,
    .eos_token_id = V - 1,
    .activation_function = ITUNING_ACTIVATION_GELU_TANH,
    .layer_norm_epsilon = 1e-5,
    .scale_attn_weights = TRUE,
    .tie_word_embeddings = TRUE,
  };
  g_autoptr (GError) error = NULL;
  ItuningBackbone *backbone = ituning_backbone_new (2);
  ItuningAdapter *adapter = make_adapter (&error);

  backbone->vision = ituning_vision_new (&vision,
      ituning_weights_new_random (1), &error);
  backbone->language = ituning_language_new (&language,
      ituning_weights_new_random (2), &error);
  backbone->preprocessor = ituning_preprocessor_new_default (I);
  g_assert_no_error (error);
  return ituning_model_new (backbone, adapter);
}

static ItuningModel *
open_model (const char *path)
{
  g_autoptr (GError) error = NULL;
  ItuningModel *model = ituning_model_open (path,
      &(ItuningModelOptions){ .n_threads = 2 }, &error);

  g_assert_no_error (error);
  return model;
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
  fixture->folder = g_dir_make_tmp ("ituning-quant-XXXXXX", NULL);
  fixture->exact = g_build_filename (fixture->folder, "exact.gguf", NULL);
  fixture->path = g_build_filename (fixture->folder, "q.gguf", NULL);
  fixture->model = make_model ();
  save (fixture->model, fixture->exact, ITUNING_TYPE_F32);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_remove (fixture->exact);
  g_remove (fixture->path);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  ituning_model_unref (fixture->model);
  g_free (fixture->exact);
  g_free (fixture->path);
  g_free (fixture->folder);
}

/* --- what is in it ------------------------------------------------------ */

static void
check_blocks (const ItuningTensor *got, const ItuningTensor *want, guint bits)
{
  const gsize n = want->size / sizeof (float);
  const gsize size = n / 32 * ituning_quant_block_bytes (bits);
  g_autofree guint8 *blocks = g_malloc (size);

  g_assert_cmpuint (got->dims[0], ==, want->dims[0]);
  g_assert_cmpuint (got->dims[1], ==, want->dims[1]);
  g_assert_true (ituning_quant_encode (bits, blocks, want->data, n));
  g_assert_cmpmem (got->data, got->size, blocks, size);
}

static void
test_matrices_are_blocks (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "token_embd.weight",
    "blk.1.attn_qkv.weight", "blk.0.ffn_down.weight", "v.blk.1.attn_q.weight",
    "v.blk.0.ffn_up.weight", "blk.1.ituning_o.weight",
    "visual_projection.weight" };
  static const char *const plain[] = { "position_embd.weight",
    "v.patch_embd.weight", "v.position_embd.weight", "blk.0.attn_norm.weight",
    "blk.1.attn_qkv.bias" };
  g_autoptr (ItuningGguf) exact = ituning_gguf_open (fixture->exact, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    g_autoptr (ItuningGguf) gguf = NULL;
    save (fixture->model, fixture->path, types[i].type);
    gguf = ituning_gguf_open (fixture->path, NULL);
    for (gsize j = 0; j < G_N_ELEMENTS (names); j++) {
      const ItuningTensor *tensor = ituning_gguf_lookup (gguf, names[j]);
      g_assert_cmpint (tensor->type, ==, types[i].type);
      check_blocks (tensor, ituning_gguf_lookup (exact, names[j]),
          types[i].bits);
    }
    for (gsize j = 0; j < G_N_ELEMENTS (plain); j++)
      g_assert_cmpint (ituning_gguf_lookup (gguf, plain[j])->type, ==,
          ITUNING_TYPE_F32);
  }
}

/* The text of tests/data/tiny is 48 wide, its MLP 192. */
static void
test_broken_blocks_stay_floats (Fixture *fixture, gconstpointer data)
{
  g_autofree char *tiny = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autoptr (ItuningModel) model = open_model (tiny);
  g_autoptr (ItuningGguf) gguf = NULL;

  save (model, fixture->path, ITUNING_TYPE_Q4_0);
  gguf = ituning_gguf_open (fixture->path, NULL);
  g_assert_cmpint (ituning_gguf_lookup (gguf, "token_embd.weight")->type, ==,
      ITUNING_TYPE_F32);
  g_assert_cmpint (ituning_gguf_lookup (gguf, "blk.0.ffn_up.weight")->type, ==,
      ITUNING_TYPE_F32);
  g_assert_cmpint (ituning_gguf_lookup (gguf, "blk.0.ffn_down.weight")->type,
      ==, ITUNING_TYPE_Q4_0);
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

/* Neither as it is nor on a way over F32. */
static void
test_packing_again_changes_nothing (Fixture *fixture, gconstpointer data)
{
  g_autofree char *folder = g_build_filename (fixture->folder, "again", NULL);
  g_autofree char *again = g_build_filename (folder, "q.gguf", NULL);

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    g_autoptr (ItuningModel) packed = NULL, floats = NULL;
    save (fixture->model, fixture->path, types[i].type);
    packed = open_model (fixture->path);
    save (packed, again, types[i].type);
    assert_same_files (again, fixture->path);
    save (packed, fixture->exact, ITUNING_TYPE_F32);
    floats = open_model (fixture->exact);
    save (floats, again, types[i].type);
    assert_same_files (again, fixture->path);
  }
  g_remove (again);
  g_rmdir (folder);
}

static void
test_memory_holds_no_floats (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    const ItuningModelInfo *info;
    g_autoptr (ItuningModel) packed = NULL;
    gsize n_matrix, n_plain;
    save (fixture->model, fixture->path, types[i].type);
    packed = open_model (fixture->path);
    info = ituning_model_get_info (packed);
    g_assert_cmpint (info->language.part.type, ==, types[i].type);
    n_matrix = (gsize) 2 * (4 * 64 * 64 + 2 * 64 * 256);
    n_plain = (gsize) info->language.part.n_parameters - n_matrix - V * 64;
    g_assert_cmpuint (info->language.part.mapped_size, ==,
        n_plain * sizeof (float));
    /* The vocabulary is filled up to whole panels. */
    g_assert_cmpuint (info->language.part.owned_size, ==,
        (n_matrix + (gsize) 128 * 64) / 32 *
            ituning_quant_block_bytes (types[i].bits));
  }
}

/* --- what it computes --------------------------------------------------- */

/* Logits with an image, then without. */
static void
run_model (ItuningModel *model, float *logits)
{
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  g_autoptr (ItuningFeatures) features = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  g_autoptr (GError) error = NULL;
  float pixels[3 * I * I];
  guint32 ids[T];

  fill_random (rand, pixels, 3 * I * I);
  for (gsize i = 0; i < T; i++)
    ids[i] = (guint32) g_rand_int_range (rand, 0, (gint32) V);
  ituning_session_encode_pixels (session, pixels, 1, &features, NULL, &error);
  g_assert_no_error (error);
  ituning_session_logits (session, features, ids, T, logits, NULL, &error);
  g_assert_no_error (error);
  ituning_session_logits (session, NULL, ids, T, logits + T * V, NULL, &error);
  g_assert_no_error (error);
}

static double
compare (ItuningModel *got, ItuningModel *want, double limit)
{
  float a[2 * T * V], b[2 * T * V], largest = 0.0f;

  run_model (got, a);
  run_model (want, b);
  for (gsize i = 0; i < 2 * T * V; i++)
    largest = MAX (largest, fabsf (b[i]));
  return limit * assert_close (a, b, 2 * T * V, 0.0, limit * (double) largest);
}

/* The same weights as floats give the same but for the rounding of what is
 * between the layers: 0.0069 and 0.0060 of the largest as measured. */
static void
test_it_computes_what_it_holds (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    g_autoptr (ItuningModel) packed = NULL, floats = NULL;
    save (fixture->model, fixture->path, types[i].type);
    packed = open_model (fixture->path);
    save (packed, fixture->exact, ITUNING_TYPE_F32);
    floats = open_model (fixture->exact);
    g_test_message ("%s: %.4f of the largest",
        ituning_type_name (types[i].type), compare (packed, floats, 0.02));
  }
}

static void
test_it_is_close_to_the_exact (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    g_autoptr (ItuningModel) packed = NULL;
    save (fixture->model, fixture->path, types[i].type);
    packed = open_model (fixture->path);
    g_test_message ("%s: %.4f of the largest",
        ituning_type_name (types[i].type),
        compare (packed, fixture->model, types[i].limit));
  }
}

/* Any three parts have all types beside each other, and the fourth one then:
 * they are in the file, and the logits are as close as the roughest allows. */
static void
test_parts_have_types_of_their_own (Fixture *fixture, gconstpointer data)
{
  static const ItuningType all[] = { ITUNING_TYPE_F32, ITUNING_TYPE_F16,
    ITUNING_TYPE_BF16, ITUNING_TYPE_Q8_0, ITUNING_TYPE_Q4_0 };
  const gsize n = G_N_ELEMENTS (all);

  for (gsize i = 0; i < n * n * n; i++) {
    const gsize a = i % n, b = i / n % n, c = i / n / n;
    const ItuningPartTypes mix = { all[a], all[b], all[c],
      all[(a + b + c) % n] };
    g_autoptr (ItuningModel) packed = NULL;
    g_autoptr (ItuningGguf) gguf = NULL;
    g_assert_true (ituning_model_save_mixed (fixture->model, fixture->path,
        &mix, NULL, NULL));
    gguf = ituning_gguf_open (fixture->path, NULL);
    g_assert_cmpint (ituning_gguf_lookup (gguf, "v.blk.0.ffn_up.weight")->type,
        ==, mix.vision);
    g_assert_cmpint (ituning_gguf_lookup (gguf, "blk.1.attn_qkv.weight")->type,
        ==, mix.language);
    g_assert_cmpint (ituning_gguf_lookup (gguf, "token_embd.weight")->type, ==,
        mix.vocabulary);
    g_assert_cmpint (ituning_gguf_lookup (gguf, "blk.1.ituning_o.weight")->type,
        ==, mix.adapter);
    packed = open_model (fixture->path);
    compare (packed, fixture->model, 0.3);
  }
}

static void
test_random_weights_have_the_type (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    ItuningWeights *weights = ituning_weights_new_random_of_type (1,
        types[i].type, types[i].type);
    ItuningMatrix matrix = ituning_weights_take_matrix (weights, 5, 64,
        "h.0.attn.c_attn.weight");
    ItuningPartInfo info;
    float row[64], largest = 0.0f;
    g_assert_null (matrix.values);
    g_assert_cmpuint (matrix.quantized->bits, ==, types[i].bits);
    ituning_matrix_get_row (row, &matrix, 64, 4);
    for (gsize j = 0; j < 64; j++)
      largest = MAX (largest, fabsf (row[j]));
    g_assert_cmpfloat (largest, >, 0.02f);
    g_assert_cmpfloat (largest, <, 0.0351f);
    /* No whole blocks; no matrix. */
    matrix = ituning_weights_take_matrix (weights, 5, 48,
        "h.0.mlp.c_fc.weight");
    g_assert_nonnull (matrix.values);
    g_assert_null (matrix.quantized);
    g_assert_nonnull (
        ituning_weights_take (weights, ITUNING_SHAPE (7, 64), "wpe.weight"));
    g_assert_true (ituning_weights_finish (weights, &info, NULL));
    g_assert_cmpint (info.type, ==, types[i].type);
    ituning_weights_free (weights);
  }
}

static void
test_random_weights_are_halves (void)
{
  for (int is_bfloat16 = 0; is_bfloat16 < 2; is_bfloat16++) {
    const ItuningType type = is_bfloat16 ? ITUNING_TYPE_BF16 : ITUNING_TYPE_F16;
    ItuningWeights *weights = ituning_weights_new_random_of_type (1, type,
        type);
    const ItuningMatrix matrix = ituning_weights_take_matrix (weights, 5, 300,
        "h.0.attn.c_attn.weight");
    ItuningPartInfo info;
    float row[300], largest = 0.0f;
    g_assert_null (matrix.values);
    g_assert_nonnull (matrix.halves);
    g_assert_cmpint (matrix.is_bfloat16, ==, is_bfloat16);
    ituning_matrix_get_row (row, &matrix, 300, 4);
    for (gsize j = 0; j < 300; j++)
      largest = MAX (largest, fabsf (row[j]));
    g_assert_cmpfloat (largest, >, 0.03f);
    g_assert_cmpfloat (largest, <, 0.0351f);
    g_assert_true (ituning_weights_finish (weights, &info, NULL));
    g_assert_cmpint (info.type, ==, type);
    g_assert_cmpuint (info.owned_size, ==, 5 * sizeof (guint16) * 300);
    ituning_weights_free (weights);
  }
}

static void
test_random_vocabularies_have_another_type (void)
{
  ItuningWeights *weights = ituning_weights_new_random_of_type (1,
      ITUNING_TYPE_Q4_0, ITUNING_TYPE_Q8_0);
  const ItuningMatrix vocabulary = ituning_weights_take_matrix (weights, 5, 64,
      "wte.weight");
  const ItuningMatrix blocks = ituning_weights_take_matrix (weights, 5, 64,
      "h.0.attn.c_attn.weight");
  ItuningPartInfo info;

  g_assert_cmpuint (vocabulary.quantized->bits, ==, 8);
  g_assert_cmpuint (blocks.quantized->bits, ==, 4);
  g_assert_true (ituning_weights_finish (weights, &info, NULL));
  ituning_weights_free (weights);
}

/* --- what is wrong ------------------------------------------------------ */

/* Writes the sample with @bytes at @offset of a tensor, and opens that. */
static GError *
open_spoiled (const Fixture *fixture, const char *name, gsize offset,
    const void *bytes, gsize size)
{
  g_autoptr (ItuningModel) model = NULL;
  g_autofree char *text = NULL;
  GError *error = NULL;
  gsize n, at;

  save (fixture->model, fixture->path, ITUNING_TYPE_Q8_0);
  g_assert_true (g_file_get_contents (fixture->path, &text, &n, NULL));
  {
    g_autoptr (GBytes) copy = g_bytes_new_static (text, n);
    g_autoptr (ItuningGguf) gguf = ituning_gguf_new ("copy", copy, NULL);
    at = (gsize) ((const char *) ituning_gguf_lookup (gguf, name)->data - text);
  }
  memcpy (text + at + offset, bytes, size);
  g_assert_true (g_file_set_contents (fixture->path, text, (gssize) n, NULL));
  model = ituning_model_open (fixture->path, NULL, &error);
  g_assert_null (model);
  return error;
}

static void
test_a_nan_is_found (Fixture *fixture, gconstpointer data)
{
  const guint16 nan = GUINT16_TO_LE (0x7e00);
  g_autoptr (GError) error = open_spoiled (fixture, "blk.1.ffn_up.weight",
      255 * 2 * 34 + 34, &nan, sizeof (nan));

  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, fixture->path));
  g_assert_nonnull (strstr (error->message, "blk.1.ffn_up.weight"));
}

/* A number that the type's scale, of binary16, cannot hold. */
static void
test_too_large_a_value_is_told (Fixture *fixture, gconstpointer data)
{
  float *values = (float *) fixture->model->backbone->language->layers[1]
                      .fc.weight.values; /* of this test's own */
  g_autoptr (GError) error = NULL;

  values[100] = 1e9f;
  g_assert_false (ituning_model_save (fixture->model, fixture->path,
      ITUNING_TYPE_Q4_0, NULL, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, "blk.1.ffn_up.weight"));
  g_assert_nonnull (strstr (error->message, "Q4_0"));
}

#define ADD(path, function) \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/quant-packed/matrices-are-blocks", test_matrices_are_blocks);
  ADD ("/quant-packed/broken-blocks-stay-floats",
      test_broken_blocks_stay_floats);
  ADD ("/quant-packed/packing-again-changes-nothing",
      test_packing_again_changes_nothing);
  ADD ("/quant-packed/memory-holds-no-floats", test_memory_holds_no_floats);
  ADD ("/quant-packed/it-computes-what-it-holds",
      test_it_computes_what_it_holds);
  ADD ("/quant-packed/it-is-close-to-the-exact", test_it_is_close_to_the_exact);
  ADD ("/quant-packed/parts-have-types-of-their-own",
      test_parts_have_types_of_their_own);
  ADD ("/quant-packed/a-nan-is-found", test_a_nan_is_found);
  ADD ("/quant-packed/too-large-a-value-is-told",
      test_too_large_a_value_is_told);
  g_test_add_func ("/quant-packed/random-vocabularies-have-another-type",
      test_random_vocabularies_have_another_type);
  g_test_add_func ("/quant-packed/random-weights-have-the-type",
      test_random_weights_have_the_type);
  g_test_add_func ("/quant-packed/random-weights-are-halves",
      test_random_weights_are_halves);
  return g_test_run ();
}
