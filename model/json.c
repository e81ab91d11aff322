/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/json.h"

#include <math.h>

#include "model/files.h"
#include "model/ituning.h"

/* json-glib reads recursively: a file of brackets would overflow the stack. */
#define MAX_DEPTH 64

static gboolean
check_depth (const char *path, const char *text, gsize size, GError **error)
{
  gsize depth = 0;
  gboolean in_string = FALSE;

  for (gsize i = 0; i < size; i++) {
    if (in_string) {
      if (text[i] == '\\')
        i++;
      else if (text[i] == '"')
        in_string = FALSE;
    } else if (text[i] == '"') {
      in_string = TRUE;
    } else if (text[i] == '{' || text[i] == '[') {
      if (++depth > MAX_DEPTH) {
        g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
            "%s: JSON is nested deeper than %d levels", path, MAX_DEPTH);
        return FALSE;
      }
    } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
      depth--;
    }
  }
  return TRUE;
}

/**
 * ituning_json_parse:
 * @path: name of the source, for messages
 * @text: JSON text, UTF-8
 * @size: bytes of it
 *
 * Returns: (transfer full): the root node; or %NULL when @text is not JSON,
 *   or nested too deeply to be a config
 */
JsonNode *
ituning_json_parse (const char *path, const char *text, gsize size,
    GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) reason = NULL;
  JsonNode *root;

  if (size > G_MAXSSIZE || !g_utf8_validate (text, (gssize) size, NULL)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: is not JSON: invalid UTF-8", path);
    return NULL;
  }
  if (!check_depth (path, text, size, error))
    return NULL;
  if (!json_parser_load_from_data (parser, text, (gssize) size, &reason)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: is not JSON: %s", path, reason->message);
    return NULL;
  }
  root = json_parser_steal_root (parser);
  if (root == NULL)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: is not JSON: it is empty", path);
  return root;
}

/**
 * ituning_json_load:
 * @path: a JSON file
 *
 * Returns: (transfer full): its root node; or %NULL with
 *   %ITUNING_ERROR_OPEN or %ITUNING_ERROR_FORMAT
 */
JsonNode *
ituning_json_load (const char *path, GError **error)
{
  g_autoptr (GMappedFile) file = ituning_file_map (path, error);

  if (file == NULL)
    return NULL;
  return ituning_json_parse (path, g_mapped_file_get_contents (file),
      g_mapped_file_get_length (file), error);
}

/**
 * ituning_json_object:
 * @node: (nullable): a node
 * @path: name of the source, for messages
 * @object: (out) (transfer none): the object that @node holds
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when @node is not an object
 */
gboolean
ituning_json_object (JsonNode *node, const char *path, JsonObject **object,
    GError **error)
{
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: is not a JSON object", path);
    return FALSE;
  }
  *object = json_node_get_object (node);
  return TRUE;
}

static JsonNode *
get_scalar (JsonObject *object, const char *member)
{
  JsonNode *node = json_object_get_member (object, member);

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return NULL;
  return node;
}

static gboolean
set_type_error (GError **error, const char *path, const char *member,
    const char *wanted)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: \"%s\" is not %s", path, member, wanted);
  return FALSE;
}

/**
 * ituning_json_get_size:
 * @object: an object
 * @path: name of the source, for messages
 * @member: member to read
 * @min: smallest value accepted
 * @max: largest value accepted
 * @value: (inout): left alone when @member is absent or null
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when @member is no whole number
 *   from @min to @max
 */
gboolean
ituning_json_get_size (JsonObject *object, const char *path, const char *member,
    gsize min, gsize max, gsize *value, GError **error)
{
  JsonNode *node = get_scalar (object, member);
  gint64 found;

  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_INT64)
    return set_type_error (error, path, member, "a whole number");
  found = json_node_get_int (node);
  if (found < 0 || (guint64) found < min || (guint64) found > max) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: \"%s\" is %" G_GINT64_FORMAT ", not from %" G_GSIZE_FORMAT
        " to %" G_GSIZE_FORMAT,
        path, member, found, min, max);
    return FALSE;
  }
  *value = (gsize) found;
  return TRUE;
}

/**
 * ituning_json_get_double:
 * @value: (inout): left alone when @member is absent or null
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when @member is no number
 */
gboolean
ituning_json_get_double (JsonObject *object, const char *path,
    const char *member, double *value, GError **error)
{
  JsonNode *node = get_scalar (object, member);

  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      (json_node_get_value_type (node) != G_TYPE_INT64 &&
          json_node_get_value_type (node) != G_TYPE_DOUBLE))
    return set_type_error (error, path, member, "a number");
  *value = json_node_get_double (node);
  return TRUE;
}

/**
 * ituning_json_get_boolean:
 * @value: (inout): left alone when @member is absent or null
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when @member is not true or false
 */
gboolean
ituning_json_get_boolean (JsonObject *object, const char *path,
    const char *member, gboolean *value, GError **error)
{
  JsonNode *node = get_scalar (object, member);

  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return set_type_error (error, path, member, "true or false");
  *value = json_node_get_boolean (node);
  return TRUE;
}

/**
 * ituning_json_get_string:
 * @value: (inout) (transfer none): left alone when @member is absent or null
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when @member is no string
 */
gboolean
ituning_json_get_string (JsonObject *object, const char *path,
    const char *member, const char **value, GError **error)
{
  JsonNode *node = get_scalar (object, member);

  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_STRING)
    return set_type_error (error, path, member, "a string");
  *value = json_node_get_string (node);
  return TRUE;
}

/**
 * ituning_json_get_id:
 * @member: an id: a string or a whole number, which some write as a float; two
 *   files need not agree on which
 *
 * Returns: (transfer full): the id as text, so that 42, 42.0 and "42" are one; or
 *   %NULL when there is none
 */
char *
ituning_json_get_id (JsonObject *object, const char *member)
{
  JsonNode *node = json_object_get_member (object, member);
  const GType type = node != NULL ? json_node_get_value_type (node)
                                  : G_TYPE_INVALID;

  if (type == G_TYPE_STRING)
    return json_node_dup_string (node);
  if (type == G_TYPE_INT64)
    return g_strdup_printf ("%" G_GINT64_FORMAT, json_node_get_int (node));
  if (type == G_TYPE_DOUBLE) {
    const double value = json_node_get_double (node);
    const double exact =
        9007199254740992.0; /* 2^53: beyond it floats skip some */
    if (value == floor (value) && fabs (value) < exact)
      return g_strdup_printf ("%.0f", value);
  }
  return NULL;
}
