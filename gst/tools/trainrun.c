/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/trainrun.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "gst/tools/options.h"
#include "gst/tools/traincurves.h"
#include "gst/tools/trainlog.h"
#include "gst/tools/trainscore.h"

#define CHECKPOINT "checkpoint.safetensors"
#define MODEL "model.safetensors"
#define LOG "log.jsonl"
#define CURVES "curves.svg"
#define COSTS "costs.json"

/* Of a step, and of a run: far beyond what anyone needs, far below what would
 * overflow. */
#define MAX_CAPTIONS (1 << 24)
#define MAX_EPOCHS (1 << 24)

/* --- options ------------------------------------------------------------ */

/**
 * tool_train_options_clear:
 * @options: its strings are freed
 */
void
tool_train_options_clear (ToolTrainOptions *options)
{
  g_free (options->features);
  g_free (options->validation);
  g_free (options->output);
  g_free (options->gradients);
  g_free (options->schedule);
}

/**
 * tool_train_options_add:
 * @options: where they go; starts from %TOOL_TRAIN_OPTIONS_INIT
 * @context: gets the options
 */
void
tool_train_options_add (ToolTrainOptions *options, GOptionContext *context)
{
  ItuningTrainOptions *train = &options->train;
  const GOptionEntry entries[] = {
    { "features", 'f', 0, G_OPTION_ARG_FILENAME, &options->features,
        "What to train on, as `ituning features` writes it", "FILE" },
    { "validation", 0, 0, G_OPTION_ARG_FILENAME, &options->validation,
        "Features to measure the loss on besides", "FILE" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options->output,
        "Folder for what is trained, its log and checkpoint", "DIR" },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &options->resume,
        "Go on from the folder's checkpoint, if it has one", NULL },
    { "force", 0, 0, G_OPTION_ARG_NONE, &options->force,
        "Replace the run or model that the folder holds", NULL },
    { "steps", 0, 0, G_OPTION_ARG_INT64, &options->steps, "Steps to make",
        "N" },
    { "epochs", 0, 0, G_OPTION_ARG_INT64, &options->epochs,
        "Or times to see every caption (1)", "N" },
    { "batch-size", 0, 0, G_OPTION_ARG_INT64, &options->batch_size,
        "Captions of a batch (32)", "N" },
    { "accumulate", 0, 0, G_OPTION_ARG_INT64, &options->accumulate,
        "Batches of a step (1)", "N" },
    { "lr", 0, 0, G_OPTION_ARG_DOUBLE, &train->learning_rate,
        "Learning rate (0.0001)", "X" },
    { "weight-decay", 0, 0, G_OPTION_ARG_DOUBLE, &train->weight_decay,
        "AdamW's weight decay (0.01)", "X" },
    { "warmup-steps", 0, 0, G_OPTION_ARG_INT64, &options->warmup_steps,
        "Steps in which the learning rate grows (0)", "N" },
    { "schedule", 0, 0, G_OPTION_ARG_STRING, &options->schedule,
        "Then: constant, linear or cosine (cosine)", "NAME" },
    { "max-grad-norm", 0, 0, G_OPTION_ARG_DOUBLE, &train->max_grad_norm,
        "Clip the gradient to this norm; 0: never (1)", "X" },
    { "label-smoothing", 0, 0, G_OPTION_ARG_DOUBLE, &train->label_smoothing,
        "Probability given to all other tokens (0)", "X" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &options->seed,
        "Of the order, dropout and first values (0)", "N" },
    { "log-every", 0, 0, G_OPTION_ARG_INT64, &options->log_every,
        "Steps between lines of the log (10)", "N" },
    { "validate-every", 0, 0, G_OPTION_ARG_INT64, &options->validate_every,
        "Steps between validations (500)", "N" },
    { "checkpoint-every", 0, 0, G_OPTION_ARG_INT64, &options->checkpoint_every,
        "Steps between checkpoints; 0: at the end alone (500)", "N" },
    { "save-gradients", 0, 0, G_OPTION_ARG_FILENAME, &options->gradients,
        "Write the first step's gradients, to compare them", "FILE" },
    G_OPTION_ENTRY_NULL,
  };

  g_option_context_add_main_entries (context, entries, NULL);
}

static gboolean
read_schedule (const char *name, ItuningSchedule *schedule, GError **error)
{
  static const char *const names[] = { "constant", "linear", "cosine" };

  if (name == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (g_str_equal (name, names[i])) {
      *schedule = (ItuningSchedule) i;
      return TRUE;
    }
  }
  return tool_options_usage_error (error,
      "--schedule %s: wanted constant, linear or cosine", name);
}

