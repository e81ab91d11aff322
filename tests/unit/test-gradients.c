/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "model/kernels/gemm.h"
#include "model/train/contrast.h"
#include "model/train/prefixpass.h"
#include "model/train/random.h"
#include "model/train/textpass.h"
#include "model/train/visionpass.h"
#include "tests/testutil.h"

/* Every gradient against differences: along a random direction of a parameter
 * the loss must rise by the gradient's part in it. Small networks with all that
 * a network can have; values are random, and large enough that nothing hides
 * in rounding. Seen: within 0.14 %, where 1 % is allowed. */

#define STEP 2e-3
#define RELATIVE 0.01
#define ABSOLUTE 4e-4

/* --- a loss of parameters ----------------------------------------------- */

typedef struct
{
  ItuningPool *pool;
  ItuningParameters *parameters;
  GRand *rand;
} Fixture;

typedef double (*Loss) (gpointer network);

static void
set_up (Fixture *fixture, gconstpointer data)
{
  ituning_gemm_init ();
  fixture->pool = ituning_pool_new (2);
  fixture->parameters = ituning_parameters_new ();
  fixture->rand = g_rand_new_with_seed (11);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  ituning_parameters_free (fixture->parameters);
  ituning_pool_free (fixture->pool);
  g_rand_free (fixture->rand);
}

static void
randomise (Fixture *fixture)
{
  for (guint i = 0; i < fixture->parameters->list->len; i++) {
    ItuningParameter *parameter = g_ptr_array_index (fixture->parameters->list,
        i);
    const gboolean gain = parameter->n_dims == 1 &&
        g_str_has_suffix (parameter->name, ".weight");
    for (gsize k = 0; k < parameter->n; k++)
      parameter->values[k] = (float) g_rand_double_range (fixture->rand, -0.3,
                                 0.3) +
          (gain ? 1.0f : 0.0f);
  }
}

/* The loss when @parameter is moved by @step along @direction. */
static double
loss_at (ItuningParameter *parameter, const float *direction, double step,
    Loss loss, gpointer network)
{
  const gsize size = parameter->n * sizeof (float);
  g_autofree float *kept = g_memdup2 (parameter->values, size);
  double value;

  for (gsize k = 0; k < parameter->n; k++)
    parameter->values[k] += (float) step * direction[k];
  value = loss (network);
  memcpy (parameter->values, kept, size);
  return value;
}

static void
check_parameter (Fixture *fixture, ItuningParameter *parameter, Loss loss,
    gpointer network)
{
  g_autofree float *direction = g_new (float, parameter->n);
  double expected = 0.0, found;

  fill_random (fixture->rand, direction, parameter->n);
  for (gsize k = 0; k < parameter->n; k++)
    expected += (double) direction[k] * (double) parameter->gradient[k];
  found = (loss_at (parameter, direction, STEP, loss, network) -
              loss_at (parameter, direction, -STEP, loss, network)) /
      (2.0 * STEP);
  g_test_message ("%s: %.5f by the gradient, %.5f by differences",
      parameter->name, expected, found);
  g_assert_cmpfloat (fabs (expected - found), <=,
      ABSOLUTE + RELATIVE * fabs (found));
}

static void
check_all (Fixture *fixture, Loss loss, gpointer network)
{
  for (guint i = 0; i < fixture->parameters->list->len; i++)
    check_parameter (fixture, g_ptr_array_index (fixture->parameters->list, i),
        loss, network);
}

/* --- texts -------------------------------------------------------------- */

#define WIDTH ((gsize) 16)
#define N_TOKENS ((gsize) 29)
#define N_VISUAL ((gsize) 5)
#define VISUAL_WIDTH ((gsize) 12)
#define N_PREFIX ((gsize) 2)

typedef struct
{
  ItuningTextPass *pass;
  ItuningTextBatch batch;
  ItuningTextHow how;
} TextLoss;

static double
text_loss (gpointer network)
{
  TextLoss *self = network;

  return ituning_text_pass_loss (self->pass, &self->batch, &self->how) *
      self->how.scale;
}

static ItuningLanguage *
make_language (ItuningParameters *parameters)
{
  const ItuningLanguageConfig config = { .vocab_size = N_TOKENS,
    .n_positions = 12,
    .n_embd = WIDTH,
    .n_layer = 3,
    .n_head = 4,
    .n_inner = 24,
    .activation_function = ITUNING_ACTIVATION_GELU_TANH,
    .layer_norm_epsilon = 1e-5,
    .scale_attn_weights = TRUE,
    .scale_attn_by_inverse_layer_idx = TRUE,
    .tie_word_embeddings = TRUE };
  ItuningWeights *weights = ituning_weights_new_random (1);
  g_autoptr (GError) error = NULL;
  ItuningLanguage *language;

  if (parameters != NULL)
    ituning_parameters_adopt (parameters, weights);
  language = ituning_language_new (&config, weights, &error);
  g_assert_no_error (error);
  return language;
}

