/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/dataset.h"

#include <string.h>

#include "model/features.h"
#include "model/half.h"
#include "model/preprocess.h"
#include "model/tensors.h"
#include "model/train/random.h"

/* The stream of random numbers that says how pictures are moved: neither the
 * order's nor dropout's. */
#define STREAM_SHIFT ((guint64) 1 << 61)
/* Images whose rows, besides all captions, tell one file from another. */
#define DIGEST_ROWS 64

/* A file of features: the visual tokens of images, or their pixels, and the
 * captions that belong to them. Immutable once opened. */
struct _ItuningDataset
{
  gatomicrefcount refs;
  char *path; /* owned */
  ItuningTensors *tensors; /* owned: what all pointers point into */
  const ItuningTensor *visual_tokens; /* [N, S, D]; or NULL */
  const ItuningTensor *pixels; /* [N, I, I, 3]; or NULL */
  ItuningPreprocessor *preprocessor; /* owned; NULL without pixels */
  guint32 *ids; /* owned: [M, T] */
  guint32 *lengths; /* owned: [M] */
  guint32 *images; /* owned: [M] */
  gsize T;
  ItuningDatasetInfo info;
};

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

/* Integers of a tensor, each below @limit. */
static guint32 *
read_integers (const ItuningDataset *self, const ItuningTensor *tensor,
    guint32 limit, GError **error)
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
  self->lengths = read_integers (self, tensor, (guint32) self->T + 1, error);
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
        error);
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
  self->ids = read_integers (self, tensor, G_MAXINT32, error);
  return self->ids != NULL && read_lengths (self, error) &&
      read_images (self, error);
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
  const ItuningTensor *tensor = find_tensor (self, "pixels", 4, error);

  if (tensor == NULL)
    return FALSE;
  if (tensor->type != ITUNING_TYPE_U8 || tensor->dims[1] != tensor->dims[2] ||
      tensor->dims[3] != 3 || tensor->dims[0] > G_MAXINT32 ||
      tensor->dims[1] > ITUNING_MAX_IMAGE_SIZE) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: \"pixels\" is not U8 [N, I, I, 3] with I up to %zu", self->path,
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
 *   `visual_tokens` [N, S, D] of F32, F16 or BF16 (or `pixels` [N, I, I, 3] of
 *   U8: whole pictures, squashed), `input_ids` [M, T] (BOS to EOS, then anything), `lengths` [M] (BOS and
 *   EOS counted) and `image` [M] of I64 or I32; without `image` caption i
 *   belongs to image i
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
  if (!(ituning_tensors_lookup (tensors, "pixels") != NULL
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

/* --- batches ------------------------------------------------------------ */

/* Row @image of the visual tokens as floats. */
static void
read_tokens (const ItuningDataset *self, float *tokens, gsize image)
{
  const gsize n = self->info.num_tokens * self->info.hidden_size;
  const ItuningTensor *tensor = self->visual_tokens;
  const guint8 *data = (const guint8 *) tensor->data +
      image * n * ituning_type_size (tensor->type);

  ituning_floats_read (tokens, data, tensor->type, n);
}

/**
 * ituning_dataset_check_finite:
 * @captions: [@n_captions] which
 *
 * For when a loss is not finite: whether that comes from the file.
 *
 * Returns: FALSE with %ITUNING_ERROR_NUMERIC when a visual token of their
 *   images is not finite
 */
gboolean
ituning_dataset_check_finite (const ItuningDataset *dataset,
    const guint32 *captions, gsize n_captions, GError **error)
{
  const gsize n = dataset->info.num_tokens * dataset->info.hidden_size;
  g_autofree float *tokens = g_new (float, MAX (n, 1));

  for (gsize i = 0; n > 0 && i < n_captions; i++) {
    const guint32 image = dataset->images[captions[i]];
    read_tokens (dataset, tokens, image);
    if (!ituning_kernels_get ()->all_finite (tokens, n)) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_NUMERIC,
          "%s: the visual tokens of image %u hold a NaN or an infinity",
          dataset->path, image);
      return FALSE;
    }
  }
  return TRUE;
}

/* A picture of I x I pixels moved by @dx and @dy of them; its edges go on as
 * they are. */
static void
shift_picture (guint8 *to, const guint8 *from, gsize I, int dx, int dy)
{
  const int last = (int) I - 1;

  for (int y = 0; y <= last; y++) {
    const guint8 *row = from + (gsize) CLAMP (y - dy, 0, last) * I * 3;
    for (int x = 0; x <= last; x++, to += 3)
      memcpy (to, row + (gsize) CLAMP (x - dx, 0, last) * 3, 3);
  }
}

/* Row @image of the pixels, as CLIP's preprocessing normalises them, @moved
 * ([I, I, 3] scratch) by up to @shift pixels each way. */
static void
read_pixel_values (const ItuningDataset *self, float *values, gsize image,
    guint shift, ItuningRandom *random, guint8 *moved)
{
  const gsize I = self->info.image_size;
  const guint8 *pixels = (const guint8 *) self->pixels->data +
      image * I * I * 3;
  const ItuningImage picture = { shift > 0 ? moved : pixels, I, I, 3 * I };

  if (shift > 0) {
    const int dx = (int) (ituning_random_uniform (random) * (2 * shift + 1));
    const int dy = (int) (ituning_random_uniform (random) * (2 * shift + 1));
    shift_picture (moved, pixels, I, dx - (int) shift, dy - (int) shift);
  }
  ituning_preprocessor_run (self->preprocessor, &picture, values, NULL);
}

