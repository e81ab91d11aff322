/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"

/* What `forward` and `generate` read: named tensors for a certain model. */

const float *tool_input_get_pixel_values (const ItuningTensors *tensors,
    const char *path, const ItuningModelInfo *info, gsize *n_images,
    GError **error);
guint32 *tool_input_get_ids (const ItuningTensors *tensors, const char *path,
    const ItuningModelInfo *info, gsize n_rows, gsize *n_ids, GError **error);