/* Modules in the layers from @first on. */
static ItuningAdapter *
make_adapter (ItuningParameters *parameters, guint first)
{
  ItuningAdapterConfig config = { .vision_hidden_size = VISUAL_WIDTH,
    .hidden_size = WIDTH,
    .bottleneck_size = 8,
    .num_heads = 2,
    .scale = 0.7,
    .n_layers = 3 - first,
    .layers = g_new (guint, 3 - first) };
  ItuningWeights *weights = ituning_weights_new_random (2);
  g_autoptr (GError) error = NULL;
  ItuningAdapter *adapter;

  for (guint i = 0; i < config.n_layers; i++)
    config.layers[i] = first + i;
  ituning_parameters_adopt (parameters, weights);
  adapter = ituning_adapter_new (&config, weights, &error);
  g_assert_no_error (error);
  return adapter;
}

/* Three captions of different lengths. */
static const gsize starts[] = { 0, 4, 11, 13 };

static void
fill_batch (Fixture *fixture, ItuningTextBatch *batch, guint32 *ids,
    guint32 *targets, float *visual_tokens)
{
  const gsize M = starts[3];

  for (gsize i = 0; i < M; i++) {
    ids[i] = (guint32) g_rand_int_range (fixture->rand, 0, (gint32) N_TOKENS);
    targets[i] = (guint32) g_rand_int_range (fixture->rand, 0,
        (gint32) N_TOKENS);
  }
  targets[5] = ITUNING_NO_TARGET;
  fill_random (fixture->rand, visual_tokens, 3 * N_VISUAL * VISUAL_WIDTH);
  *batch = (ItuningTextBatch){ .n_sequences = 3,
    .starts = starts,
    .ids = ids,
    .targets = targets,
    .visual_tokens = visual_tokens,
    .S = N_VISUAL };
}

static void
check_text (Fixture *fixture, gboolean whole, guint first)
{
  g_autoptr (ItuningLanguage) language = make_language (
      whole ? fixture->parameters : NULL);
  g_autoptr (ItuningAdapter) adapter = make_adapter (fixture->parameters,
      first);
  g_autoptr (ItuningTextPass) pass = ituning_text_pass_new (language, adapter,
      fixture->parameters, fixture->pool);
  const gsize dims[] = { 3, N_VISUAL, VISUAL_WIDTH };
  float *visual_tokens = ituning_parameters_add (fixture->parameters,
      "visual_tokens", dims, 3);
  guint32 ids[13], targets[13];
  TextLoss loss = { .pass = pass,
    .how = { .scale = 1.0 / 12.0, .label_smoothing = 0.1 } };
  double trained;

  randomise (fixture);
  fill_batch (fixture, &loss.batch, ids, targets, visual_tokens);
  ituning_parameters_clear_gradients (fixture->parameters);
  trained = ituning_text_pass_train (pass, &loss.batch, &loss.how,
      &(ItuningTextInputs){ NULL,
          ituning_parameters_gradient (fixture->parameters, visual_tokens) });
  g_assert_cmpfloat_with_epsilon (trained * loss.how.scale, text_loss (&loss),
      1e-5);
  check_all (fixture, text_loss, &loss);
}

static void
test_language_and_adapter (Fixture *fixture, gconstpointer data)
{
  check_text (fixture, TRUE, 0);
}

static void
test_adapter_alone (Fixture *fixture, gconstpointer data)
{
  check_text (fixture, FALSE, 0);
}

static void
test_adapter_of_the_upper_layers (Fixture *fixture, gconstpointer data)
{
  check_text (fixture, FALSE, 2);
}

/* What is dropped follows from the seed. */
static void
test_dropout_goes_by_its_seed (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ItuningLanguage) language = make_language (NULL);
  g_autoptr (ItuningAdapter) adapter = make_adapter (fixture->parameters, 0);
  g_autoptr (ItuningTextPass) pass = ituning_text_pass_new (language, adapter,
      fixture->parameters, fixture->pool);
  guint32 ids[13], targets[13];
  float visual_tokens[3 * N_VISUAL * VISUAL_WIDTH];
  ItuningTextBatch batch;
  ItuningTextHow how = { .scale = 1.0, .dropout = 0.5, .seed = 3 };
  double first, same, other;

  randomise (fixture);
  fill_batch (fixture, &batch, ids, targets, visual_tokens);
  first = ituning_text_pass_train (pass, &batch, &how, NULL);
  same = ituning_text_pass_train (pass, &batch, &how, NULL);
  how.seed = 4;
  other = ituning_text_pass_train (pass, &batch, &how, NULL);
  g_assert_cmpfloat (first, ==, same);
  g_assert_cmpfloat (first, !=, other);
}

