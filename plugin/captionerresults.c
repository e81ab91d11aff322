/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/captioner-private.h"

#include <string.h>

#define GST_CAT_DEFAULT gst_ituning_captioner_debug

/* What the engine answers becomes captions, cues and messages. Messages are
 * gathered under the lock and posted without it. */

/* A live pipeline that is too slow is told of it no more often than this. */
#define WARNING_INTERVAL (60 * (gint64) G_USEC_PER_SEC)

/* --- messages ----------------------------------------------------------- */

static void
add_message (GstItuningCaptioner *self, GQueue *messages,
    GstItuningCaption *caption, const char *name)
{
  GstStructure *structure = gst_ituning_caption_to_structure (caption);

  gst_structure_set_name (structure, name);
  g_queue_push_tail (messages,
      gst_message_new_element (GST_OBJECT (self), structure));
}

/**
 * gst_ituning_captioner_post:
 * @messages: (transfer full): messages to post, without the lock
 */
void
gst_ituning_captioner_post (GstItuningCaptioner *self, GQueue *messages)
{
  GstMessage *message;
  gboolean wanted;

  GST_OBJECT_LOCK (self);
  wanted = self->settings.post_messages;
  GST_OBJECT_UNLOCK (self);
  while ((message = g_queue_pop_head (messages)) != NULL) {
    if (wanted)
      gst_element_post_message (GST_ELEMENT (self), message);
    else
      gst_message_unref (message);
  }
}

/* --- cues --------------------------------------------------------------- */

/**
 * gst_ituning_captioner_set_current:
 * @caption: (nullable): may be the current one
 *
 * Frames carry @caption from now on, with the start of the open cue; with the
 * lock.
 */
void
gst_ituning_captioner_set_current (GstItuningCaptioner *self,
    GstItuningCaption *caption)
{
  GstItuningCaption *old = self->current;

  self->current = caption != NULL
      ? gst_ituning_caption_copy_with_range (caption,
            gst_segment_to_stream_time (&self->segment, GST_FORMAT_TIME,
                self->track.start),
            GST_CLOCK_TIME_NONE)
      : NULL;
  g_clear_pointer (&old, gst_ituning_caption_unref);
}

/* With the lock: texts are queued, not pushed. */
static void
send_cue (GstItuningCaptioner *self, const GstItuningCue *cue,
    GstClockTime heartbeat)
{
  GstClockTime end = cue->end;

  if (self->text == NULL)
    return;
  if (heartbeat > 0 && end - cue->start > 2 * GST_ITUNING_HEARTBEAT_DURATION)
    end -= GST_ITUNING_HEARTBEAT_DURATION;
  gst_ituning_text_pad_push_cue (self->text, cue->caption->text, cue->start,
      end - cue->start);
  if (end < cue->end)
    gst_ituning_text_pad_push_cue (self->text, "", end,
        GST_ITUNING_HEARTBEAT_DURATION);
  gst_ituning_text_pad_push_gap (self->text, cue->end);
}

/**
 * gst_ituning_captioner_emit_cue:
 * @cue: (transfer full): a cue that is over
 * @messages: gets the message for it
 *
 * Sends a cue to the text pad, unless frames brought it there live; with the
 * lock.
 */
void
gst_ituning_captioner_emit_cue (GstItuningCaptioner *self, GstItuningCue *cue,
    GQueue *messages)
{
  GstClockTime heartbeat;
  gboolean sent;

  GST_OBJECT_LOCK (self);
  heartbeat = self->settings.text_heartbeat;
  sent = self->live && self->settings.live_cue_duration > 0;
  GST_OBJECT_UNLOCK (self);
  GST_DEBUG_OBJECT (self, "cue %" GST_TIME_FORMAT " - %" GST_TIME_FORMAT ": %s",
      GST_TIME_ARGS (cue->start), GST_TIME_ARGS (cue->end), cue->caption->text);
  if (!sent)
    send_cue (self, cue, heartbeat);
  add_message (self, messages, cue->caption, "ituning-cue");
  g_clear_pointer (&self->closed, gst_ituning_caption_unref);
  self->closed = g_steal_pointer (&cue->caption);
  self->release = TRUE;
}

/* --- captions ----------------------------------------------------------- */

/* Without a tokenizer the tokens themselves are the text. */
static char *
get_text (const ItuningCaption *caption)
{
  GString *text;

  if (caption->text != NULL)
    return g_strdup (caption->text);
  text = g_string_new (NULL);
  for (gsize i = 0; i < caption->n_ids; i++)
    g_string_append_printf (text, "%s%u", i > 0 ? " " : "", caption->ids[i]);
  return g_string_free (text, FALSE);
}

/* How far the newest frame has gone beyond the keyframe; for a file, which
 * waits, how long it waited. */
static GstClockTime
measure_age (const GstItuningCaptioner *self, const GstItuningJob *job,
    GstClockTime latency)
{
  if (!self->live)
    return latency;
  if (!GST_CLOCK_TIME_IS_VALID (job->running_time) ||
      !GST_CLOCK_TIME_IS_VALID (self->newest_running) ||
      self->newest_running < job->running_time)
    return 0;
  return self->newest_running - job->running_time;
}

