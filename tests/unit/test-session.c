/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <glib/gstdio.h>

#include "model/model.h"
#include "model/preprocess.h"
#include "tests/testutil.h"
#include "tests/unit/tinymodel.h"

/* What the library promises its callers, on the small random model. */

/* Deterministic pictures that differ. */
static void
paint (guint8 *pixels, gsize width, gsize height, guint seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  const guint base = g_rand_int (rand) & 0xffffff;

  for (gsize y = 0; y < height; y++)
    for (gsize x = 0; x < width; x++)
      for (gsize c = 0; c < 3; c++)
        pixels[(y * width + x) * 3 + c] = (guint8) ((base >> (8 * c)) +
            x * (seed % 5) + y * (seed % 3));
}

#define WIDTH ((gsize) 50)
#define HEIGHT ((gsize) 40)

static ItuningFeatures *
encode (ItuningSession *session, guint seed)
{
  guint8 pixels[WIDTH * HEIGHT * 3];
  const ItuningImage image = { pixels, WIDTH, HEIGHT, WIDTH * 3 };
  g_autoptr (GError) error = NULL;
  ItuningFeatures *features = NULL;

  paint (pixels, WIDTH, HEIGHT, seed);
  ituning_session_encode (session, &image, 1, &features, NULL, &error);
  g_assert_no_error (error);
  return features;
}

static ItuningCaption *
caption_with (ItuningSession *session, ItuningFeatures *features,
    const ItuningGenerateOptions *options)
{
  g_autoptr (GError) error = NULL;
  ItuningCaption *caption = NULL;

  ituning_session_caption (session, &features, 1, options, &caption, NULL,
      &error);
  g_assert_no_error (error);
  return caption;
}

static ItuningCaption *
caption_image (ItuningSession *session, guint seed, guint num_beams)
{
  ItuningGenerateOptions options = ITUNING_GENERATE_OPTIONS_INIT;
  g_autoptr (ItuningFeatures) features = encode (session, seed);

  options.num_beams = num_beams;
  options.max_new_tokens = 20;
  return caption_with (session, features, &options);
}

static void
assert_same_ids (const ItuningCaption *a, const ItuningCaption *b)
{
  g_assert_cmpmem (a->ids, a->n_ids * sizeof (guint32), b->ids,
      b->n_ids * sizeof (guint32));
}

/* To the last bit. */
static void
assert_identical (const ItuningCaption *a, const ItuningCaption *b)
{
  assert_same_ids (a, b);
  g_assert_cmpmem (a->log_probs, a->n_log_probs * sizeof (float), b->log_probs,
      b->n_log_probs * sizeof (float));
  g_assert_true (a->score == b->score && a->confidence == b->confidence);
}

static void
test_threads_do_not_change_captions (void)
{
  g_autoptr (ItuningModel) alone = open_tiny (1);
  g_autoptr (ItuningSession) session = ituning_session_new (alone);

  for (guint n_threads = 2; n_threads <= 4; n_threads += 2) {
    g_autoptr (ItuningModel) model = open_tiny (n_threads);
    g_autoptr (ItuningSession) other = ituning_session_new (model);
    for (guint seed = 0; seed < 4; seed++) {
      for (guint num_beams = 1; num_beams <= 5; num_beams += 2) {
        g_autoptr (ItuningCaption) want = caption_image (session, seed,
            num_beams);
        g_autoptr (ItuningCaption) got = caption_image (other, seed, num_beams);
        assert_identical (got, want);
      }
    }
  }
}

#define N_CALLERS 8
#define N_IMAGES 4

typedef struct
{
  ItuningModel *model;
  ItuningFeatures *shared; /* captioned by all at once */
  ItuningCaption *want_shared;
  ItuningCaption *want[N_IMAGES];
} Crowd;

static gpointer
call (gpointer data)
{
  const Crowd *crowd = data;
  g_autoptr (ItuningSession) session = ituning_session_new (crowd->model);
  g_autoptr (ItuningCaption) shared = caption_with (session, crowd->shared,
      NULL);

  assert_identical (shared, crowd->want_shared);
  for (guint round = 0; round < 2; round++) {
    for (guint seed = 0; seed < N_IMAGES; seed++) {
      g_autoptr (ItuningCaption) got = caption_image (session, seed, 3);
      assert_identical (got, crowd->want[seed]);
    }
  }
  return NULL;
}

