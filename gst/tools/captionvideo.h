/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/tools/output.h"
#include "gst/tools/video.h"

/* Where and how the cues of videos are written; for text and JSON as lines. */
typedef enum
{
  TOOL_CAPTION_TEXT,
  TOOL_CAPTION_JSON,
  TOOL_CAPTION_SRT,
  TOOL_CAPTION_VTT,
} ToolCaptionFormat;

typedef struct
{
  const ToolVideoOptions *options; /* borrowed */
  ToolCaptionFormat format;
  gboolean name_files; /* in text: several were given */
  ToolOutput *output; /* borrowed */
  ToolSidecar *sidecar; /* owned while a video is captioned; or NULL */
  const char *path; /* borrowed: the video */
} ToolCaptionVideo;

gboolean tool_caption_is_list (ToolCaptionFormat format);
gboolean tool_caption_video (ToolCaptionVideo *self, const char *path,
    gboolean *complete, GCancellable *cancellable, GError **error);
