/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/ituning-train.h"
#include "model/train/textpass.h"

/* A batch with its memory; zero-initialised it is empty. */
typedef struct
{
  ItuningTextBatch text; /* views of what follows */
  gsize *starts; /* owned */
  guint32 *ids, *targets; /* owned */
  ItuningBuffer visual_tokens;
  gsize n_targets;
} ItuningBatch;

gboolean ituning_dataset_check (const ItuningDataset *dataset,
    const ItuningModel *model, GError **error);
void ituning_dataset_fill (const ItuningDataset *dataset, ItuningBatch *batch,
    const guint32 *captions, gsize n_captions);
gsize ituning_dataset_count_targets (const ItuningDataset *dataset,
    const guint32 *captions, gsize n_captions);
void ituning_batch_clear (ItuningBatch *batch);
