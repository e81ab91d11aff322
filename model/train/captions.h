/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/ituning-metrics.h"

const char *ituning_captions_get_path (const ItuningCaptions *captions);
gboolean ituning_captions_find (const ItuningCaptions *captions, const char *id,
    gsize *image);