/* Embeddings in the place of each caption's first tokens. */
static void
test_prefix (Fixture *fixture, gconstpointer data)
{
  const gsize dims[] = { 3, N_PREFIX, WIDTH };
  float *prefix = ituning_parameters_add (fixture->parameters, "prefix", dims,
      3);
  g_autoptr (ItuningLanguage) language = make_language (NULL);
  g_autoptr (ItuningTextPass) pass = ituning_text_pass_new (language, NULL,
      fixture->parameters, fixture->pool);
  guint32 ids[13], targets[13];
  float visual_tokens[3 * N_VISUAL * VISUAL_WIDTH];
  TextLoss loss = { .pass = pass, .how = { .scale = 1.0 / 12.0 } };

  randomise (fixture);
  fill_batch (fixture, &loss.batch, ids, targets, visual_tokens);
  loss.batch.visual_tokens = NULL;
  loss.batch.prefix = prefix;
  loss.batch.n_prefix = N_PREFIX;
  ituning_text_pass_train (pass, &loss.batch, &loss.how,
      &(ItuningTextInputs){
          ituning_parameters_gradient (fixture->parameters, prefix), NULL });
  check_all (fixture, text_loss, &loss);
}

/* --- images ------------------------------------------------------------- */

#define IMAGE ((gsize) 8)
#define EMBED_WIDTH ((gsize) 6)
#define N_IMAGES ((gsize) 3)
#define IMAGE_TOKENS ((gsize) 5) /* four patches and the class */
#define IMAGE_WIDTH ((gsize) 12)

typedef struct
{
  ItuningVisionPass *pass;
  float pixels[N_IMAGES * 3 * IMAGE * IMAGE];
  /* The loss is a weighted sum of the embeddings and of all tokens. */
  float weights[N_IMAGES * EMBED_WIDTH];
  float token_weights[N_IMAGES * IMAGE_TOKENS * IMAGE_WIDTH];
} VisionLoss;

static double
vision_loss (gpointer network)
{
  VisionLoss *self = network;
  float embeds[N_IMAGES * EMBED_WIDTH];
  const float *tokens;
  double loss = 0.0;

  ituning_vision_pass_forward (self->pass, embeds, self->pixels, N_IMAGES);
  for (gsize i = 0; i < N_IMAGES * EMBED_WIDTH; i++)
    loss += (double) self->weights[i] * (double) embeds[i];
  tokens = ituning_vision_pass_get_tokens (self->pass);
  for (gsize i = 0; i < N_IMAGES * IMAGE_TOKENS * IMAGE_WIDTH; i++)
    loss += (double) self->token_weights[i] * (double) tokens[i];
  return loss;
}

/* Frozen without @parameters. */
static ItuningVision *
make_vision (ItuningParameters *parameters)
{
  const ItuningVisionConfig config = { .hidden_size = IMAGE_WIDTH,
    .intermediate_size = 20,
    .num_hidden_layers = 2,
    .num_attention_heads = 3,
    .image_size = IMAGE,
    .patch_size = 4,
    .projection_dim = EMBED_WIDTH,
    .hidden_act = ITUNING_ACTIVATION_QUICK_GELU,
    .layer_norm_eps = 1e-5 };
  ItuningWeights *weights = ituning_weights_new_random (3);
  ItuningVision *vision;

  if (parameters != NULL)
    ituning_parameters_adopt (parameters, weights);
  vision = ituning_vision_new (&config, weights, NULL);
  g_assert_nonnull (vision);
  return vision;
}

static void
test_vision (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ItuningVision) vision = make_vision (fixture->parameters);
  g_autoptr (ItuningVisionPass) pass = NULL;
  VisionLoss loss;

  pass = ituning_vision_pass_new (vision, fixture->parameters, fixture->pool);
  loss.pass = pass;
  randomise (fixture);
  fill_random (fixture->rand, loss.pixels, G_N_ELEMENTS (loss.pixels));
  fill_random (fixture->rand, loss.weights, G_N_ELEMENTS (loss.weights));
  fill_random (fixture->rand, loss.token_weights,
      G_N_ELEMENTS (loss.token_weights));
  ituning_parameters_clear_gradients (fixture->parameters);
  vision_loss (&loss);
  ituning_vision_pass_backward (pass, loss.weights, loss.token_weights);
  check_all (fixture, vision_loss, &loss);
}

/* --- an adapter that is a prefix ---------------------------------------- */

typedef struct
{
  ItuningPrefixPass *prefix;
  ItuningTextPass *pass;
  ItuningTextBatch batch;
} PrefixLoss;

