/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/packed.h"

#include <string.h>

#define MODEL_KEY "tokenizer.ggml.model"
#define PRE_KEY "tokenizer.ggml.pre"
#define TOKENS_KEY "tokenizer.ggml.tokens"
#define TYPES_KEY "tokenizer.ggml.token_type"
#define MERGES_KEY "tokenizer.ggml.merges"

/* llama.cpp's names of GPT-2's byte-level BPE, and of how it splits words. */
#define MODEL "gpt2"
#define PRE "gpt-2"

/* llama.cpp's types of tokens. */
enum
{
  TOKEN_NORMAL = 1,
  TOKEN_CONTROL = 3,
};

static gboolean
check_text (const ItuningGguf *packed, const char *key, const char *wanted,
    GError **error)
{
  g_autofree char *found = NULL;

  if (!ituning_gguf_get_string (packed, key, &found, error))
    return FALSE;
  if (g_str_equal (found, wanted))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      "%s: key \"%s\" is \"%s\"; only \"%s\" is supported",
      ituning_gguf_get_path (packed), key, found, wanted);
  return FALSE;
}

/* The next string, with a NUL behind it; %NULL with an error when it is no
 * text. */
static char *
next_text (const ItuningGguf *packed, const char *key,
    ItuningGgufStrings *strings, GError **error)
{
  const char *text;
  gsize size;

  ituning_gguf_strings_next (strings, &text, &size);
  if (g_utf8_validate_len (text, size, NULL))
    return g_strndup (text, size);
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: key \"%s\" has a string that is not UTF-8 text",
      ituning_gguf_get_path (packed), key);
  return NULL;
}

static gboolean
unpack_tokens (ItuningVocabulary *vocabulary, const ItuningGguf *packed,
    GError **error)
{
  ItuningGgufStrings strings;

  if (!ituning_gguf_get_strings (packed, TOKENS_KEY, &strings, error))
    return FALSE;
  for (gint64 id = 0; strings.n > 0; id++) {
    g_autofree char *token = next_text (packed, TOKENS_KEY, &strings, error);
    if (token == NULL ||
        !ituning_vocabulary_add_token (vocabulary, vocabulary->tokens_path,
            token, id, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
unpack_merges (ItuningVocabulary *vocabulary, const ItuningGguf *packed,
    GError **error)
{
  ItuningGgufStrings strings;

  if (!ituning_gguf_get_strings (packed, MERGES_KEY, &strings, error))
    return FALSE;
  while (strings.n > 0) {
    g_autofree char *line = next_text (packed, MERGES_KEY, &strings, error);
    if (line == NULL ||
        !ituning_vocabulary_add_merge (vocabulary, line, strlen (line), error))
      return FALSE;
  }
  return TRUE;
}

/**
 * ituning_vocabulary_unpack:
 * @packed: a packed model with a tokenizer
 *
 * Returns: (transfer full): its tokens and merges; or %NULL with
 *   %ITUNING_ERROR_FORMAT or %ITUNING_ERROR_UNSUPPORTED
 */
ItuningVocabulary *
ituning_vocabulary_unpack (const ItuningGguf *packed, GError **error)
{
  g_autoptr (ItuningVocabulary) vocabulary = ituning_vocabulary_new ();

  vocabulary->tokens_path = g_strdup (ituning_gguf_get_path (packed));
  vocabulary->merges_path = g_strdup (ituning_gguf_get_path (packed));
  if (!check_text (packed, MODEL_KEY, MODEL, error) ||
      !check_text (packed, PRE_KEY, PRE, error) ||
      !unpack_tokens (vocabulary, packed, error) ||
      !unpack_merges (vocabulary, packed, error))
    return NULL;
  return g_steal_pointer (&vocabulary);
}

/* "left right", which only tokens without a space can be told from. */
static char **
join_merges (const ItuningVocabulary *vocabulary, GError **error)
{
  const guint n = vocabulary->merges->len;
  g_auto (GStrv) lines = g_new0 (char *, n + 1);

  for (guint i = 0; i < n; i++) {
    const ItuningMerge *merge = &g_array_index (vocabulary->merges,
        ItuningMerge, i);
    if (strchr (merge->left, ' ') != NULL ||
        strchr (merge->right, ' ') != NULL) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
          "%s: merge %u has a space in a token, which a packed file cannot say",
          vocabulary->merges_path, i);
      return NULL;
    }
    lines[i] = g_strconcat (merge->left, " ", merge->right, NULL);
  }
  return g_steal_pointer (&lines);
}

/**
 * ituning_vocabulary_pack:
 * @vocabulary: a vocabulary, checked
 * @bos: token that begins a text
 * @eos: token that ends one
 * @writer: gets its keys
 *
 * Returns: FALSE with %ITUNING_ERROR_UNSUPPORTED for merges that the format
 *   cannot hold
 */
gboolean
ituning_vocabulary_pack (const ItuningVocabulary *vocabulary, gsize bos,
    gsize eos, ItuningGgufWriter *writer, GError **error)
{
  const gsize n = vocabulary->tokens->len;
  g_autofree gint32 *types = g_new (gint32, MAX (n, 1));
  g_auto (GStrv) merges = join_merges (vocabulary, error);

  if (merges == NULL)
    return FALSE;
  for (gsize id = 0; id < n; id++)
    types[id] = id == bos || id == eos ? TOKEN_CONTROL : TOKEN_NORMAL;
  ituning_gguf_writer_put_string (writer, MODEL_KEY, MODEL);
  ituning_gguf_writer_put_string (writer, PRE_KEY, PRE);
  ituning_gguf_writer_put_strings (writer, TOKENS_KEY,
      (const char *const *) vocabulary->tokens->pdata, n);
  ituning_gguf_writer_put_ints (writer, TYPES_KEY, types, n);
  ituning_gguf_writer_put_strings (writer, MERGES_KEY,
      (const char *const *) merges, vocabulary->merges->len);
  return TRUE;
}
