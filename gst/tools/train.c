/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning train`: an adapter from a file of features. The folder that it
 * writes holds the adapter, a log of the run, and a checkpoint to go on from
 * when it was broken off. */

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "gst/tools/command.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"
#include "gst/tools/trainlog.h"
#include "model/train/ituning-train.h"

#define CHECKPOINT "checkpoint.safetensors"
#define LOG "log.jsonl"

/* What the user gave; strings are owned. */
typedef struct
{
  ToolModelOptions model;
  char *features, *validation, *output, *gradients, *schedule;
  gint64 steps, epochs, batch_size, accumulate, warmup_steps, seed;
  gint64 bottleneck, heads, log_every, checkpoint_every, validate_every;
  char *layers;
  ItuningTrainOptions train;
  gboolean resume;
} Arguments;

static void
clear_arguments (Arguments *self)
{
  tool_model_options_clear (&self->model);
  g_free (self->features);
  g_free (self->validation);
  g_free (self->output);
  g_free (self->gradients);
  g_free (self->schedule);
  g_free (self->layers);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, clear_arguments)

/* A run at work. */
typedef struct
{
  const Arguments *given;
  ItuningTrainer *trainer; /* owned */
  ItuningDataset *validation; /* owned; or NULL */
  ToolTrainLog *log; /* owned */
  char *checkpoint; /* owned: its path */
} Run;

static void
clear_run (Run *self)
{
  tool_train_log_free (self->log);
  ituning_trainer_free (self->trainer);
  ituning_dataset_unref (self->validation);
  g_free (self->checkpoint);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, clear_run)

/* --- options ------------------------------------------------------------ */

static gboolean
read_schedule (const char *name, ItuningSchedule *schedule, GError **error)
{
  static const char *const names[] = { "constant", "linear", "cosine" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (name != NULL && g_str_equal (name, names[i]))
      *schedule = (ItuningSchedule) i;
    if (name == NULL || g_str_equal (name, names[i]))
      return TRUE;
  }
  return tool_options_usage_error (error,
      "--schedule %s: wanted constant, linear or cosine", name);
}

/* "all" or "top:N" */
static gboolean
read_layers (const char *layers, guint *top_layers, GError **error)
{
  guint64 n = 0;

  if (layers == NULL || g_str_equal (layers, "all"))
    return TRUE;
  if (!g_str_has_prefix (layers, "top:") ||
      !g_ascii_string_to_unsigned (layers + 4, 10, 1, 1024, &n, NULL))
    return tool_options_usage_error (error, "--layers %s: wanted all or top:N",
        layers);
  *top_layers = (guint) n;
  return TRUE;
}

static gboolean
read_counts (Arguments *given, GError **error)
{
  ItuningTrainOptions *train = &given->train;
  const struct
  {
    const char *name;
    gint64 value;
    guint min;
    guint *count;
  } counts[] = {
    { "--batch-size", given->batch_size, 1, &train->batch_size },
    { "--accumulate", given->accumulate, 1, &train->accumulate },
    { "--bottleneck", given->bottleneck, 0, &train->bottleneck_size },
    { "--heads", given->heads, 1, &train->num_heads },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (counts); i++)
    if (!tool_options_get_count (counts[i].name, counts[i].value, counts[i].min,
            1 << 20, counts[i].count, error))
      return FALSE;
  if (given->steps < 0 || given->epochs < 0 || given->warmup_steps < 0 ||
      given->log_every < 1 || given->checkpoint_every < 0 ||
      given->validate_every < 0)
    return tool_options_usage_error (error,
        "a number of steps or epochs is negative, or --log-every is 0");
  if (given->steps > 0 && given->epochs > 0)
    return tool_options_usage_error (error,
        "give --steps or --epochs, not both");
  train->warmup_steps = (guint64) given->warmup_steps;
  train->seed = (guint64) given->seed;
  return TRUE;
}

static gboolean
check_arguments (Arguments *given, GError **error)
{
  if (given->features == NULL || given->output == NULL)
    return tool_options_usage_error (error, "%s is missing",
        given->features == NULL ? "--features" : "--output");
  return tool_model_options_check (&given->model, error) &&
      read_schedule (given->schedule, &given->train.schedule, error) &&
      read_layers (given->layers, &given->train.top_layers, error) &&
      read_counts (given, error) &&
      ituning_train_options_check (&given->train, error);
}

/* One epoch, when neither steps nor epochs were given. */
static guint64
count_steps (const Arguments *given, const ItuningDataset *data)
{
  const guint64 n_captions = ituning_dataset_get_info (data)->n_captions;
  const guint64 a_step = (guint64) given->train.batch_size *
      given->train.accumulate;

  if (given->steps > 0)
    return (guint64) given->steps;
  return MAX ((guint64) MAX (given->epochs, 1) * n_captions / a_step, 1);
}

/* --- a run -------------------------------------------------------------- */

static gboolean
open_run (Run *self, Arguments *given, GError **error)
{
  g_autoptr (ItuningDataset) data = NULL;
  g_autoptr (ItuningModel) model = NULL;
  g_autofree char *log = g_build_filename (given->output, LOG, NULL);

  self->given = given;
  self->checkpoint = g_build_filename (given->output, CHECKPOINT, NULL);
  data = ituning_dataset_open (given->features, error);
  if (data == NULL)
    return FALSE;
  model = tool_model_options_open (&given->model, error);
  if (model == NULL)
    return FALSE;
  if (given->validation != NULL) {
    self->validation = ituning_dataset_open (given->validation, error);
    if (self->validation == NULL)
      return FALSE;
  }
  given->train.steps = count_steps (given, data);
  self->trainer = ituning_trainer_new (model, data, &given->train, error);
  if (self->trainer == NULL)
    return FALSE;
  if (g_mkdir_with_parents (given->output, 0777) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s",
        given->output, g_strerror (errno));
    return FALSE;
  }
  if (given->resume && g_file_test (self->checkpoint, G_FILE_TEST_EXISTS) &&
      !ituning_trainer_resume (self->trainer, self->checkpoint, error))
    return FALSE;
  self->log = tool_train_log_open (log,
      ituning_trainer_get_step (self->trainer), given->train.steps, error);
  return self->log != NULL;
}

/* Whether something that happens every @n steps, and at the end, is due. */
static gboolean
is_due (const Run *self, guint64 step, gint64 n)
{
  return n > 0 && (step % (guint64) n == 0 || step == self->given->train.steps);
}

static gboolean
validate (Run *self, GCancellable *cancellable, GError **error)
{
  const guint64 step = ituning_trainer_get_step (self->trainer);
  double loss;

  if (self->validation == NULL ||
      !is_due (self, step, self->given->validate_every))
    return TRUE;
  return ituning_trainer_evaluate (self->trainer, self->validation, &loss,
             cancellable, error) &&
      tool_train_log_validation (self->log, step, loss, error);
}

static gboolean
save (Run *self, GError **error)
{
  return ituning_trainer_save_checkpoint (self->trainer, self->checkpoint,
             error) &&
      ituning_trainer_save_adapter (self->trainer, self->given->output, error);
}

static gboolean
run_steps (Run *self, GCancellable *cancellable, GError **error)
{
  const Arguments *given = self->given;
  ItuningTrainReport report;

  while (ituning_trainer_get_step (self->trainer) < given->train.steps) {
    if (g_cancellable_is_cancelled (cancellable)) {
      if (!save (self, error))
        return FALSE;
      return !g_cancellable_set_error_if_cancelled (cancellable, error);
    }
    if (!ituning_trainer_step (self->trainer, &report, error))
      return FALSE;
    if (report.step == 1 && given->gradients != NULL &&
        !ituning_trainer_save_gradients (self->trainer, given->gradients,
            error))
      return FALSE;
    if (!tool_train_log_step (self->log, &report,
            is_due (self, report.step, given->log_every), error) ||
        !validate (self, cancellable, error))
      return FALSE;
    if (is_due (self, report.step, given->checkpoint_every) &&
        !save (self, error))
      return FALSE;
  }
  return save (self, error);
}

/* --- the command -------------------------------------------------------- */

static GOptionContext *
build_context (Arguments *given)
{
  ItuningTrainOptions *train = &given->train;
  const GOptionEntry entries[] = {
    { "features", 'f', 0, G_OPTION_ARG_FILENAME, &given->features,
        "What to train on, as `ituning features` writes it", "FILE" },
    { "validation", 0, 0, G_OPTION_ARG_FILENAME, &given->validation,
        "Features to measure the loss on besides", "FILE" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &given->output,
        "Folder for the adapter, its log and checkpoint", "DIR" },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &given->resume,
        "Go on from the folder's checkpoint, if it has one", NULL },
    { "steps", 0, 0, G_OPTION_ARG_INT64, &given->steps, "Steps to make", "N" },
    { "epochs", 0, 0, G_OPTION_ARG_INT64, &given->epochs,
        "Or times to see every caption (1)", "N" },
    { "batch-size", 0, 0, G_OPTION_ARG_INT64, &given->batch_size,
        "Captions of a batch (32)", "N" },
    { "accumulate", 0, 0, G_OPTION_ARG_INT64, &given->accumulate,
        "Batches of a step (1)", "N" },
    { "lr", 0, 0, G_OPTION_ARG_DOUBLE, &train->learning_rate,
        "Learning rate (0.0001)", "X" },
    { "weight-decay", 0, 0, G_OPTION_ARG_DOUBLE, &train->weight_decay,
        "AdamW's weight decay (0.01)", "X" },
    { "warmup-steps", 0, 0, G_OPTION_ARG_INT64, &given->warmup_steps,
        "Steps in which the learning rate grows (0)", "N" },
    { "schedule", 0, 0, G_OPTION_ARG_STRING, &given->schedule,
        "Then: constant, linear or cosine (cosine)", "NAME" },
    { "max-grad-norm", 0, 0, G_OPTION_ARG_DOUBLE, &train->max_grad_norm,
        "Clip the gradient to this norm; 0: never (1)", "X" },
    { "label-smoothing", 0, 0, G_OPTION_ARG_DOUBLE, &train->label_smoothing,
        "Probability given to all other tokens (0)", "X" },
    { "dropout", 0, 0, G_OPTION_ARG_DOUBLE, &train->dropout,
        "Dropout of the modules' outputs (0)", "X" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &given->seed,
        "Of the order, dropout and a fresh adapter (0)", "N" },
    { "fresh", 0, 0, G_OPTION_ARG_NONE, &train->fresh,
        "Start from a new adapter even if the model has one", NULL },
    { "bottleneck", 0, 0, G_OPTION_ARG_INT64, &given->bottleneck,
        "New adapter: width (half the text's)", "N" },
    { "heads", 0, 0, G_OPTION_ARG_INT64, &given->heads,
        "New adapter: attention heads (1)", "N" },
    { "scale", 0, 0, G_OPTION_ARG_DOUBLE, &train->scale,
        "New adapter: factor of its output (1)", "X" },
    { "layers", 0, 0, G_OPTION_ARG_STRING, &given->layers,
        "New adapter: all layers, or top:N", "WHICH" },
    { "post-layernorm", 0, 0, G_OPTION_ARG_NONE, &train->visual_post_layernorm,
        "New adapter: sees the visual tokens after CLIP's post layer norm",
        NULL },
    { "log-every", 0, 0, G_OPTION_ARG_INT64, &given->log_every,
        "Steps between lines of the log (10)", "N" },
    { "validate-every", 0, 0, G_OPTION_ARG_INT64, &given->validate_every,
        "Steps between validations (500)", "N" },
    { "checkpoint-every", 0, 0, G_OPTION_ARG_INT64, &given->checkpoint_every,
        "Steps between checkpoints; 0: at the end alone (500)", "N" },
    { "save-gradients", 0, 0, G_OPTION_ARG_FILENAME, &given->gradients,
        "Write the first step's gradients, to compare them", "FILE" },
    G_OPTION_ENTRY_NULL,
  };

  return tool_options_new (NULL,
      "Trains an I-Tuning adapter; the vision and the language model stay as "
      "they are.",
      entries);
}

gboolean
tool_train_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_auto (Arguments) given = { .batch_size = 32,
    .accumulate = 1,
    .heads = 1,
    .log_every = 10,
    .validate_every = 500,
    .checkpoint_every = 500,
    .train = ITUNING_TRAIN_OPTIONS_INIT };
  g_autoptr (GOptionContext) context = build_context (&given);
  g_auto (GStrv) arguments = NULL;
  g_auto (Run) run = { .given = &given };

  tool_model_options_add (&given.model, context);
  return tool_options_parse (context, argv, &arguments, error) &&
      tool_options_check_none (arguments, error) &&
      check_arguments (&given, error) && open_run (&run, &given, error) &&
      run_steps (&run, cancellable, error);
}
