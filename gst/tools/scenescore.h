/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "gst/tools/scene.h"

void scene_truth_add (JsonBuilder *json, guint id, const Scene *scene,
    const char *pattern);
gboolean scene_score_run (char **argv, GError **error);
