/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/buffer.h"
#include "model/kernels/pool.h"

/* Scratch memory of one caller; zero-initialised it is empty. */
typedef struct
{
  ItuningBuffer image, text; /* [B, E] of length 1 */
  ItuningBuffer by_image, by_text; /* [B, B] */
} ItuningContrastScratch;

double ituning_contrast_run (ItuningPool *pool, ItuningContrastScratch *scratch,
    float *dimage, float *dtext, double *dscale, const float *image,
    const float *text, const guint32 *groups, gsize B, gsize E, float scale);
void ituning_contrast_scratch_clear (ItuningContrastScratch *scratch);
