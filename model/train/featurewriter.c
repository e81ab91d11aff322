/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/features.h"
#include "model/half.h"
#include "model/preprocess.h"
#include "model/train/ituning-train.h"

/* Writes a file of features (ituning_dataset_open () says what is in it) an
 * image at a time, so that a run that broke off goes on where it was:
 *
 *   PATH.part    room for the header, then the images' rows so far
 *   PATH.images  a line for each image so far: its captions' ids, or nothing
 *                for one that was skipped; its first line says what it is of
 *
 * When all are there the captions go behind the rows, the header goes into
 * its room, and PATH.part becomes PATH. The header tells by a digest of the
 * list's first line what PATH is of. */

/* Room for the header: JSON may have spaces behind it. */
#define HEADER_SIZE 1024

/* Of the header's metadata: what the file is of. */
#define SOURCE "ituning.source"

struct _ItuningFeatureWriter
{
  char *path, *part, *list; /* owned */
  const ItuningTokenizer *tokenizer; /* owned reference */
  guint32 bos, eos;
  char *head; /* owned: first line of @list */
  FILE *data, *images; /* owned */
  const char *type; /* of the rows' elements */
  const char *name; /* of the tensor of rows */
  char *shape; /* owned: of a row, as JSON has it */
  gsize row_size; /* in bytes */
  gsize max_length;
  gsize n_done; /* images, skipped ones too */
  gsize n_skipped;
  gsize n_images;
  GArray *ids; /* owned: guint32, of all captions */
  GArray *lengths; /* owned: gint64 */
  GArray *image; /* owned: gint64 */
  ItuningPreprocessor *preprocessor; /* owned; NULL for visual tokens */
  void *row; /* owned: [row_size] scratch */
  float *pixel_values; /* owned: scratch; NULL for visual tokens */
};

static gboolean
fail (const char *path, GError **error)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s", path,
      g_strerror (errno));
  return FALSE;
}

/* --- opening ------------------------------------------------------------ */

static void
note_caption (ItuningFeatureWriter *self, const guint32 *ids, gsize n)
{
  const gint64 length = (gint64) n, image = (gint64) self->n_images;

  g_array_append_vals (self->ids, ids, (guint) n);
  g_array_append_val (self->lengths, length);
  g_array_append_val (self->image, image);
}

/* Reads a caption's ids, parted by spaces. */
static gboolean
read_ids (const char *text, GArray *ids)
{
  g_array_set_size (ids, 0);
  while (g_ascii_isdigit (*text)) {
    char *end;
    const guint32 id = (guint32) g_ascii_strtoull (text, &end, 10);
    g_array_append_val (ids, id);
    text = end + strspn (end, " ");
  }
  return *text == '\0' && ids->len > 0;
}

/* A line of PATH.images: captions parted by ";". */
static gboolean
take_line (ItuningFeatureWriter *self, const char *line, GError **error)
{
  g_auto (GStrv) captions = g_strsplit (line, ";", -1);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (gsize i = 0; captions[i] != NULL; i++) {
    if (!read_ids (captions[i], ids)) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: line %zu is broken; delete the file to begin anew", self->list,
          self->n_done + 2);
      return FALSE;
    }
    note_caption (self, (const guint32 *) ids->data, ids->len);
  }
  self->n_images += line[0] != '\0';
  self->n_skipped += line[0] == '\0';
  self->n_done++;
  return TRUE;
}

/* What a run that broke off left, as far as both files have it. */
static gboolean
read_progress (ItuningFeatureWriter *self, GError **error)
{
  const goffset row = (goffset) self->row_size;
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  goffset size;

  if (!g_file_get_contents (self->list, &text, NULL, NULL) ||
      g_str_has_prefix (self->head, text))
    return TRUE; /* broken off before the first image */
  if (!g_str_has_prefix (text, self->head)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: is of a run with another model or other options; delete it to "
        "begin anew",
        self->list);
    return FALSE;
  }
  if (fseeko (self->data, 0, SEEK_END) != 0)
    return fail (self->part, error);
  size = ftello (self->data) - HEADER_SIZE;
  lines = g_strsplit (text + strlen (self->head), "\n", -1);
  for (gsize i = 0; lines[i] != NULL && lines[i + 1] != NULL; i++) {
    if (lines[i][0] != '\0' && (goffset) (self->n_images + 1) * row > size)
      break;
    if (!take_line (self, lines[i], error))
      return FALSE;
  }
  return TRUE;
}

/* Leaves in PATH.images what was taken, all or nothing of it, and goes on behind
 * it. */
