/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/source.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "model/ituning.h"

/* parsebin does not say when it has made all its pads. But nothing comes out of
 * any of them before: the first buffer, or the end, tells. Until the streams
 * are linked every pad is held at its first buffer. */

#define READY "tool-source-ready"
#define POLL_INTERVAL (100 * GST_MSECOND)

static gboolean
fail (const char *path, const char *cause, GError **error)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT, "%s: %s", path,
      cause);
  return FALSE;
}

/**
 * tool_source_init:
 *
 * Loads GStreamer; may be called again.
 *
 * Returns: FALSE when it cannot be used
 */
gboolean
tool_source_init (GError **error)
{
  g_autoptr (GError) reason = NULL;

  if (gst_init_check (NULL, NULL, &reason))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      "GStreamer cannot be used: %s", reason != NULL ? reason->message : "");
  return FALSE;
}

static gboolean
check_file (const char *path, GError **error)
{
  struct stat info;

  if (stat (path, &info) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN, "%s: %s", path,
        g_strerror (errno));
    return FALSE;
  }
  if (S_ISDIR (info.st_mode))
    return fail (path, "is a folder, not a video", error);
  if (S_ISREG (info.st_mode) && info.st_size == 0)
    return fail (path, "the file is empty", error);
  return TRUE;
}

/* --- streams ------------------------------------------------------------ */

static GstPadProbeReturn
on_first_data (GstPad *pad, GstPadProbeInfo *info, gpointer pipeline)
{
  if ((info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) != 0 &&
      GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_EOS)
    return GST_PAD_PROBE_PASS;
  gst_element_post_message (pipeline,
      gst_message_new_application (GST_OBJECT (pipeline),
          gst_structure_new_empty (READY)));
  return GST_PAD_PROBE_OK;
}

/* Some demuxers, as that of FLV, find a stream when its first data comes. A
 * muxer has written its header by then. */
static void
on_late_pad (GstElement *parsebin, ToolSource *self)
{
  if (self->muxer != NULL)
    GST_ELEMENT_ERROR (parsebin, STREAM, DEMUX,
        ("a stream is found too late to be copied"), (NULL));
}

static void
on_pad_added (GstElement *parsebin, GstPad *pad, ToolSource *self)
{
  gulong block;

  if (g_atomic_int_get (&self->started)) {
    on_late_pad (parsebin, self);
    return;
  }
  block = gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER |
          GST_PAD_PROBE_TYPE_BUFFER_LIST | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      on_first_data, self->pipeline, NULL);

  GST_OBJECT_LOCK (self->pipeline);
  g_ptr_array_add (self->pads, gst_object_ref (pad));
  g_array_append_val (self->blocks, block);
  GST_OBJECT_UNLOCK (self->pipeline);
}

/**
 * tool_source_find_template:
 * @muxer: a muxer
 * @caps: a stream
 *
 * Returns: (transfer none) (nullable): the template of the pads that take @caps
 */
GstPadTemplate *
tool_source_find_template (GstElement *muxer, const GstCaps *caps)
{
  GList *templates = gst_element_class_get_pad_template_list (
      GST_ELEMENT_GET_CLASS (muxer));

  for (GList *l = templates; l != NULL; l = l->next) {
    if (GST_PAD_TEMPLATE_DIRECTION (l->data) == GST_PAD_SINK &&
        gst_caps_can_intersect (GST_PAD_TEMPLATE_CAPS (l->data), caps))
      return l->data;
  }
  return NULL;
}

/* What @pad comes from. */
static const char *
get_origin (GstPad *pad)
{
  g_autoptr (GstPad) target = gst_ghost_pad_get_target (GST_GHOST_PAD (pad));
  g_autoptr (GstElement) element = target != NULL
      ? gst_pad_get_parent_element (target)
      : NULL;
  GstElementFactory *factory = element != NULL
      ? gst_element_get_factory (element)
      : NULL;

  return factory != NULL
      ? gst_plugin_feature_get_name (GST_PLUGIN_FEATURE (factory))
      : NULL;
}

