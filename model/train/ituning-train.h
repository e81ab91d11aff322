/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Training an I-Tuning adapter: part of libituning that captioning does not
 * need.
 *
 *   g_autoptr (ItuningDataset) data = ituning_dataset_open (features, &error);
 *   ItuningTrainOptions options = ITUNING_TRAIN_OPTIONS_INIT;
 *   g_autoptr (ItuningTrainer) trainer =
 *       ituning_trainer_new (model, data, &options, &error);
 *   ItuningTrainReport report;
 *
 *   while (ituning_trainer_step (trainer, &report, &error) &&
 *       report.step < options.steps)
 *     ;
 *   ituning_trainer_save (trainer, folder, &error);
 *
 * A trainer belongs to one thread at a time. */

#include "model/ituning.h"

G_BEGIN_DECLS

/* --- images and their captions ------------------------------------------ */

typedef struct _ItuningPairs ItuningPairs;

ITUNING_API ItuningPairs *ituning_pairs_open (const char *path,
    const char *images, const char *split, GError **error);
ITUNING_API void ituning_pairs_free (ItuningPairs *pairs);
ITUNING_API gsize ituning_pairs_get_n_images (const ItuningPairs *pairs);
ITUNING_API const char *ituning_pairs_get_id (const ItuningPairs *pairs,
    gsize index);
ITUNING_API const char *ituning_pairs_get_image (const ItuningPairs *pairs,
    gsize index);
ITUNING_API const char *const *
ituning_pairs_get_captions (const ItuningPairs *pairs, gsize index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningPairs, ituning_pairs_free)

/* --- features ----------------------------------------------------------- */

typedef struct _ItuningFeatureWriter ItuningFeatureWriter;

ITUNING_API ItuningFeatureWriter *ituning_feature_writer_open (const char *path,
    ItuningModel *model, gsize max_length, const char *source, GError **error);
ITUNING_API ItuningFeatureWriter *ituning_feature_writer_open_pixels (const char
                                                                          *path,
    const ItuningTokenizer *tokenizer, gsize image_size, gsize max_length,
    const char *source, GError **error);
ITUNING_API gboolean ituning_feature_writer_check (const char *path,
    ItuningModel *model, gsize max_length, const char *source, GError **error);
ITUNING_API void ituning_feature_writer_free (ItuningFeatureWriter *writer);
ITUNING_API gsize ituning_feature_writer_get_n_done (
    const ItuningFeatureWriter *writer);
ITUNING_API gsize ituning_feature_writer_get_n_skipped (
    const ItuningFeatureWriter *writer);
ITUNING_API gboolean ituning_feature_writer_add (ItuningFeatureWriter *writer,
    const ItuningFeatures *features, const char *const *captions,
    GError **error);
ITUNING_API gboolean
ituning_feature_writer_add_image (ItuningFeatureWriter *writer,
    const ItuningImage *image, const char *const *captions, GError **error);
ITUNING_API gboolean ituning_feature_writer_skip (ItuningFeatureWriter *writer,
    GError **error);
ITUNING_API gboolean
ituning_feature_writer_finish (ItuningFeatureWriter *writer, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningFeatureWriter,
    ituning_feature_writer_free)

/* --- what is trained on ------------------------------------------------- */

typedef struct _ItuningDataset ItuningDataset;

/**
 * ItuningDatasetInfo:
 * @n_images: images, N
 * @n_captions: captions, M
 * @n_tokens: tokens to predict in all captions together
 * @num_tokens: visual tokens of an image, S; 0 in a file of pixels
 * @hidden_size: their width, D; 0 likewise
 * @image_size: pixels of an image's sides; 0 in a file of visual tokens
 * @max_length: longest caption in tokens, BOS and EOS included
 */
typedef struct
{
  gsize n_images;
  gsize n_captions;
  guint64 n_tokens;
  gsize num_tokens;
  gsize hidden_size;
  gsize image_size;
  gsize max_length;
} ItuningDatasetInfo;

