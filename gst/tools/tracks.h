/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/tools/source.h"

/* Subtitles and other streams with little in them, read ahead of the video that
 * they belong to: a muxer that had to wait for them would wait for ever. */
typedef struct
{
  GstCaps *caps; /* owned */
  GstTagList *tags; /* owned; or NULL */
  GPtrArray *buffers; /* owned: timestamps in running time */
} ToolTrack;

gboolean tool_track_is_sparse (const GstCaps *caps);
ToolTrack *tool_track_new (GstCaps *caps);
void tool_track_free (ToolTrack *track);
void tool_track_add_text (ToolTrack *track, const char *text,
    GstClockTime start, GstClockTime duration);
void tool_track_strip_markup (ToolTrack *track, gboolean keep_tags);
GPtrArray *tool_tracks_read (const char *path, GstElement *muxer,
    GCancellable *cancellable, GError **error);
