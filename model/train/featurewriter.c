/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/features.h"
#include "model/half.h"
#include "model/preprocess.h"
#include "model/train/featurefile.h"
#include "model/train/ituning-train.h"

/* Makes of images and captions what a file of features holds; featurefile.c
 * writes it, and ituning_dataset_open () says what is in it. */

struct _ItuningFeatureWriter
{
  ItuningFeatureFile *file; /* owned */
  const ItuningTokenizer *tokenizer; /* owned reference */
  guint32 bos, eos;
  gsize max_length;
  gsize n_tokens; /* visual ones of an image; 0 for pixels */
  ItuningPreprocessor *preprocessor; /* owned; NULL for visual tokens */
  void *row; /* owned: scratch */
  float *pixel_values; /* owned: scratch; NULL for visual tokens */
};

/* --- opening ------------------------------------------------------------ */

static void
add_weight (GChecksum *checksum, const ItuningLinear *layer)
{
  g_autofree float *row = g_new (float, layer->n_in);

  for (gsize i = 0; i < layer->n_out; i++) {
    ituning_matrix_get_row (row, &layer->weight, layer->n_in, i);
    g_checksum_update (checksum, (const guchar *) row,
        (gssize) (layer->n_in * sizeof (float)));
  }
}

/* Tells one vision tower from another of its shape, one that was trained on for
 * instance, or that is shown pictures in another way. */
static char *
digest_vision (const ItuningBackbone *backbone)
{
  const ItuningVision *vision = backbone->vision;
  const gsize D = vision->config.hidden_size;
  const gsize n_layers = vision->config.num_hidden_layers;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

  ituning_preprocess_config_add_to_checksum (ituning_preprocessor_get_config (
                                                 backbone->preprocessor),
      checksum);
  g_checksum_update (checksum, (const guchar *) vision->class_embedding,
      (gssize) (D * sizeof (float)));
  if (n_layers > 0)
    add_weight (checksum, &vision->layers[n_layers - 1].out);
  return g_strdup (g_checksum_get_string (checksum));
}

/* Tells one tokenizer from another with as many tokens: what each of them is. */
static char *
digest_tokenizer (const ItuningTokenizer *tokenizer)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint32 id = 0; id < ituning_tokenizer_get_size (tokenizer); id++) {
    g_string_truncate (text, 0);
    ituning_tokenizer_decode (tokenizer, &id, 1, text, NULL);
    g_checksum_update (checksum, (const guchar *) text->str,
        (gssize) text->len + 1);
  }
  return g_strdup (g_checksum_get_string (checksum));
}

static ItuningFeatureWriter *
writer_new (const ItuningTokenizer *tokenizer, gsize max_length)
{
  ItuningFeatureWriter *self = g_new0 (ItuningFeatureWriter, 1);

  self->tokenizer = ituning_tokenizer_ref ((ItuningTokenizer *) tokenizer);
  self->max_length = max_length;
  return self;
}

/* A writer of a model's visual tokens, without its files. */
static ItuningFeatureWriter *
writer_new_for_model (const char *path, ItuningModel *model, gsize max_length,
    const char *source, GError **error)
{
  const ItuningModelInfo *info = ituning_model_get_info (model);
  const gsize S = info->vision.num_tokens, D = info->vision.hidden_size;
  g_autofree char *shape = g_strdup_printf ("%zu,%zu", S, D);
  g_autofree char *vision = NULL, *tokenizer = NULL;
  const ItuningFeatureRows rows = {
    .name = "visual_tokens",
    .type = "F16",
    .shape = shape,
    .size = S * D * sizeof (guint16),
  };
  ItuningFeatureWriter *self;

  if (!info->language.has_tokenizer || max_length < 3 ||
      max_length > info->language.n_positions + 1) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        info->language.has_tokenizer
            ? "captions of at most %zu tokens; wanted 3 to %zu"
            : "the language model has no tokenizer",
        max_length, info->language.n_positions + 1);
    return NULL;
  }
  self = writer_new (ituning_model_get_tokenizer (model), max_length);
  self->bos = info->language.bos_token_id;
  self->eos = info->language.eos_token_id;
  vision = digest_vision (model->backbone);
  tokenizer = digest_tokenizer (self->tokenizer);
  self->n_tokens = S;
  self->row = g_malloc (rows.size);
  self->file = ituning_feature_file_new (path, &rows,
      g_strdup_printf ("visual tokens %s of %s, vocabulary %zu of %s, "
                       "at most %zu tokens, %s\n",
          shape, vision, info->language.vocab_size, tokenizer, max_length,
          source));
  return self;
}

