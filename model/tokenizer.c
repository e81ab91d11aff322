/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/tokenizer.h"

#include <string.h>

#include "model/bpe.h"
#include "model/merger.h"
#include "model/packed.h"
#include "model/pretokenize.h"
#include "model/tokenizerfiles.h"

/* A text's way: words (pretokenize.c) -> bytes, joined to tokens by rank
 * (merger.c, with the tables of bpe.c) -> ids. The tables come from the files
 * of a language folder (tokenizerfiles.c) or from a packed model
 * (packedvocabulary.c). */

struct _ItuningTokenizer
{
  gatomicrefcount refs;
  ItuningVocabulary *vocabulary; /* owned: what the tables were made of */
  ItuningBpe *bpe; /* owned */
};

static ItuningTokenizer *
tokenizer_new (ItuningVocabulary *loaded, GError **error)
{
  g_autoptr (ItuningVocabulary) vocabulary = loaded;
  ItuningTokenizer *tokenizer;
  ItuningBpe *bpe;

  if (vocabulary == NULL)
    return NULL;
  bpe = ituning_bpe_new (vocabulary, error);
  if (bpe == NULL)
    return NULL;
  tokenizer = g_new (ItuningTokenizer, 1);
  g_atomic_ref_count_init (&tokenizer->refs);
  tokenizer->vocabulary = g_steal_pointer (&vocabulary);
  tokenizer->bpe = bpe;
  return tokenizer;
}

/**
 * ituning_tokenizer_new_packed:
 * @packed: a packed model with a tokenizer
 *
 * Returns: (transfer full): its tokenizer; or %NULL as ituning_tokenizer_open ()
 */
ItuningTokenizer *
ituning_tokenizer_new_packed (const ItuningGguf *packed, GError **error)
{
  return tokenizer_new (ituning_vocabulary_unpack (packed, error), error);
}

/**
 * ituning_tokenizer_get_vocabulary:
 *
 * Returns: (transfer none): its tokens and merges
 */
const ItuningVocabulary *
ituning_tokenizer_get_vocabulary (const ItuningTokenizer *tokenizer)
{
  return tokenizer->vocabulary;
}

/**
 * ituning_tokenizer_open:
 * @language_dir: folder with Hugging Face's `vocab.json` and `merges.txt`, or
 *   with `tokenizer.json`; the first two win. Or a packed model.
 *
 * Loads a byte-level BPE such as GPT-2's. `added_tokens.json`, beside
 * `vocab.json`, and `added_tokens`, in `tokenizer.json`, give ids to special
 * tokens.
 *
 * Returns: (transfer full): a tokenizer, immutable; or %NULL with
 *   %ITUNING_ERROR_OPEN when the files are missing, %ITUNING_ERROR_FORMAT when
 *   they are broken or do not fit, %ITUNING_ERROR_UNSUPPORTED when
 *   `tokenizer.json` asks for more than such a BPE
 */
ItuningTokenizer *
ituning_tokenizer_open (const char *language_dir, GError **error)
{
  g_autoptr (ItuningGguf) packed = NULL;

  g_return_val_if_fail (language_dir != NULL, NULL);

  if (!ituning_packed_is (language_dir))
    return tokenizer_new (ituning_tokenizer_files_load (language_dir, error),
        error);
  packed = ituning_packed_open (language_dir, error);
  return packed != NULL ? ituning_tokenizer_new_packed (packed, error) : NULL;
}

/**
 * ituning_tokenizer_ref:
 * @tokenizer: a tokenizer
 *
 * Returns: (transfer full): @tokenizer, to give back with
 *   ituning_tokenizer_unref ()
 */
ItuningTokenizer *
ituning_tokenizer_ref (ItuningTokenizer *tokenizer)
{
  g_return_val_if_fail (tokenizer != NULL, NULL);

  g_atomic_ref_count_inc (&tokenizer->refs);
  return tokenizer;
}

/**
 * ituning_tokenizer_unref:
 * @tokenizer: (transfer full) (nullable): a tokenizer
 */
void
ituning_tokenizer_unref (ItuningTokenizer *tokenizer)
{
  if (tokenizer == NULL || !g_atomic_ref_count_dec (&tokenizer->refs))
    return;
  ituning_bpe_free (tokenizer->bpe);
  ituning_vocabulary_free (tokenizer->vocabulary);
  g_free (tokenizer);
}

