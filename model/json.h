/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* Reading JSON files that may be broken, missing or hostile: every error names
 * the file and the member. A member that is absent or null leaves the value as
 * it was, so that defaults are set before. */

JsonNode *ituning_json_parse (const char *path, const char *text, gsize size,
    GError **error);
JsonNode *ituning_json_load (const char *path, GError **error);
gboolean ituning_json_object (JsonNode *node, const char *path,
    JsonObject **object, GError **error);
gboolean ituning_json_get_size (JsonObject *object, const char *path,
    const char *member, gsize min, gsize max, gsize *value, GError **error);
gboolean ituning_json_get_double (JsonObject *object, const char *path,
    const char *member, double *value, GError **error);
gboolean ituning_json_get_boolean (JsonObject *object, const char *path,
    const char *member, gboolean *value, GError **error);
char *ituning_json_get_id (JsonObject *object, const char *member);
gboolean ituning_json_get_string (JsonObject *object, const char *path,
    const char *member, const char **value, GError **error);
