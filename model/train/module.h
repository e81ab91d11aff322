/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/block.h"

/* An I-Tuning module in training: model/adapter.h has the formula. */

/* What the backward pass needs of the forward pass; zero-initialised empty. */
typedef struct
{
  ItuningBuffer q; /* [M, R] */
  ItuningBuffer k, z; /* [n_sequences S, R] */
  ItuningBuffer attended; /* [M, R] */
} ItuningModuleState;

typedef struct
{
  ItuningBuffer out, dattended, dq, dk, dz; /* zero-initialised empty */
} ItuningModuleScratch;

typedef struct
{
  const ItuningBlockRun *run;
  ItuningModuleScratch *scratch;
  const ItuningAdapterConfig *config;
  const float *visual_tokens; /* [n_sequences, S, D] */
  float *dvisual_tokens; /* (nullable): likewise: their gradient, added to */
  gsize S;
  float dropout; /* of the module's output */
  guint64 seed; /* of what is dropped in this layer at this step */
} ItuningModuleRun;

void ituning_module_forward (const ItuningModule *module,
    ItuningModuleState *state, const ItuningModuleRun *run, float *x,
    const float *u);
void ituning_module_backward (const ItuningModule *module,
    const ItuningModuleState *state, const ItuningModuleRun *run, float *du,
    const float *dx, const float *u);
void ituning_module_state_clear (ItuningModuleState *state);
void ituning_module_scratch_clear (ItuningModuleScratch *scratch);
