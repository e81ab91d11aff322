/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Files that list cues beside a video: SubRip, WebVTT and JSON. */

/* What is shown from when to when, in nanoseconds of stream time. */
typedef struct
{
  guint64 start;
  guint64 end;
  guint64 keyframe; /* the frame that was captioned */
  char *text; /* owned */
  double confidence; /* 0..1 */
} ToolCue;

ToolCue *tool_cue_new (guint64 start, guint64 end, guint64 keyframe,
    const char *text, double confidence);
void tool_cue_free (ToolCue *cue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ToolCue, tool_cue_free)

typedef enum
{
  TOOL_SIDECAR_SRT,
  TOOL_SIDECAR_VTT,
  TOOL_SIDECAR_JSON,
} ToolSidecarFormat;

typedef struct _ToolSidecar ToolSidecar;

ToolSidecar *tool_sidecar_open (const char *path, ToolSidecarFormat format,
    GError **error);
gboolean tool_sidecar_write (ToolSidecar *sidecar, const ToolCue *cue,
    GError **error);
gboolean tool_sidecar_close (ToolSidecar *sidecar, GError **error);

char *tool_cue_get_plain_text (const ToolCue *cue);
char *tool_cue_get_srt_text (const ToolCue *cue);
void tool_cue_append_time (GString *to, guint64 time, char separator);
void tool_cue_append_json (GString *to, const ToolCue *cue, const char *file);
