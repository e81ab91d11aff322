/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "model/features.h"
#include "model/half.h"
#include "model/train/datasetprivate.h"
#include "model/train/random.h"

/* What a step reads of a file of features: some captions, with what their images
 * are. */

/* The stream of random numbers that says how pictures are changed: neither the
 * order's nor dropout's. */
#define STREAM_AUGMENT ((guint64) 1 << 61)

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

/* Row @image of the pixels, as CLIP's preprocessing normalises them, changed by
 * chance in @changed ([I, I, 3] scratch) when there is an @augment. */
static void
read_pixel_values (const ItuningDataset *self, float *values, gsize image,
    const ItuningAugment *augment, ItuningRandom *random, guint8 *changed)
{
  const gsize I = self->info.image_size;
  const guint8 *pixels = (const guint8 *) self->pixels->data +
      image * I * I * 3;
  const ItuningImage picture = { augment != NULL ? changed : pixels, I, I,
    3 * I };

  if (augment != NULL)
    ituning_augment_picture (augment, changed, pixels, I, random);
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
 * @augment: (nullable): how pictures of a file of pixels are changed
 * @seed: which chance
 */
void
ituning_dataset_fill (const ItuningDataset *dataset, ItuningBatch *batch,
    const guint32 *captions, gsize n_captions, const ItuningAugment *augment,
    guint64 seed)
{
  ItuningRandom random = ituning_random_new (seed, STREAM_AUGMENT);
  const gsize n = dataset->info.num_tokens * dataset->info.hidden_size;
  const gsize n_pixels = 3 * dataset->info.image_size *
      dataset->info.image_size;
  float *tokens = ituning_buffer_reserve (&batch->visual_tokens,
      n_captions * n);
  float *pixels = ituning_buffer_reserve (&batch->pixel_values,
      n_captions * n_pixels);
  g_autofree guint8 *changed = g_malloc (MAX (n_pixels, 1));

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
          dataset->images[captions[i]], augment, &random, changed);
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
