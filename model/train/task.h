/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/dataset.h"

typedef struct _ItuningTask ItuningTask;

/**
 * ItuningTaskClass:
 * @unit: what the loss is a mean over: "tokens" or "pairs"
 * @count: how many of them @batch has
 * @train: adds to the parameters' gradients; returns the sum of the losses,
 *   not scaled
 * @evaluate: returns the sum of the losses, without dropout and smoothing
 * @check: whether @dataset fits what is trained
 * @identify: adds what a run's numbers depend on besides its options, data and
 *   parameters: configs, and something of what is frozen
 * @save: writes what was trained into @folder
 * @get_model: (nullable): a snapshot that can caption
 * @free: frees the task and what it owns
 *
 * What is trained, and on what loss. The trainer does the rest: which
 * captions, AdamW, checkpoints.
 */
typedef struct
{
  const char *unit;
  gsize (*count) (const ItuningTask *task, const ItuningBatch *batch);
  double (*train) (ItuningTask *task, const ItuningBatch *batch,
      const ItuningTextHow *how);
  double (*evaluate) (ItuningTask *task, const ItuningBatch *batch);
  gboolean (*check) (const ItuningTask *task, const ItuningDataset *dataset,
      GError **error);
  void (*identify) (const ItuningTask *task, GChecksum *checksum);
  gboolean (
      *save) (const ItuningTask *task, const char *folder, GError **error);
  ItuningModel *(*get_model) (const ItuningTask *task);
  void (*free) (ItuningTask *task);
} ItuningTaskClass;

struct _ItuningTask
{
  const ItuningTaskClass *klass;
  ItuningParameters *parameters; /* owned */
  ItuningPool *pool; /* borrowed from what the task owns */
};

ItuningLanguage *ituning_language_new_fresh (const ItuningPretrainShape *shape,
    ItuningParameters *parameters, GError **error);
ItuningTrainer *ituning_trainer_new_for_task (ItuningTask *task,
    ItuningDataset *dataset, const ItuningTrainOptions *options,
    GError **error);
