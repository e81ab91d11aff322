/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/adapter.h"
#include "model/train/ituning-train.h"
#include "model/train/parameters.h"

ItuningAdapter *ituning_adapter_new_fresh (const ItuningVisionConfig *vision,
    const ItuningLanguageConfig *language, const ItuningTrainOptions *options,
    ItuningParameters *parameters, GError **error);
ItuningAdapter *ituning_adapter_copy (const ItuningAdapter *adapter,
    ItuningParameters *parameters);
gboolean ituning_adapter_save (const ItuningAdapter *adapter,
    const char *folder, GError **error);
