/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning train`: an adapter from a file of features, or from images and
 * captions, whose features are written first. */

#include <errno.h>

#include "gst/tools/command.h"
#include "gst/tools/features.h"
#include "gst/tools/options.h"
#include "gst/tools/trainrun.h"

typedef struct
{
  ToolModelOptions model;
  ToolTrainOptions train;
  gint64 bottleneck, heads, max_length, prefix_length;
  char *layers, *captions, *images, *split, *unfreeze, *method; /* owned */
  gboolean strict;
} Arguments;

static void
clear_arguments (Arguments *self)
{
  tool_model_options_clear (&self->model);
  tool_train_options_clear (&self->train);
  g_free (self->layers);
  g_free (self->captions);
  g_free (self->images);
  g_free (self->split);
  g_free (self->unfreeze);
  g_free (self->method);
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

/* "ituning" or "prefix" */
static gboolean
read_method (const Arguments *given, guint *prefix_length, GError **error)
{
  if (given->method == NULL || g_str_equal (given->method, "ituning"))
    return TRUE;
  if (!g_str_equal (given->method, "prefix"))
    return tool_options_usage_error (error,
        "--method %s: wanted ituning or prefix", given->method);
  return tool_options_get_count ("--prefix-length", given->prefix_length, 1,
      1 << 16, prefix_length, error);
}

static gboolean
check_arguments (Arguments *given, GError **error)
{
  ItuningTrainOptions *train = &given->train.train;

  if (given->captions != NULL && given->train.features != NULL)
    return tool_options_usage_error (error,
        "give --features or --captions, not both");
  if (given->captions == NULL &&
      (given->images != NULL || given->split != NULL || given->strict))
    return tool_options_usage_error (error,
        "--images, --split and --strict go with --captions");
  if (given->captions != NULL && given->train.output != NULL)
    given->train.features = g_build_filename (given->train.output,
        "features.safetensors", NULL);
  if (given->unfreeze != NULL && !g_str_equal (given->unfreeze, "language"))
    return tool_options_usage_error (error,
        "--unfreeze %s: only the language can be", given->unfreeze);
  train->unfreeze_language = given->unfreeze != NULL;
  if (given->max_length < 3)
    return tool_options_usage_error (error, "--max-length: wanted 3 or more");
  return tool_model_options_check (&given->model, error) &&
      read_layers (given->layers, &train->top_layers, error) &&
      read_method (given, &train->prefix_length, error) &&
      tool_options_get_count ("--bottleneck", given->bottleneck, 0, 1 << 20,
          &train->bottleneck_size, error) &&
      tool_options_get_count ("--heads", given->heads, 1, 1 << 20,
          &train->num_heads, error) &&
      tool_train_options_check (&given->train, error);
}

/* The features of --captions, unless a run before has left them there. */
static gboolean
write_features (const Arguments *given, ItuningModel *model,
    GCancellable *cancellable, GError **error)
{
  const ToolFeatures what = { given->captions, given->images, given->split,
    given->train.features, (gsize) given->max_length, given->strict };

  if (given->captions == NULL)
    return TRUE;
  if (g_file_test (what.output, G_FILE_TEST_EXISTS))
    return tool_features_check (&what, model, error);
  if (g_mkdir_with_parents (given->train.output, 0777) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s",
        given->train.output, g_strerror (errno));
    return FALSE;
  }
  return tool_features_write (&what, model, cancellable, error);
}

/* What is asked of a new adapter is of no use for the one that a model has, unless
 * that is what a run before has left of it in the model's own folder. */
static gboolean
check_adapter (Arguments *given, const ItuningModel *model, GError **error)
{
  ItuningTrainOptions *train = &given->train.train;
  const ItuningModelInfo *info = ituning_model_get_info (model);
  const gboolean has_one = info->adapter.n_layers > 0 ||
      info->adapter.prefix_length > 0;
  const gboolean asked = given->method != NULL || given->bottleneck > 0 ||
      given->heads != 1 || train->scale != 1.0 || given->layers != NULL ||
      train->visual_post_layernorm;

  if (has_one && asked && tool_train_goes_on (&given->train))
    train->fresh = TRUE;
  if (!has_one || !asked || train->fresh)
    return TRUE;
  return tool_options_usage_error (error,
      "the model has an adapter, which training goes on with: --fresh makes a "
      "new one as the options say");
}

/* Modules could be trained with any number, but these are of another tower. */
static gboolean
check_features (const Arguments *given, const ItuningModel *model,
    const ItuningDataset *data, GError **error)
{
  const gsize found = ituning_dataset_get_info (data)->num_tokens;
  const gsize wanted = ituning_model_get_info (model)->vision.num_tokens;

  if (found == wanted || found == 0)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
      "%s: images of %zu visual tokens, the model's have %zu",
      given->train.features, found, wanted);
  return FALSE;
}

static gboolean
run (Arguments *given, GCancellable *cancellable, GError **error)
{
  g_autoptr (ItuningModel) model = tool_model_options_open (&given->model,
      error);
  g_autoptr (ItuningDataset) data = NULL;
  g_autoptr (ItuningTrainer) trainer = NULL;

  if (model == NULL || !check_adapter (given, model, error) ||
      !write_features (given, model, cancellable, error))
    return FALSE;
  data = tool_train_options_open (&given->train, error);
  if (data == NULL || !check_features (given, model, data, error))
    return FALSE;
  trainer = ituning_trainer_new (model, data, &given->train.train, error);
  return trainer != NULL &&
      tool_train_run_steps (trainer, &given->train, cancellable, error);
}

gboolean
tool_train_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_auto (Arguments) given = { .heads = 1,
    .max_length = 64,
    .prefix_length = 10,
    .train = TOOL_TRAIN_OPTIONS_INIT };
  ItuningTrainOptions *train = &given.train.train;
  const GOptionEntry entries[] = {
    { "captions", 'c', 0, G_OPTION_ARG_FILENAME, &given.captions,
        "In place of --features: COCO's or Karpathy's JSON, or lines of "
        "{\"image\", \"caption\"}; their features are kept in the folder",
        "FILE" },
    { "images", 'i', 0, G_OPTION_ARG_FILENAME, &given.images,
        "With --captions: folder of the images", "DIR" },
    { "split", 0, 0, G_OPTION_ARG_STRING, &given.split,
        "With --captions: of Karpathy's file: train, val or test (all)",
        "NAME" },
    { "max-length", 0, 0, G_OPTION_ARG_INT64, &given.max_length,
        "With --captions: cut them to this many tokens (64)", "N" },
    { "strict", 0, 0, G_OPTION_ARG_NONE, &given.strict,
        "With --captions: stop at an image that cannot be read", NULL },
    { "dropout", 0, 0, G_OPTION_ARG_DOUBLE, &train->dropout,
        "Dropout of the modules' outputs (0)", "X" },
    { "fresh", 0, 0, G_OPTION_ARG_NONE, &train->fresh,
        "Start from a new adapter even if the model has one", NULL },
    { "unfreeze", 0, 0, G_OPTION_ARG_STRING, &given.unfreeze,
        "Train this too: language; it is written into the folder's language/",
        "PART" },
    { "method", 0, 0, G_OPTION_ARG_STRING, &given.method,
        "New adapter: ituning, or prefix: embeddings before the text, made of "
        "the image's (ituning)",
        "NAME" },
    { "prefix-length", 0, 0, G_OPTION_ARG_INT64, &given.prefix_length,
        "New adapter: embeddings of a prefix (10)", "N" },
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
