/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/tokenizerfiles.h"

#include <string.h>

#include "model/ituning.h"
#include "model/tokenizerjson.h"

static gboolean
has_file (const char *dir, const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* Whether the file is as plain as such files are, and right. */
static gboolean
scan_tokens (ItuningVocabulary *vocabulary, const char *path)
{
  g_autoptr (GMappedFile) file = ituning_vocabulary_map (path, NULL);
  const gsize size = file != NULL ? g_mapped_file_get_length (file) : 0;
  const char *text = size > 0 ? g_mapped_file_get_contents (file) : "";

  return g_utf8_validate_len (text, size, NULL) &&
      ituning_vocabulary_scan (vocabulary, path, text, size);
}

static gboolean
load_tokens (ItuningVocabulary *vocabulary, const char *path, GError **error)
{
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object = NULL;

  if (scan_tokens (vocabulary, path))
    return TRUE;
  root = ituning_vocabulary_load_json (path, &object, error);
  return root != NULL &&
      ituning_vocabulary_add_tokens (vocabulary, path, object, error);
}

static gboolean
is_version (const char *line, gsize size)
{
  return size >= strlen ("#version") &&
      memcmp (line, "#version", strlen ("#version")) == 0;
}

static gboolean
load_merges (ItuningVocabulary *vocabulary, GError **error)
{
  g_autoptr (GMappedFile) file =
      ituning_vocabulary_map (vocabulary->merges_path, error);
  const char *line, *end;

  if (file == NULL)
    return FALSE;
  line = g_mapped_file_get_contents (file);
  end = line + g_mapped_file_get_length (file);
  if (!g_utf8_validate_len (line, (gsize) (end - line), NULL)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
        "%s: is not UTF-8 text", vocabulary->merges_path);
    return FALSE;
  }
  for (gboolean first = TRUE; line < end; first = FALSE) {
    const char *newline = memchr (line, '\n', (gsize) (end - line));
    const char *next = newline == NULL ? end : newline + 1;
    gsize size = (gsize) ((newline == NULL ? end : newline) - line);
    if (size > 0 && line[size - 1] == '\r')
      size--;
    if (size > 0 && !(first && is_version (line, size)) &&
        !ituning_vocabulary_add_merge (vocabulary, line, size, error))
      return FALSE;
    line = next;
  }
  return TRUE;
}

static gboolean
load_pair (ItuningVocabulary *vocabulary, const char *language_dir,
    GError **error)
{
  g_autofree char *added = g_build_filename (language_dir, "added_tokens.json",
      NULL);

  vocabulary->tokens_path = g_build_filename (language_dir, "vocab.json", NULL);
  vocabulary->merges_path = g_build_filename (language_dir, "merges.txt", NULL);
  return load_tokens (vocabulary, vocabulary->tokens_path, error) &&
      (!has_file (language_dir, "added_tokens.json") ||
          load_tokens (vocabulary, added, error)) &&
      load_merges (vocabulary, error);
}

/**
 * ituning_tokenizer_files_exist:
 * @language_dir: a language folder
 *
 * Returns: whether it holds a file that only a tokenizer has, so that a
 *   failure to load it is not the plain lack of one
 */
gboolean
ituning_tokenizer_files_exist (const char *language_dir)
{
  return has_file (language_dir, "vocab.json") ||
      has_file (language_dir, "merges.txt") ||
      has_file (language_dir, "tokenizer.json");
}

/**
 * ituning_tokenizer_files_load:
 * @language_dir: a folder with `vocab.json` and `merges.txt`, beside which
 *   there may be `added_tokens.json`; or, where one of the two is missing,
 *   with `tokenizer.json`
 *
 * Returns: (transfer full): what the files say, with an id for each token and
 *   no id left out; or %NULL with %ITUNING_ERROR_OPEN, %ITUNING_ERROR_FORMAT
 *   or %ITUNING_ERROR_UNSUPPORTED
 */
ItuningVocabulary *
ituning_tokenizer_files_load (const char *language_dir, GError **error)
{
  g_autoptr (ItuningVocabulary) vocabulary = ituning_vocabulary_new ();
  g_autofree char *json = g_build_filename (language_dir, "tokenizer.json",
      NULL);
  gboolean loaded = FALSE;

  if (has_file (language_dir, "vocab.json") &&
      has_file (language_dir, "merges.txt"))
    loaded = load_pair (vocabulary, language_dir, error);
  else if (has_file (language_dir, "tokenizer.json"))
    loaded = ituning_tokenizer_json_read (vocabulary, json, error);
  else
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN,
        "%s: has no tokenizer: neither vocab.json with merges.txt, nor "
        "tokenizer.json",
        language_dir);
  if (!loaded || !ituning_vocabulary_check (vocabulary, error))
    return NULL;
  return g_steal_pointer (&vocabulary);
}