ITUNING_API ItuningDataset *ituning_dataset_open (const char *path,
    GError **error);
ITUNING_API ItuningDataset *ituning_dataset_ref (ItuningDataset *dataset);
ITUNING_API void ituning_dataset_unref (ItuningDataset *dataset);
ITUNING_API const ItuningDatasetInfo *ituning_dataset_get_info (
    const ItuningDataset *dataset);
ITUNING_API const guint32 *ituning_dataset_get_caption (const ItuningDataset
                                                            *dataset,
    gsize caption, gsize *image, gsize *n_ids);
ITUNING_API ItuningFeatures *ituning_dataset_get_features (const ItuningDataset
                                                               *dataset,
    gsize image, ItuningModel *model, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningDataset, ituning_dataset_unref)

/* --- training ----------------------------------------------------------- */

/**
 * ItuningSchedule:
 * @ITUNING_SCHEDULE_CONSTANT: the learning rate stays
 * @ITUNING_SCHEDULE_LINEAR: falls in a line, to 0 behind the last step
 * @ITUNING_SCHEDULE_COSINE: falls by half a cosine, to 0 behind the last step
 *
 * What the learning rate does after its warm-up, in which it grows in a line.
 */
typedef enum
{
  ITUNING_SCHEDULE_CONSTANT,
  ITUNING_SCHEDULE_LINEAR,
  ITUNING_SCHEDULE_COSINE,
} ItuningSchedule;

/**
 * ItuningTrainOptions:
 * @steps: how many; the schedule goes by it
 * @batch_size: captions of a batch
 * @accumulate: batches of a step
 * @learning_rate: > 0
 * @weight_decay: AdamW's, decoupled: on every tensor of an adapter and of a
 *   language model that is trained with it, else on matrices alone
 * @max_grad_norm: gradients are scaled down to this norm; 0 for never
 * @label_smoothing: 0 <= this < 1
 * @dropout: of the modules' outputs, 0 <= this < 1
 * @warmup_steps: steps in which the learning rate grows
 * @schedule: what it does then
 * @seed: of the order, dropout and a fresh adapter's values
 * @captioning: contrastive training: weight of the captions' own loss, which
 *   teaches all visual tokens; 0 for the contrast alone
 * @shift: pretraining of a vision tower: each time, a picture is moved by up to
 *   so many pixels each way, so that no place in it is learned by heart
 * @zoom: likewise, its sides are stretched or shrunk by up to this part of them,
 *   each by its own chance, 0 <= this < 1
 * @fresh: start from a new adapter even if the model has one
 * @unfreeze_language: train the language model too, all of it
 * @bottleneck_size: of a new adapter; 0 for half the text width
 * @num_heads: of a new adapter
 * @scale: of a new adapter
 * @top_layers: of a new adapter: GPT-2 blocks that get a module, counted from
 *   the top; 0 for all
 * @visual_post_layernorm: of a new adapter
 * @prefix_length: a new adapter is, in place of I-Tuning modules, a prefix of
 *   so many embeddings made of the image embedding, to compare with; 0 for
 *   modules
 *
 * Start from %ITUNING_TRAIN_OPTIONS_INIT.
 */
typedef struct
{
  guint64 steps;
  guint batch_size;
  guint accumulate;
  double learning_rate;
  double weight_decay;
  double max_grad_norm;
  double label_smoothing;
  double dropout;
  guint64 warmup_steps;
  ItuningSchedule schedule;
  guint64 seed;
  double captioning;
  guint shift;
  double zoom;
  gboolean fresh;
  gboolean unfreeze_language;
  guint bottleneck_size;
  guint num_heads;
  double scale;
  guint top_layers;
  gboolean visual_post_layernorm;
  guint prefix_length;
} ItuningTrainOptions;

#define ITUNING_TRAIN_OPTIONS_INIT \
  { \
    .steps = 1000, .batch_size = 32, .accumulate = 1, .learning_rate = 1e-4, \
    .weight_decay = 0.01, .max_grad_norm = 1.0, \
    .schedule = ITUNING_SCHEDULE_COSINE, .num_heads = 1, .scale = 1.0 \
  }

