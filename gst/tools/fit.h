/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/tools/source.h"

/* Which streams go into which container. */

typedef enum
{
  TOOL_CONTAINER_MKV,
  TOOL_CONTAINER_MP4,
} ToolContainer;

GstElement *tool_fit_make_muxer (ToolContainer container, GError **error);
GstElementFactory *tool_fit_find_parser (GstElement *muxer, const GstCaps *caps,
    GstPadTemplate **template);
gboolean tool_fit_refuse (const char *path, const GstCaps *caps,
    ToolContainer container, GError **error);
gboolean tool_remux_check (const char *path, ToolContainer container,
    GCancellable *cancellable, GError **error);