/**
 * ituning_dataset_count_targets:
 * @captions: [@n_captions] which
 *
 * Returns: tokens that they have to predict: all but BOS
 */
gsize
ituning_dataset_count_targets (const ItuningDataset *dataset,
    const guint32 *captions, gsize n_captions)
{
  gsize n = 0;

  for (gsize i = 0; i < n_captions; i++)
    n += dataset->lengths[captions[i]] - 1;
  return n;
}

/**
 * ituning_dataset_fill:
 * @batch: (inout): what it held is overwritten
 * @captions: [@n_captions] which
 * @shift: pictures of a file of pixels are moved by up to so many pixels each
 *   way, by chance
 * @seed: which chance
 */
void
ituning_dataset_fill (const ItuningDataset *dataset, ItuningBatch *batch,
    const guint32 *captions, gsize n_captions, guint shift, guint64 seed)
{
  ItuningRandom random = ituning_random_new (seed, STREAM_SHIFT);
  const gsize n = dataset->info.num_tokens * dataset->info.hidden_size;
  const gsize n_pixels = 3 * dataset->info.image_size *
      dataset->info.image_size;
  float *tokens = ituning_buffer_reserve (&batch->visual_tokens,
      n_captions * n);
  float *pixels = ituning_buffer_reserve (&batch->pixel_values,
      n_captions * n_pixels);
  g_autofree guint8 *moved = g_malloc (MAX (n_pixels, 1));

  batch->n_targets = ituning_dataset_count_targets (dataset, captions,
      n_captions);
  batch->starts = g_renew (gsize, batch->starts, n_captions + 1);
  batch->ids = g_renew (guint32, batch->ids, batch->n_targets);
  batch->targets = g_renew (guint32, batch->targets, batch->n_targets);
  batch->starts[0] = 0;
  for (gsize i = 0; i < n_captions; i++) {
    const guint32 *ids = dataset->ids + captions[i] * dataset->T;
    const gsize length = dataset->lengths[captions[i]] - 1;
    memcpy (batch->ids + batch->starts[i], ids, length * sizeof (guint32));
    memcpy (batch->targets + batch->starts[i], ids + 1,
        length * sizeof (guint32));
    batch->starts[i + 1] = batch->starts[i] + length;
    if (dataset->pixels != NULL)
      read_pixel_values (dataset, pixels + i * n_pixels,
          dataset->images[captions[i]], shift, &random, moved);
    else
      read_tokens (dataset, tokens + i * n, dataset->images[captions[i]]);
  }
  batch->text = (ItuningTextBatch){
    .n_sequences = n_captions,
    .starts = batch->starts,
    .ids = batch->ids,
    .targets = batch->targets,
    .visual_tokens = dataset->pixels == NULL ? tokens : NULL,
    .S = dataset->info.num_tokens,
  };
}

/**
 * ituning_dataset_get_caption:
 * @caption: which caption, below n_captions
 * @image: (out): which image it is of
 * @n_ids: (out): its tokens, at least 2
 *
 * Returns: (transfer none): [@n_ids] its tokens, BOS and EOS included
 */
const guint32 *
ituning_dataset_get_caption (const ItuningDataset *dataset, gsize caption,
    gsize *image, gsize *n_ids)
{
  g_return_val_if_fail (dataset != NULL, NULL);
  g_return_val_if_fail (caption < dataset->info.n_captions, NULL);
  *image = dataset->images[caption];
  *n_ids = dataset->lengths[caption];
  return dataset->ids + caption * dataset->T;
}

/**
 * ituning_dataset_get_features:
 * @image: which image, below n_images
 * @model: the model that the visual tokens are of
 *
 * Returns: (transfer full): its features, as ituning_session_encode () gives
 *   them but for the rounding to the file's type; or %NULL with
 *   %ITUNING_ERROR_MISMATCH when they are of another model
 */
ItuningFeatures *
ituning_dataset_get_features (const ItuningDataset *dataset, gsize image,
    ItuningModel *model, GError **error)
{
  const ItuningVision *vision;
  ItuningVisionScratch scratch = { 0 };
  ItuningFeatures *features;

  g_return_val_if_fail (dataset != NULL && model != NULL, NULL);
  g_return_val_if_fail (image < dataset->info.n_images, NULL);
  vision = model->backbone->vision;
  if (!ituning_dataset_check_visual_tokens (dataset, vision->n_tokens,
          vision->config.hidden_size, error))
    return NULL;
  features = ituning_features_new (vision, vision->n_tokens);
  read_tokens (dataset, features->last_hidden_state, image);
  ituning_vision_project (vision, &scratch, model->backbone->pool,
      features->image_embeds, features->last_hidden_state, 1,
      features->n_tokens);
  ituning_vision_scratch_clear (&scratch);
  return features;
}

/**
 * ituning_batch_clear:
 * @batch: its memory is given back
 */
void
ituning_batch_clear (ItuningBatch *batch)
{
  g_free (batch->starts);
  g_free (batch->ids);
  g_free (batch->targets);
  ituning_buffer_clear (&batch->visual_tokens);
  ituning_buffer_clear (&batch->pixel_values);
  memset (batch, 0, sizeof (*batch));
}
