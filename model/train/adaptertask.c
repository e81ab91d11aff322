/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/model.h"
#include "model/tensors.h"
#include "model/train/adapterfiles.h"
#include "model/train/partfiles.h"
#include "model/train/prefixpass.h"
#include "model/train/task.h"

/* I-Tuning: an adapter is trained on captions, both networks are frozen; or, to
 * compare with, the language model is trained with it, or the adapter is a
 * prefix. */

typedef struct
{
  ItuningTask task;
  ItuningModel *model; /* owned reference */
  ItuningAdapter *adapter; /* owned; its values are the task's parameters */
  ItuningLanguage *language; /* owned: a copy that is trained; or NULL */
  ItuningTextPass *pass; /* owned */
  ItuningPrefixPass *prefix; /* owned; NULL for an adapter without one */
} AdapterTask;

static gsize
count (const ItuningTask *task, const ItuningBatch *batch)
{
  return batch->n_targets;
}

/* What the text pass gets: the captions, behind their prefixes, and what the
 * modules see: the file has the tokens as they are before the post layer norm. */
static ItuningTextBatch
prepare (const AdapterTask *self, const ItuningBatch *batch)
{
  float *tokens = batch->visual_tokens.values;
  ItuningTextBatch text = batch->text;

  if (self->prefix != NULL)
    ituning_prefix_pass_forward (self->prefix, &batch->text, &text);
  if (self->adapter->config.visual_post_layernorm)
    ituning_vision_post_norm (self->model->backbone->vision, tokens, tokens,
        batch->text.n_sequences * batch->text.S);
  return text;
}

static double
train (ItuningTask *task, const ItuningBatch *batch, const ItuningTextHow *how)
{
  AdapterTask *self = (AdapterTask *) task;
  const ItuningTextBatch text = prepare (self, batch);
  ItuningTextInputs inputs = { NULL, NULL };
  double loss;

  if (self->prefix != NULL)
    inputs.prefix = ituning_prefix_pass_get_gradient (self->prefix);
  loss = ituning_text_pass_train (self->pass, &text, how, &inputs);
  if (self->prefix != NULL)
    ituning_prefix_pass_backward (self->prefix);
  return loss;
}

static double
evaluate (ItuningTask *task, const ItuningBatch *batch)
{
  AdapterTask *self = (AdapterTask *) task;
  const ItuningTextBatch text = prepare (self, batch);

  return ituning_text_pass_loss (self->pass, &text,
      &(ItuningTextHow){ .scale = 1.0 });
}

static gboolean
check (const ItuningTask *task, const ItuningDataset *dataset, GError **error)
{
  const AdapterTask *self = (const AdapterTask *) task;
  const ItuningModelInfo *info = ituning_model_get_info (self->model);
  const ItuningAdapterConfig *config = &self->adapter->config;

  /* Modules see any number of tokens, a prefix is made of the class token of an
   * image's. */
  return ituning_dataset_check_visual_tokens (dataset,
             config->prefix_length > 0 ? info->vision.num_tokens : 0,
             info->vision.hidden_size, error) &&
      ituning_dataset_check_captions (dataset, info->language.vocab_size,
          info->language.n_positions - config->prefix_length, error);
}

static void
identify (const ItuningTask *task, GChecksum *checksum)
{
  const AdapterTask *self = (const AdapterTask *) task;
  const ItuningLanguage *language = self->model->backbone->language;
  const gsize C = language->config.n_embd;

  ituning_config_add_to_checksum (ituning_adapter_config_to_json (
                                      &self->adapter->config),
      checksum);
  ituning_config_add_to_checksum (ituning_language_config_to_json (
                                      &language->config),
      checksum);
  g_checksum_update (checksum, (const guchar *) language->position_embeddings,
      (gssize) (C * sizeof (float)));
  g_checksum_update (checksum, (const guchar *) language->final_norm.gain,
      (gssize) (C * sizeof (float)));
}

static gboolean
save (const ItuningTask *task, const char *folder, GError **error)
{
  const AdapterTask *self = (const AdapterTask *) task;
  g_autofree char *language = g_build_filename (folder, "language", NULL);

  return ituning_adapter_save (self->adapter, folder, error) &&
      (self->language == NULL ||
          ituning_part_save (language,
              ituning_language_config_to_json (&self->language->config),
              self->language->weights, error));
}

