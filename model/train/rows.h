/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/kernels/kernels.h"
#include "model/kernels/pool.h"

/* Element-wise work on all threads. */

void ituning_rows_activate (ItuningPool *pool, float *y, const float *x,
    ItuningActivation activation, gsize n);
void ituning_rows_activate_backward (ItuningPool *pool, float *dy,
    const float *x, ItuningActivation activation, gsize n);
void ituning_rows_dropout (ItuningPool *pool, float *x, float rate,
    guint64 seed, gsize n);
