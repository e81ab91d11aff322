/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/gstituningcaptioner.h"
#include "plugin/gstituningoverlay.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  return GST_ELEMENT_REGISTER (ituningcaptioner, plugin) &&
      GST_ELEMENT_REGISTER (ituningoverlay, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, ituning,
    "Writes what a video shows", plugin_init, VERSION, "LGPL", PACKAGE,
    "https://gst-ituning.example")
