/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "model/tensors.h"
#include "model/train/random.h"
#include "model/train/trainerprivate.h"

/* What a trainer writes to files of tensors, and goes on from. */

static ItuningTensor
as_tensor (const ItuningParameter *parameter, const char *name,
    const float *values)
{
  ItuningTensor tensor = { .name = name,
    .type = ITUNING_TYPE_F32,
    .n_dims = parameter->n_dims,
    .data = values,
    .size = parameter->n * sizeof (float) };

  memcpy (tensor.dims, parameter->dims, sizeof (tensor.dims));
  return tensor;
}

/**
 * ituning_trainer_save_gradients:
 * @path: where to
 *
 * Writes the gradients of the last step, before clipping, for comparing them
 * with another implementation.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
ituning_trainer_save_gradients (ItuningTrainer *trainer, const char *path,
    GError **error)
{
  g_autofree ItuningTensor *tensors = NULL;
  guint n;

  g_return_val_if_fail (trainer != NULL && path != NULL, FALSE);
  n = trainer->task->parameters->list->len;
  tensors = g_new (ItuningTensor, n);
  for (guint i = 0; i < n; i++) {
    const ItuningParameter *parameter =
        g_ptr_array_index (trainer->task->parameters->list, i);
    tensors[i] = as_tensor (parameter, parameter->name, parameter->gradient);
  }
  return ituning_tensors_save (path, tensors, n, error);
}

/* --- checkpoints -------------------------------------------------------- */

/* A checkpoint is one file of tensors: for each parameter its values under its
 * name, "exp_avg." and "exp_avg_sq." with its name; "losses" (F64): see
 * ituning_trainer_take_mean_loss (); and "state": the number of steps, and what
 * the run's numbers depend on. */
#define N_STATE 10

static guint64
hash_double (double value)
{
  guint64 bits;

  memcpy (&bits, &value, sizeof (bits));
  return bits;
}

static void
get_state (const ItuningTrainer *self, gint64 state[N_STATE])
{
  const ItuningTrainOptions *options = &self->options;
  const ItuningDatasetInfo *info = ituning_dataset_get_info (self->dataset);
  const guint64 numbers[] = { options->batch_size, options->accumulate,
    hash_double (options->learning_rate), hash_double (options->weight_decay),
    hash_double (options->max_grad_norm),
    hash_double (options->label_smoothing), hash_double (options->dropout),
    options->warmup_steps, options->schedule, hash_double (options->captioning),
    options->shift, hash_double (options->zoom) };
  guint64 hash = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
    ItuningRandom random = ituning_random_new (hash, numbers[i]);
    hash = ituning_random_next (&random);
  }
  state[0] = (gint64) self->step;
  state[1] = (gint64) options->seed;
  state[2] = (gint64) options->steps;
  state[3] = (gint64) hash;
  state[4] = (gint64) info->n_captions;
  state[5] = (gint64) info->n_tokens;
  state[6] = (gint64) info->n_images;
  state[7] = (gint64) ituning_parameters_count (self->task->parameters);
  state[8] = self->data_digest;
  state[9] = self->model_digest;
}

/**
 * ituning_trainer_save_checkpoint:
 * @path: replaced when the new one is whole
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE; then @path is as it was
 */
gboolean
ituning_trainer_save_checkpoint (ItuningTrainer *trainer, const char *path,
    GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) tensors = g_array_new (FALSE, FALSE,
      sizeof (ItuningTensor));
  gint64 state[N_STATE];
  ItuningTensor tensor = { .name = "state",
    .type = ITUNING_TYPE_I64,
    .n_dims = 1,
    .dims = { N_STATE },
    .data = state,
    .size = sizeof (state) };

  g_return_val_if_fail (trainer != NULL && path != NULL, FALSE);
  get_state (trainer, state);
  g_array_append_val (tensors, tensor);
  tensor = (ItuningTensor){ .name = "losses",
    .type = ITUNING_TYPE_F64,
    .n_dims = 1,
    .dims = { G_N_ELEMENTS (trainer->losses) },
    .data = trainer->losses,
    .size = sizeof (trainer->losses) };
  g_array_append_val (tensors, tensor);
  for (guint i = 0; i < trainer->task->parameters->list->len; i++) {
    const ItuningParameter *parameter =
        g_ptr_array_index (trainer->task->parameters->list, i);
    char *average = g_strconcat ("exp_avg.", parameter->name, NULL);
    char *square = g_strconcat ("exp_avg_sq.", parameter->name, NULL);

    g_ptr_array_add (names, average);
    g_ptr_array_add (names, square);
    tensor = as_tensor (parameter, parameter->name, parameter->values);
    g_array_append_val (tensors, tensor);
    tensor = as_tensor (parameter, average, parameter->exp_avg);
    g_array_append_val (tensors, tensor);
    tensor = as_tensor (parameter, square, parameter->exp_avg_sq);
    g_array_append_val (tensors, tensor);
  }
  return ituning_tensors_save (path, (const ItuningTensor *) tensors->data,
      tensors->len, error);
}

