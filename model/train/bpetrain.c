/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Texts -> words and how often each comes -> pairs of tokens in them, the most
 * frequent of which is joined, over and over -> vocab.json and merges.txt. */

#include "model/train/ituning-bpe.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "model/bpe.h"
#include "model/files.h"
#include "model/pretokenize.h"
#include "model/train/ituning-metrics.h"
#include "model/train/ituning-train.h"
#include "model/train/paircounts.h"

#define END_OF_TEXT "<|endoftext|>"
/* The bytes and END_OF_TEXT. */
#define LEAST_TOKENS 257

typedef struct
{
  guint64 count; /* how often the texts have it */
  guint32 n_ids;
  guint32 ids[]; /* its tokens so far */
} Word;

struct _ItuningBpeTrainer
{
  GHashTable *indices; /* owned; index of a word by its bytes */
  GPtrArray *words; /* owned; of Word * */
  guint32 byte_ids[256]; /* token of each byte */
  GPtrArray *tokens; /* owned; of char *, symbols by id */
  GHashTable *ids; /* owned; id by symbols, keys of @tokens */
  GArray *merges; /* owned; of guint64, pairs in the order they were joined */
  GString *word; /* owned; scratch */
};

static void
add_token (ItuningBpeTrainer *trainer, char *token)
{
  g_hash_table_insert (trainer->ids, token,
      GUINT_TO_POINTER (trainer->tokens->len));
  g_ptr_array_add (trainer->tokens, token);
}

/* The bytes come first, in the order of their symbols, as in GPT-2. */
static void
add_bytes (ItuningBpeTrainer *trainer)
{
  gunichar symbols[256];

  ituning_bpe_fill_symbols (symbols);
  for (gunichar symbol = 0; symbol < ITUNING_BPE_N_SYMBOLS; symbol++) {
    for (guint byte = 0; byte < 256; byte++) {
      char token[7] = { 0 };
      if (symbols[byte] != symbol)
        continue;
      (void) g_unichar_to_utf8 (symbol, token);
      trainer->byte_ids[byte] = trainer->tokens->len;
      add_token (trainer, g_strdup (token));
    }
  }
}

/**
 * ituning_bpe_trainer_new:
 *
 * Returns: (transfer full): a trainer without texts
 */
ItuningBpeTrainer *
ituning_bpe_trainer_new (void)
{
  ItuningBpeTrainer *trainer = g_new0 (ItuningBpeTrainer, 1);

  trainer->indices = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      NULL);
  trainer->words = g_ptr_array_new_with_free_func (g_free);
  trainer->tokens = g_ptr_array_new_with_free_func (g_free);
  trainer->ids = g_hash_table_new (g_str_hash, g_str_equal);
  trainer->merges = g_array_new (FALSE, FALSE, sizeof (guint64));
  trainer->word = g_string_new (NULL);
  add_bytes (trainer);
  return trainer;
}

/**
 * ituning_bpe_trainer_free:
 * @trainer: (transfer full) (nullable): a trainer
 */
void
ituning_bpe_trainer_free (ItuningBpeTrainer *trainer)
{
  if (trainer == NULL)
    return;
  g_hash_table_unref (trainer->indices);
  g_hash_table_unref (trainer->ids);
  g_ptr_array_unref (trainer->words);
  g_ptr_array_unref (trainer->tokens);
  g_array_unref (trainer->merges);
  g_string_free (trainer->word, TRUE);
  g_free (trainer);
}

static void
add_word (ItuningBpeTrainer *trainer, const char *text, gsize size)
{
  gpointer index;
  Word *word;

  g_string_truncate (trainer->word, 0);
  g_string_append_len (trainer->word, text, (gssize) size);
  if (g_hash_table_lookup_extended (trainer->indices, trainer->word->str, NULL,
          &index)) {
    word = trainer->words->pdata[GPOINTER_TO_UINT (index)];
    word->count++;
    return;
  }
  word = g_malloc (sizeof (Word) + size * sizeof (guint32));
  word->count = 1;
  word->n_ids = (guint32) size;
  for (gsize i = 0; i < size; i++)
    word->ids[i] = trainer->byte_ids[(guint8) text[i]];
  g_hash_table_insert (trainer->indices, g_strdup (trainer->word->str),
      GUINT_TO_POINTER (trainer->words->len));
  g_ptr_array_add (trainer->words, word);
}