static gboolean
restart_list (ItuningFeatureWriter *self, GError **error)
{
  g_autoptr (GString) kept = g_string_new (self->head);
  g_autoptr (GError) reason = NULL;
  g_autofree char *old = NULL;
  const char *line;

  g_file_get_contents (self->list, &old, NULL, NULL);
  line = self->n_done > 0 ? old + strlen (self->head) : "";
  for (gsize i = 0; i < self->n_done; i++) {
    const gsize length = strcspn (line, "\n") + 1;
    g_string_append_len (kept, line, (gssize) length);
    line += length;
  }
  if (!g_file_set_contents (self->list, kept->str, (gssize) kept->len,
          &reason)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s",
        self->list, reason->message);
    return FALSE;
  }
  self->images = fopen (self->list, "ae");
  return self->images != NULL || fail (self->list, error);
}

static gboolean
open_files (ItuningFeatureWriter *self, GError **error)
{
  const goffset row = (goffset) self->row_size;
  goffset end;

  if (self->row_size % sizeof (gint64) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "%s: rows of %s elements would leave the captions behind them "
        "unaligned",
        self->path, self->shape);
    return FALSE;
  }
  self->data = fopen (self->part, "r+be");
  if (self->data == NULL)
    self->data = fopen (self->part, "w+be");
  if (self->data == NULL)
    return fail (self->part, error);
  if (!read_progress (self, error) || !restart_list (self, error))
    return FALSE;
  end = HEADER_SIZE + (goffset) self->n_images * row;
  if (ftruncate (fileno (self->data), end) != 0 ||
      fseeko (self->data, end, SEEK_SET) != 0)
    return fail (self->part, error);
  return TRUE;
}

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
 * instance. */
static char *
digest_weights (const ItuningVision *vision)
{
  const gsize D = vision->config.hidden_size;
  const gsize n_layers = vision->config.num_hidden_layers;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

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

static char *
digest_head (const ItuningFeatureWriter *self)
{
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, self->head, -1);
}

static ItuningFeatureWriter *
writer_new (const char *path, const ItuningTokenizer *tokenizer,
    gsize max_length)
{
  ItuningFeatureWriter *self = g_new0 (ItuningFeatureWriter, 1);

  self->path = g_strdup (path);
  self->part = g_strconcat (path, ".part", NULL);
  self->list = g_strconcat (path, ".images", NULL);
  self->tokenizer = ituning_tokenizer_ref ((ItuningTokenizer *) tokenizer);
  self->max_length = max_length;
  self->ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->lengths = g_array_new (FALSE, FALSE, sizeof (gint64));
  self->image = g_array_new (FALSE, FALSE, sizeof (gint64));
  return self;
}

/* A writer of a model's visual tokens, without its files. */
static ItuningFeatureWriter *
writer_new_for_model (const char *path, ItuningModel *model, gsize max_length,
    const char *source, GError **error)
{
  const ItuningModelInfo *info = ituning_model_get_info (model);
  const gsize S = info->vision.num_tokens, D = info->vision.hidden_size;
  g_autofree char *weights = NULL, *tokenizer = NULL;
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
  self = writer_new (path, ituning_model_get_tokenizer (model), max_length);
  self->bos = info->language.bos_token_id;
  self->eos = info->language.eos_token_id;
  self->name = "visual_tokens";
  self->type = "F16";
  self->shape = g_strdup_printf ("%zu,%zu", S, D);
  self->row_size = S * D * sizeof (guint16);
  self->row = g_malloc (self->row_size);
  weights = digest_weights (model->backbone->vision);
  tokenizer = digest_tokenizer (self->tokenizer);
  self->head = g_strdup_printf ("visual tokens %s of %s, vocabulary %zu of %s, "
                                "at most %zu tokens, %s\n",
      self->shape, weights, info->language.vocab_size, tokenizer, max_length,
      source);
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
 *   %ITUNING_ERROR_INPUT, %ITUNING_ERROR_MISMATCH or %ITUNING_ERROR_WRITE
 */
ItuningFeatureWriter *
ituning_feature_writer_open (const char *path, ItuningModel *model,
    gsize max_length, const char *source, GError **error)
{
  g_autoptr (ItuningFeatureWriter) self = NULL;

  g_return_val_if_fail (path != NULL && model != NULL, NULL);
  self = writer_new_for_model (path, model, max_length, source, error);
  return self != NULL && open_files (self, error) ? g_steal_pointer (&self)
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
  g_autofree char *digest = NULL, *wanted = NULL;
  char header[HEADER_SIZE + 1] = { 0 };
  FILE *file;
  const char *found;

  g_return_val_if_fail (path != NULL && model != NULL, FALSE);
  self = writer_new_for_model (path, model, max_length, source, error);
  if (self == NULL)
    return FALSE;
  file = fopen (path, "rbe");
  if (file == NULL || fread (header, 1, HEADER_SIZE, file) < sizeof (guint64))
    header[sizeof (guint64)] = '\0'; /* opening it will say why */
  if (file != NULL)
    fclose (file);
  found = strstr (header + sizeof (guint64), "\"" SOURCE "\"");
  digest = digest_head (self);
  wanted = g_strconcat ("\"" SOURCE "\":\"", digest, "\"", NULL);
  if (found == NULL || g_str_has_prefix (found, wanted))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
      "%s: is of another model, or of other captions or options; delete it to "
      "write it anew",
      path);
  return FALSE;
}

