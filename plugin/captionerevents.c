/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/captioner-private.h"

#include "plugin/context.h"

#define GST_CAT_DEFAULT gst_ituning_captioner_debug

/* --- the text pad's beginning ------------------------------------------- */

static GstEvent *
make_stream_start (GstItuningCaptioner *self, GstItuningTextPad *text,
    GstEvent *upstream)
{
  g_autofree char *id = gst_pad_create_stream_id (GST_PAD (text),
      GST_ELEMENT (self), "caption");
  GstEvent *event = gst_event_new_stream_start (id);
  guint group;

  gst_event_set_stream_flags (event, GST_STREAM_FLAG_SPARSE);
  if (gst_event_parse_group_id (upstream, &group))
    gst_event_set_group_id (event, group);
  gst_event_set_seqnum (event, gst_event_get_seqnum (upstream));
  return event;
}

static GstEvent *
make_caps (void)
{
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("text/x-raw", "format",
      G_TYPE_STRING, "utf8", NULL);

  return gst_event_new_caps (caps);
}

static GstEvent *
make_tag (GstItuningCaptioner *self)
{
  GstTagList *tags = gst_tag_list_new (GST_TAG_TITLE, "Captions", NULL);

  GST_OBJECT_LOCK (self);
  if (self->settings.language != NULL && *self->settings.language != '\0')
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_LANGUAGE_CODE,
        self->settings.language, NULL);
  GST_OBJECT_UNLOCK (self);
  return gst_event_new_tag (tags);
}

/* The segment that video is in; with the lock. */
static void
send_segment (GstItuningCaptioner *self, GstItuningTextPad *text)
{
  GstEvent *event;

  if (self->segment.format == GST_FORMAT_UNDEFINED)
    return;
  event = gst_event_new_segment (&self->segment);
  gst_event_set_seqnum (event, self->segment_seqnum);
  gst_ituning_text_pad_push_event (text, event);
}

/**
 * gst_ituning_captioner_start_text:
 * @text: a new text pad
 *
 * Sends what the video has been told so far: its stream and its segment. That
 * happens on the thread that requests the pad or, if the video's next segment
 * comes in before, on the video's.
 */
void
gst_ituning_captioner_start_text (GstItuningCaptioner *self,
    GstItuningTextPad *text)
{
  g_autoptr (GstEvent) upstream = gst_pad_get_sticky_event (self->sinkpad,
      GST_EVENT_STREAM_START, 0);
  g_autoptr (GstEvent) start = NULL, caps = NULL, tag = NULL;

  if (upstream == NULL)
    return;
  start = make_stream_start (self, text, upstream);
  caps = make_caps ();
  tag = make_tag (self);
  g_mutex_lock (&self->lock);
  if (!gst_ituning_text_pad_is_started (text)) {
    gst_ituning_text_pad_start (text, g_steal_pointer (&start),
        g_steal_pointer (&caps), g_steal_pointer (&tag));
    send_segment (self, text);
  }
  g_mutex_unlock (&self->lock);
}

static GstItuningTextPad *
get_text (GstItuningCaptioner *self)
{
  GstItuningTextPad *text;

  g_mutex_lock (&self->lock);
  text = self->text != NULL ? g_object_ref (self->text) : NULL;
  g_mutex_unlock (&self->lock);
  return text;
}

/* --- events ------------------------------------------------------------- */

/* A sticky event that does not get through now, in a flush or a change of state,
 * goes with the next buffer, whose flow tells what is wrong. */
static gboolean
push_video_event (GstItuningCaptioner *self, GstEvent *event)
{
  const gboolean sticky = GST_EVENT_IS_STICKY (event);

  return gst_pad_push_event (self->srcpad, event) || sticky;
}

/* What must stay behind held video waits with it. */
static gboolean
forward (GstItuningCaptioner *self, GstEvent *event)
{
  if (GST_EVENT_IS_SERIALIZED (event) &&
      !gst_ituning_hold_is_empty (&self->hold)) {
    gst_ituning_hold_add (&self->hold, GST_MINI_OBJECT_CAST (event));
    return TRUE;
  }
  return push_video_event (self, event);
}

