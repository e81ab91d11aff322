/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/hold.h"

/**
 * gst_ituning_hold_add:
 * @item: (transfer full): a buffer, or an event that must stay in its place
 */
void
gst_ituning_hold_add (GstItuningHold *self, GstMiniObject *item)
{
  if (GST_IS_BUFFER (item)) {
    if (self->bytes == 0)
      self->first = GST_BUFFER_PTS (item);
    self->bytes += gst_buffer_get_size (GST_BUFFER (item));
  }
  g_queue_push_tail (&self->items, item);
}

/**
 * gst_ituning_hold_take:
 *
 * Returns: (transfer full) (nullable): the oldest item
 */
GstMiniObject *
gst_ituning_hold_take (GstItuningHold *self)
{
  GstMiniObject *item = g_queue_pop_head (&self->items);

  if (item != NULL && GST_IS_BUFFER (item))
    self->bytes -= gst_buffer_get_size (GST_BUFFER (item));
  return item;
}

/**
 * gst_ituning_hold_is_empty:
 *
 * Returns: whether nothing is held
 */
gboolean
gst_ituning_hold_is_empty (const GstItuningHold *self)
{
  return self->items.length == 0;
}

/**
 * gst_ituning_hold_has_room:
 * @buffer: the next buffer
 * @max_time: longest time from the oldest buffer to it
 * @max_bytes: most bytes together
 *
 * Returns: whether @buffer can be held too; an empty hold has room for any
 */
gboolean
gst_ituning_hold_has_room (const GstItuningHold *self, GstBuffer *buffer,
    GstClockTime max_time, gsize max_bytes)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);

  if (self->bytes == 0)
    return TRUE;
  if (GST_CLOCK_TIME_IS_VALID (pts) && GST_CLOCK_TIME_IS_VALID (self->first) &&
      pts > self->first && pts - self->first > max_time)
    return FALSE;
  return gst_buffer_get_size (buffer) <= max_bytes &&
      self->bytes <= max_bytes - gst_buffer_get_size (buffer);
}

/**
 * gst_ituning_hold_clear:
 *
 * Drops all that is held.
 */
void
gst_ituning_hold_clear (GstItuningHold *self)
{
  g_queue_clear_full (&self->items, (GDestroyNotify) gst_mini_object_unref);
  self->bytes = 0;
}
