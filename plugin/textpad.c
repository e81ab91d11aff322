/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/textpad.h"

#include <string.h>

struct _GstItuningTextPad
{
  GstPad parent;

  GMutex lock; /* guards what follows */
  GCond cond;
  GQueue items; /* owned: GstBuffer and GstEvent, next first */
  gboolean flushing; /* takes nothing, and the task stops */
  gboolean started; /* a stream-start was queued */
  gboolean has_segment; /* and a segment, since the last flush */
  GstClockTime position; /* up to where the receiver knows all */
  GstPad *receiver; /* owned reference: who has what is pushed now; or NULL */
};

G_DEFINE_TYPE (GstItuningTextPad, gst_ituning_text_pad, GST_TYPE_PAD)

/* --- task --------------------------------------------------------------- */

static GstMiniObject *
wait_for_item (GstItuningTextPad *self)
{
  GstMiniObject *item;

  g_mutex_lock (&self->lock);
  while (self->items.length == 0 && !self->flushing)
    g_cond_wait (&self->cond, &self->lock);
  item = self->flushing ? NULL : g_queue_pop_head (&self->items);
  g_mutex_unlock (&self->lock);
  return item;
}

static void
set_receiver (GstItuningTextPad *self, GstPad *receiver)
{
  GstPad *old;

  g_mutex_lock (&self->lock);
  old = self->receiver;
  self->receiver = receiver;
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&old, gst_object_unref);
}

static void
push_item (GstItuningTextPad *self, GstMiniObject *item)
{
  GstFlowReturn flow;

  if (GST_IS_EVENT (item)) {
    gst_pad_push_event (GST_PAD (self), GST_EVENT (item));
    return;
  }
  flow = gst_pad_push (GST_PAD (self), GST_BUFFER (item));
  if (flow < GST_FLOW_OK)
    GST_DEBUG_OBJECT (self, "text is not taken: %s", gst_flow_get_name (flow));
}

static void
run (gpointer data)
{
  GstItuningTextPad *self = data;
  GstMiniObject *item = wait_for_item (self);

  if (item == NULL) {
    gst_pad_pause_task (GST_PAD (self));
    return;
  }
  set_receiver (self, gst_pad_get_peer (GST_PAD (self)));
  push_item (self, item);
  set_receiver (self, NULL);
}

static void
clear_items (GstItuningTextPad *self)
{
  g_queue_clear_full (&self->items, (GDestroyNotify) gst_mini_object_unref);
}

/* What a flush does not undo. */
static gboolean
outlives_flush (GstMiniObject *item)
{
  return GST_IS_EVENT (item) &&
      (GST_EVENT_TYPE (item) == GST_EVENT_STREAM_START ||
          GST_EVENT_TYPE (item) == GST_EVENT_CAPS ||
          GST_EVENT_TYPE (item) == GST_EVENT_TAG);
}

static void
flush_items (GstItuningTextPad *self)
{
  for (guint n = self->items.length; n > 0; n--) {
    GstMiniObject *item = g_queue_pop_head (&self->items);
    if (outlives_flush (item))
      g_queue_push_tail (&self->items, item);
    else
      gst_mini_object_unref (item);
  }
}

