/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "model/kernels/gemm.h"
#include "model/preprocess.h"
#include "model/tensors.h"
#include "model/train/adapterfiles.h"
#include "model/train/contrast.h"
#include "model/train/initialise.h"
#include "model/train/partfiles.h"
#include "model/train/random.h"
#include "model/train/task.h"
#include "model/train/visionpass.h"

/* A CLIP from nothing: pixels -> vision tower -> image embedding, caption ->
 * text tower -> text embedding, and the contrast of the two. The text tower is
 * a GPT-2 whose last token, EOS, is projected.
 *
 * The contrast teaches the class token alone: nothing asks the other tokens of
 * the last layer for anything, and captioning needs them. So the text tower
 * also writes the captions, seeing all visual tokens through I-Tuning modules
 * (a contrastive captioner: Yu et al. 2022, CoCa, section 3.2), and that loss
 * is added.
 *
 * Only the vision tower is saved: the rest has done its work. */

#define PREPROCESSOR "preprocessor_config.json"

/* Where the logit scale begins and how far it may grow (Radford et al. 2021,
 * section 2.5). */
#define FIRST_SCALE (1.0f / 0.07f)
#define MAX_SCALE 100.0f

typedef struct
{
  ItuningTask task;
  ItuningPool *pool; /* owned */
  ItuningVision *vision; /* owned; its values are the task's parameters */
  ItuningLanguage *text; /* owned; likewise */
  ItuningLinear text_projection; /* [E, C] of the task's parameters */
  float *logit_scale; /* [1] its logarithm, of the task's parameters */
  ItuningVisionPass *vision_pass; /* owned */
  ItuningTextPass *text_pass; /* owned */
  double captioning; /* weight of the captions' loss */
  ItuningAdapter *captioner; /* owned; of the task's parameters; or NULL */
  ItuningTextPass *caption_pass; /* owned; or NULL */
  ItuningContrastScratch contrast;
  ItuningBuffer image, text_embeds; /* [B, E] */
  ItuningBuffer dimage, dtext; /* [B, E] */
  ItuningBuffer last, dlast; /* [B, C] the texts' last tokens */
  ItuningBuffer dtokens; /* [B, P, D] */
  guint32 *groups; /* owned: [B] */
} ClipTask;

static gsize
count (const ItuningTask *task, const ItuningBatch *batch)
{
  return batch->text.n_sequences;
}

/* --- texts -------------------------------------------------------------- */

/* The whole captions: a batch leaves their last token, EOS, out of @ids,
 * because it is the last target. */
static void
restore_texts (const ItuningBatch *batch, ItuningTextBatch *text,
    guint32 **ids_out, gsize **starts)
{
  const gsize B = batch->text.n_sequences;
  guint32 *ids = g_new (guint32, batch->n_targets + B);

  *starts = g_new (gsize, B + 1);
  for (gsize i = 0; i <= B; i++)
    (*starts)[i] = batch->starts[i] + i;
  for (gsize i = 0; i < B; i++) {
    const gsize n = batch->starts[i + 1] - batch->starts[i];
    memcpy (ids + (*starts)[i], batch->ids + batch->starts[i],
        n * sizeof (guint32));
    ids[(*starts)[i] + n] = batch->targets[batch->starts[i + 1] - 1];
  }
  *text = (ItuningTextBatch){ .n_sequences = B, .starts = *starts, .ids = ids };
  *ids_out = ids;
}

static gboolean
same_text (const ItuningTextBatch *text, gsize a, gsize b)
{
  const gsize n = text->starts[a + 1] - text->starts[a];

  return n == text->starts[b + 1] - text->starts[b] &&
      memcmp (text->ids + text->starts[a], text->ids + text->starts[b],
          n * sizeof (guint32)) == 0;
}

/* The same number for the same text: that of the first of them. */
static void
group_texts (ClipTask *self, const ItuningTextBatch *text)
{
  self->groups = g_renew (guint32, self->groups, text->n_sequences);
  for (gsize i = 0; i < text->n_sequences; i++) {
    self->groups[i] = (guint32) i;
    for (gsize j = 0; j < i; j++) {
      if (same_text (text, i, j)) {
        self->groups[i] = self->groups[j];
        break;
      }
    }
  }
}

/* --- a batch ------------------------------------------------------------ */

