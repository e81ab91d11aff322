/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/preprocess.h"
#include "model/tensors.h"
#include "model/train/dataset.h"

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
