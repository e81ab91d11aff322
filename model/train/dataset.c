/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/datasetprivate.h"

#include <string.h>

/* Images whose rows, besides all captions, tell one file from another. */
#define DIGEST_ROWS 64

/* --- opening ------------------------------------------------------------ */

static const ItuningTensor *
find_tensor (const ItuningDataset *self, const char *name, guint n_dims,
    GError **error)
{
  const ItuningTensor *tensor = ituning_tensors_lookup (self->tensors, name);

  if (tensor != NULL && tensor->n_dims == n_dims && tensor->size > 0)
    return tensor;
  if (tensor == NULL)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: there is no tensor \"%s\"", self->path, name);
  else {
    g_autofree char *shape = ituning_tensor_describe_dims (tensor->dims,
        tensor->n_dims);
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: tensor \"%s\" has the shape %s, wanted %u dimensions, not empty",
        self->path, name, shape, n_dims);
  }
  return NULL;
}

/* Integers of a tensor, each below @limit. Of rows of @lengths (or NULL) what is
 * behind is not looked at: some have -100 there. */
static guint32 *
read_integers (const ItuningDataset *self, const ItuningTensor *tensor,
    guint32 limit, const guint32 *lengths, GError **error)
{
  const gboolean wide = tensor->type == ITUNING_TYPE_I64;
  const gsize n = tensor->size / MAX (ituning_type_size (tensor->type), 1);
  g_autofree guint32 *values = g_new0 (guint32, MAX (n, 1));

  if (!wide && tensor->type != ITUNING_TYPE_I32) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: tensor \"%s\" is of type %s, wanted I64 or I32", self->path,
        tensor->name, ituning_type_name (tensor->type));
    return NULL;
  }
  for (gsize i = 0; i < n; i++) {
    gint64 value;
    gint32 narrow;
    if (lengths != NULL && i % self->T >= lengths[i / self->T])
      continue;
    if (wide) {
      memcpy (&value, (const char *) tensor->data + i * 8, 8);
    } else {
      memcpy (&narrow, (const char *) tensor->data + i * 4, 4);
      value = narrow;
    }
    if (value < 0 || value >= limit) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
          "%s: tensor \"%s\" holds %" G_GINT64_FORMAT " at %zu, wanted 0 to %u",
          self->path, tensor->name, value, i, limit - 1);
      return NULL;
    }
    values[i] = (guint32) value;
  }
  return g_steal_pointer (&values);
}

static gboolean
check_count (const ItuningDataset *self, const ItuningTensor *tensor,
    GError **error)
{
  if (tensor->dims[0] == self->info.n_captions)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
      "%s: \"%s\" has %zu rows, \"input_ids\" %zu", self->path, tensor->name,
      tensor->dims[0], self->info.n_captions);
  return FALSE;
}

static gboolean
read_lengths (ItuningDataset *self, GError **error)
{
  const ItuningTensor *tensor = find_tensor (self, "lengths", 1, error);

  if (tensor == NULL || !check_count (self, tensor, error))
    return FALSE;
  self->lengths = read_integers (self, tensor, (guint32) self->T + 1, NULL,
      error);
  if (self->lengths == NULL)
    return FALSE;
  for (gsize i = 0; i < self->info.n_captions; i++) {
    if (self->lengths[i] < 2) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
          "%s: caption %zu has %u tokens, wanted BOS and EOS at least",
          self->path, i, self->lengths[i]);
      return FALSE;
    }
    self->info.n_tokens += self->lengths[i] - 1;
    self->info.max_length = MAX (self->info.max_length, self->lengths[i]);
  }
  return TRUE;
}

/* Without "image" each caption has an image of its own. */
static gboolean
read_images (ItuningDataset *self, GError **error)
{
  const ItuningTensor *tensor = ituning_tensors_lookup (self->tensors, "image");

  if (tensor != NULL) {
    tensor = find_tensor (self, "image", 1, error);
    if (tensor == NULL || !check_count (self, tensor, error))
      return FALSE;
    self->images = read_integers (self, tensor, (guint32) self->info.n_images,
        NULL, error);
    return self->images != NULL;
  }
  if (self->info.n_images != self->info.n_captions) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: without a tensor \"image\" each caption needs an image, but there "
        "are %zu and %zu",
        self->path, self->info.n_captions, self->info.n_images);
    return FALSE;
  }
  self->images = g_new (guint32, self->info.n_captions);
  for (gsize i = 0; i < self->info.n_captions; i++)
    self->images[i] = (guint32) i;
  return TRUE;
}

