/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "model/train/optimizer.h"
#include "model/train/random.h"
#include "model/train/trainerprivate.h"

/* A step: which captions -> batch -> forward, loss, backward -> AdamW. What a
 * step does follows from the options and its number alone, so that a resumed
 * run is the run that was broken off. */

/* Streams of random numbers, besides those of dropout. */
#define STREAM_ORDER ((guint64) 1 << 62)

/* --- options ------------------------------------------------------------ */

static gboolean
check_option (gboolean good, const char *name, const char *wanted,
    GError **error)
{
  if (!good)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s is out of range: wanted %s", name, wanted);
  return good;
}

/**
 * ituning_train_options_check:
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT when an option is out of its range
 */
gboolean
ituning_train_options_check (const ItuningTrainOptions *options, GError **error)
{
  g_return_val_if_fail (options != NULL, FALSE);
  return check_option (options->batch_size > 0, "batch-size", "1 or more",
             error) &&
      check_option (options->accumulate > 0, "accumulate", "1 or more",
          error) &&
      check_option (options->learning_rate > 0.0 &&
              isfinite (options->learning_rate),
          "lr", "more than 0", error) &&
      check_option (options->weight_decay >= 0.0 &&
              isfinite (options->weight_decay),
          "weight-decay", "0 or more", error) &&
      check_option (options->max_grad_norm >= 0.0 &&
              isfinite (options->max_grad_norm),
          "max-grad-norm", "0 or more", error) &&
      check_option (options->label_smoothing >= 0.0 &&
              options->label_smoothing < 1.0,
          "label-smoothing", "0 to below 1", error) &&
      check_option (options->dropout >= 0.0 && options->dropout < 1.0,
          "dropout", "0 to below 1", error) &&
      check_option (options->captioning >= 0.0 &&
              isfinite (options->captioning),
          "captioning", "0 or more", error) &&
      check_option (options->zoom >= 0.0 && options->zoom < 1.0, "zoom",
          "0 to below 1", error) &&
      check_option (options->num_heads > 0, "heads", "1 or more", error) &&
      check_option (isfinite (options->scale), "scale", "a number", error);
}

/* --- making one --------------------------------------------------------- */

/**
 * ituning_trainer_free:
 * @trainer: (nullable) (transfer full): a trainer
 */
void
ituning_trainer_free (ItuningTrainer *trainer)
{
  if (trainer == NULL)
    return;
  trainer->task->klass->free (trainer->task);
  ituning_batch_clear (&trainer->batch);
  ituning_dataset_unref (trainer->dataset);
  g_free (trainer->order);
  g_free (trainer->chosen);
  g_free (trainer);
}

/* Takes over @checksum. */
static gint64
finish_digest (GChecksum *checksum)
{
  guint8 digest[32];
  gsize size = sizeof (digest);
  gint64 number;

  g_checksum_get_digest (checksum, digest, &size);
  memcpy (&number, digest, sizeof (number));
  g_checksum_free (checksum);
  return number;
}

static void
identify (ItuningTrainer *self)
{
  GChecksum *data = g_checksum_new (G_CHECKSUM_SHA256);
  GChecksum *model = g_checksum_new (G_CHECKSUM_SHA256);

  ituning_dataset_add_to_checksum (self->dataset, data);
  self->task->klass->identify (self->task, model);
  self->data_digest = finish_digest (data);
  self->model_digest = finish_digest (model);
}

/**
 * ituning_trainer_new_for_task:
 * @task: (transfer full): what is trained, taken also when the call fails
 * @dataset: what to train on
 * @options: how; checked
 *
 * Returns: (transfer full): a trainer before its first step; or %NULL with the
 *   task's errors
 */
ItuningTrainer *
ituning_trainer_new_for_task (ItuningTask *task, ItuningDataset *dataset,
    const ItuningTrainOptions *options, GError **error)
{
  g_autoptr (ItuningTrainer) self = g_new0 (ItuningTrainer, 1);

  self->task = task;
  self->dataset = ituning_dataset_ref (dataset);
  self->options = *options;
  if (!task->klass->check (task, dataset, error))
    return NULL;
  self->order = g_new (guint32, ituning_dataset_get_info (dataset)->n_captions);
  self->epoch = G_MAXUINT64;
  self->chosen = g_new (guint32,
      (gsize) options->batch_size * options->accumulate);
  identify (self);
  return g_steal_pointer (&self);
}

/**
 * ituning_trainer_count_parameters:
 *
 * Returns: how many numbers are trained
 */