/**
 * ituning_bpe_trainer_add_text:
 * @trainer: a trainer that has not run
 * @text: [@size] UTF-8 without U+0000: a caption or line
 * @size: bytes, may be 0
 *
 * Counts the words of a text, split as GPT-2's tokenizer splits it.
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT when @text is no such text
 */
gboolean
ituning_bpe_trainer_add_text (ItuningBpeTrainer *trainer, const char *text,
    gsize size, GError **error)
{
  g_return_val_if_fail (trainer != NULL && trainer->merges->len == 0, FALSE);
  if (size > G_MAXINT32 || !g_utf8_validate_len (text, size, NULL)) {
    g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "is not UTF-8 text");
    return FALSE;
  }
  while (size > 0) {
    const gsize n = ituning_pretokenize (text, size);
    add_word (trainer, text, n);
    text += n;
    size -= n;
  }
  return TRUE;
}

static gboolean
add_lines (ItuningBpeTrainer *trainer, const char *path, GError **error)
{
  g_autoptr (GMappedFile) file = ituning_file_map (path, error);
  const char *line, *end;

  if (file == NULL)
    return FALSE;
  line = g_mapped_file_get_contents (file);
  end = line + g_mapped_file_get_length (file);
  for (gsize number = 1; line < end; number++) {
    const char *newline = memchr (line, '\n', (gsize) (end - line));
    const char *stop = newline == NULL ? end : newline;
    gsize size = (gsize) (stop - line);
    if (size > 0 && line[size - 1] == '\r')
      size--;
    if (!ituning_bpe_trainer_add_text (trainer, line, size, error)) {
      g_prefix_error (error, "%s: line %zu: ", path, number);
      return FALSE;
    }
    line = newline == NULL ? end : newline + 1;
  }
  return TRUE;
}

