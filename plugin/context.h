/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plugin/engine.h"

/* Elements share engines through a GstContext, as GL and VA elements share
 * their displays. */

#define GST_ITUNING_ENGINES_CONTEXT "gst.ituning.engines"

GstItuningEngines *gst_ituning_context_get_engines (GstContext *context);
GstItuningEngines *gst_ituning_context_find_engines (GstElement *element);
gboolean gst_ituning_context_answer (GstQuery *query,
    GstItuningEngines *engines);