static GstItuningCaption *
make_caption (GstItuningCaptioner *self, const GstItuningResult *result,
    GstClockTime age)
{
  g_autofree char *text = get_text (result->caption);

  return gst_ituning_caption_new (self->next_id++, text,
      result->caption->confidence, result->job->stream_time,
      result->job->stream_time, GST_CLOCK_TIME_NONE, age, self->model_name,
      result->embedding, (guint) result->n_embedding);
}

/* What is shown from the keyframe on changes; with the lock. */
static void
show (GstItuningCaptioner *self, GstItuningCaption *caption,
    const GstItuningJob *job, GQueue *messages)
{
  GstItuningCue cue;

  if (gst_ituning_cue_track_change (&self->track, caption, job->pts,
          &self->segment, &cue))
    gst_ituning_captioner_emit_cue (self, &cue, messages);
  gst_ituning_captioner_set_current (self, caption);
}

static void
take_caption (GstItuningCaptioner *self, const GstItuningResult *result,
    double min_confidence, GQueue *messages)
{
  const GstClockTime latency = (GstClockTime) (g_get_monotonic_time () -
                                   result->job->submitted) *
      GST_USECOND;
  const GstClockTime age = measure_age (self, result->job, latency);
  g_autoptr (GstItuningCaption) caption = make_caption (self, result, age);
  const gboolean shown = *caption->text != '\0' &&
      caption->confidence >= min_confidence;

  self->stats.captions++;
  gst_ituning_spread_add (&self->stats.latency, latency);
  gst_ituning_spread_add (&self->stats.age, age);
  gst_ituning_spread_add (&self->stats.decode, result->decode_time);
  g_free (self->latest);
  self->latest = g_strdup (caption->text);
  add_message (self, messages, caption, "ituning-caption");
  show (self, shown ? caption : NULL, result->job, messages);
}

/* --- results ------------------------------------------------------------ */

/* With the lock. */
static void
count_result (GstItuningCaptioner *self, const GstItuningResult *result,
    GQueue *messages)
{
  const GstItuningJob *job = result->job;

  if (result->encode_time > 0)
    gst_ituning_spread_add (&self->stats.encode, result->encode_time);
  if (result->outcome == GST_ITUNING_OUTCOME_SAME)
    self->stats.skipped++;
  else if (result->outcome == GST_ITUNING_OUTCOME_DROPPED) {
    self->stats.dropped++;
    gst_ituning_captioner_add_qos (self, messages, job->pts,
        (GstClockTimeDiff) measure_age (self, job, 0));
  } else if (result->outcome == GST_ITUNING_OUTCOME_FAILED)
    self->stats.failed++;
}

static gboolean
warn_now (GstItuningCaptioner *self)
{
  const gint64 now = g_get_monotonic_time ();

  if (self->last_warning != 0 && now - self->last_warning < WARNING_INTERVAL)
    return FALSE;
  self->last_warning = now;
  return TRUE;
}

static void
warn (GstItuningCaptioner *self, const GstItuningResult *result,
    guint64 n_dropped)
{
  if (result->outcome == GST_ITUNING_OUTCOME_FAILED)
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("A frame could not be captioned."), ("%s", result->error->message));
  else
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("Captions cannot keep up with the video; some scenes have none."),
        ("%" G_GUINT64_FORMAT
         " keyframes were dropped so far; a longer min-interval, a smaller "
         "model or more threads would help",
            n_dropped));
}

static double
get_min_confidence (GstItuningCaptioner *self)
{
  double value;

  GST_OBJECT_LOCK (self);
  value = self->settings.min_confidence;
  GST_OBJECT_UNLOCK (self);
  return value;
}

/**
 * gst_ituning_captioner_on_result:
 * @result: what became of a keyframe
 * @captioner: the element
 *
 * Called by the engine.
 */
void
gst_ituning_captioner_on_result (const GstItuningResult *result,
    gpointer captioner)
{
  GstItuningCaptioner *self = captioner;
  const gboolean captioned = result->outcome == GST_ITUNING_OUTCOME_CAPTION;
  const double min_confidence = get_min_confidence (self);
  GQueue messages = G_QUEUE_INIT;
  gboolean warned = FALSE;
  guint64 n_dropped;

  g_mutex_lock (&self->lock);
  if (result->job->epoch != self->epoch) {
    g_mutex_unlock (&self->lock);
    return;
  }
  count_result (self, result, &messages);
  if (captioned)
    take_caption (self, result, min_confidence, &messages);
  else if (result->outcome == GST_ITUNING_OUTCOME_FAILED)
    show (self, NULL, result->job, &messages);
  if (result->outcome == GST_ITUNING_OUTCOME_FAILED ||
      result->outcome == GST_ITUNING_OUTCOME_DROPPED)
    warned = warn_now (self);
  n_dropped = self->stats.dropped;
  g_mutex_unlock (&self->lock);

  if (warned)
    warn (self, result, n_dropped);
  gst_ituning_captioner_post (self, &messages);
  if (captioned)
    g_object_notify (G_OBJECT (self), "caption");

  /* Last, so that whoever waited finds all of it done. */
  g_mutex_lock (&self->lock);
  if (result->job->epoch == self->epoch && self->waiting > 0)
    self->waiting--;
  g_cond_broadcast (&self->answered);
  g_mutex_unlock (&self->lock);
}
