/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/language.h"
#include "model/train/block.h"

/* A row that has no target: what comes next is given, not predicted. */
#define ITUNING_NO_TARGET G_MAXUINT32

/* Scratch memory of one caller; zero-initialised it is empty. */
typedef struct
{
  ItuningBuffer u, du, logits, losses, stats;
} ItuningLossScratch;

double ituning_loss_run (const ItuningLanguage *language,
    const ItuningParameters *parameters, ItuningPool *pool,
    ItuningLossScratch *scratch, float *dx, const float *x,
    const guint32 *targets, gsize M, double scale, double label_smoothing);
void ituning_loss_scratch_clear (ItuningLossScratch *scratch);