/**
 * ituning_feature_writer_open:
 * @path: the file to write
 * @model: whose visual tokens are written; with a tokenizer
 * @max_length: longest caption in tokens, with BOS and EOS; longer ones are cut
 * @source: one line that tells these images and captions from others
 *
 * Goes on with what a run for the same model that broke off has left beside
 * @path.
 *
 * Returns: (transfer full): a writer, of one thread; or %NULL with
 *   %ITUNING_ERROR_INPUT, or as ituning_feature_file_open () fails
 */
ItuningFeatureWriter *
ituning_feature_writer_open (const char *path, ItuningModel *model,
    gsize max_length, const char *source, GError **error)
{
  g_autoptr (ItuningFeatureWriter) self = NULL;

  g_return_val_if_fail (path != NULL && model != NULL, NULL);
  self = writer_new_for_model (path, model, max_length, source, error);
  return self != NULL && ituning_feature_file_open (self->file, error)
      ? g_steal_pointer (&self)
      : NULL;
}

/**
 * ituning_feature_writer_check:
 * @path: a file that is there
 *
 * All other arguments are as those of ituning_feature_writer_open ().
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT, or %ITUNING_ERROR_MISMATCH when the
 *   file was written for others; TRUE also for one that does not say
 */
gboolean
ituning_feature_writer_check (const char *path, ItuningModel *model,
    gsize max_length, const char *source, GError **error)
{
  g_autoptr (ItuningFeatureWriter) self = NULL;

  g_return_val_if_fail (path != NULL && model != NULL, FALSE);
  self = writer_new_for_model (path, model, max_length, source, error);
  return self != NULL && ituning_feature_file_check (self->file, error);
}

/**
 * ituning_feature_writer_open_pixels:
 * @path: the file to write
 * @tokenizer: of the captions; its last token is BOS and EOS
 * @image_size: sides of the squares that whole pictures are squashed into
 * @max_length: longest caption in tokens, with BOS and EOS; longer ones are cut
 * @source: one line that tells these images and captions from others
 *
 * For training a vision tower: see ituning_feature_writer_open ().
 *
 * Returns: (transfer full): a writer, of one thread; or %NULL as
 *   ituning_feature_file_open () fails
 */
ItuningFeatureWriter *
ituning_feature_writer_open_pixels (const char *path,
    const ItuningTokenizer *tokenizer, gsize image_size, gsize max_length,
    const char *source, GError **error)
{
  g_autoptr (ItuningFeatureWriter) self = NULL;
  g_autofree char *shape = NULL, *digest = NULL;
  ItuningFeatureRows rows = { .name = "pictures", .type = "U8" };

  g_return_val_if_fail (path != NULL && tokenizer != NULL, NULL);
  g_return_val_if_fail (image_size > 0 && max_length >= 3, NULL);
  shape = g_strdup_printf ("%zu,%zu,3", image_size, image_size);
  rows.shape = shape;
  rows.size = image_size * image_size * 3;
  self = writer_new (tokenizer, max_length);
  self->bos = self->eos = (guint32) ituning_tokenizer_get_size (tokenizer) - 1;
  self->row = g_malloc (rows.size);
  self->pixel_values = g_new (float, rows.size);
  self->preprocessor = ituning_preprocessor_new_whole (image_size);
  digest = digest_tokenizer (tokenizer);
  self->file = ituning_feature_file_new (path, &rows,
      g_strdup_printf (
          "pixels %s of whole pictures, vocabulary %u of %s, at most %zu tokens, "
          "%s\n",
          shape, self->eos + 1, digest, max_length, source));
  return ituning_feature_file_open (self->file, error) ? g_steal_pointer (&self)
                                                       : NULL;
}

/**
 * ituning_feature_writer_free:
 * @writer: (nullable) (transfer full): a writer; what it has so far stays
 *   beside its file for another one to go on with, unless it was finished
 */
void
ituning_feature_writer_free (ItuningFeatureWriter *writer)
{
  if (writer == NULL)
    return;
  ituning_feature_file_free (writer->file);
  ituning_tokenizer_unref ((ItuningTokenizer *) writer->tokenizer);
  g_clear_pointer (&writer->preprocessor, ituning_preprocessor_unref);
  g_free (writer->row);
  g_free (writer->pixel_values);
  g_free (writer);
}

/**
 * ituning_feature_writer_get_n_done:
 *
 * Returns: images that were added or skipped, by this writer or before
 */