static void
stop_taking (GstItuningTextPad *self)
{
  g_mutex_lock (&self->lock);
  self->flushing = TRUE;
  flush_items (self);
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

static void
start_taking (GstItuningTextPad *self)
{
  g_mutex_lock (&self->lock);
  self->flushing = FALSE;
  self->has_segment = FALSE;
  self->position = GST_CLOCK_TIME_NONE;
  g_mutex_unlock (&self->lock);
}

static gboolean
activate_mode (GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstItuningTextPad *self = GST_ITUNING_TEXT_PAD (pad);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (active) {
    start_taking (self);
    return gst_pad_start_task (pad, run, self, NULL);
  }
  stop_taking (self);
  g_mutex_lock (&self->lock);
  clear_items (self);
  self->started = self->has_segment = FALSE;
  g_mutex_unlock (&self->lock);
  return gst_pad_stop_task (pad);
}

/* --- queue -------------------------------------------------------------- */

/* Nothing goes out before the stream has started, and no data before it has a
 * segment. */
static gboolean
may_go (GstItuningTextPad *self, GstMiniObject *item)
{
  const gboolean data = GST_IS_BUFFER (item) ||
      GST_EVENT_TYPE (item) == GST_EVENT_GAP;

  return self->started && (self->has_segment || !data);
}

/* With the lock. */
static void
enqueue (GstItuningTextPad *self, GstMiniObject *item)
{
  if (self->flushing || !may_go (self, item)) {
    gst_mini_object_unref (item);
  } else {
    g_queue_push_tail (&self->items, item);
    g_cond_signal (&self->cond);
  }
}

/**
 * gst_ituning_text_pad_start:
 * @stream_start: (transfer full)
 * @caps: (transfer full)
 * @tag: (transfer full): its first events
 *
 * Begins a stream. The events stay together: the video's thread may have the
 * next one ready.
 */
void
gst_ituning_text_pad_start (GstItuningTextPad *self, GstEvent *stream_start,
    GstEvent *caps, GstEvent *tag)
{
  g_mutex_lock (&self->lock);
  self->started = !self->flushing;
  enqueue (self, GST_MINI_OBJECT_CAST (stream_start));
  enqueue (self, GST_MINI_OBJECT_CAST (caps));
  enqueue (self, GST_MINI_OBJECT_CAST (tag));
  g_mutex_unlock (&self->lock);
}

/**
 * gst_ituning_text_pad_push_event:
 * @event: (transfer full): a serialized event, not a stream's first
 *
 * Queues an event behind what waits already.
 */
void
gst_ituning_text_pad_push_event (GstItuningTextPad *self, GstEvent *event)
{
  g_mutex_lock (&self->lock);
  if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
    self->position = GST_CLOCK_TIME_NONE;
    self->has_segment = !self->flushing;
  }
  enqueue (self, GST_MINI_OBJECT_CAST (event));
  g_mutex_unlock (&self->lock);
}

/**
 * gst_ituning_text_pad_is_started:
 *
 * Returns: whether a stream-start was queued since the pad became active
 */
gboolean
gst_ituning_text_pad_is_started (GstItuningTextPad *self)
{
  gboolean started;

  g_mutex_lock (&self->lock);
  started = self->started;
  g_mutex_unlock (&self->lock);
  return started;
}

/* Told that there is nothing before @pts any more; FALSE if that is known. With
 * the lock. */
static gboolean
advance (GstItuningTextPad *self, GstClockTime pts)
{
  const gboolean ahead = !GST_CLOCK_TIME_IS_VALID (self->position) ||
      pts > self->position;

  if (ahead)
    self->position = pts;
  return ahead;
}

/**
 * gst_ituning_text_pad_push_cue:
 * @text: UTF-8; empty for a heartbeat
 * @pts: start, in the segment's time
 * @duration: above 0
 *
 * Queues a cue.
 */
void
gst_ituning_text_pad_push_cue (GstItuningTextPad *self, const char *text,
    GstClockTime pts, GstClockTime duration)
{
  const gsize size = strlen (text);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size + 1, NULL);

  /* A NUL behind the text helps receivers that look for one. */
  gst_buffer_fill (buffer, 0, text, size + 1);
  gst_buffer_set_size (buffer, (gssize) size);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = duration;
  g_mutex_lock (&self->lock);
  advance (self, pts);
  enqueue (self, GST_MINI_OBJECT_CAST (buffer));
  g_mutex_unlock (&self->lock);
}

/**
 * gst_ituning_text_pad_push_gap:
 * @pts: in the segment's time
 *
 * Tells downstream that no cue will start before @pts. A gap that waits
 * already is moved on, so that a slow receiver does not pile them up.
 */