/**
 * ituning_tokenizer_get_size:
 * @tokenizer: a tokenizer
 *
 * Returns: number of tokens, the special ones included; ids lie below it
 */
gsize
ituning_tokenizer_get_size (const ItuningTokenizer *tokenizer)
{
  g_return_val_if_fail (tokenizer != NULL, 0);

  return ituning_bpe_get_size (tokenizer->bpe);
}

/* GLib counts U+0000 as invalid: go on behind each. */
static gboolean
check_text (const char *text, gsize size, GError **error)
{
  const char *at = text, *bad;

  if (size > G_MAXINT32) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "text has %" G_GSIZE_FORMAT " bytes, more than %d", size, G_MAXINT32);
    return FALSE;
  }
  while (!g_utf8_validate_len (at, size - (gsize) (at - text), &bad)) {
    if (*bad != '\0') {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
          "text is not UTF-8: byte %" G_GSIZE_FORMAT " is 0x%02x",
          (gsize) (bad - text), (guint) (guint8) *bad);
      return FALSE;
    }
    at = bad + 1;
  }
  return TRUE;
}

/**
 * ituning_tokenizer_encode:
 * @tokenizer: a tokenizer
 * @text: (array length=length): UTF-8; may hold U+0000 when @length is given
 * @length: bytes of it, or -1 when it ends with 0
 * @ids: guint32 array to append the tokens to; none for an empty text
 *
 * Text is only text: the name of a special token in it, `<|endoftext|>` too,
 * is spelled out like any other word, as in GPT-2's own encoder. So no text
 * can end a caption.
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT, and @ids as they were, when @text
 *   is not valid UTF-8 or longer than %G_MAXINT32 bytes
 */
gboolean
ituning_tokenizer_encode (const ItuningTokenizer *tokenizer, const char *text,
    gssize length, GArray *ids, GError **error)
{
  g_auto (ItuningMerger) merger = { 0 };
  gsize size;

  g_return_val_if_fail (tokenizer != NULL, FALSE);
  g_return_val_if_fail (text != NULL || length == 0, FALSE);
  g_return_val_if_fail (ids != NULL, FALSE);
  g_return_val_if_fail (g_array_get_element_size (ids) == sizeof (guint32),
      FALSE);

  if (length == 0)
    return TRUE;
  size = length < 0 ? strlen (text) : (gsize) length;
  if (!check_text (text, size, error))
    return FALSE;
  ituning_merger_init (&merger, tokenizer->bpe);
  for (gsize at = 0; at < size;) {
    const gsize word_size = ituning_pretokenize (text + at, size - at);
    ituning_merger_run (&merger, text + at, word_size, ids);
    at += word_size;
  }
  return TRUE;
}

/**
 * ituning_tokenizer_decode:
 * @tokenizer: a tokenizer
 * @ids: (array length=n_ids) (nullable): tokens; %NULL when @n_ids is 0
 * @n_ids: number of @ids
 * @text: string to append their bytes to
 *
 * The inverse of ituning_tokenizer_encode (). A token may be part of a
 * character, so what other @ids give need not be valid UTF-8.
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT, and @text as it was, when one of
 *   @ids is no token
 */
gboolean
ituning_tokenizer_decode (const ItuningTokenizer *tokenizer, const guint32 *ids,
    gsize n_ids, GString *text, GError **error)
{
  g_return_val_if_fail (tokenizer != NULL, FALSE);
  g_return_val_if_fail (ids != NULL || n_ids == 0, FALSE);
  g_return_val_if_fail (text != NULL, FALSE);

  for (gsize i = 0; i < n_ids; i++) {
    if (ids[i] >= ituning_bpe_get_size (tokenizer->bpe)) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
          "token id %" G_GUINT32_FORMAT " is not one of the %" G_GSIZE_FORMAT
          " of the tokenizer",
          ids[i], ituning_bpe_get_size (tokenizer->bpe));
      return FALSE;
    }
  }
  for (gsize i = 0; i < n_ids; i++) {
    gsize size;
    const char *bytes = ituning_bpe_get_token (tokenizer->bpe, ids[i], &size);
    g_string_append_len (text, bytes, (gssize) size);
  }
  return TRUE;
}
