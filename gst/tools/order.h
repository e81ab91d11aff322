/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/tools/source.h"

/* In which order frames are decoded, where a file does not say when. */
typedef struct
{
  GArray *times; /* owned: GstClockTime, when frames are shown, sorted */
  GstClockTime delay; /* from when a frame is decoded to when it is shown */
  guint next; /* of @times */
} ToolOrder;

GPtrArray *tool_orders_read (const char *path, GstElement *muxer,
    GstClockTime *delay, GCancellable *cancellable, GError **error);
void tool_order_apply (ToolOrder *order, GstPad *pad);
