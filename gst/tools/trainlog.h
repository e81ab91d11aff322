/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/ituning-metrics.h"
#include "model/train/ituning-train.h"

/* What a training run shows while it runs: lines of JSON in a file, and on
 * stderr how far it is. */
typedef struct _ToolTrainLog ToolTrainLog;

ToolTrainLog *tool_train_log_open (const char *path, guint64 first,
    guint64 n_steps, const char *unit, GError **error);
gboolean tool_train_log_step (ToolTrainLog *log,
    const ItuningTrainReport *report, const double *mean_loss, GError **error);
gboolean tool_train_log_validation (ToolTrainLog *log, guint64 step,
    double loss, const ItuningMetrics *metrics, GError **error);
gboolean tool_train_log_caption (ToolTrainLog *log, guint64 step, gsize image,
    const char *caption, GError **error);
gboolean tool_train_log_finish (ToolTrainLog *log, const char *path,
    guint64 n_parameters, GError **error);
guint64 tool_train_log_get_validated (const ToolTrainLog *log);
void tool_train_log_free (ToolTrainLog *log);