static gboolean
on_stream_start (GstItuningCaptioner *self, GstEvent *event)
{
  g_autoptr (GstItuningTextPad) text = get_text (self);

  gst_ituning_captioner_finish_cue (self);
  gst_ituning_pictures_set_orientation (&self->pictures,
      GST_VIDEO_ORIENTATION_IDENTITY);
  if (text != NULL)
    gst_ituning_text_pad_start (text, make_stream_start (self, text, event),
        make_caps (), make_tag (self));
  return push_video_event (self, event);
}

static gboolean
on_caps (GstItuningCaptioner *self, GstEvent *event)
{
  GstCaps *caps;

  gst_event_parse_caps (event, &caps);
  if (!gst_video_info_from_caps (&self->info, caps)) {
    gst_event_unref (event);
    return FALSE;
  }
  gst_ituning_pictures_set_info (&self->pictures, &self->info,
      self->image_size);
  return forward (self, event);
}

/* Frames of the old segment keep their captions; what is still to come of
 * them, live, is not wanted any more. */
static gboolean
on_segment (GstItuningCaptioner *self, GstEvent *event)
{
  g_autoptr (GstItuningTextPad) late = NULL;

  gst_ituning_captioner_finish_cue (self);
  gst_ituning_sampler_reset (self->sampler);
  self->next_heartbeat = self->text_until = GST_CLOCK_TIME_NONE;
  g_mutex_lock (&self->lock);
  self->epoch++;
  gst_event_copy_segment (event, &self->segment);
  self->segment_seqnum = gst_event_get_seqnum (event);
  self->end = GST_CLOCK_TIME_NONE;
  if (self->text != NULL && gst_ituning_text_pad_is_started (self->text))
    send_segment (self, self->text);
  else if (self->text != NULL)
    late = g_object_ref (self->text);
  g_mutex_unlock (&self->lock);
  /* A pad that was requested while the stream started has missed it. */
  if (late != NULL)
    gst_ituning_captioner_start_text (self, late);
  return push_video_event (self, event);
}

static gboolean
on_tag (GstItuningCaptioner *self, GstEvent *event)
{
  GstVideoOrientationMethod method;
  GstTagList *tags;

  gst_event_parse_tag (event, &tags);
  if (gst_video_orientation_from_tag (tags, &method))
    gst_ituning_pictures_set_orientation (&self->pictures, method);
  return forward (self, event);
}

static gboolean
on_gap (GstItuningCaptioner *self, GstEvent *event)
{
  g_autoptr (GstItuningTextPad) text = get_text (self);
  GstClockTime start, duration;

  gst_event_parse_gap (event, &start, &duration);
  if (text != NULL && GST_CLOCK_TIME_IS_VALID (start))
    gst_ituning_text_pad_push_gap (text, start);
  return forward (self, event);
}

/* The video's end goes on at once. The text's comes when the last caption is
 * there; live, that is waited for no longer than the drain-timeout. */
static gboolean
on_end (GstItuningCaptioner *self, GstEvent *event)
{
  g_autoptr (GstItuningTextPad) text = get_text (self);
  GstClockTime timeout;
  gboolean sent;

  if (!self->live) {
    gst_ituning_captioner_finish_cue (self);
    if (text != NULL)
      gst_ituning_text_pad_push_event (text, gst_event_ref (event));
    return push_video_event (self, event);
  }
  sent = gst_pad_push_event (self->srcpad, gst_event_ref (event));
  GST_OBJECT_LOCK (self);
  timeout = self->settings.drain_timeout;
  GST_OBJECT_UNLOCK (self);
  if (self->stream != NULL && !gst_ituning_stream_drain (self->stream, timeout))
    GST_INFO_OBJECT (self, "ended without the last caption");
  gst_ituning_captioner_finish_cue (self);
  if (text != NULL)
    gst_ituning_text_pad_push_event (text, gst_event_ref (event));
  gst_event_unref (event);
  return sent;
}

static gboolean
on_flush_start (GstItuningCaptioner *self, GstEvent *event)
{
  g_autoptr (GstItuningTextPad) text = get_text (self);
  const gboolean sent = gst_pad_push_event (self->srcpad, event);

  g_mutex_lock (&self->lock);
  self->flushing = TRUE;
  self->epoch++;
  if (self->stream != NULL)
    gst_ituning_stream_flush (self->stream);
  g_cond_broadcast (&self->answered);
  g_mutex_unlock (&self->lock);
  if (text != NULL)
    gst_ituning_text_pad_flush_start (text);
  return sent;
}