void
gst_ituning_text_pad_push_gap (GstItuningTextPad *self, GstClockTime pts)
{
  GstMiniObject *last;

  g_mutex_lock (&self->lock);
  if (advance (self, pts)) {
    last = g_queue_peek_tail (&self->items);
    if (last != NULL && GST_IS_EVENT (last) &&
        GST_EVENT_TYPE (last) == GST_EVENT_GAP)
      gst_mini_object_unref (g_queue_pop_tail (&self->items));
    enqueue (self,
        GST_MINI_OBJECT_CAST (gst_event_new_gap (pts, GST_CLOCK_TIME_NONE)));
  }
  g_mutex_unlock (&self->lock);
}

/**
 * gst_ituning_text_pad_flush_start:
 *
 * Drops what waits and unblocks a push downstream.
 */
void
gst_ituning_text_pad_flush_start (GstItuningTextPad *self)
{
  stop_taking (self);
  gst_pad_push_event (GST_PAD (self), gst_event_new_flush_start ());
  gst_pad_pause_task (GST_PAD (self));
}

/**
 * gst_ituning_text_pad_flush_stop:
 *
 * Goes on after gst_ituning_text_pad_flush_start ().
 */
void
gst_ituning_text_pad_flush_stop (GstItuningTextPad *self)
{
  gst_pad_push_event (GST_PAD (self), gst_event_new_flush_stop (TRUE));
  start_taking (self);
  gst_pad_start_task (GST_PAD (self), run, self, NULL);
}

/* Returns: (transfer full) (nullable): where a push may wait: at the peer, or at
 * the pad that was the peer when the push began. That one is left alone where
 * another pad is linked to it now, whose stream would be flushed. */
static GstPad *
get_receiver (GstItuningTextPad *self)
{
  g_autoptr (GstPad) receiver = gst_pad_get_peer (GST_PAD (self));

  if (receiver != NULL)
    return g_steal_pointer (&receiver);
  g_mutex_lock (&self->lock);
  if (self->receiver != NULL)
    receiver = gst_object_ref (self->receiver);
  g_mutex_unlock (&self->lock);
  if (receiver == NULL || gst_pad_is_linked (receiver))
    return NULL;
  return g_steal_pointer (&receiver);
}

/**
 * gst_ituning_text_pad_stop:
 *
 * Ends the pad's task for good, before the pad goes. Who waits downstream, in a
 * paused sink or a muxer, is flushed: else the task could not end.
 */
void
gst_ituning_text_pad_stop (GstItuningTextPad *self)
{
  g_autoptr (GstPad) receiver = get_receiver (self);

  if (receiver != NULL)
    gst_pad_send_event (receiver, gst_event_new_flush_start ());
  gst_pad_set_active (GST_PAD (self), FALSE);
  if (receiver != NULL)
    gst_pad_send_event (receiver, gst_event_new_flush_stop (TRUE));
}

/* --- object ------------------------------------------------------------- */

static void
gst_ituning_text_pad_finalize (GObject *object)
{
  GstItuningTextPad *self = GST_ITUNING_TEXT_PAD (object);

  clear_items (self);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  G_OBJECT_CLASS (gst_ituning_text_pad_parent_class)->finalize (object);
}

static void
gst_ituning_text_pad_class_init (GstItuningTextPadClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = gst_ituning_text_pad_finalize;
}

static void
gst_ituning_text_pad_init (GstItuningTextPad *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_queue_init (&self->items);
  self->flushing = TRUE;
  self->position = GST_CLOCK_TIME_NONE;
}

/**
 * gst_ituning_text_pad_new:
 * @template: its template
 * @name: (nullable): its name
 *
 * Returns: (transfer floating): a pad, not active yet
 */
GstPad *
gst_ituning_text_pad_new (GstPadTemplate *template, const char *name)
{
  GstPad *pad = g_object_new (GST_TYPE_ITUNING_TEXT_PAD, "name", name,
      "direction", GST_PAD_SRC, "template", template, NULL);

  gst_pad_set_activatemode_function (pad, activate_mode);
  gst_pad_use_fixed_caps (pad);
  return pad;
}