gsize
ituning_feature_writer_get_n_done (const ItuningFeatureWriter *writer)
{
  g_return_val_if_fail (writer != NULL, 0);
  return writer->file->n_done;
}

/**
 * ituning_feature_writer_get_n_skipped:
 *
 * Returns: images that were left out, those of a run that it goes on with too
 */
gsize
ituning_feature_writer_get_n_skipped (const ItuningFeatureWriter *writer)
{
  g_return_val_if_fail (writer != NULL, 0);
  return writer->file->n_skipped;
}

/* --- an image ----------------------------------------------------------- */

/* BOS, the caption's tokens, EOS. */
static gboolean
encode_caption (const ItuningFeatureWriter *self, const char *caption,
    GArray *ids, GError **error)
{
  g_array_append_val (ids, self->bos);
  if (!ituning_tokenizer_encode (self->tokenizer, caption, -1, ids, error))
    return FALSE;
  if (ids->len > self->max_length - 1)
    g_array_set_size (ids, (guint) self->max_length - 1);
  g_array_append_val (ids, self->eos);
  return TRUE;
}

/* The row in self->row and its captions. */
static gboolean
write_row (ItuningFeatureWriter *self, const char *const *captions,
    GError **error)
{
  g_autoptr (GPtrArray) encoded = g_ptr_array_new_with_free_func (
      (GDestroyNotify) g_array_unref);

  for (gsize i = 0; captions[i] != NULL; i++) {
    GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint32));
    g_ptr_array_add (encoded, ids);
    if (!encode_caption (self, captions[i], ids, error))
      return FALSE;
  }
  return ituning_feature_file_add (self->file, self->row, encoded, error);
}

/**
 * ituning_feature_writer_add:
 * @features: of the next image, from the writer's model
 * @captions: (array zero-terminated=1): its captions, one or more
 *
 * The visual tokens are those of CLIP's last layer, before its post layer
 * norm, as F16.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE, %ITUNING_ERROR_MISMATCH when some of
 *   the tokens were merged, or %ITUNING_ERROR_NUMERIC when they are too large for
 *   F16
 */
gboolean
ituning_feature_writer_add (ItuningFeatureWriter *writer,
    const ItuningFeatures *features, const char *const *captions,
    GError **error)
{
  g_return_val_if_fail (writer != NULL && features != NULL, FALSE);
  g_return_val_if_fail (writer->preprocessor == NULL, FALSE);
  if (ituning_features_get_n_tokens (features) != writer->n_tokens) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: an image of %zu visual tokens, wanted all %zu", writer->file->path,
        ituning_features_get_n_tokens (features), writer->n_tokens);
    return FALSE;
  }
  if (!ituning_half_from_float (writer->row,
          ituning_features_get_last_hidden_state (features),
          writer->file->rows.size / sizeof (guint16))) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_NUMERIC,
        "%s: visual tokens too large for F16", writer->file->path);
    return FALSE;
  }
  return write_row (writer, captions, error);
}

/**
 * ituning_feature_writer_add_image:
 * @image: the next image, of any size
 * @captions: (array zero-terminated=1): its captions, one or more
 *
 * For a writer of pixels.
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT or %ITUNING_ERROR_WRITE
 */
gboolean
ituning_feature_writer_add_image (ItuningFeatureWriter *writer,
    const ItuningImage *image, const char *const *captions, GError **error)
{
  g_return_val_if_fail (writer != NULL && image != NULL, FALSE);
  g_return_val_if_fail (writer->preprocessor != NULL, FALSE);
  if (!ituning_preprocessor_run (writer->preprocessor, image,
          writer->pixel_values, error))
    return FALSE;
  ituning_preprocessor_get_pixels (writer->preprocessor, writer->row,
      writer->pixel_values);
  return write_row (writer, captions, error);
}

/**
 * ituning_feature_writer_skip:
 * @writer: a writer; its next image is left out
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
ituning_feature_writer_skip (ItuningFeatureWriter *writer, GError **error)
{
  g_return_val_if_fail (writer != NULL, FALSE);
  return ituning_feature_file_skip (writer->file, error);
}

/**
 * ituning_feature_writer_finish:
 * @writer: a writer that has all images
 *
 * Makes the file whole and puts it in its place.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE, or %ITUNING_ERROR_INPUT when all
 *   images were skipped: then nothing is left beside the file
 */
gboolean
ituning_feature_writer_finish (ItuningFeatureWriter *writer, GError **error)
{
  g_return_val_if_fail (writer != NULL, FALSE);
  return ituning_feature_file_finish (writer->file, error);
}
