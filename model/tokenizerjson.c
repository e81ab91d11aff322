/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/tokenizerjson.h"

#include <string.h>

#include "model/ituning.h"

static gboolean
set_format_error (GError **error, const char *path, const char *what)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT, "%s: %s", path,
      what);
  return FALSE;
}

static gboolean
refuse (const ItuningVocabulary *vocabulary, const char *what, GError **error)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      "%s: %s is not supported, only GPT-2's byte-level BPE",
      vocabulary->tokens_path, what);
  return FALSE;
}

/* Sets @value to %NULL when the member is absent or null. */
static gboolean
get_object (JsonObject *object, const char *path, const char *member,
    JsonObject **value, GError **error)
{
  JsonNode *node = json_object_get_member (object, member);

  *value = NULL;
  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: \"%s\" is not an object", path, member);
    return FALSE;
  }
  *value = json_node_get_object (node);
  return TRUE;
}

static gboolean
get_array (JsonObject *object, const char *path, const char *member,
    JsonArray **value, GError **error)
{
  JsonNode *node = json_object_get_member (object, member);

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: \"%s\" is not an array", path, member);
    return FALSE;
  }
  *value = json_node_get_array (node);
  return TRUE;
}

/* A stage of the tokenizer must be absent or of this @type. GPT-2's own file
 * was written when models had no type yet. */
static gboolean
check_stage (const ItuningVocabulary *vocabulary, JsonObject *root,
    const char *member, const char *type, JsonObject **stage, GError **error)
{
  const char *found = g_str_equal (member, "model") ? "BPE" : "without a type";
  g_autofree char *line = NULL, *what = NULL;

  if (!get_object (root, vocabulary->tokens_path, member, stage, error) ||
      (*stage != NULL &&
          !ituning_json_get_string (*stage, vocabulary->tokens_path, "type",
              &found, error)))
    return FALSE;
  if (*stage == NULL || g_strcmp0 (found, type) == 0)
    return TRUE;
  line = g_strescape (found, NULL);
  what = g_strdup_printf ("\"%s\" %s", member, line);
  return refuse (vocabulary, what, error);
}

static gboolean
check_stages (const ItuningVocabulary *vocabulary, JsonObject *root,
    GError **error)
{
  const char *path = vocabulary->tokens_path;
  JsonObject *stage;
  gboolean add_prefix_space = TRUE, use_regex = TRUE;

  if (!check_stage (vocabulary, root, "normalizer", NULL, &stage, error) ||
      !check_stage (vocabulary, root, "post_processor", "ByteLevel", &stage,
          error) ||
      !check_stage (vocabulary, root, "decoder", "ByteLevel", &stage, error) ||
      !check_stage (vocabulary, root, "pre_tokenizer", "ByteLevel", &stage,
          error))
    return FALSE;
  if (stage == NULL)
    return refuse (vocabulary, "no \"pre_tokenizer\"", error);
  if (!ituning_json_get_boolean (stage, path, "add_prefix_space",
          &add_prefix_space, error) ||
      !ituning_json_get_boolean (stage, path, "use_regex", &use_regex, error))
    return FALSE;
  if (add_prefix_space)
    return refuse (vocabulary, "\"add_prefix_space\" true", error);
  return use_regex || refuse (vocabulary, "\"use_regex\" false", error);
}

static gboolean
check_model (const ItuningVocabulary *vocabulary, JsonObject *model,
    GError **error)
{
  static const char *const switches[] = { "byte_fallback", "ignore_merges" };
  static const char *const affixes[] = { "continuing_subword_prefix",
    "end_of_word_suffix" };
  double dropout = 0.0;

  for (gsize i = 0; i < G_N_ELEMENTS (switches); i++) {
    gboolean on = FALSE;
    if (!ituning_json_get_boolean (model, vocabulary->tokens_path, switches[i],
            &on, error))
      return FALSE;
    if (on)
      return refuse (vocabulary, switches[i], error);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (affixes); i++) {
    const char *affix = "";
    if (!ituning_json_get_string (model, vocabulary->tokens_path, affixes[i],
            &affix, error))
      return FALSE;
    if (affix[0] != '\0')
      return refuse (vocabulary, affixes[i], error);
  }
  if (!ituning_json_get_double (model, vocabulary->tokens_path, "dropout",
          &dropout, error))
    return FALSE;
  return dropout == 0.0 || refuse (vocabulary, "dropout", error);
}