static void
test_many_threads_share_a_model (void)
{
  Crowd crowd = { .model = open_tiny (2) };
  ItuningSession *session = ituning_session_new (crowd.model);
  GThread *callers[N_CALLERS];

  for (guint seed = 0; seed < N_IMAGES; seed++)
    crowd.want[seed] = caption_image (session, seed, 3);
  crowd.shared = encode (session, 7);
  crowd.want_shared = caption_with (session, crowd.shared, NULL);
  ituning_features_unref (crowd.shared);
  crowd.shared = encode (session, 7); /* not captioned yet */
  ituning_session_free (session);
  for (gsize i = 0; i < N_CALLERS; i++)
    callers[i] = g_thread_new ("caller", call, &crowd);
  for (gsize i = 0; i < N_CALLERS; i++)
    g_thread_join (callers[i]);
  for (guint seed = 0; seed < N_IMAGES; seed++)
    ituning_caption_free (crowd.want[seed]);
  ituning_caption_free (crowd.want_shared);
  ituning_features_unref (crowd.shared);
  ituning_model_unref (crowd.model);
}

static void
test_batch_is_each_alone (void)
{
  g_autoptr (ItuningModel) model = open_tiny (2);
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  guint8 pixels[N_IMAGES][WIDTH * HEIGHT * 3];
  ItuningImage images[N_IMAGES];
  ItuningFeatures *features[N_IMAGES];
  ItuningCaption *captions[N_IMAGES];
  ItuningGenerateOptions options = ITUNING_GENERATE_OPTIONS_INIT;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < N_IMAGES; i++) {
    paint (pixels[i], WIDTH, HEIGHT, i);
    images[i] = (ItuningImage){ pixels[i], WIDTH, HEIGHT, WIDTH * 3 };
  }
  options.num_beams = 3;
  options.max_new_tokens = 20;
  ituning_session_encode (session, images, N_IMAGES, features, NULL, &error);
  g_assert_no_error (error);
  ituning_session_caption (session, features, N_IMAGES, &options, captions,
      NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < N_IMAGES; i++) {
    g_autoptr (ItuningCaption) alone = caption_image (session, i, 3);
    assert_same_ids (captions[i], alone);
    ituning_caption_free (captions[i]);
    ituning_features_unref (features[i]);
  }
}

static void
test_features_can_be_kept (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      "adapter", NULL);
  g_autoptr (ItuningModel) model = open_tiny (1);
  g_autoptr (ItuningModel) other = NULL;
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  g_autoptr (ItuningSession) other_session = NULL;
  g_autoptr (ItuningFeatures) features = encode (session, 3);
  g_autoptr (ItuningCaption) first = caption_with (session, features, NULL);
  g_autoptr (ItuningCaption) again = caption_with (session, features, NULL);
  g_autoptr (ItuningCaption) elsewhere = NULL;
  g_autoptr (GError) error = NULL;

  assert_identical (first, again);
  /* The same adapter opened again, on the same backbone. */
  other = ituning_model_with_adapter (model, path, &error);
  g_assert_no_error (error);
  g_clear_pointer (&session, ituning_session_free);
  g_clear_pointer (&model, ituning_model_unref);
  other_session = ituning_session_new (other);
  elsewhere = caption_with (other_session, features, NULL);
  assert_identical (first, elsewhere);
}

/* Copies a weights file with a header that is @n bytes longer, so that the data
 * starts at another address. */
static void
shift_data (const char *from, const char *to, gsize n)
{
  g_autofree char *bytes = NULL;
  g_autoptr (GString) shifted = g_string_new (NULL);
  guint64 length;
  gsize size;

  g_assert_true (g_file_get_contents (from, &bytes, &size, NULL));
  memcpy (&length, bytes, sizeof (length));
  length += n;
  g_string_append_len (shifted, (const char *) &length, sizeof (length));
  g_string_append_len (shifted, bytes + 8, (gssize) (length - n));
  for (gsize i = 0; i < n; i++)
    g_string_append_c (shifted, ' ');
  g_string_append_len (shifted, bytes + 8 + length - n,
      (gssize) (size - 8 - (length - n)));
  g_assert_true (
      g_file_set_contents (to, shifted->str, (gssize) shifted->len, NULL));
}

/* As GPT-2's own file on the Hub, whose data starts at an odd byte. */
static void
test_data_at_an_odd_address_is_read (void)
{
  static const char *const names[] = { "config.json", "model.safetensors" };
  g_autofree char *folder = g_dir_make_tmp ("ituning-session-XXXXXX", NULL);
  g_autofree char *bundle = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  const ItuningModelOptions options = { .language = folder, .n_threads = 1 };
  g_autoptr (ItuningModel) model = open_tiny (1), shifted = NULL;
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  g_autoptr (ItuningSession) other = NULL;
  g_autoptr (ItuningCaption) want = caption_image (session, 1, 3), got = NULL;
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *from = g_build_filename (bundle, "language", names[i],
        NULL);
    g_autofree char *to = g_build_filename (folder, names[i], NULL);
    g_autofree char *text = NULL;
    if (i == 1) {
      shift_data (from, to, 3);
      continue;
    }
    g_assert_true (g_file_get_contents (from, &text, NULL, NULL));
    g_assert_true (g_file_set_contents (to, text, -1, NULL));
  }
  shifted = ituning_model_open (bundle, &options, &error);
  g_assert_no_error (error);
  other = ituning_session_new (shifted);
  got = caption_image (other, 1, 3);
  assert_identical (got, want);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);
    g_remove (path);
  }
  g_rmdir (folder);
}

