/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/fit.h"

#include <gst/pbutils/pbutils.h>

#include "gst/tools/tracks.h"
#include "model/ituning.h"

/**
 * tool_fit_make_muxer:
 *
 * Returns: (transfer full): a muxer for @container; or %NULL with
 *   %ITUNING_ERROR_UNSUPPORTED
 */
GstElement *
tool_fit_make_muxer (ToolContainer container, GError **error)
{
  const char *name = container == TOOL_CONTAINER_MKV ? "matroskamux" : "mp4mux";
  GstElement *muxer = gst_element_factory_make (name, NULL);

  if (muxer == NULL)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "the GStreamer element %s is missing (Debian: gstreamer1.0-plugins-good)",
        name);
  else
    gst_object_ref_sink (muxer);
  return muxer;
}

/* What a parser can make of @caps that the muxer takes; lossless. */
static GstPadTemplate *
find_parsed_template (GstElement *muxer, GstElementFactory *parser)
{
  const GList *pads = gst_element_factory_get_static_pad_templates (parser);

  for (const GList *l = pads; l != NULL; l = l->next) {
    GstStaticPadTemplate *pad = l->data;
    g_autoptr (GstCaps) caps = gst_static_pad_template_get_caps (pad);
    GstPadTemplate *found = pad->direction == GST_PAD_SRC
        ? tool_source_find_template (muxer, caps)
        : NULL;
    if (found != NULL)
      return found;
  }
  return NULL;
}

/**
 * tool_fit_find_parser:
 * @muxer: a muxer
 * @caps: a stream that it does not take as it is
 * @template: (out): what it takes of the parser
 *
 * Returns: (transfer full) (nullable): a parser that brings the stream into
 *   another form without loss
 */
GstElementFactory *
tool_fit_find_parser (GstElement *muxer, const GstCaps *caps,
    GstPadTemplate **template)
{
  GList *all =
      gst_element_factory_list_get_elements (GST_ELEMENT_FACTORY_TYPE_PARSER,
          GST_RANK_MARGINAL);
  GList *fit = gst_element_factory_list_filter (all, caps, GST_PAD_SINK, FALSE);
  GstElementFactory *found = NULL;

  for (GList *l = fit; l != NULL && found == NULL; l = l->next) {
    *template = find_parsed_template (muxer, l->data);
    if (*template != NULL)
      found = gst_object_ref (l->data);
  }
  gst_plugin_feature_list_free (fit);
  gst_plugin_feature_list_free (all);
  return found;
}

/**
 * tool_fit_refuse:
 *
 * Returns: FALSE with an error that names the stream's codec
 */
gboolean
tool_fit_refuse (const char *path, const GstCaps *caps, ToolContainer container,
    GError **error)
{
  g_autoptr (GstCaps) fixed = gst_caps_fixate (gst_caps_copy (caps));
  g_autofree char *codec = gst_pb_utils_get_codec_description (fixed);

  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      "%s: a stream of %s cannot go into %s", path,
      codec != NULL
          ? codec
          : gst_structure_get_name (gst_caps_get_structure (fixed, 0)),
      container == TOOL_CONTAINER_MKV
          ? "a Matroska file"
          : "an MP4 file; a name that ends in .mkv may do");
  return FALSE;
}

static gboolean
check_caps (const char *path, GstElement *muxer, const GstCaps *caps,
    ToolContainer container, GError **error)
{
  g_autoptr (GstElementFactory) parser = NULL;
  GstPadTemplate *template = tool_source_find_template (muxer, caps);

  if (template != NULL)
    return TRUE;
  parser = tool_fit_find_parser (muxer, caps, &template);
  if (parser != NULL)
    return TRUE;
  return tool_fit_refuse (path, caps, container, error);
}

/* What of a stream goes in: no muxer takes Pango markup. */
static GstCaps *
get_stored_caps (ToolSource *source, guint stream, ToolContainer container)
{
  ToolTrack *track;
  GstCaps *caps = tool_source_get_caps (source, stream);

  if (gst_caps_is_empty (caps))
    return caps;
  track = tool_track_new (caps);
  tool_track_strip_markup (track, container == TOOL_CONTAINER_MKV);
  caps = gst_caps_ref (track->caps);
  tool_track_free (track);
  return caps;
}

static gboolean
ignore_message (GstMessage *message, gpointer data, GError **error)
{
  return TRUE;
}

/* Reads a file whose streams are not all listed at its beginning. */
static gboolean
check_streams (ToolSource *source, GCancellable *cancellable, GError **error)
{
  static const char *const lists[] = { "qtdemux", "matroskademux", NULL };
  g_autoptr (GstPad) in = NULL;
  GstElement *sink;

  if (source->pads->len == 0 || tool_source_has_element (source, lists))
    return TRUE;
  sink = tool_source_add (source, "fakesink", error);
  if (sink == NULL)
    return FALSE;
  g_object_set (sink, "sync", FALSE, NULL);
  in = gst_element_get_static_pad (sink, "sink");
  gst_pad_link (g_ptr_array_index (source->pads, 0), in);
  return tool_source_start (source, error) &&
      tool_source_wait (source, ignore_message, NULL, NULL, cancellable, error);
}

/**
 * tool_remux_check:
 * @path: a media file
 * @container: what it is to become
 *
 * Tells early, before the captions are written.
 *
 * Returns: FALSE when @path cannot be read or has a stream that cannot be stored
 *   in @container
 */
gboolean
tool_remux_check (const char *path, ToolContainer container,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (GstElement) muxer = NULL;
  g_autoptr (ToolSource) source = NULL;

  if (!tool_source_init (error))
    return FALSE;
  muxer = tool_fit_make_muxer (container, error);
  if (muxer == NULL)
    return FALSE;
  source = tool_source_open (path, muxer, cancellable, error);
  if (source == NULL || !tool_source_fail_missing (source, error))
    return FALSE; /* a stream that is not seen would be left out */
  for (guint i = 0; i < source->pads->len; i++) {
    g_autoptr (GstCaps) caps = get_stored_caps (source, i, container);
    if (!check_caps (path, muxer, caps, container, error))
      return FALSE;
  }
  return check_streams (source, cancellable, error);
}