/**
 * ItuningPretrainShape:
 * @hidden_size: width of the network
 * @num_layers: its layers
 * @num_heads: attention heads of each
 * @vocab_size: tokens of the captions; the last of them is BOS and EOS
 * @n_positions: longest text that it can read
 * @image_size: vision tower: sides of an image
 * @patch_size: vision tower: sides of a patch
 * @projection_dim: vision tower: width of the image embedding
 * @text_hidden_size: width of the text tower that teaches the vision tower
 * @text_num_layers: its layers
 * @text_num_heads: its heads
 *
 * The size of a network that is trained from nothing. The inner width is four
 * times the width.
 */
typedef struct
{
  guint hidden_size;
  guint num_layers;
  guint num_heads;
  guint vocab_size;
  guint n_positions;
  guint image_size;
  guint patch_size;
  guint projection_dim;
  guint text_hidden_size;
  guint text_num_layers;
  guint text_num_heads;
} ItuningPretrainShape;

/**
 * ItuningTrainReport:
 * @step: steps made so far
 * @loss: mean cross entropy of the step's units, in nats, before its update
 * @grad_norm: norm of all gradients, before clipping
 * @learning_rate: of the step
 * @n_units: tokens or pairs that the step predicted
 */
typedef struct
{
  guint64 step;
  double loss;
  double grad_norm;
  double learning_rate;
  gsize n_units;
} ItuningTrainReport;

typedef struct _ItuningTrainer ItuningTrainer;

ITUNING_API gboolean
ituning_train_options_check (const ItuningTrainOptions *options,
    GError **error);
ITUNING_API ItuningTrainer *ituning_trainer_new (ItuningModel *model,
    ItuningDataset *dataset, const ItuningTrainOptions *options,
    GError **error);
ITUNING_API ItuningTrainer *
ituning_trainer_new_language (const ItuningPretrainShape *shape,
    ItuningDataset *dataset, const ItuningTrainOptions *options,
    guint n_threads, GError **error);
ITUNING_API ItuningTrainer *ituning_trainer_new_clip (const ItuningPretrainShape
                                                          *shape,
    const char *vision, ItuningDataset *dataset,
    const ItuningTrainOptions *options, guint n_threads, GError **error);
ITUNING_API void ituning_trainer_free (ItuningTrainer *trainer);
ITUNING_API guint64 ituning_trainer_count_parameters (
    const ItuningTrainer *trainer);
ITUNING_API guint64 ituning_trainer_get_step (const ItuningTrainer *trainer);
ITUNING_API gboolean ituning_trainer_step (ItuningTrainer *trainer,
    ItuningTrainReport *report, GError **error);
ITUNING_API double ituning_trainer_take_mean_loss (ItuningTrainer *trainer);
ITUNING_API gboolean ituning_trainer_check (const ItuningTrainer *trainer,
    const ItuningDataset *dataset, GError **error);
ITUNING_API gboolean ituning_trainer_evaluate (ItuningTrainer *trainer,
    ItuningDataset *dataset, double *loss, GCancellable *cancellable,
    GError **error);
ITUNING_API ItuningModel *ituning_trainer_get_model (ItuningTrainer *trainer);
ITUNING_API gboolean ituning_trainer_save (ItuningTrainer *trainer,
    const char *folder, GError **error);
ITUNING_API const char *ituning_trainer_get_unit (
    const ItuningTrainer *trainer);
ITUNING_API gboolean ituning_trainer_save_gradients (ItuningTrainer *trainer,
    const char *path, GError **error);
ITUNING_API gboolean ituning_trainer_save_checkpoint (ItuningTrainer *trainer,
    const char *path, GError **error);
ITUNING_API gboolean ituning_trainer_resume (ItuningTrainer *trainer,
    const char *path, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningTrainer, ituning_trainer_free)

G_END_DECLS
