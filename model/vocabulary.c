/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/vocabulary.h"

#include <string.h>

#include "model/files.h"
#include "model/ituning.h"

/* Four times the largest vocabulary in use, and files to match: json-glib
 * takes some forty times a file's size. */
#define MAX_FILE_SIZE (64 << 20)

/**
 * ituning_vocabulary_new:
 *
 * Returns: (transfer full): a vocabulary without tokens, merges and paths
 */
ItuningVocabulary *
ituning_vocabulary_new (void)
{
  ItuningVocabulary *vocabulary = g_new0 (ItuningVocabulary, 1);

  vocabulary->tokens = g_ptr_array_new ();
  vocabulary->merges = g_array_new (FALSE, FALSE, sizeof (ItuningMerge));
  vocabulary->strings = g_string_chunk_new (1 << 16);
  return vocabulary;
}

/**
 * ituning_vocabulary_free:
 * @vocabulary: (transfer full) (nullable): a vocabulary
 */
void
ituning_vocabulary_free (ItuningVocabulary *vocabulary)
{
  if (vocabulary == NULL)
    return;
  g_free (vocabulary->tokens_path);
  g_free (vocabulary->merges_path);
  g_ptr_array_unref (vocabulary->tokens);
  g_array_unref (vocabulary->merges);
  g_string_chunk_free (vocabulary->strings);
  g_free (vocabulary);
}

/**
 * ituning_vocabulary_map:
 * @path: a file of a tokenizer
 *
 * Returns: (transfer full): its mapping; or %NULL with an error as of
 *   ituning_file_map (), or %ITUNING_ERROR_UNSUPPORTED when it is too large to
 *   be such a file
 */
GMappedFile *
ituning_vocabulary_map (const char *path, GError **error)
{
  g_autoptr (GMappedFile) file = ituning_file_map (path, error);

  if (file == NULL)
    return NULL;
  if (g_mapped_file_get_length (file) > MAX_FILE_SIZE) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "%s: has %" G_GSIZE_FORMAT " bytes, more than the %d of any tokenizer",
        path, g_mapped_file_get_length (file), MAX_FILE_SIZE);
    return NULL;
  }
  return g_steal_pointer (&file);
}

/**
 * ituning_vocabulary_load_json:
 * @path: a JSON file of a tokenizer
 * @object: (out) (transfer none): its root, owned by what is returned
 *
 * Returns: (transfer full): the root node; or %NULL with %ITUNING_ERROR_OPEN,
 *   %ITUNING_ERROR_FORMAT or %ITUNING_ERROR_UNSUPPORTED
 */
JsonNode *
ituning_vocabulary_load_json (const char *path, JsonObject **object,
    GError **error)
{
  g_autoptr (GMappedFile) file = ituning_vocabulary_map (path, error);
  g_autoptr (JsonNode) root = NULL;

  if (file == NULL)
    return NULL;
  root = ituning_json_parse (path, g_mapped_file_get_contents (file),
      g_mapped_file_get_length (file), error);
  if (root == NULL || !ituning_json_object (root, path, object, error))
    return NULL;
  return g_steal_pointer (&root);
}

/**
 * ituning_vocabulary_add_token:
 * @vocabulary: what has been read so far
 * @path: the file that names the token, for messages
 * @token: its symbols, not empty; copied
 * @id: its id, which may have been given to the same symbols before
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when it cannot have this id
 */
gboolean
ituning_vocabulary_add_token (ItuningVocabulary *vocabulary, const char *path,
    const char *token, gint64 id, GError **error)
{
  GPtrArray *tokens = vocabulary->tokens;

  if (token[0] == '\0') {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: has an empty token", path);
    return FALSE;
  }
  if (id < 0 || id >= ITUNING_VOCABULARY_MAX) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: has the token id %" G_GINT64_FORMAT ", not from 0 to %d", path, id,
        ITUNING_VOCABULARY_MAX - 1);
    return FALSE;
  }
  if ((gsize) id >= tokens->len)
    g_ptr_array_set_size (tokens, (gint) id + 1);
  if (tokens->pdata[id] == NULL)
    tokens->pdata[id] = g_string_chunk_insert (vocabulary->strings, token);
  if (g_str_equal (tokens->pdata[id], token))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: gives the id %" G_GINT64_FORMAT " to two tokens", path, id);
  return FALSE;
}

/**
 * ituning_vocabulary_add_tokens:
 * @vocabulary: what has been read so far
 * @path: the file of @object, for messages
 * @object: `{"token": id, …}`
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when it is not of this form, or a
 *   token cannot have its id
 */
gboolean
ituning_vocabulary_add_tokens (ItuningVocabulary *vocabulary, const char *path,
    JsonObject *object, GError **error)
{
  JsonObjectIter iter;
  const char *token;
  JsonNode *node;

  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &token, &node)) {
    if (!JSON_NODE_HOLDS_VALUE (node) ||
        json_node_get_value_type (node) != G_TYPE_INT64) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: has a token without a whole id", path);
      return FALSE;
    }
    if (!ituning_vocabulary_add_token (vocabulary, path, token,
            json_node_get_int (node), error))
      return FALSE;
  }
  return TRUE;
}

/**
 * ituning_vocabulary_add_merge:
 * @vocabulary: what has been read so far
 * @line: [@size] UTF-8, "left right"; copied
 * @size: bytes of it
 *
 * Appends a merge, whose rank is the number of those before it.
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when @line is not of this form
 */
gboolean
ituning_vocabulary_add_merge (ItuningVocabulary *vocabulary, const char *line,
    gsize size, GError **error)
{
  const char *space = memchr (line, ' ', size);
  const gsize left_size = space == NULL ? 0 : (gsize) (space - line);
  const gsize right_size = space == NULL ? 0 : size - left_size - 1;
  ItuningMerge merge;

  if (left_size == 0 || right_size == 0 ||
      memchr (space + 1, ' ', right_size) != NULL) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: merge %u is not two tokens with a space between",
        vocabulary->merges_path, vocabulary->merges->len);
    return FALSE;
  }
  merge.left = g_string_chunk_insert_len (vocabulary->strings, line,
      (gssize) left_size);
  merge.right = g_string_chunk_insert_len (vocabulary->strings, space + 1,
      (gssize) right_size);
  g_array_append_val (vocabulary->merges, merge);
  return TRUE;
}

/**
 * ituning_vocabulary_check:
 * @vocabulary: all that the files say
 *
 * Returns: FALSE with %ITUNING_ERROR_FORMAT when a token id is missing between
 *   others
 */
gboolean
ituning_vocabulary_check (const ItuningVocabulary *vocabulary, GError **error)
{
  for (guint id = 0; id < vocabulary->tokens->len; id++) {
    if (vocabulary->tokens->pdata[id] == NULL) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: has the token id %u, but not %u", vocabulary->tokens_path,
          vocabulary->tokens->len - 1, id);
      return FALSE;
    }
  }
  return TRUE;
}