/**
 * ituning_feature_writer_open_pixels:
 * @path: the file to write
 * @tokenizer: of the captions; its last token is BOS and EOS
 * @image_size: sides of the pictures that are written, prepared as CLIP does
 * @max_length: longest caption in tokens, with BOS and EOS; longer ones are cut
 * @source: one line that tells these images and captions from others
 *
 * For training a vision tower: see ituning_feature_writer_open ().
 *
 * Returns: (transfer full): a writer, of one thread; or %NULL with
 *   %ITUNING_ERROR_MISMATCH or %ITUNING_ERROR_WRITE
 */
ItuningFeatureWriter *
ituning_feature_writer_open_pixels (const char *path,
    const ItuningTokenizer *tokenizer, gsize image_size, gsize max_length,
    const char *source, GError **error)
{
  g_autoptr (ItuningFeatureWriter) self = NULL;
  g_autofree char *digest = NULL;

  g_return_val_if_fail (path != NULL && tokenizer != NULL, NULL);
  g_return_val_if_fail (image_size > 0 && max_length >= 3, NULL);
  self = writer_new (path, tokenizer, max_length);
  self->bos = self->eos = (guint32) ituning_tokenizer_get_size (tokenizer) - 1;
  self->name = "pixels";
  self->type = "U8";
  self->shape = g_strdup_printf ("%zu,%zu,3", image_size, image_size);
  self->row_size = image_size * image_size * 3;
  self->row = g_malloc (self->row_size);
  self->pixel_values = g_new (float, self->row_size);
  self->preprocessor = ituning_preprocessor_new_default (image_size);
  digest = digest_tokenizer (tokenizer);
  self->head = g_strdup_printf (
      "pixels %s, vocabulary %u of %s, at most %zu tokens, %s\n", self->shape,
      self->eos + 1, digest, max_length, source);
  return open_files (self, error) ? g_steal_pointer (&self) : NULL;
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
  g_clear_pointer (&writer->data, fclose);
  g_clear_pointer (&writer->images, fclose);
  ituning_tokenizer_unref ((ItuningTokenizer *) writer->tokenizer);
  g_clear_pointer (&writer->preprocessor, ituning_preprocessor_unref);
  g_array_unref (writer->ids);
  g_array_unref (writer->lengths);
  g_array_unref (writer->image);
  g_free (writer->row);
  g_free (writer->pixel_values);
  g_free (writer->shape);
  g_free (writer->head);
  g_free (writer->path);
  g_free (writer->part);
  g_free (writer->list);
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
  return writer->n_done;
}

/* --- an image ----------------------------------------------------------- */

/* BOS, the caption's tokens, EOS. */
static gboolean
encode_caption (ItuningFeatureWriter *self, const char *caption, GArray *ids,
    GError **error)
{
  g_array_set_size (ids, 0);
  g_array_append_val (ids, self->bos);
  if (!ituning_tokenizer_encode (self->tokenizer, caption, -1, ids, error))
    return FALSE;
  if (ids->len > self->max_length - 1)
    g_array_set_size (ids, (guint) self->max_length - 1);
  g_array_append_val (ids, self->eos);
  return TRUE;
}

static gboolean
write_list (ItuningFeatureWriter *self, GString *line, GError **error)
{
  g_string_append_c (line, '\n');
  if (fwrite (line->str, 1, line->len, self->images) != line->len ||
      fflush (self->images) != 0)
    return fail (self->list, error);
  self->n_done++;
  return TRUE;
}

/* The row in self->row and its captions. */
static gboolean
write_row (ItuningFeatureWriter *self, const char *const *captions,
    GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (GString) line = g_string_new (NULL);

  for (gsize i = 0; captions[i] != NULL; i++) {
    if (!encode_caption (self, captions[i], ids, error))
      return FALSE;
    for (guint k = 0; k < ids->len; k++)
      g_string_append_printf (line, "%s%u", k > 0 ? " " : (i > 0 ? ";" : ""),
          g_array_index (ids, guint32, k));
    note_caption (self, (const guint32 *) ids->data, ids->len);
  }
  if (fwrite (self->row, 1, self->row_size, self->data) != self->row_size ||
      fflush (self->data) != 0)
    return fail (self->part, error);
  self->n_images++;
  return write_list (self, line, error);
}