/**
 * tool_source_has_element:
 * @factories: names of elements, %NULL at the end
 *
 * Returns: whether one of them takes part in reading the file
 */
gboolean
tool_source_has_element (ToolSource *source, const char *const *factories)
{
  GstIterator *elements = gst_bin_iterate_recurse (GST_BIN (source->pipeline));
  GValue item = G_VALUE_INIT;
  gboolean found = FALSE;

  while (!found && gst_iterator_next (elements, &item) == GST_ITERATOR_OK) {
    GstElementFactory *factory = gst_element_get_factory (
        g_value_get_object (&item));
    found = factory != NULL &&
        g_strv_contains (factories,
            gst_plugin_feature_get_name (GST_PLUGIN_FEATURE (factory)));
    g_value_reset (&item);
  }
  g_value_unset (&item);
  gst_iterator_free (elements);
  return found;
}

/**
 * tool_source_get_demuxer:
 * @stream: index of a stream
 *
 * Returns: (nullable): name of the element that the stream comes out of as it is
 *   stored: a demuxer, unless a parser had to follow
 */
const char *
tool_source_get_demuxer (ToolSource *source, guint stream)
{
  return get_origin (g_ptr_array_index (source->pads, stream));
}

/* Whether what comes out of @pad is cut into frames already. */
static gboolean
is_framed (GstPad *pad)
{
  const char *origin = get_origin (pad);

  return g_strcmp0 (origin, "matroskademux") == 0 ||
      g_strcmp0 (origin, "qtdemux") == 0;
}

/* Without a parser where none is needed: h264parse puts the parameter sets into
 * the first frame once more, and then the stream is not what it was. */
static gboolean
on_continue (GstElement *parsebin, GstPad *pad, GstCaps *caps, ToolSource *self)
{
  return self->muxer == NULL || !is_framed (pad) ||
      tool_source_find_template (self->muxer, caps) == NULL;
}

/**
 * tool_source_get_caps:
 * @stream: index of a stream
 *
 * Returns: (transfer full): what it holds
 */
GstCaps *
tool_source_get_caps (ToolSource *source, guint stream)
{
  GstPad *pad = g_ptr_array_index (source->pads, stream);
  GstCaps *caps = gst_pad_get_current_caps (pad);

  return caps != NULL ? caps : gst_pad_query_caps (pad, NULL);
}

/**
 * tool_source_add:
 * @factory: name of an element
 *
 * Returns: (transfer none): a new one in the pipeline; or %NULL with
 *   %ITUNING_ERROR_UNSUPPORTED
 */
GstElement *
tool_source_add (ToolSource *source, const char *factory, GError **error)
{
  GstElement *element = gst_element_factory_make (factory, NULL);

  if (element == NULL) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "the GStreamer element %s is missing", factory);
    return NULL;
  }
  gst_bin_add (GST_BIN (source->pipeline), element);
  return element;
}

/* Links filesrc and parsebin and waits for the streams. */
static gboolean
build (ToolSource *self, GCancellable *cancellable, GError **error)
{
  GstElement *file = tool_source_add (self, "filesrc", error);
  GstElement *parsebin = file != NULL
      ? tool_source_add (self, "parsebin", error)
      : NULL;

  if (parsebin == NULL)
    return FALSE;
  g_object_set (file, "location", self->path, NULL);
  gst_element_link (file, parsebin);
  g_signal_connect (parsebin, "autoplug-continue", G_CALLBACK (on_continue),
      self);
  g_signal_connect (parsebin, "pad-added", G_CALLBACK (on_pad_added), self);
  gst_element_set_state (self->pipeline, GST_STATE_PAUSED);
  return tool_source_wait (self, NULL, NULL, NULL, cancellable, error);
}

/**
 * tool_source_open:
 * @path: any file that GStreamer can take apart
 * @muxer: (nullable): where the streams are to go: those that it takes as they
 *   are stored stay so
 *
 * Returns: (transfer full): the file with its streams, each held at its
 *   beginning; or %NULL with a reason that names the file
 */
