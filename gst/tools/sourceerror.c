/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What went wrong with a file, said so that its user can do something. */

#include <gst/pbutils/pbutils.h>
#include <string.h>

#include "gst/tools/source.h"
#include "model/ituning.h"

static gboolean
fail (const char *path, const char *cause, GError **error)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT, "%s: %s", path,
      cause);
  return FALSE;
}

/**
 * tool_source_fail_missing:
 *
 * Returns: FALSE with an %ITUNING_ERROR_UNSUPPORTED that names what is missing;
 *   TRUE if nothing is
 */
gboolean
tool_source_fail_missing (ToolSource *source, GError **error)
{
  if (source->missing == NULL)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      "%s: a GStreamer plugin is missing: %s (Debian has most in "
      "gstreamer1.0-libav and gstreamer1.0-plugins-bad)",
      source->path, source->missing);
  return FALSE;
}

/* An error's details: what follows the place in the source that made it. */
static const char *
find_details (const char *debug)
{
  const char *newline = debug != NULL ? strchr (debug, '\n') : NULL;

  return newline != NULL ? newline + 1 : NULL;
}

/* Its messages to users leave what is wrong to the details. */
static gboolean
is_captioner (GstObject *object)
{
  GstElementFactory *factory = GST_IS_ELEMENT (object)
      ? gst_element_get_factory (GST_ELEMENT (object))
      : NULL;

  return factory != NULL &&
      g_str_equal (gst_plugin_feature_get_name (GST_PLUGIN_FEATURE (factory)),
          "ituningcaptioner");
}

/**
 * tool_source_take_error:
 * @message: of an element
 *
 * Makes one line for the user of it.
 */
void
tool_source_take_error (ToolSource *self, GstMessage *message, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autofree char *debug = NULL;
  const char *details;

  gst_message_parse_error (message, &reason, &debug);
  details = find_details (debug);
  if (self->output != NULL && GST_MESSAGE_SRC (message) == self->sink)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "%s: cannot be written: %s", self->output, reason->message);
  else if (is_captioner (GST_MESSAGE_SRC (message)) && details != NULL)
    g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_OPEN, details);
  else if (self->missing != NULL)
    tool_source_fail_missing (self, error);
  else if (g_error_matches (reason, GST_STREAM_ERROR,
               GST_STREAM_ERROR_TYPE_NOT_FOUND) ||
      g_error_matches (reason, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE))
    fail (self->path, "is no video of a known kind", error);
  else if (reason->domain == GST_RESOURCE_ERROR)
    g_set_error (error, ITUNING_ERROR,
        GST_IS_URI_HANDLER (GST_MESSAGE_SRC (message)) ? ITUNING_ERROR_OPEN
                                                       : ITUNING_ERROR_FORMAT,
        "%s: %s", self->path, reason->message);
  else
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: is damaged or of a kind that cannot be read: %s", self->path,
        reason->message);
}

/**
 * tool_source_note_missing:
 * @message: any message
 *
 * Remembers the first plugin that was asked for in vain.
 */
void
tool_source_note_missing (ToolSource *self, GstMessage *message)
{
  if (gst_is_missing_plugin_message (message) && self->missing == NULL)
    self->missing = gst_missing_plugin_message_get_description (message);
}
