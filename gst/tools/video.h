/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "gst/tools/sidecar.h"
#include "gst/tools/videooptions.h"

/* Gets each cue as soon as it is over; @cue is lent. */
typedef gboolean (
    *ToolCueFunc) (const ToolCue *cue, gpointer data, GError **error);

typedef struct _ToolVideo ToolVideo;

ToolVideo *tool_video_open (const char *path, const ToolVideoOptions *options,
    GCancellable *cancellable, GError **error);
gboolean tool_video_run (ToolVideo *video, ToolCueFunc func, gpointer data,
    gboolean *complete, GCancellable *cancellable, GError **error);
void tool_video_free (ToolVideo *video);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ToolVideo, tool_video_free)
