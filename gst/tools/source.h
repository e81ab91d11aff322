/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <gst/gst.h>

#include "gst/tools/progress.h"

/* A media file, taken apart into its streams as they are stored. Used by one
 * thread: the one that waits for it. */
typedef struct
{
  char *path; /* owned */
  GstElement *pipeline; /* owned */
  GstElement *muxer; /* owned: what the streams are for; or NULL */
  GPtrArray *pads; /* owned: a GstPad a stream, in the file's order */
  GArray *blocks; /* owned: the probe that holds each */
  const char *output; /* borrowed: what @sink writes, for messages; or NULL */
  GstObject *sink; /* borrowed from @pipeline; or NULL */
  int started; /* atomic: streams that come now come too late */
  char *missing; /* owned: what plugin would be needed; or NULL */
} ToolSource;

/* Gets the messages that are neither errors nor the end. */
typedef gboolean (
    *ToolMessageFunc) (GstMessage *message, gpointer data, GError **error);

gboolean tool_source_init (GError **error);
ToolSource *tool_source_open (const char *path, GstElement *muxer,
    GCancellable *cancellable, GError **error);
GstPadTemplate *tool_source_find_template (GstElement *muxer,
    const GstCaps *caps);
void tool_source_free (ToolSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ToolSource, tool_source_free)

GstCaps *tool_source_get_caps (ToolSource *source, guint stream);
gboolean tool_source_fail_missing (ToolSource *source, GError **error);
gboolean tool_source_has_element (ToolSource *source,
    const char *const *factories);
const char *tool_source_get_demuxer (ToolSource *source, guint stream);
GstElement *tool_source_add (ToolSource *source, const char *factory,
    GError **error);
gboolean tool_source_start (ToolSource *source, GError **error);
gboolean tool_source_wait (ToolSource *source, ToolMessageFunc func,
    gpointer data, ToolProgress *progress, GCancellable *cancellable,
    GError **error);

void tool_source_take_error (ToolSource *source, GstMessage *message,
    GError **error);
void tool_source_note_missing (ToolSource *source, GstMessage *message);
