/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/parameters.h"
#include "model/train/textpass.h"
#include "model/vision.h"

typedef struct _ItuningPrefixPass ItuningPrefixPass;

ItuningPrefixPass *ituning_prefix_pass_new (const ItuningAdapter *adapter,
    const ItuningVision *vision, const ItuningParameters *parameters,
    ItuningPool *pool);
void ituning_prefix_pass_free (ItuningPrefixPass *pass);
void ituning_prefix_pass_forward (ItuningPrefixPass *pass,
    const ItuningTextBatch *batch, ItuningTextBatch *prefixed);
float *ituning_prefix_pass_get_gradient (ItuningPrefixPass *pass);
void ituning_prefix_pass_backward (ItuningPrefixPass *pass);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningPrefixPass, ituning_prefix_pass_free)