static gboolean
on_flush_stop (GstItuningCaptioner *self, GstEvent *event)
{
  g_autoptr (GstItuningTextPad) text = get_text (self);

  gst_ituning_captioner_forget (self);
  g_mutex_lock (&self->lock);
  self->flushing = FALSE;
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  if (self->stream != NULL)
    gst_ituning_stream_resume (self->stream);
  g_mutex_unlock (&self->lock);
  if (text != NULL)
    gst_ituning_text_pad_flush_stop (text);
  return push_video_event (self, event);
}

/**
 * gst_ituning_captioner_sink_event:
 *
 * The sink pad's event function.
 */
gboolean
gst_ituning_captioner_sink_event (GstPad *pad, GstObject *parent,
    GstEvent *event)
{
  GstItuningCaptioner *self = GST_ITUNING_CAPTIONER (parent);

  GST_LOG_OBJECT (self, "%" GST_PTR_FORMAT, event);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      return on_stream_start (self, event);
    case GST_EVENT_CAPS:
      return on_caps (self, event);
    case GST_EVENT_SEGMENT:
      return on_segment (self, event);
    case GST_EVENT_TAG:
      return on_tag (self, event);
    case GST_EVENT_GAP:
      return on_gap (self, event);
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE:
      return on_end (self, event);
    case GST_EVENT_FLUSH_START:
      return on_flush_start (self, event);
    case GST_EVENT_FLUSH_STOP:
      return on_flush_stop (self, event);
    default:
      return forward (self, event);
  }
}

/* --- queries ------------------------------------------------------------ */

static gboolean
answer_context (GstItuningCaptioner *self, GstQuery *query)
{
  GstItuningEngines *engines;
  gboolean answered;

  GST_OBJECT_LOCK (self);
  engines = self->engines != NULL ? gst_ituning_engines_ref (self->engines)
                                  : NULL;
  GST_OBJECT_UNLOCK (self);
  answered = gst_ituning_context_answer (query, engines);
  gst_ituning_engines_unref (engines);
  return answered;
}

/* Held buffers must not come from a pool that could run dry. */
static gboolean
answer_allocation (GstItuningCaptioner *self, GstQuery *query)
{
  gboolean holds;

  GST_OBJECT_LOCK (self);
  holds = self->settings.max_held_time > 0;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->lock);
  holds = holds && self->text != NULL;
  g_mutex_unlock (&self->lock);
  if (!holds && !gst_pad_peer_query (self->srcpad, query))
    return FALSE;
  if (!gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL))
    gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  return TRUE;
}

/* By the template alone: downstream, which would be asked by default, may be
 * stopping, and refuses what it cannot take when it gets it. */
static gboolean
answer_accept_caps (GstPad *pad, GstQuery *query)
{
  g_autoptr (GstCaps) accepted = gst_pad_get_pad_template_caps (pad);
  GstCaps *caps;

  gst_query_parse_accept_caps (query, &caps);
  gst_query_set_accept_caps_result (query,
      gst_caps_can_intersect (caps, accepted));
  return TRUE;
}

/**
 * gst_ituning_captioner_sink_query:
 *
 * The sink pad's query function.
 */
gboolean
gst_ituning_captioner_sink_query (GstPad *pad, GstObject *parent,
    GstQuery *query)
{
  GstItuningCaptioner *self = GST_ITUNING_CAPTIONER (parent);

  if (GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION)
    return answer_allocation (self, query);
  if (GST_QUERY_TYPE (query) == GST_QUERY_ACCEPT_CAPS)
    return answer_accept_caps (pad, query);
  return answer_context (self, query) ||
      gst_pad_query_default (pad, parent, query);
}

/**
 * gst_ituning_captioner_src_query:
 *
 * The source pads' query function. Latency is upstream's: live video is never
 * delayed.
 */
gboolean
gst_ituning_captioner_src_query (GstPad *pad, GstObject *parent,
    GstQuery *query)
{
  return answer_context (GST_ITUNING_CAPTIONER (parent), query) ||
      gst_pad_query_default (pad, parent, query);
}
