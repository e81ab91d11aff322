/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/order.h"

/* Matroska stores when a frame is shown but not when it is decoded; MP4 needs
 * both. The frames are stored in the order in which they are decoded: the n-th
 * is decoded when the n-th that is shown would be, and everything is shown
 * later by as much as keeps each frame from being shown before it is decoded.
 */

static void
free_order (gpointer order)
{
  if (order == NULL)
    return;
  g_array_unref (((ToolOrder *) order)->times);
  g_free (order);
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  const GstClockTime x = *(const GstClockTime *) a,
                     y = *(const GstClockTime *) b;

  return x < y ? -1 : x > y;
}

/* --- reading ------------------------------------------------------------ */

static GstPadProbeReturn
on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer order)
{
  const GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  const GstClockTime time = GST_BUFFER_PTS (buffer);

  g_array_append_val (((ToolOrder *) order)->times, time);
  return GST_PAD_PROBE_OK;
}

/* Frames without a time, or with a time of decoding, are left as they are. */
static void
finish_order (ToolOrder *self)
{
  g_autoptr (GArray) stored = g_array_copy (self->times);

  g_array_sort (self->times, compare_times);
  for (guint i = 0; i < stored->len; i++) {
    const GstClockTime shown = g_array_index (stored, GstClockTime, i);
    const GstClockTime decoded = g_array_index (self->times, GstClockTime, i);
    if (shown < decoded)
      self->delay = MAX (self->delay, decoded - shown);
  }
}

static gboolean
add_reader (ToolSource *source, guint stream, ToolOrder *order, GError **error)
{
  GstElement *sink = tool_source_add (source, "fakesink", error);
  g_autoptr (GstPad) in = NULL;

  if (sink == NULL)
    return FALSE;
  g_object_set (sink, "sync", FALSE, "async", FALSE, NULL);
  in = gst_element_get_static_pad (sink, "sink");
  gst_pad_link (g_ptr_array_index (source->pads, stream), in);
  gst_pad_add_probe (g_ptr_array_index (source->pads, stream),
      GST_PAD_PROBE_TYPE_BUFFER, on_frame, order, NULL);
  return TRUE;
}

static gboolean
ignore_message (GstMessage *message, gpointer data, GError **error)
{
  return TRUE;
}

/* Returns NULL for a stream that needs none. */
static ToolOrder *
make_order (ToolSource *source, guint stream)
{
  g_autoptr (GstCaps) caps = tool_source_get_caps (source, stream);
  ToolOrder *order;

  if (gst_caps_get_size (caps) == 0 ||
      !g_str_has_prefix (gst_structure_get_name (
                             gst_caps_get_structure (caps, 0)),
          "video/") ||
      g_strcmp0 (tool_source_get_demuxer (source, stream), "matroskademux") !=
          0)
    return NULL;
  order = g_new0 (ToolOrder, 1);
  order->times = g_array_new (FALSE, FALSE, sizeof (GstClockTime));
  return order;
}

/**
 * tool_orders_read:
 * @path: a media file, which is read to its end when it does not say when its
 *   frames are decoded
 * @muxer: where its streams are to go
 * @delay: (out): by how much all of its streams are to be shown later
 *
 * Returns: (transfer full): an order, or %NULL, for each stream; or %NULL with
 *   a reason as tool_source_open ()
 */
GPtrArray *
tool_orders_read (const char *path, GstElement *muxer, GstClockTime *delay,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) orders = g_ptr_array_new ();
  g_autoptr (ToolSource) source = tool_source_open (path, muxer, cancellable,
      error);
  gboolean wanted = FALSE;

  if (source == NULL)
    return NULL;
  g_ptr_array_set_free_func (orders, free_order);
  for (guint i = 0; i < source->pads->len; i++) {
    ToolOrder *order = make_order (source, i);
    g_ptr_array_add (orders, order);
    if (order != NULL && !add_reader (source, i, order, error))
      return NULL;
    wanted = wanted || order != NULL;
  }
  if (wanted &&
      (!tool_source_start (source, error) ||
          !tool_source_wait (source, ignore_message, NULL, NULL, cancellable,
              error)))
    return NULL;
  g_clear_pointer (&source, tool_source_free);
  *delay = 0;
  for (guint i = 0; i < orders->len; i++) {
    ToolOrder *order = g_ptr_array_index (orders, i);
    if (order == NULL)
      continue;
    finish_order (order);
    *delay = MAX (*delay, order->delay);
  }
  for (guint i = 0; i < orders->len; i++) {
    if (g_ptr_array_index (orders, i) != NULL)
      ((ToolOrder *) g_ptr_array_index (orders, i))->delay = *delay;
  }
  return g_steal_pointer (&orders);
}

/* --- writing ------------------------------------------------------------ */

/* Without an end, which the last frames would now be beyond. */
static GstEvent *
open_segment (GstEvent *event)
{
  GstSegment segment;
  GstEvent *open;

  gst_event_copy_segment (event, &segment);
  segment.stop = GST_CLOCK_TIME_NONE;
  segment.duration = GST_CLOCK_TIME_NONE;
  open = gst_event_new_segment (&segment);
  gst_event_set_seqnum (open, gst_event_get_seqnum (event));
  gst_event_unref (event);
  return open;
}

/* The last frame ends the whole. When the file does not say how long it lasts,
 * it lasts as long as the one before: not at all would lose it. */
static GstClockTime
guess_last_duration (const ToolOrder *self, const GstBuffer *buffer)
{
  const guint n = self->times->len;

  if (GST_BUFFER_DURATION_IS_VALID (buffer) || n < 2)
    return GST_BUFFER_DURATION (buffer);
  return g_array_index (self->times, GstClockTime, n - 1) -
      g_array_index (self->times, GstClockTime, n - 2);
}

static GstPadProbeReturn
on_stored (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  ToolOrder *self = data;
  GstBuffer *buffer;

  if ((info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) != 0) {
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
    if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
      info->data = open_segment (event);
    return GST_PAD_PROBE_OK;
  }
  buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  if (GST_BUFFER_PTS_IS_VALID (buffer) && self->next < self->times->len) {
    GST_BUFFER_PTS (buffer) += self->delay;
    GST_BUFFER_DTS (
        buffer) = g_array_index (self->times, GstClockTime, self->next);
    if (self->next + 1 == self->times->len)
      GST_BUFFER_DURATION (buffer) = guess_last_duration (self, buffer);
  }
  self->next++;
  info->data = buffer;
  return GST_PAD_PROBE_OK;
}

/**
 * tool_order_apply:
 * @order: of the stream; outlives the pipeline
 * @pad: where it flows
 *
 * Gives each frame the time at which it is decoded, and shows it later by the
 * order's delay.
 */
void
tool_order_apply (ToolOrder *order, GstPad *pad)
{
  gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      on_stored, order, NULL);
}
