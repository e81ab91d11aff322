/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/decoder.h"
#include "model/ituning.h"
#include "model/vision.h"

/* What models with different adapters share. Immutable but for its threads. */
typedef struct
{
  gatomicrefcount refs;
  ItuningVision *vision; /* owned */
  ItuningLanguage *language; /* owned */
  ItuningPreprocessor *preprocessor; /* owned */
  ItuningTokenizer *tokenizer; /* owned; NULL without its files */
  ItuningPool *pool; /* owned */
} ItuningBackbone;

/* Immutable once opened. */
struct _ItuningModel
{
  gatomicrefcount refs;
  ItuningBackbone *backbone; /* owned reference */
  ItuningAdapter *adapter; /* owned reference; NULL without one */
  ItuningModelInfo info;
  char *description; /* owned; or NULL */
};

ItuningBackbone *ituning_backbone_new (guint n_threads);
void ituning_backbone_unref (ItuningBackbone *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningBackbone, ituning_backbone_unref)

ItuningModel *ituning_model_new (ItuningBackbone *backbone,
    ItuningAdapter *adapter);
