/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/gemm.h"
#include "model/train/initialise.h"
#include "model/train/partfiles.h"
#include "model/train/task.h"

/* A GPT-2 from nothing, on the captions alone. */

typedef struct
{
  ItuningTask task;
  ItuningPool *pool; /* owned */
  ItuningLanguage *language; /* owned; its values are the task's parameters */
  ItuningTextPass *pass; /* owned */
} LanguageTask;

static gsize
count (const ItuningTask *task, const ItuningBatch *batch)
{
  return batch->n_targets;
}

/* The captions without their images. */
static ItuningTextBatch
take_text (const ItuningBatch *batch)
{
  ItuningTextBatch text = batch->text;

  text.visual_tokens = NULL;
  return text;
}

static double
train (ItuningTask *task, const ItuningBatch *batch, const ItuningTextHow *how)
{
  const ItuningTextBatch text = take_text (batch);

  return ituning_text_pass_train (((LanguageTask *) task)->pass, &text, how,
      NULL);
}

static double
evaluate (ItuningTask *task, const ItuningBatch *batch)
{
  const ItuningTextBatch text = take_text (batch);

  return ituning_text_pass_loss (((LanguageTask *) task)->pass, &text,
      &(ItuningTextHow){ .scale = 1.0 });
}

static gboolean
check (const ItuningTask *task, const ItuningDataset *dataset, GError **error)
{
  const ItuningLanguageConfig *config =
      &((const LanguageTask *) task)->language->config;

  return ituning_dataset_check_captions (dataset, config->vocab_size,
      config->n_positions, error);
}

static void
identify (const ItuningTask *task, GChecksum *checksum)
{
  ituning_config_add_to_checksum (ituning_language_config_to_json (
                                      &((const LanguageTask *) task)
                                           ->language->config),
      checksum);
}

static gboolean
save (const ItuningTask *task, const char *folder, GError **error)
{
  const ItuningLanguage *language = ((const LanguageTask *) task)->language;

  return ituning_part_save (folder,
      ituning_language_config_to_json (&language->config), language->weights,
      error);
}

static void
language_task_free (ItuningTask *task)
{
  LanguageTask *self = (LanguageTask *) task;

  ituning_text_pass_free (self->pass);
  ituning_language_free (self->language);
  ituning_parameters_free (self->task.parameters);
  ituning_pool_free (self->pool);
  g_free (self);
}

static const ItuningTaskClass language_task_class = {
  .unit = "tokens",
  .count = count,
  .train = train,
  .evaluate = evaluate,
  .check = check,
  .identify = identify,
  .save = save,
  .free = language_task_free,
};

static gboolean
check_shape (const ItuningPretrainShape *shape, GError **error)
{
  if (shape->num_layers > 0 && shape->num_heads > 0 && shape->hidden_size > 0 &&
      shape->vocab_size > 1 && shape->n_positions > 1 &&
      shape->hidden_size % shape->num_heads == 0)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
      "a language model of %u layers, width %u, %u heads, %u tokens and %u "
      "positions cannot be made",
      shape->num_layers, shape->hidden_size, shape->num_heads,
      shape->vocab_size, shape->n_positions);
  return FALSE;
}

/**
 * ituning_language_new_fresh:
 * @shape: its size
 * @parameters: what its parameters become part of
 *
 * Returns: (transfer full): a GPT-2 whose values are still to be initialised;
 *   or %NULL with %ITUNING_ERROR_INPUT
 */
ItuningLanguage *
ituning_language_new_fresh (const ItuningPretrainShape *shape,
    ItuningParameters *parameters, GError **error)
{
  const ItuningLanguageConfig config = {
    .vocab_size = shape->vocab_size,
    .n_positions = shape->n_positions,
    .n_embd = shape->hidden_size,
    .n_layer = shape->num_layers,
    .n_head = shape->num_heads,
    .n_inner = 4 * (gsize) shape->hidden_size,
    .bos_token_id = shape->vocab_size - 1,
    .eos_token_id = shape->vocab_size - 1,
    .activation_function = ITUNING_ACTIVATION_GELU_TANH,
    .layer_norm_epsilon = 1e-5,
    .scale_attn_weights = TRUE,
    .tie_word_embeddings = TRUE,
  };
  ItuningWeights *weights;

  if (!check_shape (shape, error))
    return NULL;
  weights = ituning_weights_new_random (0);
  ituning_parameters_adopt (parameters, weights);
  return ituning_language_new (&config, weights, error);
}

/**
 * ituning_trainer_new_language:
 * @shape: of the GPT-2
 * @dataset: whose captions it learns
 * @options: how
 * @n_threads: threads to work with; 0 for one per processor
 *
 * Returns: (transfer full): a trainer before its first step, of a GPT-2 from
 *   nothing; or %NULL with %ITUNING_ERROR_INPUT or %ITUNING_ERROR_MISMATCH
 */
ItuningTrainer *
ituning_trainer_new_language (const ItuningPretrainShape *shape,
    ItuningDataset *dataset, const ItuningTrainOptions *options,
    guint n_threads, GError **error)
{
  LanguageTask *self;

  g_return_val_if_fail (shape != NULL && dataset != NULL, NULL);
  if (!ituning_train_options_check (options, error))
    return NULL;
  ituning_gemm_init ();
  self = g_new0 (LanguageTask, 1);
  self->task.klass = &language_task_class;
  self->task.parameters = ituning_parameters_new ();
  self->pool = ituning_pool_new (
      n_threads > 0 ? n_threads : g_get_num_processors ());
  self->task.pool = self->pool;
  self->language = ituning_language_new_fresh (shape, self->task.parameters,
      error);
  if (self->language == NULL) {
    language_task_free (&self->task);
    return NULL;
  }
  ituning_initialise_language (self->task.parameters, 0,
      &self->language->config, options->seed);
  self->pass = ituning_text_pass_new (self->language, NULL,
      self->task.parameters, self->pool);
  return ituning_trainer_new_for_task (&self->task, dataset, options, error);
}
