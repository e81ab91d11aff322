/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/cuetrack.h"

static GstClockTime
to_stream_time (const GstSegment *segment, GstClockTime time)
{
  return gst_segment_to_stream_time (segment, GST_FORMAT_TIME, time);
}

/* Ends the open cue; one without duration is no cue. */
static gboolean
close_at (GstItuningCueTrack *self, GstClockTime at, const GstSegment *segment,
    GstItuningCue *closed)
{
  GstItuningCaption *open = g_steal_pointer (&self->open);
  const gboolean lasted = open != NULL && at > self->start;

  if (lasted) {
    closed->start = self->start;
    closed->end = at;
    closed->caption = gst_ituning_caption_copy_with_range (open,
        to_stream_time (segment, self->start), to_stream_time (segment, at));
  }
  g_clear_pointer (&open, gst_ituning_caption_unref);
  return lasted;
}

/**
 * gst_ituning_cue_track_change:
 * @caption: (nullable): the caption of a keyframe; %NULL if nothing is to be
 *   shown from there on
 * @at: the keyframe's time
 * @segment: to which @at belongs
 * @closed: (out): the cue that ends there
 *
 * A caption with the same text goes on with the open cue.
 *
 * Returns: whether a cue ended
 */
gboolean
gst_ituning_cue_track_change (GstItuningCueTrack *self,
    GstItuningCaption *caption, GstClockTime at, const GstSegment *segment,
    GstItuningCue *closed)
{
  gboolean ended;

  if (caption != NULL && self->open != NULL &&
      g_str_equal (caption->text, self->open->text))
    return FALSE;
  ended = close_at (self, at, segment, closed);
  if (caption != NULL) {
    self->open = gst_ituning_caption_ref (caption);
    self->start = at;
  }
  return ended;
}

/**
 * gst_ituning_cue_track_cut:
 * @at: a time after the cue's start
 * @segment: to which @at belongs
 * @closed: (out): the cue up to there
 *
 * Ends the open cue and goes on with another of the same caption.
 *
 * Returns: whether a cue ended
 */
gboolean
gst_ituning_cue_track_cut (GstItuningCueTrack *self, GstClockTime at,
    const GstSegment *segment, GstItuningCue *closed)
{
  GstItuningCaption *open;

  if (self->open == NULL || at <= self->start)
    return FALSE;
  open = gst_ituning_caption_ref (self->open);
  close_at (self, at, segment, closed);
  self->open = open;
  self->start = at;
  return TRUE;
}

/**
 * gst_ituning_cue_track_clear:
 *
 * Forgets the open cue.
 */
void
gst_ituning_cue_track_clear (GstItuningCueTrack *self)
{
  g_clear_pointer (&self->open, gst_ituning_caption_unref);
}
