/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a vision tower that is trained from nothing begins with. */

#include <math.h>

#include "model/train/initialise.h"
#include "model/vision.h"

#define D ((gsize) 24)
#define PATCH ((gsize) 4)
#define N_PIXELS (PATCH * PATCH)
#define SIDE ((gsize) 3)

typedef struct
{
  ItuningParameters *parameters;
  ItuningVision *vision;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  const ItuningVisionConfig config = {
    .hidden_size = D,
    .intermediate_size = 4 * D,
    .num_hidden_layers = 2,
    .num_attention_heads = 2,
    .image_size = SIDE * PATCH,
    .patch_size = PATCH,
    .projection_dim = 8,
    .hidden_act = ITUNING_ACTIVATION_QUICK_GELU,
    .layer_norm_eps = 1e-5,
  };
  ItuningWeights *weights = ituning_weights_new_random (0);

  (void) data;
  fixture->parameters = ituning_parameters_new ();
  ituning_parameters_adopt (fixture->parameters, weights);
  fixture->vision = ituning_vision_new (&config, weights, NULL);
  g_assert_nonnull (fixture->vision);
  ituning_initialise_vision (fixture->parameters, &config, 1);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  (void) data;
  ituning_vision_free (fixture->vision);
  ituning_parameters_free (fixture->parameters);
}

static const float *
get (const Fixture *fixture, const char *name)
{
  const ItuningParameter *parameter =
      ituning_parameters_lookup (fixture->parameters, name);

  g_assert_nonnull (parameter);
  return parameter->values;
}

static double
dot (const float *a, const float *b, gsize n)
{
  double sum = 0.0;

  for (gsize i = 0; i < n; i++)
    sum += (double) a[i] * (double) b[i];
  return sum;
}

static void
test_patches_are_waves (Fixture *fixture, gconstpointer data)
{
  const gsize n = 3 * N_PIXELS;
  const float *rows = get (fixture,
      "vision_model.embeddings.patch_embedding.weight");

  (void) data;
  for (gsize i = 1; i < n; i++) /* the first is the brightness of a patch */
    g_assert_cmpfloat_with_epsilon (rows[i], rows[0], 1e-6f);
  for (gsize i = 0; i < D; i++) {
    const double length = sqrt (dot (rows + i * n, rows + i * n, n));
    g_assert_cmpfloat (length, >, 0.02);
    for (gsize k = 0; k < i; k++) {
      const double other = sqrt (dot (rows + k * n, rows + k * n, n));
      g_assert_cmpfloat (fabs (dot (rows + i * n, rows + k * n, n)), <,
          1e-5 * length * other);
    }
  }
}

static void
test_places_differ (Fixture *fixture, gconstpointer data)
{
  const float *rows = get (fixture,
      "vision_model.embeddings.position_embedding.weight");

  (void) data;
  for (gsize i = 1; i <= SIDE * SIDE; i++) {
    const double self = dot (rows + i * D, rows + i * D, D);
    for (gsize k = 1; k < i; k++)
      g_assert_cmpfloat (dot (rows + i * D, rows + k * D, D), <, 0.9 * self);
  }
}

static void
test_keys_are_like_queries (Fixture *fixture, gconstpointer data)
{
  const float *q = get (fixture,
      "vision_model.encoder.layers.1.self_attn.q_proj.weight");
  const float *k = get (fixture,
      "vision_model.encoder.layers.1.self_attn.k_proj.weight");
  const gsize n = D * D;
  const double cosine = dot (q, k, n) / sqrt (dot (q, q, n) * dot (k, k, n));

  (void) data;
  g_assert_cmpfloat (cosine, >, 0.6);
  g_assert_cmpfloat (cosine, <, 0.8);
}

#define ADD(name, test) \
  g_test_add ("/initialise/" name, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("patches-are-waves", test_patches_are_waves);
  ADD ("places-differ", test_places_differ);
  ADD ("keys-are-like-queries", test_keys_are_like_queries);
  return g_test_run ();
}
