/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/benchcompare.h"

#include <json-glib/json-glib.h>

#include "model/ituning.h"

static gboolean
read_median (JsonObject *object, const char *name, double *ms, const char *path,
    GError **error)
{
  JsonNode *node = json_object_get_member (object, name);

  *ms = node != NULL && JSON_NODE_HOLDS_OBJECT (node)
      ? json_object_get_double_member_with_default (json_node_get_object (node),
            "median", 0.0)
      : 0.0;
  if (*ms > 0.0)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: has no median of \"%s\": wanted what `ituning bench --json` prints",
      path, name);
  return FALSE;
}

/**
 * tool_bench_saved_load:
 * @saved: (out): what was saved; to be cleared also after a failure
 * @path: what `bench --json` printed, or another program in the same form
 *
 * Returns: FALSE with %ITUNING_ERROR_OPEN or %ITUNING_ERROR_FORMAT
 */
gboolean
tool_bench_saved_load (ToolBenchSaved *saved, const char *path, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) reason = NULL;
  JsonNode *root;
  JsonObject *object;

  *saved = (ToolBenchSaved){ 0 };
  if (!json_parser_load_from_file (parser, path, &reason)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN, "%s: %s", path,
        reason->message);
    return FALSE;
  }
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: is not an object of JSON", path);
    return FALSE;
  }
  object = json_node_get_object (root);
  saved->name = g_strdup (
      json_object_get_string_member_with_default (object, "model", path));
  return read_median (object, "encode_ms", &saved->encode_ms, path, error) &&
      read_median (object, "decode_ms", &saved->decode_ms, path, error) &&
      read_median (object, "caption_ms", &saved->caption_ms, path, error);
}

/**
 * tool_bench_saved_clear:
 * @saved: its name is freed
 */
void
tool_bench_saved_clear (ToolBenchSaved *saved)
{
  g_clear_pointer (&saved->name, g_free);
}