static float *
encode_texts (ClipTask *self, const ItuningTextBatch *text)
{
  const gsize B = text->n_sequences, C = self->text->config.n_embd;
  float *last = ituning_buffer_reserve (&self->last, B * C);
  float *embeds = ituning_buffer_reserve (&self->text_embeds,
      B * self->text_projection.n_out);
  const float *normed = ituning_text_pass_encode (self->text_pass, text);

  for (gsize i = 0; i < B; i++)
    memcpy (last + i * C, normed + (text->starts[i + 1] - 1) * C,
        C * sizeof (float));
  ituning_linear_forward (self->pool, embeds, last, &self->text_projection, B,
      1.0f, FALSE);
  return embeds;
}

static void
encode_texts_backward (ClipTask *self, const ItuningTextBatch *text,
    const float *dembeds)
{
  const gsize B = text->n_sequences, C = self->text->config.n_embd;
  const gsize M = text->starts[B];
  float *dlast = ituning_buffer_reserve (&self->dlast, B * C);
  g_autofree float *dnormed = g_new0 (float, M *C);

  ituning_linear_backward (self->pool, dlast,
      ituning_parameters_gradient (self->task.parameters,
          self->text_projection.weight.values),
      NULL, dembeds, self->last.values, &self->text_projection, B, FALSE);
  for (gsize i = 0; i < B; i++)
    memcpy (dnormed + (text->starts[i + 1] - 1) * C, dlast + i * C,
        C * sizeof (float));
  ituning_text_pass_encode_backward (self->text_pass, text, dnormed);
}

/* Writes the captions of the images that the vision pass has just seen. Returns
 * the loss, as much as B pairs have; @dtokens gets the visual tokens' gradient,
 * or is NULL. */
static double
run_captions (ClipTask *self, const ItuningBatch *batch, float *dtokens,
    double share, double label_smoothing)
{
  const double weight = self->captioning / (double) batch->n_targets;
  const ItuningTextHow how = { .scale = share * weight,
    .label_smoothing = label_smoothing };
  ItuningTextBatch text = batch->text;
  double loss;

  text.visual_tokens = ituning_vision_pass_get_tokens (self->vision_pass);
  text.S = self->vision->n_tokens;
  loss = dtokens == NULL
      ? ituning_text_pass_loss (self->caption_pass, &text, &how)
      : ituning_text_pass_train (self->caption_pass, &text, &how,
            &(ItuningTextInputs){ .visual_tokens = dtokens });
  return loss * weight * (double) text.n_sequences;
}

static double
run (ClipTask *self, const ItuningBatch *batch, gboolean backward, double share,
    double label_smoothing)
{
  const gsize B = batch->text.n_sequences, E = self->text_projection.n_out;
  const float scale = MIN (expf (*self->logit_scale), MAX_SCALE);
  g_autofree guint32 *ids = NULL;
  g_autofree gsize *starts = NULL;
  ItuningTextBatch text;
  float *image = ituning_buffer_reserve (&self->image, B * E);
  float *dimage = NULL, *dtext = NULL, *dtokens = NULL;
  double dscale, loss;
  const float *embeds;

  restore_texts (batch, &text, &ids, &starts);
  group_texts (self, &text);
  ituning_vision_pass_forward (self->vision_pass, image,
      batch->pixel_values.values, B);
  embeds = encode_texts (self, &text);
  if (backward) {
    dimage = ituning_buffer_reserve (&self->dimage, B * E);
    dtext = ituning_buffer_reserve (&self->dtext, B * E);
    if (self->caption_pass != NULL)
      dtokens = ituning_buffer_reserve (&self->dtokens,
          B * self->vision->n_tokens * self->vision->config.hidden_size);
  }
  loss = ituning_contrast_run (self->pool, &self->contrast, dimage, dtext,
      &dscale, image, embeds, self->groups, B, E, scale);
  if (self->caption_pass != NULL)
    loss += run_captions (self, batch, dtokens, share, label_smoothing);
  if (!backward)
    return loss;
  ituning_kernels_get ()->scale (dimage, (float) share, B * E);
  ituning_kernels_get ()->scale (dtext, (float) share, B * E);
  /* At its limit it may only shrink: what it would grow by beyond, it would have
   * to shrink by first before that shows. */
  if (*self->logit_scale < logf (MAX_SCALE) || dscale > 0.0)
    *ituning_parameters_gradient (self->task.parameters,
        self->logit_scale) += (float) (share * dscale);
  encode_texts_backward (self, &text, dtext);
  ituning_vision_pass_backward (self->vision_pass, dimage, dtokens);
  return loss;
}

