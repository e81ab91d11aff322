/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

/* A source pad for sparse text with a queue and a task of its own: whoever
 * blocks a push here blocks nothing else. Functions may be called from any
 * thread, also with locks held: they never push. */

#define GST_TYPE_ITUNING_TEXT_PAD (gst_ituning_text_pad_get_type ())
G_DECLARE_FINAL_TYPE (GstItuningTextPad, gst_ituning_text_pad, GST,
    ITUNING_TEXT_PAD, GstPad)

GstPad *gst_ituning_text_pad_new (GstPadTemplate *template, const char *name);
gboolean gst_ituning_text_pad_is_started (GstItuningTextPad *self);
void gst_ituning_text_pad_start (GstItuningTextPad *self,
    GstEvent *stream_start, GstEvent *caps, GstEvent *tag);
void gst_ituning_text_pad_push_event (GstItuningTextPad *self, GstEvent *event);
void gst_ituning_text_pad_push_cue (GstItuningTextPad *self, const char *text,
    GstClockTime pts, GstClockTime duration);
void gst_ituning_text_pad_push_gap (GstItuningTextPad *self, GstClockTime pts);
void gst_ituning_text_pad_flush_start (GstItuningTextPad *self);
void gst_ituning_text_pad_stop (GstItuningTextPad *self);
void gst_ituning_text_pad_flush_stop (GstItuningTextPad *self);
