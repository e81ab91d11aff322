/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

/* Video that waits until the cue that it belongs to has gone out. Belongs to
 * the streaming thread; zero-initialised it is empty. */
typedef struct
{
  GQueue items; /* owned: GstBuffer and GstEvent, oldest first */
  gsize bytes;
  GstClockTime first; /* time of the oldest buffer */
} GstItuningHold;

void gst_ituning_hold_add (GstItuningHold *self, GstMiniObject *item);
GstMiniObject *gst_ituning_hold_take (GstItuningHold *self);
gboolean gst_ituning_hold_is_empty (const GstItuningHold *self);
gboolean gst_ituning_hold_has_room (const GstItuningHold *self,
    GstBuffer *buffer, GstClockTime max_time, gsize max_bytes);
void gst_ituning_hold_clear (GstItuningHold *self);