static double
train (ItuningTask *task, const ItuningBatch *batch, const ItuningTextHow *how)
{
  /* The contrast's gradients are those of a mean over this batch alone. */
  return run ((ClipTask *) task, batch, TRUE,
      how->scale * (double) batch->text.n_sequences, how->label_smoothing);
}

static double
evaluate (ItuningTask *task, const ItuningBatch *batch)
{
  return run ((ClipTask *) task, batch, FALSE, 0.0, 0.0);
}

/* --- the task ----------------------------------------------------------- */

static gboolean
check (const ItuningTask *task, const ItuningDataset *dataset, GError **error)
{
  const ClipTask *self = (const ClipTask *) task;

  return ituning_dataset_check_pixels (dataset, self->vision->config.image_size,
             error) &&
      ituning_dataset_check_captions (dataset, self->text->config.vocab_size,
          self->text->config.n_positions - 1, error);
}

/* What ituning_preprocessor_new_whole () does, for others to read. */
static JsonObject *
build_preprocessor_config (gsize size)
{
  JsonObject *object = json_object_new ();
  JsonObject *square = json_object_new ();

  json_object_set_int_member (square, "height", (gint64) size);
  json_object_set_int_member (square, "width", (gint64) size);
  json_object_set_string_member (object, "image_processor_type",
      "CLIPImageProcessor");
  json_object_set_object_member (object, "size", square);
  json_object_set_boolean_member (object, "do_center_crop", FALSE);
  return object;
}

static void
identify (const ItuningTask *task, GChecksum *checksum)
{
  const ClipTask *self = (const ClipTask *) task;

  ituning_config_add_to_checksum (ituning_vision_config_to_json (
                                      &self->vision->config),
      checksum);
  ituning_config_add_to_checksum (build_preprocessor_config (
                                      self->vision->config.image_size),
      checksum);
  ituning_config_add_to_checksum (ituning_language_config_to_json (
                                      &self->text->config),
      checksum);
}

static gboolean
save (const ItuningTask *task, const char *folder, GError **error)
{
  const ItuningVision *vision = ((const ClipTask *) task)->vision;

  return ituning_part_save (folder,
             ituning_vision_config_to_json (&vision->config), vision->weights,
             error) &&
      ituning_json_save (build_preprocessor_config (vision->config.image_size),
          folder, PREPROCESSOR, error);
}

static void
clip_task_free (ItuningTask *task)
{
  ClipTask *self = (ClipTask *) task;

  ituning_vision_pass_free (self->vision_pass);
  ituning_text_pass_free (self->text_pass);
  ituning_text_pass_free (self->caption_pass);
  if (self->captioner != NULL)
    ituning_adapter_unref (self->captioner);
  ituning_vision_free (self->vision);
  ituning_language_free (self->text);
  ituning_parameters_free (self->task.parameters);
  ituning_pool_free (self->pool);
  ituning_contrast_scratch_clear (&self->contrast);
  ituning_buffer_clear (&self->image);
  ituning_buffer_clear (&self->text_embeds);
  ituning_buffer_clear (&self->dimage);
  ituning_buffer_clear (&self->dtext);
  ituning_buffer_clear (&self->last);
  ituning_buffer_clear (&self->dlast);
  ituning_buffer_clear (&self->dtokens);
  g_free (self->groups);
  g_free (self);
}

static const ItuningTaskClass clip_task_class = {
  .unit = "pairs",
  .count = count,
  .train = train,
  .evaluate = evaluate,
  .check = check,
  .identify = identify,
  .save = save,
  .free = clip_task_free,
};

/* --- making one --------------------------------------------------------- */

