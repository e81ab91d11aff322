/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/config.h"
#include "model/train/parameters.h"

void ituning_initialise_language (ItuningParameters *parameters, guint first,
    const ItuningLanguageConfig *config, guint64 seed);
void ituning_initialise_vision (ItuningParameters *parameters,
    const ItuningVisionConfig *config, guint64 seed);
