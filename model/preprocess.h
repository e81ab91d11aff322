/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/preprocessconfig.h"

ItuningPreprocessor *ituning_preprocessor_new_default (gsize size);
ItuningPreprocessor *ituning_preprocessor_new_whole (gsize size);
ItuningPreprocessor *ituning_preprocessor_new_packed (const ItuningGguf *packed,
    GError **error);
const ItuningPreprocessConfig *ituning_preprocessor_get_config (
    const ItuningPreprocessor *preprocessor);
void ituning_preprocessor_get_pixels (const ItuningPreprocessor *preprocessor,
    guint8 *pixels, const float *pixel_values);