static ItuningVision *
make_vision (ClipTask *self, const ItuningPretrainShape *shape, guint64 seed,
    GError **error)
{
  const ItuningVisionConfig config = {
    .hidden_size = shape->hidden_size,
    .intermediate_size = 4 * (gsize) shape->hidden_size,
    .num_hidden_layers = shape->num_layers,
    .num_attention_heads = shape->num_heads,
    .image_size = shape->image_size,
    .patch_size = shape->patch_size,
    .projection_dim = shape->projection_dim,
    .hidden_act = ITUNING_ACTIVATION_QUICK_GELU,
    .layer_norm_eps = 1e-5,
  };
  ItuningVision *vision;
  ItuningWeights *weights;

  if (shape->num_layers == 0 || shape->num_heads == 0 ||
      shape->hidden_size == 0 || shape->hidden_size % shape->num_heads != 0 ||
      shape->patch_size == 0 || shape->image_size < shape->patch_size ||
      shape->projection_dim == 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "a vision tower of %u layers, width %u, %u heads, images of %u and "
        "patches of %u cannot be made",
        shape->num_layers, shape->hidden_size, shape->num_heads,
        shape->image_size, shape->patch_size);
    return NULL;
  }
  weights = ituning_weights_new_random (0);
  ituning_parameters_adopt (self->task.parameters, weights);
  vision = ituning_vision_new (&config, weights, error);
  if (vision != NULL)
    ituning_initialise_vision (self->task.parameters, &config, seed);
  return vision;
}

/* What the shapes of its tensors do not tell. */
static gboolean
check_vision (const ItuningVisionConfig *wanted, const char *path,
    GError **error)
{
  ItuningVisionConfig found;

  if (!ituning_vision_config_load (&found, path, error))
    return FALSE;
  if (found.num_attention_heads == wanted->num_attention_heads &&
      found.hidden_act == wanted->hidden_act)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
      "%s: a vision tower of %zu heads and %s, wanted %zu and %s", path,
      found.num_attention_heads, ituning_activation_get_name (found.hidden_act),
      wanted->num_attention_heads,
      ituning_activation_get_name (wanted->hidden_act));
  return FALSE;
}

/* A tower that saw other pictures, CLIP's middle squares for instance, would be
 * told that it saw these. */
static gboolean
check_preprocessor (gsize size, const char *path, GError **error)
{
  g_autofree char *file = g_build_filename (path, PREPROCESSOR, NULL);
  ItuningPreprocessor *wanted = ituning_preprocessor_new_whole (size);
  ItuningPreprocessConfig found;
  gboolean same;

  if (!ituning_preprocess_config_load (&found, file, error)) {
    ituning_preprocessor_unref (wanted);
    return FALSE;
  }
  same = ituning_preprocess_config_equal (&found,
      ituning_preprocessor_get_config (wanted));
  ituning_preprocessor_unref (wanted);
  if (!same)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: wanted whole pictures, squashed into %zu x %zu pixels, and CLIP's "
        "mean and deviation",
        file, size, size);
  return same;
}

/* Takes the vision tower's values from @path; so far it is all that is trained. */
static gboolean
load_vision (ClipTask *self, const char *path, GError **error)
{
  g_autofree char *file = g_build_filename (path, "model.safetensors", NULL);
  g_autoptr (ItuningTensors) tensors = NULL;

  if (!check_vision (&self->vision->config, path, error) ||
      !check_preprocessor (self->vision->config.image_size, path, error))
    return FALSE;
  tensors = ituning_tensors_open (file, error);
  for (guint i = 0; tensors != NULL && i < self->task.parameters->list->len;
       i++) {
    const ItuningParameter *parameter =
        g_ptr_array_index (self->task.parameters->list, i);
    const ItuningTensor *tensor = ituning_tensors_lookup (tensors,
        parameter->name);
    if (tensor == NULL || tensor->type != ITUNING_TYPE_F32 ||
        tensor->n_dims != parameter->n_dims ||
        memcmp (tensor->dims, parameter->dims,
            tensor->n_dims * sizeof (gsize)) != 0) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
          "%s: has no F32 tensor \"%s\" of the shape that was asked for", file,
          parameter->name);
      return FALSE;
    }
    memcpy (parameter->values, tensor->data, tensor->size);
  }
  return tensors != NULL;
}

