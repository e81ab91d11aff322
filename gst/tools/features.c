/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning features`: the visual tokens of every image and the tokens of its
 * captions, once, for `train` to read. */

#include "gst/tools/features.h"

#include "gst/tools/command.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"
#include "gst/tools/pairimages.h"
#include "gst/tools/progress.h"
#include "model/train/ituning-train.h"

/* Images that are encoded together. */
#define BATCH 16

typedef struct
{
  ToolModelOptions model;
  char *captions, *images, *split, *output, *tokenizer;
  gint64 max_length, pixels;
  gboolean strict;
} Arguments;

static void
clear_arguments (Arguments *self)
{
  tool_model_options_clear (&self->model);
  g_free (self->captions);
  g_free (self->images);
  g_free (self->split);
  g_free (self->output);
  g_free (self->tokenizer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, clear_arguments)

typedef struct
{
  const ToolFeatures *what;
  const ItuningPairs *pairs;
  ItuningSession *session; /* or NULL for pixels */
  ItuningFeatureWriter *writer;
} Run;

static gboolean
write_pixels (Run *self, gsize first, gsize n, ToolImage *const *images,
    GError **error)
{
  for (gsize i = 0; i < n; i++) {
    if (!(images[i] != NULL
                ? ituning_feature_writer_add_image (self->writer,
                      &images[i]->image,
                      ituning_pairs_get_captions (self->pairs, first + i),
                      error)
                : ituning_feature_writer_skip (self->writer, error)))
      return FALSE;
  }
  return TRUE;
}

static gboolean
write_batch (Run *self, gsize first, gsize n, ToolImage *const *images,
    GCancellable *cancellable, GError **error)
{
  ItuningFeatures *features[BATCH] = { NULL };
  ItuningImage opened[BATCH];
  gsize n_opened = 0, next = 0;
  gboolean ok = TRUE;

  for (gsize i = 0; i < n; i++)
    if (images[i] != NULL)
      opened[n_opened++] = images[i]->image;
  if (!ituning_session_encode (self->session, opened, n_opened, features,
          cancellable, error))
    return FALSE;
  for (gsize i = 0; ok && i < n; i++)
    ok = images[i] != NULL
        ? ituning_feature_writer_add (self->writer, features[next++],
              ituning_pairs_get_captions (self->pairs, first + i), error)
        : ituning_feature_writer_skip (self->writer, error);
  for (gsize i = 0; i < n_opened; i++)
    ituning_features_unref (features[i]);
  return ok;
}

static gboolean
run_batch (Run *self, gsize first, gsize n, GCancellable *cancellable,
    GError **error)
{
  ToolImage *images[BATCH] = { NULL };
  const gboolean ok = !g_cancellable_set_error_if_cancelled (cancellable,
                          error) &&
      tool_pair_images_open (self->pairs, first, n, self->what->strict, images,
          error) &&
      (self->session != NULL
              ? write_batch (self, first, n, images, cancellable, error)
              : write_pixels (self, first, n, images, error));

  for (gsize i = 0; i < n; i++)
    if (images[i] != NULL)
      tool_image_free (images[i]);
  return ok;
}

static gboolean
write_all (Run *self, GCancellable *cancellable, GError **error)
{
  const gsize n = ituning_pairs_get_n_images (self->pairs);
  g_autoptr (ToolProgress) progress = tool_progress_new (self->what->output,
      "features");
  gsize first, n_skipped = ituning_feature_writer_get_n_skipped (self->writer);

  if (n_skipped > 0 && self->what->strict) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s.images: the run that this one would go on with has skipped %zu "
        "images; delete it to begin anew",
        self->what->output, n_skipped);
    return FALSE;
  }
  while ((first = ituning_feature_writer_get_n_done (self->writer)) < n) {
    if (!run_batch (self, first, MIN (BATCH, n - first), cancellable, error))
      return FALSE;
    tool_progress_update (progress, (double) first / (double) n);
  }
  tool_progress_clear (progress);
  n_skipped = ituning_feature_writer_get_n_skipped (self->writer);
  if (n_skipped > 0)
    tool_report ("%zu of %zu images were skipped", n_skipped, n);
  return ituning_feature_writer_finish (self->writer, error);
}

/* The captions' file by what is in it, the rest by its name. */
static char *
describe_source (const ToolFeatures *what, GError **error)
{
  g_autofree char *folder =
      g_canonicalize_filename (what->images != NULL ? what->images : ".", NULL);
  g_autofree char *text = NULL, *digest = NULL;
  g_autoptr (GError) reason = NULL;
  gsize size;

  if (!g_file_get_contents (what->captions, &text, &size, &reason)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN, "%s: %s",
        what->captions, reason->message);
    return NULL;
  }
  digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (guchar *) text,
      size);
  return g_strdup_printf ("captions %s, images of %s, split %s", digest, folder,
      what->split != NULL ? what->split : "all");
}

/**
 * tool_features_check:
 * @features: what the file that is there is to be of
 * @model: whose visual tokens; with a tokenizer
 *
 * Returns: FALSE with %ITUNING_ERROR_MISMATCH when it says that it is of
 *   something else, or as tool_features_write ()
 */
gboolean
tool_features_check (const ToolFeatures *features, ItuningModel *model,
    GError **error)
{
  g_autofree char *source = describe_source (features, error);

  return source != NULL &&
      ituning_feature_writer_check (features->output, model,
          features->max_length, source, error);
}

/**
 * tool_features_write:
 * @features: of what, and where to; what a run that was broken off has left
 *   there is gone on with
 * @model: whose visual tokens; with a tokenizer
 *
 * Images that cannot be read are reported and left out, unless it is strict.
 *
 * Returns: FALSE with any %ITUNING_ERROR or %G_IO_ERROR_CANCELLED
 */
gboolean
tool_features_write (const ToolFeatures *features, ItuningModel *model,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (ItuningPairs) pairs = ituning_pairs_open (features->captions,
      features->images, features->split, error);
  g_autoptr (ItuningSession) session = NULL;
  g_autoptr (ItuningFeatureWriter) writer = NULL;
  g_autofree char *source = NULL;
  Run self = { .what = features, .pairs = pairs };

  if (pairs == NULL || (source = describe_source (features, error)) == NULL)
    return FALSE;
  session = ituning_session_new (model);
  self.session = session;
  self.writer = writer = ituning_feature_writer_open (features->output, model,
      features->max_length, source, error);
  return writer != NULL && write_all (&self, cancellable, error);
}

static gboolean
write_pixel_file (const ToolFeatures *what, const Arguments *given,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (ItuningPairs) pairs = ituning_pairs_open (what->captions,
      what->images, what->split, error);
  g_autoptr (ItuningTokenizer) tokenizer = NULL;
  g_autoptr (ItuningFeatureWriter) writer = NULL;
  g_autofree char *source = NULL;
  Run self = { .what = what, .pairs = pairs };

  if (pairs == NULL || (source = describe_source (what, error)) == NULL)
    return FALSE;
  tokenizer = ituning_tokenizer_open (given->tokenizer, error);
  if (tokenizer == NULL)
    return FALSE;
  self.writer = writer = ituning_feature_writer_open_pixels (what->output,
      tokenizer, (gsize) given->pixels, what->max_length, source, error);
  return writer != NULL && write_all (&self, cancellable, error);
}

static gboolean
run (const Arguments *given, GCancellable *cancellable, GError **error)
{
  const ToolFeatures what = { given->captions, given->images, given->split,
    given->output, (gsize) given->max_length, given->strict };
  g_autoptr (ItuningModel) model = NULL;

  if (given->pixels > 0)
    return write_pixel_file (&what, given, cancellable, error);
  model = tool_model_options_open (&given->model, error);
  return model != NULL &&
      tool_features_write (&what, model, cancellable, error);
}

static gboolean
check (const Arguments *given, GError **error)
{
  if (given->captions == NULL || given->output == NULL)
    return tool_options_usage_error (error, "%s is missing",
        given->captions == NULL ? "--captions" : "--output");
  if (given->max_length < 3 || given->pixels < 0 || given->pixels > 4096)
    return tool_options_usage_error (error,
        "wanted 3 or more for --max-length, 1 to 4096 for --pixels");
  if ((given->pixels > 0) != (given->tokenizer != NULL))
    return tool_options_usage_error (error,
        "--pixels and --tokenizer go together");
  return (given->pixels > 0 ||
             tool_model_options_check (&given->model, error)) &&
      tool_output_check (given->output, error);
}

gboolean
tool_features_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_auto (Arguments) given = { .max_length = 64 };
  const GOptionEntry entries[] = {
    { "captions", 'c', 0, G_OPTION_ARG_FILENAME, &given.captions,
        "COCO's or Karpathy's JSON, or lines of {\"image\", \"caption\"}",
        "FILE" },
    { "images", 'i', 0, G_OPTION_ARG_FILENAME, &given.images,
        "Folder that the images' names are relative to", "DIR" },
    { "split", 0, 0, G_OPTION_ARG_STRING, &given.split,
        "Of Karpathy's file: train, val or test (all)", "NAME" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &given.output,
        "File to write, as safetensors", "FILE" },
    { "max-length", 0, 0, G_OPTION_ARG_INT64, &given.max_length,
        "Cut captions to this many tokens, BOS and EOS counted (64)", "N" },
    { "pixels", 0, 0, G_OPTION_ARG_INT64, &given.pixels,
        "Write the images themselves, squashed into squares of this size, for "
        "`pretrain clip`",
        "N" },
    { "tokenizer", 0, 0, G_OPTION_ARG_FILENAME, &given.tokenizer,
        "With --pixels: folder with vocab.json and merges.txt", "DIR" },
    { "strict", 0, 0, G_OPTION_ARG_NONE, &given.strict,
        "Stop at an image that cannot be read", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new (NULL,
      "Writes the visual tokens of images and the tokens of their captions, for "
      "`train`.\nA run that was broken off goes on where it was. Images that "
      "cannot be read are\nlisted and left out.",
      entries);
  g_auto (GStrv) arguments = NULL;

  tool_model_options_add (&given.model, context);
  return tool_options_parse (context, argv, &arguments, error) &&
      tool_options_check_none (arguments, error) && check (&given, error) &&
      run (&given, cancellable, error);
}