/**
 * ituning_feature_writer_add:
 * @features: of the next image, from the writer's model
 * @captions: (array zero-terminated=1): its captions, one or more
 *
 * The visual tokens are those of CLIP's last layer, before its post layer
 * norm, as F16.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE, or %ITUNING_ERROR_NUMERIC when
 *   they are too large for F16
 */
gboolean
ituning_feature_writer_add (ItuningFeatureWriter *writer,
    const ItuningFeatures *features, const char *const *captions,
    GError **error)
{
  g_return_val_if_fail (writer != NULL && features != NULL, FALSE);
  g_return_val_if_fail (writer->preprocessor == NULL, FALSE);
  if (!ituning_half_from_float (writer->row,
          ituning_features_get_last_hidden_state (features),
          writer->row_size / sizeof (guint16))) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_NUMERIC,
        "%s: visual tokens too large for F16", writer->path);
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
 * ituning_feature_writer_get_n_skipped:
 *
 * Returns: images that were left out, those of a run that it goes on with too
 */
gsize
ituning_feature_writer_get_n_skipped (const ItuningFeatureWriter *writer)
{
  g_return_val_if_fail (writer != NULL, 0);
  return writer->n_skipped;
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
  g_autoptr (GString) line = g_string_new (NULL);

  g_return_val_if_fail (writer != NULL, FALSE);
  writer->n_skipped++;
  return write_list (writer, line, error);
}

/* --- the end ------------------------------------------------------------ */

/* input_ids [M, T] with zeros behind each caption, then lengths, then image */
static gboolean
write_captions (ItuningFeatureWriter *self, gsize T)
{
  g_autofree gint64 *row = g_new (gint64, T);
  const guint32 *ids = (const guint32 *) self->ids->data;
  const gsize M = self->lengths->len;

  for (gsize i = 0; i < M; i++) {
    const gsize n = (gsize) g_array_index (self->lengths, gint64, i);
    memset (row, 0, T * sizeof (gint64));
    for (gsize t = 0; t < n; t++)
      row[t] = *ids++;
    if (fwrite (row, sizeof (gint64), T, self->data) != T)
      return FALSE;
  }
  return fwrite (self->lengths->data, sizeof (gint64), M, self->data) == M &&
      fwrite (self->image->data, sizeof (gint64), M, self->data) == M;
}

static void
append_entry (GString *header, const char *name, const char *type,
    const char *shape, guint64 *offset, guint64 size)
{
  g_string_append_printf (header,
      ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":"
      "[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}",
      name, type, shape, *offset, *offset + size);
  *offset += size;
}

static gboolean
write_header (ItuningFeatureWriter *self, gsize T)
{
  const gsize M = self->lengths->len, N = self->n_images;
  const guint64 length = GUINT64_TO_LE (HEADER_SIZE - sizeof (guint64));
  g_autofree char *images = g_strdup_printf ("%zu,%s", N, self->shape);
  g_autofree char *ids = g_strdup_printf ("%zu,%zu", M, T);
  g_autofree char *rows = g_strdup_printf ("%zu", M);
  g_autofree char *digest = digest_head (self);
  g_autoptr (GString) header = g_string_new (NULL);
  guint64 offset = 0;

  g_string_append_printf (header, "{\"__metadata__\":{\"" SOURCE "\":\"%s\"}",
      digest);
  append_entry (header, self->name, self->type, images, &offset,
      N * self->row_size);
  append_entry (header, "input_ids", "I64", ids, &offset,
      M * T * sizeof (gint64));
  append_entry (header, "lengths", "I64", rows, &offset, M * sizeof (gint64));
  append_entry (header, "image", "I64", rows, &offset, M * sizeof (gint64));
  g_string_append_c (header, '}');
  while (header->len < HEADER_SIZE - sizeof (guint64))
    g_string_append_c (header, ' ');
  return fseeko (self->data, 0, SEEK_SET) == 0 &&
      fwrite (&length, sizeof (length), 1, self->data) == 1 &&
      fwrite (header->str, 1, header->len, self->data) == header->len;
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
  gsize T = 0;

  g_return_val_if_fail (writer != NULL, FALSE);
  if (writer->n_images == 0) {
    unlink (writer->list);
    unlink (writer->part);
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s: there is no image to write features of", writer->path);
    return FALSE;
  }
  for (guint i = 0; i < writer->lengths->len; i++)
    T = MAX (T, (gsize) g_array_index (writer->lengths, gint64, i));
  if (!write_captions (writer, T) || !write_header (writer, T) ||
      fflush (writer->data) != 0 || fsync (fileno (writer->data)) != 0)
    return fail (writer->part, error);
  if (rename (writer->part, writer->path) != 0)
    return fail (writer->path, error);
  unlink (writer->list);
  return TRUE;
}
