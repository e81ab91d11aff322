/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

gsize scene_patterns_count (void);
const char *scene_patterns_get_nick (gsize index);
const char *scene_patterns_get_name (gsize index);
gboolean scene_patterns_render (gsize index, guint8 *rgb, guint width,
    guint height, guint frame, const char *coding, GError **error);
