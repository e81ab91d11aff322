/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning pretrain clip|gpt2`: the two networks that I-Tuning joins, from
 * nothing, where none is at hand that knows the material. */

#include <string.h>

#include "gst/tools/command.h"
#include "gst/tools/options.h"
#include "gst/tools/trainrun.h"

typedef struct
{
  ToolTrainOptions train;
  char *tokenizer, *vision; /* owned */
  gint64 width, layers, heads, positions, patch_size, embedding;
  gint64 text_width, text_layers, text_heads, shift, n_threads;
} Arguments;

static void
clear_arguments (Arguments *self)
{
  tool_train_options_clear (&self->train);
  g_free (self->tokenizer);
  g_free (self->vision);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, clear_arguments)

static gboolean
read_shape (const Arguments *given, ItuningPretrainShape *shape, GError **error)
{
  const struct
  {
    const char *name;
    gint64 value;
    guint *count;
  } counts[] = {
    { "--width", given->width, &shape->hidden_size },
    { "--layers", given->layers, &shape->num_layers },
    { "--heads", given->heads, &shape->num_heads },
    { "--positions", given->positions, &shape->n_positions },
    { "--patch-size", given->patch_size, &shape->patch_size },
    { "--embedding", given->embedding, &shape->projection_dim },
    { "--text-width", given->text_width, &shape->text_hidden_size },
    { "--text-layers", given->text_layers, &shape->text_num_layers },
    { "--text-heads", given->text_heads, &shape->text_num_heads },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (counts); i++)
    if (!tool_options_get_count (counts[i].name, counts[i].value, 1, 1 << 16,
            counts[i].count, error))
      return FALSE;
  return TRUE;
}

/* The size of the vocabulary, by the tokenizer that made the captions' ids. */
static gboolean
read_vocabulary (const Arguments *given, ItuningPretrainShape *shape,
    GError **error)
{
  g_autoptr (ItuningTokenizer) tokenizer =
      ituning_tokenizer_open (given->tokenizer, error);

  if (tokenizer == NULL)
    return FALSE;
  shape->vocab_size = (guint) ituning_tokenizer_get_size (tokenizer);
  return TRUE;
}

static gboolean
run (Arguments *given, gboolean clip, GCancellable *cancellable, GError **error)
{
  ItuningPretrainShape shape = { 0 };
  g_autoptr (ItuningDataset) data = NULL;
  g_autoptr (ItuningTrainer) trainer = NULL;
  guint n_threads;

  if (given->tokenizer == NULL)
    return tool_options_usage_error (error, "--tokenizer is missing");
  if (!clip &&
      (given->vision != NULL || given->shift != 0 ||
          given->train.train.zoom != 0.0 ||
          given->train.train.captioning != 0.0))
    return tool_options_usage_error (error,
        "--vision, --shift, --zoom and --captioning are for clip");
  if (!tool_train_options_check (&given->train, error) ||
      !tool_options_get_count ("--threads", given->n_threads, 0, G_MAXINT,
          &n_threads, error) ||
      !tool_options_get_count ("--shift", given->shift, 0, 1 << 16,
          &given->train.train.shift, error) ||
      !read_shape (given, &shape, error) ||
      !read_vocabulary (given, &shape, error))
    return FALSE;
  data = tool_train_options_open (&given->train, error);
  if (data == NULL)
    return FALSE;
  shape.image_size = (guint) ituning_dataset_get_info (data)->image_size;
  trainer = clip ? ituning_trainer_new_clip (&shape, given->vision, data,
                       &given->train.train, n_threads, error)
                 : ituning_trainer_new_language (&shape, data,
                       &given->train.train, n_threads, error);
  return trainer != NULL &&
      tool_train_run_steps (trainer, &given->train, cancellable, error);
}

gboolean
tool_pretrain_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_auto (Arguments) given = { .width = 256,
    .layers = 6,
    .heads = 8,
    .positions = 64,
    .patch_size = 16,
    .embedding = 128,
    .text_width = 128,
    .text_layers = 3,
    .text_heads = 4,
    .train = TOOL_TRAIN_OPTIONS_INIT };
  const GOptionEntry entries[] = {
    { "tokenizer", 0, 0, G_OPTION_ARG_FILENAME, &given.tokenizer,
        "Folder with vocab.json and merges.txt", "DIR" },
    { "vision", 0, 0, G_OPTION_ARG_FILENAME, &given.vision,
        "clip: start from this vision tower, of the same shape", "DIR" },
    { "width", 0, 0, G_OPTION_ARG_INT64, &given.width, "Width (256)", "N" },
    { "layers", 0, 0, G_OPTION_ARG_INT64, &given.layers, "Layers (6)", "N" },
    { "heads", 0, 0, G_OPTION_ARG_INT64, &given.heads, "Attention heads (8)",
        "N" },
    { "positions", 0, 0, G_OPTION_ARG_INT64, &given.positions,
        "Longest text in tokens (64)", "N" },
    { "patch-size", 0, 0, G_OPTION_ARG_INT64, &given.patch_size,
        "clip: sides of a patch in pixels (16)", "N" },
    { "embedding", 0, 0, G_OPTION_ARG_INT64, &given.embedding,
        "clip: width of the embeddings that are compared (128)", "N" },
    { "text-width", 0, 0, G_OPTION_ARG_INT64, &given.text_width,
        "clip: width of the text tower (128)", "N" },
    { "text-layers", 0, 0, G_OPTION_ARG_INT64, &given.text_layers,
        "clip: layers of the text tower (3)", "N" },
    { "text-heads", 0, 0, G_OPTION_ARG_INT64, &given.text_heads,
        "clip: heads of the text tower (4)", "N" },
    { "captioning", 0, 0, G_OPTION_ARG_DOUBLE, &given.train.train.captioning,
        "clip: weight of the captions' loss beside the contrast (0)", "X" },
    { "shift", 0, 0, G_OPTION_ARG_INT64, &given.shift,
        "clip: move a picture by up to so many pixels, each time (0)", "N" },
    { "zoom", 0, 0, G_OPTION_ARG_DOUBLE, &given.train.train.zoom,
        "clip: stretch its sides by up to this part, each time (0)", "X" },
    { "threads", 0, 0, G_OPTION_ARG_INT64, &given.n_threads,
        "Threads to compute with (one per processor)", "N" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new ("clip|gpt2",
      "Trains a small network from nothing: `clip` a vision tower, from pixels "
      "and captions\n(ituning features --pixels), `gpt2` a language model, from "
      "the captions alone.",
      entries);
  g_auto (GStrv) arguments = NULL;
  const char *what;

  tool_train_options_add (&given.train, context);
  if (!tool_options_parse (context, argv, &arguments, error))
    return FALSE;
  what = tool_options_get_only (arguments, "network", error);
  if (what == NULL)
    return FALSE;
  if (!g_str_equal (what, "clip") && !g_str_equal (what, "gpt2"))
    return tool_options_usage_error (error, "%s: wanted clip or gpt2", what);
  return run (&given, g_str_equal (what, "clip"), cancellable, error);
}