static gboolean
read_captions (ItuningDataset *self, GError **error)
{
  const ItuningTensor *tensor = find_tensor (self, "input_ids", 2, error);

  if (tensor == NULL)
    return FALSE;
  if (tensor->dims[0] > G_MAXUINT32 || tensor->dims[1] >= G_MAXINT32) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "%s: too many captions", self->path);
    return FALSE;
  }
  self->info.n_captions = tensor->dims[0];
  self->T = tensor->dims[1];
  if (!read_lengths (self, error) || !read_images (self, error))
    return FALSE;
  self->ids = read_integers (self, tensor, G_MAXINT32, self->lengths, error);
  return self->ids != NULL;
}

static gboolean
read_visual_tokens (ItuningDataset *self, GError **error)
{
  const ItuningTensor *tensor = find_tensor (self, "visual_tokens", 3, error);

  if (tensor == NULL)
    return FALSE;
  if (tensor->type > ITUNING_TYPE_BF16) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "%s: \"visual_tokens\" is of type %s, wanted F32, F16 or BF16",
        self->path, ituning_type_name (tensor->type));
    return FALSE;
  }
  if (tensor->dims[0] > G_MAXINT32) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "%s: too many images", self->path);
    return FALSE;
  }
  self->visual_tokens = tensor;
  self->info.n_images = tensor->dims[0];
  self->info.num_tokens = tensor->dims[1];
  self->info.hidden_size = tensor->dims[2];
  return TRUE;
}

static gboolean
read_pixels (ItuningDataset *self, GError **error)
{
  const ItuningTensor *tensor = find_tensor (self, "pictures", 4, error);

  if (tensor == NULL)
    return FALSE;
  if (tensor->type != ITUNING_TYPE_U8 || tensor->dims[1] != tensor->dims[2] ||
      tensor->dims[3] != 3 || tensor->dims[0] > G_MAXINT32 ||
      tensor->dims[1] > ITUNING_MAX_IMAGE_SIZE) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: \"pictures\" is not U8 [N, I, I, 3] with I up to %zu", self->path,
        (gsize) ITUNING_MAX_IMAGE_SIZE);
    return FALSE;
  }
  self->pixels = tensor;
  self->preprocessor = ituning_preprocessor_new_whole (tensor->dims[1]);
  self->info.n_images = tensor->dims[0];
  self->info.image_size = tensor->dims[1];
  return TRUE;
}

/**
 * ituning_dataset_open:
 * @path: a file of features, as `ituning features` writes it: safetensors with
 *   `visual_tokens` [N, S, D] of F32, F16 or BF16 (or `pictures` [N, I, I, 3] of
 *   U8: whole pictures, squashed), `input_ids` [M, T] (BOS to EOS, then
 *   anything), `lengths` [M] (BOS and EOS counted) and `image` [M] of I64 or
 *   I32; without `image` caption i belongs to image i
 *
 * The visual tokens stay in the file and are read when they are needed.
 *
 * Returns: (transfer full): the dataset; or %NULL with %ITUNING_ERROR_OPEN,
 *   %ITUNING_ERROR_FORMAT, %ITUNING_ERROR_MISMATCH or
 *   %ITUNING_ERROR_UNSUPPORTED
 */
