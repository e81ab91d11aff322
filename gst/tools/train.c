/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning train`: an adapter from a file of features. */

#include "gst/tools/command.h"
#include "gst/tools/options.h"
#include "gst/tools/trainrun.h"

typedef struct
{
  ToolModelOptions model;
  ToolTrainOptions train;
  gint64 bottleneck, heads;
  char *layers; /* owned */
} Arguments;

static void
clear_arguments (Arguments *self)
{
  tool_model_options_clear (&self->model);
  tool_train_options_clear (&self->train);
  g_free (self->layers);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, clear_arguments)

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
check_arguments (Arguments *given, GError **error)
{
  ItuningTrainOptions *train = &given->train.train;

  return tool_model_options_check (&given->model, error) &&
      read_layers (given->layers, &train->top_layers, error) &&
      tool_options_get_count ("--bottleneck", given->bottleneck, 0, 1 << 20,
          &train->bottleneck_size, error) &&
      tool_options_get_count ("--heads", given->heads, 1, 1 << 20,
          &train->num_heads, error) &&
      tool_train_options_check (&given->train, error);
}

static gboolean
run (Arguments *given, GCancellable *cancellable, GError **error)
{
  g_autoptr (ItuningDataset) data = tool_train_options_open (&given->train,
      error);
  g_autoptr (ItuningModel) model = NULL;
  g_autoptr (ItuningTrainer) trainer = NULL;

  if (data == NULL)
    return FALSE;
  model = tool_model_options_open (&given->model, error);
  if (model == NULL)
    return FALSE;
  trainer = ituning_trainer_new (model, data, &given->train.train, error);
  return trainer != NULL &&
      tool_train_run_steps (trainer, &given->train, cancellable, error);
}

gboolean
tool_train_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_auto (Arguments) given = { .heads = 1, .train = TOOL_TRAIN_OPTIONS_INIT };
  ItuningTrainOptions *train = &given.train.train;
  const GOptionEntry entries[] = {
    { "dropout", 0, 0, G_OPTION_ARG_DOUBLE, &train->dropout,
        "Dropout of the modules' outputs (0)", "X" },
    { "fresh", 0, 0, G_OPTION_ARG_NONE, &train->fresh,
        "Start from a new adapter even if the model has one", NULL },
    { "bottleneck", 0, 0, G_OPTION_ARG_INT64, &given.bottleneck,
        "New adapter: width (half the text's)", "N" },
    { "heads", 0, 0, G_OPTION_ARG_INT64, &given.heads,
        "New adapter: attention heads (1)", "N" },
    { "scale", 0, 0, G_OPTION_ARG_DOUBLE, &train->scale,
        "New adapter: factor of its output (1)", "X" },
    { "layers", 0, 0, G_OPTION_ARG_STRING, &given.layers,
        "New adapter: all layers, or top:N", "WHICH" },
    { "post-layernorm", 0, 0, G_OPTION_ARG_NONE, &train->visual_post_layernorm,
        "New adapter: sees the visual tokens after CLIP's post layer norm",
        NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new (NULL,
      "Trains an I-Tuning adapter; the vision and the language model stay as "
      "they are.",
      entries);
  g_auto (GStrv) arguments = NULL;

  tool_train_options_add (&given.train, context);
  tool_model_options_add (&given.model, context);
  return tool_options_parse (context, argv, &arguments, error) &&
      tool_options_check_none (arguments, error) &&
      check_arguments (&given, error) && run (&given, cancellable, error);
}
