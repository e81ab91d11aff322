/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "gst/tools/fit.h"
#include "gst/tools/progress.h"
#include "gst/tools/sidecar.h"

/* What the new subtitle track is called. */
typedef struct
{
  const char *language; /* ISO 639 */
  const char *title; /* or NULL */
} ToolTrackName;

gboolean tool_remux (const char *path, const char *output,
    const char *output_name, ToolContainer container, GPtrArray *cues,
    const ToolTrackName *name, ToolProgress *progress,
    GCancellable *cancellable, GError **error);
