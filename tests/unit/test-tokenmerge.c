/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/tokenmerge.h"

#include <math.h>
#include <string.h>

#include "model/attention.h"
#include "model/features.h"
#include "model/kernels/gemm.h"
#include "model/kernels/linear.h"
#include "tests/testutil.h"
#include "tests/unit/tinymodel.h"

/* Fewer visual tokens: which are merged, and what is left of an image. */

#define N_TOKENS ((gsize) 7)
#define WIDTH ((gsize) 4)

/* --- how many ----------------------------------------------------------- */

/* From any number to any that can be reached no layer merges more than it can,
 * and the last one leaves what was wanted. */
static void
test_plans_can_be_kept (void)
{
  for (gsize n = 1; n <= 60; n++) {
    for (gsize n_layers = 1; n_layers <= 7; n_layers++) {
      const gsize least = ituning_tokenmerge_min_tokens (n, n_layers);
      for (gsize keep = least; keep <= n; keep++) {
        gsize now = n;
        for (gsize layer = 0; layer < n_layers; layer++) {
          const gsize left = ituning_tokenmerge_plan (n, keep, n_layers, layer);
          g_assert_cmpuint (left, <=, now);
          g_assert_cmpuint (now - left, <=, now > 2 ? (now - 1) / 2 : 0);
          now = left;
        }
        g_assert_cmpuint (now, ==, keep);
      }
    }
  }
  /* ViT-B/16 to half: as many in each layer, but for what does not divide. */
  for (gsize layer = 0; layer < 12; layer++)
    g_assert_cmpuint (ituning_tokenmerge_plan (197, 101, 12, layer), ==,
        197 - 8 * (layer + 1));
}

/* --- which -------------------------------------------------------------- */

/* Seven tokens: 0 is the class token, 2, 4 and 6 look among 1, 3 and 5. Token 6
 * is as 3, token 2 nearly as 5 (in the mean over two heads), token 4 as none. */
static const float keys[N_TOKENS * WIDTH] = {
  1, 0, 1, 0, /* as 1, and yet it stays */
  1, 0, 1, 0, /* 1 */
  0, 1, 0, 0.9F, /* 2 */
  1, 2, 3, 4, /* 3 */
  -1, -1, -1, -1, /* 4 */
  0.1F, 1, -0.1F, 1, /* 5 */
  2, 4, 6, 8, /* 6 */
};

static void
merge (float *x, float *sizes, gsize n_keep, guint n_threads)
{
  ItuningPool *pool = ituning_pool_new (n_threads);
  ItuningTokenMergeScratch scratch = { 0 };

  ituning_tokenmerge_run (pool, &scratch, x, sizes, keys, 1, N_TOKENS, n_keep,
      WIDTH, 2);
  ituning_tokenmerge_scratch_clear (&scratch);
  ituning_pool_free (pool);
}

static void
assert_tokens (const float *x, const float *sizes, const float *want,
    const float *want_sizes, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    const float wanted[] = { want[i], want[i], want[i], want[i] };
    assert_close (x + i * WIDTH, wanted, WIDTH, 1e-6, 1e-6);
    g_assert_cmpfloat (sizes[i], ==, want_sizes[i]);
  }
}

static void
test_the_most_alike_become_means (void)
{
  float x[N_TOKENS * WIDTH], sizes[N_TOKENS] = { 1, 1, 1, 1, 1, 1, 3 };

  for (gsize i = 0; i < N_TOKENS * WIDTH; i++)
    x[i] = 10.0F * floorf ((float) i / (float) WIDTH);
  /* 3 and 6 are 30 of one patch and 60 of three; 2 and 5 are left. */
  merge (x, sizes, 6, 1);
  assert_tokens (x, sizes, (const float[]){ 0, 10, 20, 52.5F, 40, 50 },
      (const float[]){ 1, 1, 1, 4, 1, 1 }, 6);
}

static void
test_two_become_means_in_order (void)
{
  float x[N_TOKENS * WIDTH], sizes[N_TOKENS] = { 1, 1, 1, 1, 1, 1, 1 };

  for (gsize i = 0; i < N_TOKENS * WIDTH; i++)
    x[i] = 10.0F * floorf ((float) i / (float) WIDTH);
  merge (x, sizes, 5, 2);
  assert_tokens (x, sizes, (const float[]){ 0, 10, 45, 40, 35 },
      (const float[]){ 1, 1, 2, 1, 2 }, 5);
}

/* --- what follows ------------------------------------------------------- */

#define N ((gsize) 5)
#define E ((gsize) 8)