ItuningDataset *
ituning_dataset_open (const char *path, GError **error)
{
  g_autoptr (ItuningDataset) self = NULL;
  ItuningTensors *tensors;

  g_return_val_if_fail (path != NULL, NULL);
  tensors = ituning_tensors_open (path, error);
  if (tensors == NULL)
    return NULL;
  self = g_new0 (ItuningDataset, 1);
  g_atomic_ref_count_init (&self->refs);
  self->path = g_strdup (path);
  self->tensors = tensors;
  if (!(ituning_tensors_lookup (tensors, "pictures") != NULL
              ? read_pixels (self, error)
              : read_visual_tokens (self, error)) ||
      !read_captions (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * ituning_dataset_ref:
 *
 * Returns: (transfer full): @dataset
 */
ItuningDataset *
ituning_dataset_ref (ItuningDataset *dataset)
{
  g_return_val_if_fail (dataset != NULL, NULL);
  g_atomic_ref_count_inc (&dataset->refs);
  return dataset;
}

/**
 * ituning_dataset_unref:
 * @dataset: (nullable) (transfer full): a dataset
 */
void
ituning_dataset_unref (ItuningDataset *dataset)
{
  if (dataset == NULL || !g_atomic_ref_count_dec (&dataset->refs))
    return;
  ituning_tensors_free (dataset->tensors);
  g_clear_pointer (&dataset->preprocessor, ituning_preprocessor_unref);
  g_free (dataset->path);
  g_free (dataset->ids);
  g_free (dataset->lengths);
  g_free (dataset->images);
  g_free (dataset);
}

/**
 * ituning_dataset_get_info:
 *
 * Returns: (transfer none): how much there is
 */
const ItuningDatasetInfo *
ituning_dataset_get_info (const ItuningDataset *dataset)
{
  g_return_val_if_fail (dataset != NULL, NULL);
  return &dataset->info;
}

/**
 * ituning_dataset_add_to_checksum:
 * @checksum: gets the captions, and some of the images' rows
 *
 * Tells one set of data from another of its size.
 */
void
ituning_dataset_add_to_checksum (const ItuningDataset *dataset,
    GChecksum *checksum)
{
  const gsize n = dataset->info.n_captions;
  const ItuningTensor *rows = dataset->pixels != NULL ? dataset->pixels
                                                      : dataset->visual_tokens;
  const gsize row_size = rows->size / dataset->info.n_images;
  const gsize step = MAX (dataset->info.n_images / DIGEST_ROWS, 1);

  g_checksum_update (checksum, (const guchar *) dataset->lengths,
      (gssize) (n * sizeof (guint32)));
  g_checksum_update (checksum, (const guchar *) dataset->images,
      (gssize) (n * sizeof (guint32)));
  for (gsize i = 0; i < n; i++) /* not what is behind a caption's end */
    g_checksum_update (checksum,
        (const guchar *) (dataset->ids + i * dataset->T),
        (gssize) (dataset->lengths[i] * sizeof (guint32)));
  for (gsize i = 0; i < dataset->info.n_images; i += step)
    g_checksum_update (checksum, (const guchar *) rows->data + i * row_size,
        (gssize) row_size);
}

/**
 * ituning_dataset_check_visual_tokens:
 * @num_tokens: of an image, by the model; 0 where it does not matter
 * @hidden_size: their width, by the model
 *
 * Returns: FALSE with %ITUNING_ERROR_MISMATCH when @dataset has others, or none
 */
gboolean
ituning_dataset_check_visual_tokens (const ItuningDataset *dataset,
    gsize num_tokens, gsize hidden_size, GError **error)
{
  if (dataset->visual_tokens == NULL)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: holds pixels, wanted visual tokens", dataset->path);
  else if (dataset->info.hidden_size != hidden_size)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: visual tokens of width %zu, the model's have %zu", dataset->path,
        dataset->info.hidden_size, hidden_size);
  else if (num_tokens > 0 && dataset->info.num_tokens != num_tokens)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: images of %zu visual tokens, the model's have %zu", dataset->path,
        dataset->info.num_tokens, num_tokens);
  else
    return TRUE;
  return FALSE;
}

/**
 * ituning_dataset_check_pixels:
 * @image_size: sides of an image, by the model
 *
 * Returns: FALSE with %ITUNING_ERROR_MISMATCH when @dataset has others, or none
 */
gboolean
ituning_dataset_check_pixels (const ItuningDataset *dataset, gsize image_size,
    GError **error)
{
  if (dataset->info.image_size == image_size)
    return TRUE;
  if (dataset->pixels == NULL)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: holds visual tokens, wanted pixels", dataset->path);
  else
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: images of %zu pixels, wanted %zu", dataset->path,
        dataset->info.image_size, image_size);
  return FALSE;
}

/**
 * ituning_dataset_check_captions:
 * @vocab_size: of the model
 * @n_positions: of the model
 *
 * Returns: FALSE with %ITUNING_ERROR_MISMATCH when a caption is too long or has
 *   a token that is not in the vocabulary
 */
gboolean
ituning_dataset_check_captions (const ItuningDataset *dataset, gsize vocab_size,
    gsize n_positions, GError **error)
{
  if (dataset->info.max_length - 1 > n_positions) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: a caption of %zu tokens, the model has %zu positions",
        dataset->path, dataset->info.max_length, n_positions);
    return FALSE;
  }
  for (gsize i = 0; i < dataset->info.n_captions; i++) {
    for (gsize t = 0; t < dataset->lengths[i]; t++) {
      if (dataset->ids[i * dataset->T + t] >= vocab_size) {
        g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
            "%s: caption %zu has token %u, the model's vocabulary %zu tokens",
            dataset->path, i, dataset->ids[i * dataset->T + t], vocab_size);
        return FALSE;
      }
    }
  }
  return TRUE;
}