/* The text tower's parameters come behind the vision tower's. */
static ItuningLanguage *
make_text (ClipTask *self, const ItuningPretrainShape *shape, guint64 seed,
    GError **error)
{
  ItuningPretrainShape small = *shape;
  const guint first = self->task.parameters->list->len;
  ItuningLanguage *text;

  small.hidden_size = shape->text_hidden_size;
  small.num_layers = shape->text_num_layers;
  small.num_heads = shape->text_num_heads;
  text = ituning_language_new_fresh (&small, self->task.parameters, error);
  if (text != NULL)
    ituning_initialise_language (self->task.parameters, first, &text->config,
        seed + 1);
  return text;
}

static void
make_projection (ClipTask *self, gsize C, gsize E, guint64 seed)
{
  const gsize weight_dims[] = { E, C }, scale_dims[] = { 1 };
  ItuningParameters *parameters = self->task.parameters;
  ItuningRandom random = ituning_random_new (seed, 1u << 20);
  float *weight = ituning_parameters_add (parameters, "text_projection.weight",
      weight_dims, 2);

  for (gsize i = 0; i < E * C; i++)
    weight[i] = (float) (ituning_random_normal (&random) / sqrt ((double) C));
  self->text_projection = (ItuningLinear){ .weight.values = weight,
    .n_in = C,
    .n_out = E };
  self->logit_scale = ituning_parameters_add (parameters, "logit_scale",
      scale_dims, 1);
  *self->logit_scale = logf (FIRST_SCALE);
  ituning_parameters_lookup (parameters, "logit_scale")->decay = FALSE;
}

/* The modules that show the text tower the visual tokens: as wide as it is. */
static gboolean
make_captioner (ClipTask *self, const ItuningTrainOptions *options,
    GError **error)
{
  ItuningTrainOptions wide = *options;

  wide.bottleneck_size = (guint) self->text->config.n_embd;
  wide.num_heads = (guint) self->text->config.n_head;
  wide.top_layers = 0;
  wide.prefix_length = 0;
  self->captioning = options->captioning;
  self->captioner = ituning_adapter_new_fresh (&self->vision->config,
      &self->text->config, &wide, self->task.parameters, error);
  if (self->captioner == NULL)
    return FALSE;
  self->caption_pass = ituning_text_pass_new (self->text, self->captioner,
      self->task.parameters, self->pool);
  return TRUE;
}

/**
 * ituning_trainer_new_clip:
 * @shape: of the vision tower and of the text tower that teaches it
 * @vision: (nullable): a folder as ituning_trainer_save () leaves it, of a
 *   vision tower of the same shape to start from
 * @dataset: pixels and captions
 * @options: how
 * @n_threads: threads to work with; 0 for one per processor
 *
 * Returns: (transfer full): a trainer before its first step, of a vision tower
 *   from nothing or from @vision; or %NULL with %ITUNING_ERROR_INPUT,
 *   %ITUNING_ERROR_MISMATCH or the errors of opening @vision
 */
ItuningTrainer *
ituning_trainer_new_clip (const ItuningPretrainShape *shape, const char *vision,
    ItuningDataset *dataset, const ItuningTrainOptions *options,
    guint n_threads, GError **error)
{
  ClipTask *self;

  g_return_val_if_fail (shape != NULL && dataset != NULL, NULL);
  if (!ituning_train_options_check (options, error) ||
      !ituning_dataset_check_pixels (dataset, MAX (shape->image_size, 1),
          error))
    return NULL;
  ituning_gemm_init ();
  self = g_new0 (ClipTask, 1);
  self->task.klass = &clip_task_class;
  self->task.parameters = ituning_parameters_new ();
  self->pool = ituning_pool_new (
      n_threads > 0 ? n_threads : g_get_num_processors ());
  self->task.pool = self->pool;
  self->vision = make_vision (self, shape, options->seed, error);
  if (self->vision != NULL &&
      (vision == NULL || load_vision (self, vision, error)))
    self->text = make_text (self, shape, options->seed, error);
  if (self->text == NULL) {
    clip_task_free (&self->task);
    return NULL;
  }
  make_projection (self, self->text->config.n_embd, shape->projection_dim,
      options->seed);
  self->vision_pass = ituning_vision_pass_new (self->vision,
      self->task.parameters, self->pool);
  self->text_pass = ituning_text_pass_new (self->text, NULL,
      self->task.parameters, self->pool);
  if (options->captioning > 0.0 && !make_captioner (self, options, error)) {
    clip_task_free (&self->task);
    return NULL;
  }
  return ituning_trainer_new_for_task (&self->task, dataset, options, error);
}