static gboolean
holds (const ToolTrainOptions *options, const char *file)
{
  g_autofree char *path = g_build_filename (options->output, file, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* What took hours is not replaced unasked. */
static gboolean
check_output (const ToolTrainOptions *options, GError **error)
{
  const char *what = holds (options, CHECKPOINT) ? "a run"
      : holds (options, MODEL)                   ? "a trained model"
                                                 : NULL;

  if (what == NULL || options->resume || options->force)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
      "%s: holds %s; --force replaces it%s", options->output, what,
      holds (options, CHECKPOINT) ? ", --resume goes on with it" : "");
  return FALSE;
}

/**
 * tool_train_options_check:
 * @options: what was given
 *
 * Returns: FALSE with a %G_OPTION_ERROR, %ITUNING_ERROR_INPUT, or
 *   %ITUNING_ERROR_WRITE when the folder holds what is not to be replaced
 */
gboolean
tool_train_options_check (ToolTrainOptions *options, GError **error)
{
  ItuningTrainOptions *train = &options->train;

  if (options->features == NULL || options->output == NULL)
    return tool_options_usage_error (error, "%s is missing",
        options->features == NULL ? "--features" : "--output");
  if (!tool_options_get_count ("--batch-size", options->batch_size, 1, 1 << 20,
          &train->batch_size, error) ||
      !tool_options_get_count ("--accumulate", options->accumulate, 1, 1 << 20,
          &train->accumulate, error) ||
      !read_schedule (options->schedule, &train->schedule, error))
    return FALSE;
  if (options->steps < 0 || options->epochs < 0 || options->warmup_steps < 0 ||
      options->log_every < 1 || options->checkpoint_every < 0 ||
      options->validate_every < 0)
    return tool_options_usage_error (error,
        "a number of steps or epochs is negative, or --log-every is 0");
  if ((guint64) train->batch_size * train->accumulate > MAX_CAPTIONS ||
      options->epochs > MAX_EPOCHS)
    return tool_options_usage_error (error,
        "a step of more than %d captions, or more than %d epochs", MAX_CAPTIONS,
        MAX_EPOCHS);
  if (options->steps > 0 && options->epochs > 0)
    return tool_options_usage_error (error,
        "give --steps or --epochs, not both");
  if (options->resume && options->force)
    return tool_options_usage_error (error,
        "give --resume or --force, not both");
  train->warmup_steps = (guint64) options->warmup_steps;
  train->seed = (guint64) options->seed;
  return ituning_train_options_check (train, error) &&
      check_output (options, error);
}

/**
 * tool_train_options_open:
 * @options: what was given; its number of steps is set
 *
 * Returns: (transfer full): what to train on; or %NULL as
 *   ituning_dataset_open ()
 */
ItuningDataset *
tool_train_options_open (ToolTrainOptions *options, GError **error)
{
  ItuningDataset *data = ituning_dataset_open (options->features, error);
  ItuningTrainOptions *train = &options->train;
  const guint64 a_step = (guint64) train->batch_size * train->accumulate;

  if (data == NULL)
    return NULL;
  train->steps = options->steps > 0
      ? (guint64) options->steps
      : ((guint64) MAX (options->epochs, 1) *
                ituning_dataset_get_info (data)->n_captions +
            a_step - 1) /
          a_step;
  return data;
}

/* --- a run -------------------------------------------------------------- */

typedef struct
{
  const ToolTrainOptions *options;
  ItuningTrainer *trainer; /* borrowed */
  ItuningDataset *validation; /* owned; or NULL */
  ToolTrainLog *log; /* owned */
  char *checkpoint; /* owned: its path */
} Run;

static void
clear_run (Run *self)
{
  tool_train_log_free (self->log);
  ituning_dataset_unref (self->validation);
  g_free (self->checkpoint);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, clear_run)

/* What a run that was killed while it saved has left: the file that was to take
 * the place of another. */
static gboolean
is_leftover (const char *name)
{
  const char *part = strstr (name, ".safetensors.part-");

  return part != NULL && strlen (part) == strlen (".safetensors.part-XXXXXX");
}

static void
remove_leftovers (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    if (is_leftover (name))
      g_unlink (path);
  }
  g_clear_pointer (&dir, g_dir_close);
}

/**
 * tool_train_goes_on:
 * @options: a run's, with its folder
 *
 * Returns: whether it goes on with what a run before has left there
 */
gboolean
tool_train_goes_on (const ToolTrainOptions *options)
{
  return options->resume && holds (options, CHECKPOINT);
}

