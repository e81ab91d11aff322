/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include "gst/tools/options.h"

/* How to caption a video: which of its frames, and what becomes of the captions.
 * Times are in seconds. */
typedef struct
{
  char *keyframes; /* owned */
  double min_interval;
  double max_interval;
  double scene_threshold;
  double similarity_threshold;
  double min_confidence;
  double max_cue_duration;
  gboolean quiet;
  const ToolModelOptions *model; /* borrowed */
  ItuningGenerateOptions generate;
  guint visual_tokens; /* 0 for all */
} ToolVideoOptions;

void tool_video_options_add (ToolVideoOptions *options,
    GOptionContext *context);
gboolean tool_video_options_check (const ToolVideoOptions *options,
    GError **error);
gboolean tool_video_options_want_codec (const ToolVideoOptions *options);
void tool_video_options_apply (const ToolVideoOptions *options,
    GstElement *captioner);
void tool_video_options_clear (ToolVideoOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ToolVideoOptions, tool_video_options_clear)
