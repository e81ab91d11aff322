/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/ituning-train.h"
#include "model/train/parameters.h"

double ituning_schedule_get_rate (const ItuningTrainOptions *options,
    guint64 step);
void ituning_optimizer_step (ItuningParameters *parameters, ItuningPool *pool,
    const ItuningTrainOptions *options, guint64 step, double gradient_norm);
