/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/tools/trainlog.h"
#include "model/train/ituning-metrics.h"

/* Images that are captioned at a validation, and how many of them are shown. */
#define TOOL_TRAIN_SCORED ((gsize) 200)
#define TOOL_TRAIN_SHOWN ((gsize) 4)

gboolean tool_train_score (ItuningModel *model, const ItuningDataset *data,
    ToolTrainLog *log, guint64 step, ItuningMetrics *metrics,
    GCancellable *cancellable, GError **error);
