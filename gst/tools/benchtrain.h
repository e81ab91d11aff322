/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/tools/output.h"
#include "model/ituning.h"

/* How long a training step takes. */

gboolean tool_bench_train (ItuningModel *model, const char *name,
    guint num_tokens, guint n_runs, gboolean json, ToolOutput *output,
    GCancellable *cancellable, GError **error);
