/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

void tool_stamp_muxer (GstElement *muxer, const char *path);
gboolean tool_stamp_mp4 (const char *output, const char *path, GError **error);