static const char *
get_string (JsonNode *node)
{
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

/* "left right", or ["left", "right"], where a token may hold a space */
static gboolean
add_json_merge (ItuningVocabulary *vocabulary, JsonNode *node, GError **error)
{
  const char *line = get_string (node);
  JsonArray *pair;
  ItuningMerge merge = { NULL, NULL };

  if (line != NULL)
    return ituning_vocabulary_add_merge (vocabulary, line, strlen (line),
        error);
  pair = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  if (pair != NULL && json_array_get_length (pair) == 2) {
    merge.left = get_string (json_array_get_element (pair, 0));
    merge.right = get_string (json_array_get_element (pair, 1));
  }
  if (merge.left == NULL || merge.right == NULL) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: merge %u is neither a string nor a pair of strings",
        vocabulary->merges_path, vocabulary->merges->len);
    return FALSE;
  }
  merge.left = g_string_chunk_insert (vocabulary->strings, merge.left);
  merge.right = g_string_chunk_insert (vocabulary->strings, merge.right);
  g_array_append_val (vocabulary->merges, merge);
  return TRUE;
}

static gboolean
read_model (ItuningVocabulary *vocabulary, JsonObject *model, GError **error)
{
  const char *path = vocabulary->tokens_path;
  JsonObject *vocab;
  JsonArray *merges;

  if (!get_object (model, path, "vocab", &vocab, error))
    return FALSE;
  if (vocab == NULL)
    return set_format_error (error, path, "has no \"vocab\"");
  if (!ituning_vocabulary_add_tokens (vocabulary, path, vocab, error) ||
      !get_array (model, path, "merges", &merges, error))
    return FALSE;
  for (guint i = 0; i < json_array_get_length (merges); i++) {
    if (!add_json_merge (vocabulary, json_array_get_element (merges, i), error))
      return FALSE;
  }
  return TRUE;
}

/* [{"id": id, "content": "token", "special": true, …}, …] */
static gboolean
read_added_tokens (ItuningVocabulary *vocabulary, JsonObject *root,
    GError **error)
{
  const char *path = vocabulary->tokens_path;
  JsonNode *node = json_object_get_member (root, "added_tokens");
  JsonArray *added;

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!get_array (root, path, "added_tokens", &added, error))
    return FALSE;
  for (guint i = 0; i < json_array_get_length (added); i++) {
    const char *content = "";
    gsize id = ITUNING_VOCABULARY_MAX;
    gboolean special = FALSE;
    JsonObject *token;
    node = json_array_get_element (added, i);
    if (!ituning_json_object (node, path, &token, error) ||
        !ituning_json_get_size (token, path, "id", 0,
            ITUNING_VOCABULARY_MAX - 1, &id, error) ||
        !ituning_json_get_string (token, path, "content", &content, error) ||
        !ituning_json_get_boolean (token, path, "special", &special, error) ||
        !ituning_vocabulary_add_token (vocabulary, path, content, (gint64) id,
            error))
      return FALSE;
    if (!special)
      return refuse (vocabulary, "an added token that is not special", error);
  }
  return TRUE;
}

/**
 * ituning_tokenizer_json_read:
 * @vocabulary: what to add the tokens and merges to, as yet without paths
 * @path: Hugging Face's `tokenizer.json`
 *
 * What the file asks for beyond a byte-level BPE is refused, unless it cannot
 * change a token id or is only about batches (truncation, padding). Its added
 * tokens must be special ones: others would have to be found in a text before
 * its words are.
 *
 * Returns: FALSE with %ITUNING_ERROR_OPEN, %ITUNING_ERROR_FORMAT or
 *   %ITUNING_ERROR_UNSUPPORTED
 */
gboolean
ituning_tokenizer_json_read (ItuningVocabulary *vocabulary, const char *path,
    GError **error)
{
  g_autoptr (JsonNode) node = NULL;
  JsonObject *root = NULL, *model;

  vocabulary->tokens_path = g_strdup (path);
  vocabulary->merges_path = g_strdup (path);
  node = ituning_vocabulary_load_json (path, &root, error);
  if (node == NULL ||
      !check_stage (vocabulary, root, "model", "BPE", &model, error))
    return FALSE;
  if (model == NULL)
    return set_format_error (error, path, "has no \"model\"");
  return check_stages (vocabulary, root, error) &&
      check_model (vocabulary, model, error) &&
      read_model (vocabulary, model, error) &&
      read_added_tokens (vocabulary, root, error);
}
