/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/tools/image.h"
#include "model/train/ituning-train.h"

gboolean tool_pair_images_open (const ItuningPairs *pairs, gsize first, gsize n,
    gboolean strict, ToolImage **images, GError **error);