static double
prefix_loss (gpointer network)
{
  PrefixLoss *self = network;
  ItuningTextBatch text;

  ituning_prefix_pass_forward (self->prefix, &self->batch, &text);
  return ituning_text_pass_loss (self->pass, &text,
             &(ItuningTextHow){ .scale = 1.0 }) /
      12.0;
}

static void
test_prefix_of_an_image (Fixture *fixture, gconstpointer data)
{
  ItuningAdapterConfig config = { .vision_hidden_size = IMAGE_WIDTH,
    .hidden_size = WIDTH,
    .bottleneck_size = 1,
    .num_heads = 1,
    .layers = g_new0 (guint, 1),
    .prefix_length = 3,
    .projection_dim = EMBED_WIDTH };
  ItuningWeights *weights = ituning_weights_new_random (4);
  g_autoptr (ItuningLanguage) language = make_language (NULL);
  g_autoptr (ItuningVision) vision = make_vision (NULL);
  g_autoptr (ItuningAdapter) adapter = NULL;
  g_autoptr (ItuningPrefixPass) prefix = NULL;
  g_autoptr (ItuningTextPass) pass = NULL;
  guint32 ids[13], targets[13];
  float visual_tokens[3 * N_VISUAL * VISUAL_WIDTH];
  ItuningTextBatch text;
  PrefixLoss loss;

  ituning_parameters_adopt (fixture->parameters, weights);
  adapter = ituning_adapter_new (&config, weights, NULL);
  g_assert_nonnull (adapter);
  prefix = ituning_prefix_pass_new (adapter, vision, fixture->parameters,
      fixture->pool);
  pass = ituning_text_pass_new (language, adapter, fixture->parameters,
      fixture->pool);
  loss.prefix = prefix;
  loss.pass = pass;
  randomise (fixture);
  fill_batch (fixture, &loss.batch, ids, targets, visual_tokens);
  ituning_parameters_clear_gradients (fixture->parameters);
  ituning_prefix_pass_forward (prefix, &loss.batch, &text);
  ituning_text_pass_train (pass, &text,
      &(ItuningTextHow){ .scale = 1.0 / 12.0 },
      &(ItuningTextInputs){ ituning_prefix_pass_get_gradient (prefix), NULL });
  ituning_prefix_pass_backward (prefix);
  check_all (fixture, prefix_loss, &loss);
}

/* --- the contrast of both ----------------------------------------------- */

#define N_PAIRS ((gsize) 5)

typedef struct
{
  Fixture *fixture;
  ItuningContrastScratch scratch;
  float *image, *text, *scale; /* of the parameters */
} ContrastLoss;

/* The second pair and the last have the same text. */
static const guint32 groups[N_PAIRS] = { 0, 1, 2, 3, 1 };

static double
contrast_loss (gpointer network)
{
  ContrastLoss *self = network;

  return ituning_contrast_run (self->fixture->pool, &self->scratch, NULL, NULL,
             NULL, self->image, self->text, groups, N_PAIRS, EMBED_WIDTH,
             expf (*self->scale)) /
      N_PAIRS;
}

static void
test_contrast (Fixture *fixture, gconstpointer data)
{
  const gsize dims[] = { N_PAIRS, EMBED_WIDTH }, one[] = { 1 };
  ItuningParameters *parameters = fixture->parameters;
  ContrastLoss loss = { .fixture = fixture };
  double dscale;

  loss.image = ituning_parameters_add (parameters, "image", dims, 2);
  loss.text = ituning_parameters_add (parameters, "text", dims, 2);
  loss.scale = ituning_parameters_add (parameters, "scale", one, 1);
  randomise (fixture);
  ituning_contrast_run (fixture->pool, &loss.scratch,
      ituning_parameters_gradient (parameters, loss.image),
      ituning_parameters_gradient (parameters, loss.text), &dscale, loss.image,
      loss.text, groups, N_PAIRS, EMBED_WIDTH, expf (*loss.scale));
  *ituning_parameters_gradient (parameters, loss.scale) = (float) dscale;
  check_all (fixture, contrast_loss, &loss);
  ituning_contrast_scratch_clear (&loss.scratch);
}

#define ADD(name, test) \
  g_test_add ("/gradients/" name, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("language-and-adapter", test_language_and_adapter);
  ADD ("adapter-alone", test_adapter_alone);
  ADD ("adapter-of-the-upper-layers", test_adapter_of_the_upper_layers);
  ADD ("dropout-goes-by-its-seed", test_dropout_goes_by_its_seed);
  ADD ("prefix", test_prefix);
  ADD ("vision", test_vision);
  ADD ("prefix-of-an-image", test_prefix_of_an_image);
  ADD ("contrast", test_contrast);
  return g_test_run ();
}