/* Attention to a token of two equal ones is attention to both. */
static void
test_sizes_count_in_attention (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  ItuningPool *pool = ituning_pool_new (2);
  ItuningBuffer scratch = { 0 };
  const float bias[N - 1] = { 0, logf (2), 0, 0 };
  float q[3 * E], k[N * E], v[N * E], whole[3 * E], merged[3 * E];
  ItuningAttention shape = { .n_sequences = 1,
    .n_queries = 3,
    .n_keys = N,
    .n_heads = 2,
    .head_size = E / 2,
    .q_stride = E,
    .kv_stride = E,
    .out_stride = E,
    .scale = 0.5F };

  fill_random (rand, q, 3 * E);
  fill_random (rand, k, N * E);
  fill_random (rand, v, N * E);
  memcpy (k + (N - 1) * E, k + E, sizeof (float) * E);
  memcpy (v + (N - 1) * E, v + E, sizeof (float) * E);
  ituning_attention_forward (pool, &scratch, whole, q, k, v, &shape);
  shape.n_keys = N - 1;
  shape.key_bias = bias;
  ituning_attention_forward (pool, &scratch, merged, q, k, v, &shape);
  assert_close (merged, whole, 3 * E, 1e-5, 1e-6);
  ituning_buffer_clear (&scratch);
  ituning_pool_free (pool);
}

/* Likewise that of the text: an image with two equal tokens, and with one that
 * stands for both. */
static void
test_sizes_count_for_the_text (void)
{
  g_autoptr (ItuningModel) model = open_tiny (2);
  const ItuningAdapter *adapter = model->adapter;
  const gsize width = adapter->config.vision_hidden_size;
  const gsize C = adapter->config.hidden_size, S = 4;
  const float sizes[3] = { 0, logf (2), 0 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  g_autofree float *tokens = g_new (float, S *width);
  g_autofree float *u = g_new (float, C), *x = g_new0 (float, 2 * C);
  ItuningAdapterScratch scratch = { 0 };
  ItuningPool *pool = model->backbone->pool;
  ItuningMemory *whole, *merged;

  fill_random (rand, tokens, S * width);
  fill_random (rand, u, C);
  memcpy (tokens + 3 * width, tokens + width, width * sizeof (float));
  whole = ituning_memory_new (model->adapter, pool, tokens, S, NULL, NULL);
  merged = ituning_memory_new (model->adapter, pool, tokens, 3, sizes, NULL);
  ituning_adapter_forward (adapter, 0, &scratch, pool, x, u, &whole, 1, 1);
  ituning_adapter_forward (adapter, 0, &scratch, pool, x + C, u, &merged, 1, 1);
  assert_close (x + C, x, C, 1e-5, 1e-6);
  ituning_memory_unref (whole);
  ituning_memory_unref (merged);
  ituning_adapter_scratch_clear (&scratch);
}

/* --- in a session ------------------------------------------------------- */

#define N_IMAGES 5

static float *
make_pixels (const ItuningModel *model, gsize n)
{
  const gsize I = ituning_model_get_info (model)->vision.image_size;
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);
  float *pixels = g_new (float, n * 3 * I * I);

  fill_random (rand, pixels, n * 3 * I * I);
  return pixels;
}

static ItuningFeatures *
encode (ItuningModel *model, gsize n_tokens, const float *pixels)
{
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  g_autoptr (GError) error = NULL;
  ItuningFeatures *features = NULL;

  if (n_tokens != G_MAXSIZE)
    ituning_session_set_visual_tokens (session, n_tokens);
  ituning_session_encode_pixels (session, pixels, 1, &features, NULL, &error);
  g_assert_no_error (error);
  return features;
}

static void
assert_identical (const ItuningFeatures *a, const ItuningFeatures *b)
{
  g_assert_cmpuint (a->n_tokens, ==, b->n_tokens);
  g_assert_cmpmem (a->last_hidden_state, a->n_tokens * a->D * sizeof (float),
      b->last_hidden_state, b->n_tokens * b->D * sizeof (float));
  g_assert_cmpmem (a->image_embeds, a->n_embeds * sizeof (float),
      b->image_embeds, b->n_embeds * sizeof (float));
}

static void
test_all_tokens_change_nothing (void)
{
  g_autoptr (ItuningModel) model = open_tiny (2);
  const gsize all = ituning_model_get_info (model)->vision.num_tokens;
  const gsize numbers[] = { 0, all, all + 1, 100000 };
  g_autofree float *pixels = make_pixels (model, 1);
  g_autoptr (ItuningFeatures) want = encode (model, G_MAXSIZE, pixels);

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
    g_autoptr (ItuningFeatures) got = encode (model, numbers[i], pixels);
    g_assert_null (got->log_sizes);
    assert_identical (got, want);
  }
}

