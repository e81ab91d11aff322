/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/tools/output.h"

/* What the captioner costs the video that passes it. */

gboolean tool_elements_bench (const char *model, guint n_runs, gboolean json,
    ToolOutput *output, GCancellable *cancellable, GError **error);
