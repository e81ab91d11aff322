/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"

ItuningPreprocessor *ituning_preprocessor_new_default (gsize size);
void ituning_preprocessor_get_pixels (const ItuningPreprocessor *preprocessor,
    guint8 *pixels, const float *pixel_values);
