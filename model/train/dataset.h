/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/augment.h"
#include "model/train/ituning-train.h"
#include "model/train/textpass.h"

/* A batch with its memory; zero-initialised it is empty. */
typedef struct
{
  ItuningTextBatch text; /* views of what follows */
  gsize *starts; /* owned */
  guint32 *ids, *targets; /* owned */
  ItuningBuffer visual_tokens; /* [n_sequences, S, D] */
  ItuningBuffer pixel_values; /* [n_sequences, 3, I, I], of a file of pixels */
  gsize n_targets;
} ItuningBatch;

void ituning_dataset_add_to_checksum (const ItuningDataset *dataset,
    GChecksum *checksum);
gboolean ituning_dataset_check_visual_tokens (const ItuningDataset *dataset,
    gsize num_tokens, gsize hidden_size, GError **error);
gboolean ituning_dataset_check_pixels (const ItuningDataset *dataset,
    gsize image_size, GError **error);
gboolean ituning_dataset_check_captions (const ItuningDataset *dataset,
    gsize vocab_size, gsize n_positions, GError **error);
gboolean ituning_dataset_check_finite (const ItuningDataset *dataset,
    const guint32 *captions, gsize n_captions, GError **error);
void ituning_dataset_fill (const ItuningDataset *dataset, ItuningBatch *batch,
    const guint32 *captions, gsize n_captions, const ItuningAugment *augment,
    guint64 seed);
gsize ituning_dataset_count_targets (const ItuningDataset *dataset,
    const guint32 *captions, gsize n_captions);
void ituning_batch_clear (ItuningBatch *batch);
