/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/block.h"

typedef struct _ItuningVisionPass ItuningVisionPass;

ItuningVisionPass *ituning_vision_pass_new (const ItuningVision *vision,
    const ItuningParameters *parameters, ItuningPool *pool);
void ituning_vision_pass_free (ItuningVisionPass *pass);
void ituning_vision_pass_forward (ItuningVisionPass *pass, float *embeds,
    const float *pixel_values, gsize B);
const float *ituning_vision_pass_get_tokens (const ItuningVisionPass *pass);
void ituning_vision_pass_backward (ItuningVisionPass *pass,
    const float *dembeds, const float *dtokens);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningVisionPass, ituning_vision_pass_free)