guint64
ituning_trainer_count_parameters (const ItuningTrainer *trainer)
{
  g_return_val_if_fail (trainer != NULL, 0);
  return ituning_parameters_count (trainer->task->parameters);
}

/**
 * ituning_trainer_get_step:
 *
 * Returns: steps made so far
 */
guint64
ituning_trainer_get_step (const ItuningTrainer *trainer)
{
  g_return_val_if_fail (trainer != NULL, 0);
  return trainer->step;
}

/* --- a step ------------------------------------------------------------- */

/* The captions of @dataset in an order that follows from @seed and @epoch. */
static void
shuffle (guint32 *order, const ItuningDataset *dataset, guint64 seed,
    guint64 epoch)
{
  const gsize n = ituning_dataset_get_info (dataset)->n_captions;
  ItuningRandom random = ituning_random_new (seed, STREAM_ORDER + epoch);

  for (gsize i = 0; i < n; i++)
    order[i] = (guint32) i;
  ituning_random_shuffle (&random, order, n);
}

/* Every caption comes once an epoch; a step may reach from one into the next. */
static void
choose_captions (ItuningTrainer *self, gsize n)
{
  const gsize n_captions = ituning_dataset_get_info (self->dataset)->n_captions;

  for (gsize i = 0; i < n; i++) {
    const guint64 position = self->step * n + i;
    if (position / n_captions != self->epoch) {
      self->epoch = position / n_captions;
      shuffle (self->order, self->dataset, self->options.seed, self->epoch);
    }
    self->chosen[i] = self->order[position % n_captions];
  }
}

/* The gradients of one step, of all its batches. */
static double
add_gradients (ItuningTrainer *self, gsize n_batch, gsize n_batches,
    gsize n_units)
{
  ItuningTask *task = self->task;
  ItuningTextHow how = { 1.0 / (double) n_units, self->options.label_smoothing,
    self->options.dropout, 0 };
  const ItuningAugment augment = { self->options.shift, self->options.zoom };
  const gboolean is_changed = augment.shift > 0 || augment.zoom > 0.0;
  double loss = 0.0;

  ituning_parameters_clear_gradients (task->parameters);
  for (gsize i = 0; i < n_batches; i++) {
    how.seed = self->options.seed + ((self->step * n_batches + i) << 10);
    ituning_dataset_fill (self->dataset, &self->batch,
        self->chosen + i * n_batch, n_batch, is_changed ? &augment : NULL,
        how.seed);
    loss += task->klass->train (task, &self->batch, &how);
  }
  return loss;
}

/* The loss is a mean over all batches of the step. */
static gsize
count_units (ItuningTrainer *self, gsize n_batch, gsize n_batches)
{
  gsize n_units = 0;

  for (gsize i = 0; i < n_batches; i++) {
    self->batch.n_targets = ituning_dataset_count_targets (self->dataset,
        self->chosen + i * n_batch, n_batch);
    self->batch.text.n_sequences = n_batch;
    n_units += self->task->klass->count (self->task, &self->batch);
  }
  return n_units;
}

/**
 * ituning_trainer_step:
 * @report: (out): what the step did
 *
 * Returns: FALSE with %ITUNING_ERROR_NUMERIC when the loss or a gradient is
 *   not finite: then no parameter was changed
 */
gboolean
ituning_trainer_step (ItuningTrainer *trainer, ItuningTrainReport *report,
    GError **error)
{
  ItuningParameters *parameters;
  gsize n_batch, n_batches;

  g_return_val_if_fail (trainer != NULL && report != NULL, FALSE);
  n_batch = trainer->options.batch_size;
  n_batches = trainer->options.accumulate;
  parameters = trainer->task->parameters;
  choose_captions (trainer, n_batch * n_batches);
  report->step = trainer->step + 1;
  report->n_units = count_units (trainer, n_batch, n_batches);
  report->loss = add_gradients (trainer, n_batch, n_batches, report->n_units) /
      (double) report->n_units;
  report->learning_rate = ituning_schedule_get_rate (&trainer->options,
      report->step);
  report->grad_norm = ituning_parameters_gradient_norm (parameters,
      trainer->task->pool);
  if (!isfinite (report->loss) || !isfinite (report->grad_norm)) {
    if (!ituning_dataset_check_finite (trainer->dataset, trainer->chosen,
            n_batch * n_batches, error))
      return FALSE;
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_NUMERIC,
        "step %" G_GUINT64_FORMAT ": the %s is not finite; a lower learning "
        "rate may help",
        report->step, isfinite (report->loss) ? "gradient" : "loss");
    return FALSE;
  }
  ituning_optimizer_step (parameters, trainer->task->pool, &trainer->options,
      report->step, report->grad_norm);
  trainer->step++;
  trainer->losses[0] += report->loss;
  trainer->losses[1]++;
  return TRUE;
}

