/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* JSON as the command speaks it, a value a line. json-glib's strings end at a
 * NUL, and a text may hold \u0000, so strings are read and written here. */

gboolean tool_json_parse_string (const char *line, gsize length, GString *text,
    GError **error);
gboolean tool_json_parse_ids (const char *line, gsize length, GArray *ids,
    GError **error);
void tool_json_append_string (GString *json, const char *text, gsize length);
void tool_json_append_ids (GString *json, const guint32 *ids, gsize n_ids);
void tool_json_append_float (GString *json, float value);
void tool_json_append_double (GString *json, double value);
