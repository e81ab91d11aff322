/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "model/ituning.h"
#include "tests/testutil.h"

/* Every stage of two small random models, as folders and packed into one file,
 * against an independent reference (PyTorch). Limit 1e-4 of the largest value of a tensor; the largest error
 * seen is 2e-5 (logits), elsewhere 4e-6. */
#define LIMIT 1e-4

/* What is tested: a bundle, as it is or packed with its own type. */
typedef struct
{
  const char *name;
  gboolean packed;
  ItuningType type;
} Bundle;

typedef struct
{
  ItuningModel *model;
  ItuningSession *session;
  ItuningTensors *input, *expected;
  gsize B;
  ItuningFeatures **features;
} Fixture;

static ItuningTensors *
open_tensors (const char *bundle, const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", bundle,
      name, NULL);
  g_autoptr (GError) error = NULL;
  ItuningTensors *tensors = ituning_tensors_open (path, &error);

  g_assert_no_error (error);
  return tensors;
}

static ItuningModel *
open_model (const char *path)
{
  const ItuningModelOptions options = { .n_threads = 2 };
  g_autoptr (GError) error = NULL;
  ItuningModel *model = ituning_model_open (path, &options, &error);

  g_assert_no_error (error);
  return model;
}

/* The file is gone afterwards, but not what is mapped of it. */
static ItuningModel *
open_packed (const char *path, ItuningType type)
{
  g_autofree char *folder = g_dir_make_tmp ("ituning-golden-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (folder, "model.gguf", NULL);
  g_autoptr (ItuningModel) model = open_model (path);
  g_autoptr (GError) error = NULL;
  ItuningModel *packed;

  ituning_model_save (model, file, type, NULL, &error);
  g_assert_no_error (error);
  packed = open_model (file);
  g_remove (file);
  g_rmdir (folder);
  return packed;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  const Bundle *bundle = data;
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data",
      bundle->name, NULL);
  g_autoptr (GError) error = NULL;
  const ItuningTensor *pixels;

  fixture->model = bundle->packed ? open_packed (path, bundle->type)
                                  : open_model (path);
  fixture->session = ituning_session_new (fixture->model);
  fixture->input = open_tensors (bundle->name, "input.safetensors");
  fixture->expected = open_tensors (bundle->name, "expected.safetensors");
  pixels = ituning_tensors_lookup (fixture->input, "pixel_values");
  fixture->B = pixels->dims[0];
  fixture->features = g_new0 (ItuningFeatures *, fixture->B);
  ituning_session_encode_pixels (fixture->session, pixels->data, fixture->B,
      fixture->features, NULL, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer bundle)
{
  for (gsize b = 0; b < fixture->B; b++)
    ituning_features_unref (fixture->features[b]);
  g_free (fixture->features);
  ituning_tensors_free (fixture->input);
  ituning_tensors_free (fixture->expected);
  ituning_session_free (fixture->session);
  ituning_model_unref (fixture->model);
}

/* Compares one image's share of an expected tensor. */
static void
assert_expected (Fixture *fixture, const char *name, gsize b, const float *got)
{
  const ItuningTensor *tensor = ituning_tensors_lookup (fixture->expected,
      name);
  const float *want = tensor->data;
  const gsize total = tensor->size / sizeof (float), n = total / fixture->B;
  float largest = 0.0f;
  double worst;

  for (gsize i = 0; i < total; i++)
    largest = MAX (largest, ABS (want[i]));
  worst = assert_close (got, want + b * n, n, 0.0, LIMIT * (double) largest);
  g_test_message ("%s of image %" G_GSIZE_FORMAT ": %.2f of the limit", name, b,
      worst);
}

static void
test_encoder (Fixture *fixture, gconstpointer bundle)
{
  const ItuningModelInfo *info = ituning_model_get_info (fixture->model);
  g_autofree float *tokens = g_new (float,
      info->vision.num_tokens * info->vision.hidden_size);
  g_autoptr (GError) error = NULL;

  for (gsize b = 0; b < fixture->B; b++) {
    assert_expected (fixture, "last_hidden_state", b,
        ituning_features_get_last_hidden_state (fixture->features[b]));
    assert_expected (fixture, "image_embeds", b,
        ituning_features_get_image_embeds (fixture->features[b]));
    ituning_session_visual_tokens (fixture->session, fixture->features[b],
        tokens, &error);
    g_assert_no_error (error);
    assert_expected (fixture, "visual_tokens", b, tokens);
  }
}

static void
test_decoder (Fixture *fixture, gconstpointer bundle)
{
  const ItuningModelInfo *info = ituning_model_get_info (fixture->model);
  const ItuningTensor *tensor = ituning_tensors_lookup (fixture->input,
      "input_ids");
  const gint64 *values = tensor->data;
  const gsize T = tensor->dims[1], V = info->language.vocab_size;
  g_autofree guint32 *ids = g_new (guint32, T);
  g_autofree float *logits = g_new (float, T *V);
  g_autoptr (GError) error = NULL;

  for (gsize b = 0; b < fixture->B; b++) {
    for (gsize t = 0; t < T; t++)
      ids[t] = (guint32) values[b * T + t];
    ituning_session_logits (fixture->session, fixture->features[b], ids, T,
        logits, NULL, &error);
    g_assert_no_error (error);
    assert_expected (fixture, "logits", b, logits);
    ituning_session_logits (fixture->session, NULL, ids, T, logits, NULL,
        &error);
    g_assert_no_error (error);
    assert_expected (fixture, "logits_without_image", b, logits);
  }
}

static ItuningGenerateOptions
read_options (JsonObject *object)
{
  ItuningGenerateOptions options = ITUNING_GENERATE_OPTIONS_INIT;

  options.num_beams = (guint) json_object_get_int_member (object, "beams");
  options.max_new_tokens = (guint) json_object_get_int_member (object,
      "max_new");
  options.min_new_tokens = (guint)
      json_object_get_int_member_with_default (object, "min_new", 0);
  options.length_penalty = json_object_get_double_member_with_default (object,
      "length_penalty", 1.0);
  options.no_repeat_ngram_size = (guint)
      json_object_get_int_member_with_default (object, "no_repeat_ngram", 0);
  return options;
}

static void
assert_caption (const ItuningCaption *caption, JsonObject *object)
{
  JsonArray *ids = json_object_get_array_member (object, "ids");
  const double score = json_object_get_double_member (object, "score");
  double sum = 0.0;

  g_assert_cmpuint (caption->n_ids, ==, json_array_get_length (ids));
  for (guint i = 0; i < caption->n_ids; i++)
    g_assert_cmpint (caption->ids[i], ==, json_array_get_int_element (ids, i));
  g_assert_cmpfloat_with_epsilon (caption->score, score, 1e-4 * ABS (score));
  for (gsize i = 0; i < caption->n_log_probs; i++)
    sum += (double) caption->log_probs[i];
  g_assert_cmpfloat_with_epsilon (caption->confidence,
      exp (sum / (double) caption->n_log_probs), 1e-6);
}

static void
test_beams (Fixture *fixture, gconstpointer bundle)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "tiny",
      "beam.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  JsonArray *cases;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  cases = json_node_get_array (json_parser_get_root (parser));
  for (guint i = 0; i < json_array_get_length (cases); i++) {
    JsonObject *object = json_array_get_object_element (cases, i);
    const ItuningGenerateOptions options = read_options (object);
    ItuningCaption *captions[2];
    /* Both images together: a search must not disturb its neighbour. */
    ituning_session_caption (fixture->session, fixture->features, 2, &options,
        captions, NULL, &error);
    g_assert_no_error (error);
    assert_caption (captions[json_object_get_int_member (object, "sample")],
        object);
    ituning_caption_free (captions[0]);
    ituning_caption_free (captions[1]);
  }
}

int
main (int argc, char **argv)
{
  static const Bundle bundles[] = {
    { "tiny", FALSE, ITUNING_TYPE_F32 },
    { "tiny", TRUE, ITUNING_TYPE_F32 },
    { "tiny-bf16", FALSE, ITUNING_TYPE_BF16 },
    { "tiny-bf16", TRUE, ITUNING_TYPE_BF16 },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (bundles); i++) {
    g_autofree char *name = g_strconcat ("/golden/", bundles[i].name,
        bundles[i].packed ? "-packed" : "", NULL);
    g_autofree char *encoder = g_strconcat (name, "/encoder-is-the-reference's",
        NULL);
    g_autofree char *decoder = g_strconcat (name, "/decoder-is-the-reference's",
        NULL);
    g_autofree char *beams = g_strconcat (name, "/beams-are-the-reference's",
        NULL);
    g_test_add (encoder, Fixture, &bundles[i], set_up, test_encoder, tear_down);
    g_test_add (decoder, Fixture, &bundles[i], set_up, test_decoder, tear_down);
    if (bundles[i].type == ITUNING_TYPE_F32)
      g_test_add (beams, Fixture, &bundles[i], set_up, test_beams, tear_down);
  }
  return g_test_run ();
}