static void
test_cancelled_calls_fail (void)
{
  g_autoptr (ItuningModel) model = open_tiny (1);
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  g_autoptr (ItuningFeatures) features = encode (session, 1);
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  const guint8 pixels[3] = { 0 };
  const ItuningImage image = { pixels, 1, 1, 3 };
  ItuningFeatures *made = NULL;
  ItuningCaption *caption = NULL;
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancelled);
  g_assert_false (
      ituning_session_encode (session, &image, 1, &made, cancelled, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (made);
  g_clear_error (&error);
  g_assert_false (ituning_session_caption (session, &features, 1, NULL,
      &caption, cancelled, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (caption);
}

static void
test_without_adapter_only_text_is_served (void)
{
  g_autofree char *vision = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      "vision", NULL);
  g_autofree char *language = g_test_build_filename (G_TEST_DIST, "data",
      "tiny", "language", NULL);
  const ItuningModelOptions options = { vision, language, NULL, 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (ItuningModel) model = ituning_model_open (NULL, &options, &error);
  g_autoptr (ItuningSession) session = NULL;
  g_autoptr (ItuningFeatures) features = NULL;
  ItuningCaption *caption = NULL;
  const guint32 bos = 96;
  float logits[97];

  g_assert_no_error (error);
  session = ituning_session_new (model);
  features = encode (session, 1);
  g_assert_true (
      ituning_session_logits (session, NULL, &bos, 1, logits, NULL, &error));
  g_assert_false (ituning_session_caption (session, &features, 1, NULL,
      &caption, NULL, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT);
}

static void
test_parts_must_fit (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      NULL);
  g_autofree char *adapter = g_test_build_filename (G_TEST_DIST, "data",
      "tiny-bf16", "adapter", NULL);
  const ItuningModelOptions options = { .adapter = adapter };
  g_autoptr (GError) error = NULL;

  g_assert_null (ituning_model_open (path, &options, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, adapter));
}

/* A model of random weights whose adapter is a prefix made of an image embedding
 * of that width. */
static ItuningModel *
make_prefix_model (gsize projection_dim)
{
  const ItuningVisionConfig vision = {
    .hidden_size = 32,
    .intermediate_size = 64,
    .num_hidden_layers = 1,
    .num_attention_heads = 2,
    .image_size = 32,
    .patch_size = 16,
    .projection_dim = projection_dim,
    .hidden_act = ITUNING_ACTIVATION_QUICK_GELU,
    .layer_norm_eps = 1e-5,
  };
  const ItuningLanguageConfig language = {
    .vocab_size = 40,
    .n_positions = 32,
    .n_embd = 32,
    .n_layer = 1,
    .n_head = 2,
    .n_inner = 64,
    .bos_token_id = 39,
    .eos_token_id = 39,
    .activation_function = ITUNING_ACTIVATION_GELU_TANH,
    .layer_norm_epsilon = 1e-5,
    .scale_attn_weights = TRUE,
    .tie_word_embeddings = TRUE,
  };
  ItuningAdapterConfig config = {
    .vision_hidden_size = 32,
    .hidden_size = 32,
    .bottleneck_size = 1,
    .num_heads = 1,
    .scale = 1.0,
    .layers = g_new0 (guint, 1),
    .prefix_length = 2,
    .projection_dim = projection_dim,
  };
  g_autoptr (GError) error = NULL;
  ItuningBackbone *backbone = ituning_backbone_new (1);
  ItuningAdapter *adapter;

  backbone->vision = ituning_vision_new (&vision,
      ituning_weights_new_random (1), &error);
  backbone->language = ituning_language_new (&language,
      ituning_weights_new_random (2), &error);
  backbone->preprocessor = ituning_preprocessor_new_default (32);
  adapter = ituning_adapter_new (&config, ituning_weights_new_random (3),
      &error);
  g_assert_no_error (error);
  return ituning_model_new (backbone, adapter);
}

/* Of a tower that differs in the width of its image embedding alone. */
static void
test_features_of_another_tower_are_refused (void)
{
  g_autoptr (ItuningModel) narrow = make_prefix_model (8);
  g_autoptr (ItuningModel) wide = make_prefix_model (4096);
  g_autoptr (ItuningSession) from = ituning_session_new (narrow);
  g_autoptr (ItuningSession) to = ituning_session_new (wide);
  g_autoptr (ItuningFeatures) features = encode (from, 1);
  const guint32 ids[] = { 39 };
  g_autoptr (GError) error = NULL;
  float logits[40];

  g_assert_true (
      ituning_session_logits (from, features, ids, 1, logits, NULL, NULL));
  g_assert_false (
      ituning_session_logits (to, features, ids, 1, logits, NULL, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, "4096"));
}

static void
test_draws_follow_their_options (void)
{
  g_autoptr (ItuningModel) model = open_tiny (1);
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  g_autoptr (ItuningFeatures) features = encode (session, 2);
  ItuningGenerateOptions options = ITUNING_GENERATE_OPTIONS_INIT;
  g_autoptr (ItuningCaption) greedy = NULL, one = NULL, sharp = NULL;
  guint n_different = 0;

  options.min_new_tokens = 8;
  options.max_new_tokens = 12;
  greedy = caption_with (session, features, &options);
  options.do_sample = TRUE;
  options.top_k = 1;
  one = caption_with (session, features, &options);
  assert_identical (one, greedy);
  options.top_k = 0;
  options.top_p = 1e-6;
  sharp = caption_with (session, features, &options);
  assert_identical (sharp, greedy);
  options.top_p = 0.9;
  options.temperature = 2.0;
  for (options.seed = 0; options.seed < 8; options.seed++) {
    g_autoptr (ItuningCaption) drawn = caption_with (session, features,
        &options);
    g_autoptr (ItuningCaption) again = caption_with (session, features,
        &options);
    assert_identical (drawn, again);
    g_assert_cmpuint (drawn->n_ids, >=, 8);
    if (drawn->n_ids != greedy->n_ids ||
        memcmp (drawn->ids, greedy->ids, drawn->n_ids * sizeof (guint32)) != 0)
      n_different++;
  }
  g_assert_cmpuint (n_different, >, 0);
}

static void
test_senseless_options_are_errors (void)
{
  static const ItuningGenerateOptions cases[] = {
    { .num_beams = 0, .max_new_tokens = 1, .temperature = 1, .top_p = 1 },
    { .num_beams = 65, .max_new_tokens = 1, .temperature = 1, .top_p = 1 },
    { .num_beams = 1, .max_new_tokens = 0, .temperature = 1, .top_p = 1 },
    { .num_beams = 1, .max_new_tokens = 33, .temperature = 1, .top_p = 1 },
    { .num_beams = 1,
        .max_new_tokens = 2,
        .min_new_tokens = 3,
        .temperature = 1,
        .top_p = 1 },
    { .num_beams = 1, .max_new_tokens = 1, .temperature = 0, .top_p = 1 },
    { .num_beams = 1, .max_new_tokens = 1, .temperature = 1, .top_p = 0 },
    { .num_beams = 1, .max_new_tokens = 1, .temperature = 1, .top_p = 1.1 },
    { .num_beams = 2,
        .max_new_tokens = 1,
        .temperature = 1,
        .top_p = 1,
        .do_sample = TRUE },
  };
  g_autoptr (ItuningModel) model = open_tiny (1);
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  g_autoptr (ItuningFeatures) features = encode (session, 2);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    ItuningCaption *caption = NULL;
    g_assert_false (ituning_session_caption (session, &features, 1, &cases[i],
        &caption, NULL, &error));
    g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT);
    g_assert_null (caption);
  }
}

static void
test_ids_outside_the_vocabulary_are_errors (void)
{
  g_autoptr (ItuningModel) model = open_tiny (1);
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  const guint32 ids[] = { 96, 97 };
  float logits[2 * 97];
  g_autoptr (GError) error = NULL;

  g_assert_false (
      ituning_session_logits (session, NULL, ids, 2, logits, NULL, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/session/threads-do-not-change-captions",
      test_threads_do_not_change_captions);
  g_test_add_func ("/session/many-threads-share-a-model",
      test_many_threads_share_a_model);
  g_test_add_func ("/session/batch-is-each-alone", test_batch_is_each_alone);
  g_test_add_func ("/session/features-can-be-kept", test_features_can_be_kept);
  g_test_add_func ("/session/data-at-an-odd-address-is-read",
      test_data_at_an_odd_address_is_read);
  g_test_add_func ("/session/cancelled-calls-fail", test_cancelled_calls_fail);
  g_test_add_func ("/session/without-adapter-only-text-is-served",
      test_without_adapter_only_text_is_served);
  g_test_add_func ("/session/parts-must-fit", test_parts_must_fit);
  g_test_add_func ("/session/features-of-another-tower-are-refused",
      test_features_of_another_tower_are_refused);
  g_test_add_func ("/session/draws-follow-their-options",
      test_draws_follow_their_options);
  g_test_add_func ("/session/senseless-options-are-errors",
      test_senseless_options_are_errors);
  g_test_add_func ("/session/ids-outside-the-vocabulary-are-errors",
      test_ids_outside_the_vocabulary_are_errors);
  return g_test_run ();
}
