/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/model.h"

/* An encoded image. What the encoder gave is immutable; the adapter's keys and
 * values are made when they are first asked for, and kept. */
struct _ItuningFeatures
{
  gatomicrefcount refs;
  gsize n_tokens; /* S: all of the vision tower's, or what is left of them */
  gsize D;
  float *last_hidden_state; /* owned: [S, D] */
  float *log_sizes; /* owned: [S] of how many each stands for; NULL for one */
  float *image_embeds; /* owned: [n_embeds] */
  gsize n_embeds;
  GMutex lock;
  ItuningMemory *memory; /* owned, guarded by @lock: of the last adapter */
};

ItuningFeatures *ituning_features_new (const ItuningVision *vision,
    gsize n_tokens);
gboolean ituning_features_check (const ItuningFeatures *features,
    const ItuningModel *model, GError **error);
void ituning_features_visual_tokens (const ItuningFeatures *features,
    const ItuningModel *model, float *visual_tokens);
ItuningMemory *ituning_features_get_memory (ItuningFeatures *features,
    const ItuningModel *model, ItuningBuffer *scratch);
