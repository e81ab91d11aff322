/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/dataset.h"
#include "model/train/task.h"

struct _ItuningTrainer
{
  ItuningTask *task; /* owned */
  ItuningDataset *dataset; /* owned reference */
  ItuningTrainOptions options;
  guint64 step; /* steps made */
  double losses[2]; /* their sum, and how many: since they were asked for */
  guint32 *order; /* owned: [n_captions] of @epoch */
  guint64 epoch;
  guint32 *chosen; /* owned: [batch_size * accumulate] */
  gint64 data_digest, model_digest; /* of what a checkpoint belongs to */
  ItuningBatch batch;
};