static ItuningModel *
get_model (const ItuningTask *task)
{
  const AdapterTask *self = (const AdapterTask *) task;

  if (self->language != NULL)
    return NULL; /* a backbone has the language model that it was opened with */
  g_atomic_ref_count_inc (&self->model->backbone->refs);
  return ituning_model_new (self->model->backbone,
      ituning_adapter_copy (self->adapter, NULL));
}

static void
adapter_task_free (ItuningTask *task)
{
  AdapterTask *self = (AdapterTask *) task;

  ituning_text_pass_free (self->pass);
  ituning_prefix_pass_free (self->prefix);
  ituning_adapter_unref (self->adapter);
  ituning_language_free (self->language);
  ituning_parameters_free (self->task.parameters);
  ituning_model_unref (self->model);
  g_free (self);
}

static const ItuningTaskClass adapter_task_class = {
  .unit = "tokens",
  .count = count,
  .train = train,
  .evaluate = evaluate,
  .check = check,
  .identify = identify,
  .save = save,
  .get_model = get_model,
  .free = adapter_task_free,
};

/* Its weights are saved in Hugging Face's layout, which a packed file has not. */
static gboolean
unfreeze (AdapterTask *self, GError **error)
{
  const ItuningLanguage *language = self->model->backbone->language;
  ItuningWeights *weights;

  if (ituning_weights_is_packed (language->weights)) {
    g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "the language model of a packed file cannot be trained: name its folder");
    return FALSE;
  }
  weights = ituning_weights_new_copy (language->weights);
  ituning_parameters_adopt (self->task.parameters, weights);
  self->language = ituning_language_new (&language->config, weights, error);
  return self->language != NULL;
}

/* Their products have no way back. The vision tower is not gone through. */
static gboolean
check_types (const ItuningModel *model, const ItuningTrainOptions *options,
    GError **error)
{
  const ItuningPartInfo *language = &model->info.language.part;
  const ItuningPartInfo *adapter = &model->info.adapter.part;
  const gboolean in_adapter = model->adapter != NULL && !options->fresh &&
      ituning_type_bits (adapter->type) > 0;

  if (!in_adapter && ituning_type_bits (language->type) == 0)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      "the model's %s is quantised as %s, through which nothing can be trained: "
      "take one of F32, F16 or BF16",
      in_adapter ? "adapter" : "language model",
      ituning_type_name (in_adapter ? adapter->type : language->type));
  return FALSE;
}

/**
 * ituning_trainer_new:
 * @model: what to train an adapter for; itself it stays as it is
 * @dataset: what to train on: visual tokens and captions
 * @options: how
 *
 * Starts from the model's adapter if it has one and @options does not ask for
 * a fresh one.
 *
 * Returns: (transfer full): a trainer before its first step; or %NULL with
 *   %ITUNING_ERROR_INPUT, %ITUNING_ERROR_MISMATCH, or %ITUNING_ERROR_UNSUPPORTED
 *   for a quantised language model or adapter
 */
ItuningTrainer *
ituning_trainer_new (ItuningModel *model, ItuningDataset *dataset,
    const ItuningTrainOptions *options, GError **error)
{
  AdapterTask *self;

  g_return_val_if_fail (model != NULL && dataset != NULL && options != NULL,
      NULL);
  if (!ituning_train_options_check (options, error) ||
      !check_types (model, options, error))
    return NULL;
  self = g_new0 (AdapterTask, 1);
  self->task.klass = &adapter_task_class;
  self->task.parameters = ituning_parameters_new ();
  self->task.pool = model->backbone->pool;
  self->model = ituning_model_ref (model);
  self->adapter = model->adapter != NULL && !options->fresh
      ? ituning_adapter_copy (model->adapter, self->task.parameters)
      : ituning_adapter_new_fresh (&model->backbone->vision->config,
            &model->backbone->language->config, options, self->task.parameters,
            error);
  if (self->adapter == NULL ||
      (options->unfreeze_language && !unfreeze (self, error))) {
    adapter_task_free (&self->task);
    return NULL;
  }
  self->pass = ituning_text_pass_new (self->language != NULL
          ? self->language
          : model->backbone->language,
      self->adapter, self->task.parameters, self->task.pool);
  if (self->adapter->config.prefix_length > 0)
    self->prefix = ituning_prefix_pass_new (self->adapter,
        model->backbone->vision, self->task.parameters, self->task.pool);
  return ituning_trainer_new_for_task (&self->task, dataset, options, error);
}
