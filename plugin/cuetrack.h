/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/gstituning.h"

/* Turns captions of keyframes into cues: a cue starts at its keyframe and ends
 * where the caption changes, where it is cut, or at the end. Times are those
 * of the buffers; in the captions that come out they are in stream time.
 * Knows no pads and no threads; its owner guards it. */
typedef struct
{
  GstItuningCaption *open; /* owned: the cue that goes on; or NULL */
  GstClockTime start; /* of @open, as buffers count */
} GstItuningCueTrack;

/* A cue that is over. */
typedef struct
{
  GstItuningCaption *caption; /* owned: with its range in stream time */
  GstClockTime start, end; /* as buffers count */
} GstItuningCue;

gboolean gst_ituning_cue_track_change (GstItuningCueTrack *self,
    GstItuningCaption *caption, GstClockTime at, const GstSegment *segment,
    GstItuningCue *closed);
gboolean gst_ituning_cue_track_cut (GstItuningCueTrack *self, GstClockTime at,
    const GstSegment *segment, GstItuningCue *closed);
void gst_ituning_cue_track_clear (GstItuningCueTrack *self);