static gboolean
open_run (Run *self, GError **error)
{
  const ToolTrainOptions *options = self->options;
  g_autofree char *log = g_build_filename (options->output, LOG, NULL);

  self->checkpoint = g_build_filename (options->output, CHECKPOINT, NULL);
  if (options->validation != NULL) {
    self->validation = ituning_dataset_open (options->validation, error);
    if (self->validation == NULL ||
        !ituning_trainer_check (self->trainer, self->validation, error))
      return FALSE;
  }
  if (g_mkdir_with_parents (options->output, 0777) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s",
        options->output, g_strerror (errno));
    return FALSE;
  }
  remove_leftovers (options->output);
  if (tool_train_goes_on (options) &&
      !ituning_trainer_resume (self->trainer, self->checkpoint, error))
    return FALSE;
  /* From now on the folder can be opened, also as part of a bundle, however
   * soon the run is broken off. */
  if (!ituning_trainer_save (self->trainer, options->output, error))
    return FALSE;
  if (!options->resume) /* nobody shall go on with what this run replaces */
    g_unlink (self->checkpoint);
  self->log = tool_train_log_open (log,
      ituning_trainer_get_step (self->trainer), options->train.steps,
      ituning_trainer_get_unit (self->trainer), error);
  return self->log != NULL;
}

/* Whether something that happens every @n steps, and at the end, is due. */
static gboolean
is_due (const Run *self, gint64 n)
{
  const guint64 step = ituning_trainer_get_step (self->trainer);

  return n > 0 &&
      (step % (guint64) n == 0 || step == self->options->train.steps);
}

static gboolean
validate (Run *self, GCancellable *cancellable, GError **error)
{
  const guint64 step = ituning_trainer_get_step (self->trainer);
  g_autoptr (ItuningModel) model = NULL;
  gboolean captions;
  ItuningMetrics metrics;
  double loss;

  if (self->validation == NULL || !is_due (self, self->options->validate_every))
    return TRUE;
  if (!ituning_trainer_evaluate (self->trainer, self->validation, &loss,
          cancellable, error))
    return FALSE;
  model = ituning_trainer_get_model (self->trainer);
  captions = model != NULL && ituning_model_get_tokenizer (model) != NULL;
  if (captions &&
      !tool_train_score (model, self->validation, self->log, step, &metrics,
          cancellable, error))
    return FALSE;
  return tool_train_log_validation (self->log, step, loss,
      captions ? &metrics : NULL, error);
}

static gboolean
save (Run *self, GError **error)
{
  const char *folder = self->options->output;
  g_autofree char *log = g_build_filename (folder, LOG, NULL);
  g_autofree char *curves = g_build_filename (folder, CURVES, NULL);

  return ituning_trainer_save_checkpoint (self->trainer, self->checkpoint,
             error) &&
      ituning_trainer_save (self->trainer, folder, error) &&
      tool_train_curves_write (curves, log, error);
}

static gboolean
run_step (Run *self, GCancellable *cancellable, GError **error)
{
  const ToolTrainOptions *options = self->options;
  ItuningTrainReport report;
  double mean_loss;
  gboolean due;

  if (!ituning_trainer_step (self->trainer, &report, error))
    return FALSE;
  if (report.step == 1 && options->gradients != NULL &&
      !ituning_trainer_save_gradients (self->trainer, options->gradients,
          error))
    return FALSE;
  due = is_due (self, options->log_every);
  if (due)
    mean_loss = ituning_trainer_take_mean_loss (self->trainer);
  if (!tool_train_log_step (self->log, &report, due ? &mean_loss : NULL, error))
    return FALSE;
  if (!validate (self, cancellable, error)) {
    save (self, NULL); /* the steps are as good as they were */
    return FALSE;
  }
  return !is_due (self, options->checkpoint_every) || save (self, error);
}

/**
 * tool_train_run_steps:
 * @trainer: before its first step
 * @options: the run's
 * @cancellable: stops the run after a step or within a validation, with a
 *   checkpoint
 *
 * Returns: FALSE with the errors of the trainer and of writing, or with
 *   %G_IO_ERROR_CANCELLED
 */
gboolean
tool_train_run_steps (ItuningTrainer *trainer, const ToolTrainOptions *options,
    GCancellable *cancellable, GError **error)
{
  g_auto (Run) self = { .options = options, .trainer = trainer };
  g_autofree char *costs = g_build_filename (options->output, COSTS, NULL);
  g_autoptr (GError) reason = NULL;
  guint64 first;

  if (!open_run (&self, error))
    return FALSE;
  first = ituning_trainer_get_step (trainer);
  /* The run may have been broken off within a validation. */
  if (first > 0 && tool_train_log_get_validated (self.log) < first &&
      !validate (&self, cancellable, error))
    return FALSE;
  while (ituning_trainer_get_step (trainer) < options->train.steps) {
    if (!g_cancellable_set_error_if_cancelled (cancellable, &reason) &&
        run_step (&self, cancellable, &reason))
      continue;
    if (!g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
        save (&self, error))
      g_propagate_error (error, g_steal_pointer (&reason));
    return FALSE;
  }
  /* A run that was at its end has costs already. */
  return save (&self, error) &&
      ((ituning_trainer_get_step (trainer) == first &&
           g_file_test (costs, G_FILE_TEST_EXISTS)) ||
          tool_train_log_finish (self.log, costs,
              ituning_trainer_count_parameters (trainer), error));
}