static void
test_what_is_left_stands_for_all (void)
{
  g_autoptr (ItuningModel) model = open_tiny (2);
  const gsize all = ituning_model_get_info (model)->vision.num_tokens;
  g_autofree float *pixels = make_pixels (model, 1);

  for (gsize n = 1; n < all; n++) {
    g_autoptr (ItuningFeatures) features = encode (model, n, pixels);
    double sum = 0.0;
    /* 17 tokens, three layers: 9, 5, 3. */
    g_assert_cmpuint (ituning_features_get_n_tokens (features), ==, MAX (n, 3));
    for (gsize i = 0; i < features->n_tokens; i++)
      sum += exp ((double) features->log_sizes[i]);
    g_assert_cmpfloat (features->log_sizes[0], ==, 0.0F); /* the class token */
    g_assert_cmpfloat_with_epsilon (sum, (double) all, 1e-4);
  }
}

/* Threads to the last bit; company rounds differently, by 1.7e-5 as measured. */
static void
test_neither_threads_nor_company_matter (void)
{
  g_autoptr (ItuningModel) one = open_tiny (1), four = open_tiny (4);
  const gsize I = ituning_model_get_info (one)->vision.image_size;
  g_autofree float *pixels = make_pixels (one, N_IMAGES);
  g_autoptr (ItuningSession) session = ituning_session_new (four);
  ItuningFeatures *together[N_IMAGES];
  ItuningCaption *captions[N_IMAGES];

  ituning_session_set_visual_tokens (session, 9);
  g_assert_true (ituning_session_encode_pixels (session, pixels, N_IMAGES,
      together, NULL, NULL));
  g_assert_true (ituning_session_caption (session, together, N_IMAGES, NULL,
      captions, NULL, NULL));
  for (gsize i = 0; i < N_IMAGES; i++) {
    g_autoptr (ItuningFeatures) alone = encode (one, 9, pixels + i * 3 * I * I);
    g_autoptr (ItuningFeatures) again = encode (four, 9,
        pixels + i * 3 * I * I);
    assert_identical (again, alone);
    g_assert_cmpuint (together[i]->n_tokens, ==, 9);
    assert_close (together[i]->last_hidden_state, alone->last_hidden_state,
        9 * alone->D, 1e-4, 1e-4);
    g_assert_cmpmem (together[i]->log_sizes, 9 * sizeof (float),
        alone->log_sizes, 9 * sizeof (float));
    ituning_features_unref (together[i]);
    ituning_caption_free (captions[i]);
  }
}

/* What the merged tokens say is close to what all of them say: the logits of
 * one token fewer to those of all, closer than to another image's. They may be
 * the same: the small model's attention hardly sees more than one token. */
static void
test_a_little_changes_little (void)
{
  g_autoptr (ItuningModel) model = open_tiny (2);
  const ItuningModelInfo *info = ituning_model_get_info (model);
  const gsize I = info->vision.image_size, V = info->language.vocab_size;
  g_autofree float *pixels = make_pixels (model, 2);
  g_autoptr (ItuningSession) session = ituning_session_new (model);
  g_autoptr (ItuningFeatures) all = encode (model, 0, pixels);
  g_autoptr (ItuningFeatures) fewer = encode (model,
      info->vision.num_tokens - 1, pixels);
  g_autoptr (ItuningFeatures) other = encode (model, 0, pixels + 3 * I * I);
  ItuningFeatures *features[] = { all, fewer, other };
  g_autofree float *logits = g_new (float, 3 * V);
  double near = 0.0, far = 0.0;

  g_assert_cmpuint (fewer->n_tokens, ==, all->n_tokens - 1);
  for (gsize i = 0; i < 3; i++)
    g_assert_true (ituning_session_logits (session, features[i],
        &info->language.bos_token_id, 1, logits + i * V, NULL, NULL));
  for (gsize i = 0; i < V; i++) {
    near += fabs ((double) logits[V + i] - (double) logits[i]);
    far += fabs ((double) logits[2 * V + i] - (double) logits[i]);
  }
  g_test_message ("%g, another image %g", near, far);
  g_assert_cmpfloat (near, <, far);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  ituning_gemm_init ();
  g_test_add_func ("/tokenmerge/plans-can-be-kept", test_plans_can_be_kept);
  g_test_add_func ("/tokenmerge/the-most-alike-become-means",
      test_the_most_alike_become_means);
  g_test_add_func ("/tokenmerge/two-become-means-in-order",
      test_two_become_means_in_order);
  g_test_add_func ("/tokenmerge/sizes-count-in-attention",
      test_sizes_count_in_attention);
  g_test_add_func ("/tokenmerge/sizes-count-for-the-text",
      test_sizes_count_for_the_text);
  g_test_add_func ("/tokenmerge/all-tokens-change-nothing",
      test_all_tokens_change_nothing);
  g_test_add_func ("/tokenmerge/what-is-left-stands-for-all",
      test_what_is_left_stands_for_all);
  g_test_add_func ("/tokenmerge/neither-threads-nor-company-matter",
      test_neither_threads_nor_company_matter);
  g_test_add_func ("/tokenmerge/a-little-changes-little",
      test_a_little_changes_little);
  return g_test_run ();
}