/* The captions of an image, which errors name. */
static gboolean
add_texts (ItuningBpeTrainer *trainer, const char *const *texts, gsize n,
    const char *path, const char *image, GError **error)
{
  for (gsize i = 0; i < n; i++) {
    if (!ituning_bpe_trainer_add_text (trainer, texts[i], strlen (texts[i]),
            error)) {
      g_prefix_error (error, "%s: image %s: ", path, image);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
add_captions (ItuningBpeTrainer *trainer, const char *path, GError **error)
{
  g_autoptr (ItuningCaptions) captions = ituning_captions_load (path, error);

  if (captions == NULL)
    return FALSE;
  for (gsize i = 0; i < ituning_captions_get_n_images (captions); i++) {
    gsize n;
    const char *const *texts = ituning_captions_get_texts (captions, i, &n);
    if (!add_texts (trainer, texts, n, path,
            ituning_captions_get_id (captions, i), error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
add_pairs (ItuningBpeTrainer *trainer, const char *path, GError **error)
{
  g_autoptr (ItuningPairs) pairs = ituning_pairs_open (path, NULL, NULL, error);

  if (pairs == NULL)
    return FALSE;
  for (gsize i = 0; i < ituning_pairs_get_n_images (pairs); i++) {
    const char *const *texts = ituning_pairs_get_captions (pairs, i);
    if (!add_texts (trainer, texts, g_strv_length ((char **) texts), path,
            ituning_pairs_get_id (pairs, i), error))
      return FALSE;
  }
  return TRUE;
}

/**
 * ituning_bpe_trainer_add_file:
 * @trainer: a trainer that has not run
 * @path: captions as of ituning_captions_load () when its name ends in
 *   ".json", and as of ituning_pairs_open () when it ends in ".jsonl"; else a
 *   text a line
 *
 * Returns: FALSE with %ITUNING_ERROR_OPEN, %ITUNING_ERROR_FORMAT or
 *   %ITUNING_ERROR_INPUT
 */
gboolean
ituning_bpe_trainer_add_file (ItuningBpeTrainer *trainer, const char *path,
    GError **error)
{
  g_return_val_if_fail (path != NULL, FALSE);
  if (g_str_has_suffix (path, ".json"))
    return add_captions (trainer, path, error);
  if (g_str_has_suffix (path, ".jsonl"))
    return add_pairs (trainer, path, error);
  return add_lines (trainer, path, error);
}

static void
count_word (const Word *word, guint32 index, ItuningPairCounts *counts)
{
  for (guint32 i = 0; i + 1 < word->n_ids; i++)
    ituning_pair_counts_add (counts,
        ITUNING_PAIR (word->ids[i], word->ids[i + 1]), word->count, index);
}

static gboolean
has_pair (const Word *word, guint64 pair)
{
  for (guint32 i = 0; i + 1 < word->n_ids; i++) {
    if (ITUNING_PAIR (word->ids[i], word->ids[i + 1]) == pair)
      return TRUE;
  }
  return FALSE;
}

/* Joins the pair wherever the word has it, from the left. */
static void
merge_word (Word *word, guint64 pair, guint32 merged)
{
  guint32 n = 0;

  for (guint32 i = 0; i < word->n_ids; i++) {
    const gboolean here = i + 1 < word->n_ids &&
        ITUNING_PAIR (word->ids[i], word->ids[i + 1]) == pair;
    word->ids[n++] = here ? merged : word->ids[i];
    i += here;
  }
  word->n_ids = n;
}

/* Keeps the counts true, and collects the pairs that the new token is in. */
static void
merge_and_count (Word *word, guint32 index, guint64 pair, guint32 merged,
    ItuningPairCounts *counts, GArray *grown)
{
  for (guint32 i = 0; i + 1 < word->n_ids; i++)
    ituning_pair_counts_subtract (counts,
        ITUNING_PAIR (word->ids[i], word->ids[i + 1]), word->count);
  merge_word (word, pair, merged);
  count_word (word, index, counts);
  for (guint32 i = 0; i + 1 < word->n_ids; i++) {
    const guint64 made = ITUNING_PAIR (word->ids[i], word->ids[i + 1]);
    if (word->ids[i] == merged || word->ids[i + 1] == merged)
      g_array_append_val (grown, made);
  }
}

static int
compare_pairs (const void *a, const void *b)
{
  const guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return (x > y) - (x < y);
}

static void
merge_words (ItuningBpeTrainer *trainer, ItuningPairCounts *counts,
    guint64 pair, guint32 merged, const GArray *words)
{
  g_autoptr (GArray) grown = g_array_new (FALSE, FALSE, sizeof (guint64));

  for (guint i = 0; i < words->len; i++) {
    const guint32 index = g_array_index (words, guint32, i);
    Word *word = trainer->words->pdata[index];
    if (has_pair (word, pair))
      merge_and_count (word, index, pair, merged, counts, grown);
  }
  g_array_sort (grown, compare_pairs);
  for (guint i = 0; i < grown->len; i++) {
    const guint64 made = g_array_index (grown, guint64, i);
    if (i == 0 || made != g_array_index (grown, guint64, i - 1))
      ituning_pair_counts_offer (counts, made);
  }
}

/* The token that a pair becomes: a new one, unless another pair has already
 * become the same. */
static guint32
make_token (ItuningBpeTrainer *trainer, guint64 pair)
{
  char *token = g_strconcat (trainer->tokens->pdata[pair >> 32],
      trainer->tokens->pdata[pair & G_MAXUINT32], NULL);
  gpointer id;

  g_array_append_val (trainer->merges, pair);
  if (g_hash_table_lookup_extended (trainer->ids, token, NULL, &id)) {
    g_free (token);
    return GPOINTER_TO_UINT (id);
  }
  add_token (trainer, token);
  return trainer->tokens->len - 1;
}

static void
merge_pairs (ItuningBpeTrainer *trainer, gsize n_tokens)
{
  ItuningPairCounts counts;

  ituning_pair_counts_init (&counts);
  for (guint32 i = 0; i < trainer->words->len; i++)
    count_word (trainer->words->pdata[i], i, &counts);
  ituning_pair_counts_offer_all (&counts);
  while (trainer->tokens->len < n_tokens) {
    g_autoptr (GArray) words = NULL;
    guint64 pair;

    if (!ituning_pair_counts_take (&counts, &pair, &words))
      break;
    merge_words (trainer, &counts, pair, make_token (trainer, pair), words);
  }
  ituning_pair_counts_clear (&counts);
}

/**
 * ituning_bpe_trainer_run:
 * @trainer: a trainer with its texts, that has not run
 * @vocab_size: tokens there shall be: 256 bytes, those that merges make, and
 *   `<|endoftext|>` as the last
 *
 * Joins the most frequent pair of tokens, over and over. Of equally frequent
 * ones it takes that of the lowest left id, then of the lowest right id. Words
 * are the same in every order of the texts, so the result is, too.
 *
 * Returns: FALSE with %ITUNING_ERROR_INPUT when @vocab_size is out of range,
 *   or the texts have too few pairs for it
 */
gboolean
ituning_bpe_trainer_run (ItuningBpeTrainer *trainer, gsize vocab_size,
    GError **error)
{
  g_return_val_if_fail (trainer != NULL && trainer->merges->len == 0, FALSE);
  if (vocab_size < LEAST_TOKENS || vocab_size > ITUNING_VOCABULARY_MAX) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "a vocabulary has from %d to %d tokens, not %zu", LEAST_TOKENS,
        ITUNING_VOCABULARY_MAX, vocab_size);
    return FALSE;
  }
  merge_pairs (trainer, vocab_size - 1);
  if (trainer->tokens->len + 1 < vocab_size) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "the texts are enough for a vocabulary of %u tokens, not %zu",
        trainer->tokens->len + 1, vocab_size);
    return FALSE;
  }
  return TRUE;
}

static GString *
write_tokens (const ItuningBpeTrainer *trainer)
{
  GString *json = g_string_new ("{");

  for (guint id = 0; id < trainer->tokens->len; id++) {
    g_string_append_c (json, '"');
    for (const char *c = trainer->tokens->pdata[id]; *c != '\0'; c++) {
      if (*c == '"' || *c == '\\')
        g_string_append_c (json, '\\');
      g_string_append_c (json, *c);
    }
    g_string_append_printf (json, "\":%u,", id);
  }
  g_string_append_printf (json, "\"" END_OF_TEXT "\":%u}\n",
      trainer->tokens->len);
  return json;
}

static GString *
write_merges (const ItuningBpeTrainer *trainer)
{
  GString *lines = g_string_new ("#version: 0.2\n");

  for (guint i = 0; i < trainer->merges->len; i++) {
    const guint64 pair = g_array_index (trainer->merges, guint64, i);
    g_string_append_printf (lines, "%s %s\n",
        (char *) trainer->tokens->pdata[pair >> 32],
        (char *) trainer->tokens->pdata[pair & G_MAXUINT32]);
  }
  return lines;
}

static gboolean
save_file (const char *dir, const char *name, const GString *text,
    GError **error)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  g_autoptr (GError) reason = NULL;

  if (g_file_set_contents (path, text->str, (gssize) text->len, &reason))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
      "%s: cannot be written: %s", path, reason->message);
  return FALSE;
}

/**
 * ituning_bpe_trainer_save:
 * @trainer: a trainer that has run
 * @language_dir: a folder, made when it is missing
 *
 * Writes `vocab.json` and `merges.txt`, as of GPT-2, each whole or not at all.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
ituning_bpe_trainer_save (const ItuningBpeTrainer *trainer,
    const char *language_dir, GError **error)
{
  GString *tokens, *merges;
  gboolean saved;

  g_return_val_if_fail (trainer != NULL && language_dir != NULL, FALSE);
  if (g_mkdir_with_parents (language_dir, 0777) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "%s: cannot be made: %s", language_dir, g_strerror (errno));
    return FALSE;
  }
  tokens = write_tokens (trainer);
  merges = write_merges (trainer);
  saved = save_file (language_dir, "vocab.json", tokens, error) &&
      save_file (language_dir, "merges.txt", merges, error);
  g_string_free (tokens, TRUE);
  g_string_free (merges, TRUE);
  return saved;
}
