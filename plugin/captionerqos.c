/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/captioner-private.h"

#define GST_CAT_DEFAULT gst_ituning_captioner_debug

/* Downstream says how late frames come (QoS events). Live, a frame that would
 * come late is not captioned: that costs time, which is short already. The next
 * that is in time is, or one after max-interval, so that a picture that is
 * always late has captions still. The frames themselves go on, and the events
 * too. A file's captions do not go by speed, so there they count for nothing.
 *
 * What is left out is told on the bus (QOS messages). */

/* Works for the worst case: no sense in a lower quality. */
#define FULL_QUALITY 1000000

static void
note_event (GstItuningCaptioner *self, GstEvent *event)
{
  GstClockTimeDiff diff;
  GstClockTime timestamp;
  double proportion;

  gst_event_parse_qos (event, NULL, &proportion, &diff, &timestamp);
  if (!GST_CLOCK_TIME_IS_VALID (timestamp))
    return;
  g_mutex_lock (&self->lock);
  self->proportion = proportion;
  self->late_until = diff > 0 ? timestamp + (GstClockTime) diff
                              : GST_CLOCK_TIME_NONE;
  g_mutex_unlock (&self->lock);
}

/**
 * gst_ituning_captioner_src_event:
 *
 * The source pads' event function. That a text comes late is no reason for
 * anyone upstream to leave out video.
 */
gboolean
gst_ituning_captioner_src_event (GstPad *pad, GstObject *parent,
    GstEvent *event)
{
  GstItuningCaptioner *self = GST_ITUNING_CAPTIONER (parent);

  if (GST_EVENT_TYPE (event) == GST_EVENT_QOS) {
    if (pad != self->srcpad) {
      gst_event_unref (event);
      return TRUE;
    }
    note_event (self, event);
  }
  return gst_pad_event_default (pad, parent, event);
}

/**
 * gst_ituning_captioner_add_qos:
 * @messages: gets the message
 * @pts: of a keyframe that is not captioned, in the segment
 * @jitter: how late it is
 *
 * Makes the message that tells of it; with the lock, and when it is counted.
 */
void
gst_ituning_captioner_add_qos (GstItuningCaptioner *self, GQueue *messages,
    GstClockTime pts, GstClockTimeDiff jitter)
{
  const GstSegment *segment = &self->segment;
  GstMessage *message = gst_message_new_qos (GST_OBJECT (self), self->live,
      gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts),
      gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts), pts,
      GST_CLOCK_TIME_NONE);

  gst_message_set_qos_values (message, jitter, self->proportion, FULL_QUALITY);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS,
      self->stats.captions + self->stats.skipped, self->stats.dropped);
  g_queue_push_tail (messages, message);
}

/* With the lock. */
static gboolean
is_late (const GstItuningCaptioner *self, GstClockTime running)
{
  return self->live && GST_CLOCK_TIME_IS_VALID (running) &&
      GST_CLOCK_TIME_IS_VALID (self->late_until) &&
      running <= self->late_until &&
      (!GST_CLOCK_TIME_IS_VALID (self->postponed) ||
          running < self->postponed ||
          running - self->postponed < self->now.max_interval);
}

/**
 * gst_ituning_captioner_postpone:
 * @pts: time of a frame
 * @is_keyframe: whether it was chosen to be captioned
 *
 * Asked for keyframes, and for the frames after one that was left out.
 *
 * Returns: whether to leave out this one too
 */
gboolean
gst_ituning_captioner_postpone (GstItuningCaptioner *self, GstClockTime pts,
    gboolean is_keyframe)
{
  GQueue messages = G_QUEUE_INIT;
  GstClockTime running;
  gboolean late;

  g_mutex_lock (&self->lock);
  running = gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, pts);
  late = is_late (self, running);
  if (late && is_keyframe) {
    self->stats.keyframes++;
    self->stats.dropped++;
    gst_ituning_captioner_add_qos (self, &messages, pts,
        GST_CLOCK_DIFF (running, self->late_until));
  }
  g_mutex_unlock (&self->lock);
  if (!late)
    self->postponed = GST_CLOCK_TIME_NONE;
  else if (!GST_CLOCK_TIME_IS_VALID (self->postponed))
    self->postponed = running;
  gst_ituning_captioner_post (self, &messages);
  return late;
}

/**
 * gst_ituning_captioner_reset_qos:
 *
 * Forgets what downstream said, after a flush or at the end; with the lock.
 */
void
gst_ituning_captioner_reset_qos (GstItuningCaptioner *self)
{
  self->late_until = self->postponed = GST_CLOCK_TIME_NONE;
  self->proportion = 1.0;
}