static const void *
find_values (const ItuningTensors *tensors, const char *path,
    const char *prefix, const ItuningParameter *parameter, GError **error)
{
  g_autofree char *name = g_strconcat (prefix, parameter->name, NULL);
  const ItuningTensor *tensor = ituning_tensors_lookup (tensors, name);

  if (tensor != NULL && tensor->type == ITUNING_TYPE_F32 &&
      tensor->size == parameter->n * sizeof (float))
    return tensor->data;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
      "%s: %s \"%s\"; it is of another run", path,
      tensor == NULL ? "has no tensor" : "has another shape of", name);
  return NULL;
}

static gboolean
check_state (const ItuningTrainer *self, const ItuningTensors *tensors,
    const char *path, GError **error)
{
  static const char *const what[N_STATE] = { NULL, "seed", "steps",
    "batch size, learning rate or the like", "number of captions",
    "number of tokens", "number of images", "number of trained parameters",
    "set of data", "model" };
  const ItuningTensor *tensor = ituning_tensors_lookup (tensors, "state");
  const ItuningTensor *losses = ituning_tensors_lookup (tensors, "losses");
  gint64 found[N_STATE], wanted[N_STATE];

  if (tensor == NULL || tensor->type != ITUNING_TYPE_I64 ||
      tensor->size != sizeof (found) ||
      (losses != NULL &&
          (losses->type != ITUNING_TYPE_F64 ||
              losses->size != sizeof (self->losses)))) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: is not a checkpoint of a training run", path);
    return FALSE;
  }
  memcpy (found, tensor->data, sizeof (found));
  get_state (self, wanted);
  for (gsize i = 1; i < N_STATE; i++) {
    if (found[i] != wanted[i]) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
          "%s: is of a run with another %s", path, what[i]);
      return FALSE;
    }
  }
  return TRUE;
}

/**
 * ituning_trainer_resume:
 * @path: a checkpoint of a run with the same options and data
 *
 * The trainer goes on as the one that wrote it would have, to the bit.
 *
 * Returns: FALSE with %ITUNING_ERROR_OPEN, %ITUNING_ERROR_FORMAT or
 *   %ITUNING_ERROR_MISMATCH; then the trainer is as it was
 */
gboolean
ituning_trainer_resume (ItuningTrainer *trainer, const char *path,
    GError **error)
{
  static const char *const prefixes[] = { "", "exp_avg.", "exp_avg_sq." };
  g_autoptr (ItuningTensors) tensors = NULL;
  const ItuningTensor *losses;

  g_return_val_if_fail (trainer != NULL && path != NULL, FALSE);
  tensors = ituning_tensors_open (path, error);
  if (tensors == NULL || !check_state (trainer, tensors, path, error))
    return FALSE;
  for (int pass = 0; pass < 2; pass++) { /* look, then take */
    for (guint i = 0; i < trainer->task->parameters->list->len; i++) {
      ItuningParameter *parameter =
          g_ptr_array_index (trainer->task->parameters->list, i);
      float *const targets[] = { parameter->values, parameter->exp_avg,
        parameter->exp_avg_sq };
      for (gsize k = 0; k < G_N_ELEMENTS (targets); k++) {
        const void *values = find_values (tensors, path, prefixes[k], parameter,
            error);
        if (values == NULL)
          return FALSE;
        if (pass == 1)
          memcpy (targets[k], values, parameter->n * sizeof (float));
      }
    }
  }
  memcpy (&trainer->step, ituning_tensors_lookup (tensors, "state")->data,
      sizeof (trainer->step));
  losses = ituning_tensors_lookup (tensors,
      "losses"); /* once there were none */
  memset (trainer->losses, 0, sizeof (trainer->losses));
  if (losses != NULL)
    memcpy (trainer->losses, losses->data, sizeof (trainer->losses));
  return TRUE;
}