ToolSource *
tool_source_open (const char *path, GstElement *muxer,
    GCancellable *cancellable, GError **error)
{
  ToolSource *self;

  if (!check_file (path, error) || !tool_source_init (error))
    return NULL;
  self = g_new0 (ToolSource, 1);
  self->path = g_strdup (path);
  self->muxer = muxer != NULL ? gst_object_ref (muxer) : NULL;
  self->pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));
  self->pads = g_ptr_array_new_with_free_func (gst_object_unref);
  self->blocks = g_array_new (FALSE, FALSE, sizeof (gulong));
  if (build (self, cancellable, error))
    return self;
  tool_source_free (self);
  return NULL;
}

/**
 * tool_source_free:
 * @source: (nullable) (transfer full): a file
 */
void
tool_source_free (ToolSource *source)
{
  if (source == NULL)
    return;
  gst_element_set_state (source->pipeline, GST_STATE_NULL);
  g_ptr_array_unref (source->pads);
  g_array_unref (source->blocks);
  gst_object_unref (source->pipeline);
  gst_clear_object (&source->muxer);
  g_free (source->missing);
  g_free (source->path);
  g_free (source);
}

/* --- running ------------------------------------------------------------ */

/* Why an element did not start. */
static gboolean
fail_start (ToolSource *self, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus,
      GST_MESSAGE_ERROR);

  if (message == NULL)
    return fail (self->path, "cannot be played", error);
  tool_source_take_error (self, message, error);
  return FALSE;
}

/**
 * tool_source_start:
 *
 * Starts what was added and lets the streams go, linked or not.
 *
 * Returns: FALSE when an element cannot start
 */
gboolean
tool_source_start (ToolSource *source, GError **error)
{
  const GstStateChangeReturn started = gst_element_set_state (source->pipeline,
      GST_STATE_PLAYING);

  g_atomic_int_set (&source->started, TRUE);
  for (guint i = 0; i < source->pads->len; i++)
    gst_pad_remove_probe (g_ptr_array_index (source->pads, i),
        g_array_index (source->blocks, gulong, i));
  return started != GST_STATE_CHANGE_FAILURE || fail_start (source, error);
}

static void
show_progress (ToolSource *self, ToolProgress *progress)
{
  gint64 position, duration;

  if (progress == NULL)
    return;
  if (gst_element_query_position (self->pipeline, GST_FORMAT_TIME, &position) &&
      gst_element_query_duration (self->pipeline, GST_FORMAT_TIME, &duration) &&
      duration > 0)
    tool_progress_update (progress, (double) position / (double) duration);
  else
    tool_progress_update (progress, -1);
}

/* What a message means: -1 goes on, 0 is an error, 1 is the end. */
static int
take_message (ToolSource *self, GstMessage *message, ToolMessageFunc func,
    gpointer data, GError **error)
{
  tool_source_note_missing (self, message);
  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      tool_source_take_error (self, message, error);
      return 0;
    case GST_MESSAGE_EOS:
      return 1;
    case GST_MESSAGE_APPLICATION:
      return func == NULL && gst_message_has_name (message, READY) ? 1 : -1;
    default:
      return func == NULL || func (message, data, error) ? -1 : 0;
  }
}

/**
 * tool_source_wait:
 * @func: (nullable): gets the other messages; what it fails with is returned.
 *   Without it the wait is only until the streams are there.
 * @data: for @func
 * @progress: (nullable): where to show how far it is
 *
 * Returns: TRUE at the end; FALSE with an error that names the file, or
 *   %G_IO_ERROR_CANCELLED
 */
gboolean
tool_source_wait (ToolSource *source, ToolMessageFunc func, gpointer data,
    ToolProgress *progress, GCancellable *cancellable, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (source->pipeline);
  int end = -1;

  while (end < 0) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop (bus, POLL_INTERVAL);

    if (message != NULL)
      end = take_message (source, message, func, data, error);
    if (end < 0 && g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    show_progress (source, progress);
  }
  return end > 0;
}