/**
 * ituning_trainer_take_mean_loss:
 *
 * Returns: the mean loss of the steps since the last call, those before a
 *   checkpoint that the trainer went on from included; not a number when there
 *   were none
 */
double
ituning_trainer_take_mean_loss (ItuningTrainer *trainer)
{
  double mean;

  g_return_val_if_fail (trainer != NULL, (double) NAN);
  mean = trainer->losses[0] / trainer->losses[1];
  trainer->losses[0] = trainer->losses[1] = 0.0;
  return mean;
}

/**
 * ituning_trainer_check:
 * @dataset: what the trainer is to be evaluated on
 *
 * Returns: FALSE with %ITUNING_ERROR_MISMATCH when it does not fit what is
 *   trained
 */
gboolean
ituning_trainer_check (const ItuningTrainer *trainer,
    const ItuningDataset *dataset, GError **error)
{
  const ItuningDatasetInfo *trained;

  g_return_val_if_fail (trainer != NULL && dataset != NULL, FALSE);
  trained = ituning_dataset_get_info (trainer->dataset);
  return trainer->task->klass->check (trainer->task, dataset, error) &&
      (trained->num_tokens == 0 ||
          ituning_dataset_check_visual_tokens (dataset, trained->num_tokens,
              trained->hidden_size, error));
}

/**
 * ituning_trainer_evaluate:
 * @dataset: other captions
 * @loss: (out): mean loss on them, without dropout and smoothing
 * @cancellable: (nullable): looked at before each batch
 *
 * Returns: FALSE with %ITUNING_ERROR_MISMATCH or %G_IO_ERROR_CANCELLED
 */
gboolean
ituning_trainer_evaluate (ItuningTrainer *trainer, ItuningDataset *dataset,
    double *loss, GCancellable *cancellable, GError **error)
{
  ItuningTask *task;
  gsize n_batch, n_captions, n_units = 0;
  g_autofree guint32 *order = NULL;
  double sum = 0.0;

  g_return_val_if_fail (trainer != NULL && dataset != NULL && loss != NULL,
      FALSE);
  task = trainer->task;
  if (!task->klass->check (task, dataset, error))
    return FALSE;
  n_batch = trainer->options.batch_size;
  n_captions = ituning_dataset_get_info (dataset)->n_captions;
  order = g_new (guint32, n_captions);
  /* The captions of an image lie beside each other in a file; in a contrast's
   * batch each would be a wrong answer for the others' image. */
  shuffle (order, dataset, 0, 0);
  for (gsize first = 0; first < n_captions; first += n_batch) {
    const gsize n = MIN (n_batch, n_captions - first);
    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    ituning_dataset_fill (dataset, &trainer->batch, order + first, n, NULL, 0);
    sum += task->klass->evaluate (task, &trainer->batch);
    n_units += task->klass->count (task, &trainer->batch);
  }
  *loss = sum / (double) n_units;
  return TRUE;
}

/* --- what comes of it --------------------------------------------------- */

/**
 * ituning_trainer_get_model:
 *
 * Returns: (transfer full) (nullable): a model with what was trained as it is
 *   now, which further steps do not change; %NULL when that is no captioner
 */
ItuningModel *
ituning_trainer_get_model (ItuningTrainer *trainer)
{
  g_return_val_if_fail (trainer != NULL, NULL);
  return trainer->task->klass->get_model != NULL
      ? trainer->task->klass->get_model (trainer->task)
      : NULL;
}

/**
 * ituning_trainer_save:
 * @folder: made if it is not there; its `config.json` and `model.safetensors`
 *   (F32) are replaced
 *
 * Writes what is trained as it is now.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE; then each file is as it was or
 *   whole
 */
gboolean
ituning_trainer_save (ItuningTrainer *trainer, const char *folder,
    GError **error)
{
  g_return_val_if_fail (trainer != NULL && folder != NULL, FALSE);
  return trainer->task->klass->save (trainer->task, folder, error);
}

/**
 * ituning_trainer_get_unit:
 *
 * Returns: (transfer none): what the loss is a mean over: "tokens" or "pairs"
 */
const char *
ituning_trainer_get_unit (const ItuningTrainer *trainer)
{
  g_return_val_if_fail (trainer != NULL, NULL);
  return trainer->task->klass->unit;
}
