/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"

void ituning_half_to_float (float *out, const void *half, gsize n);
void ituning_bfloat16_to_float (float *out, const void *bfloat16, gsize n);
void ituning_floats_read (float *out, const void *data, ItuningType type,
    gsize n);
gboolean ituning_halves_are_finite (const void *halves, gsize n,
    gboolean is_bfloat16);
gboolean ituning_half_from_float (guint16 *out, const float *x, gsize n);
gboolean ituning_bfloat16_from_float (guint16 *out, const float *x, gsize n);
