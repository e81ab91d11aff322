/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "model/ituning.h"

struct _ItuningBpe
{
  guint32 n_tokens;
  guint32 byte_ids[256]; /* token of each single byte */
  char *bytes; /* owned; of all tokens, one after another */
  gsize *starts; /* owned; [n_tokens + 1] where each begins in @bytes */
  ItuningBpeRule *rules; /* owned; sorted by left, then right */
  guint32 *first_rules; /* owned; [n_tokens + 1] first rule by left token */
};

/**
 * ituning_bpe_fill_symbols:
 * @symbols: gets, for each byte, the character that stands for it in the files
 *   of a tokenizer, below %ITUNING_BPE_N_SYMBOLS
 *
 * GPT-2 writes a byte that is printable in Latin-1 as that character, and the
 * others in order as U+0100 and up.
 */
void
ituning_bpe_fill_symbols (gunichar symbols[256])
{
  gunichar other = 0x100;

  for (guint byte = 0; byte < 256; byte++) {
    const gboolean printable = (byte >= '!' && byte <= '~') ||
        (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    symbols[byte] = printable ? byte : other++;
  }
}

/* Ids by token, as pointers. */
static GHashTable *
index_tokens (const ItuningVocabulary *vocabulary, GError **error)
{
  g_autoptr (GHashTable) ids = g_hash_table_new (g_str_hash, g_str_equal);
  const GPtrArray *tokens = vocabulary->tokens;

  for (guint id = 0; id < tokens->len; id++) {
    if (!g_hash_table_insert (ids, tokens->pdata[id], GUINT_TO_POINTER (id))) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: has the token with the id %u twice", vocabulary->tokens_path,
          id);
      return NULL;
    }
  }
  return g_steal_pointer (&ids);
}

static gboolean
find_id (GHashTable *ids, const char *token, guint32 *id)
{
  gpointer value;

  if (!g_hash_table_lookup_extended (ids, token, NULL, &value))
    return FALSE;
  *id = GPOINTER_TO_UINT (value);
  return TRUE;
}

static gboolean
find_bytes (ItuningBpe *bpe, const ItuningVocabulary *vocabulary,
    GHashTable *ids, GError **error)
{
  gunichar symbols[256];

  ituning_bpe_fill_symbols (symbols);
  for (guint byte = 0; byte < 256; byte++) {
    char token[7] = { 0 };
    (void) g_unichar_to_utf8 (symbols[byte], token);
    if (!find_id (ids, token, &bpe->byte_ids[byte])) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: has no token \"%s\" for the byte 0x%02x",
          vocabulary->tokens_path, token, byte);
      return FALSE;
    }
  }
  return TRUE;
}

/* Writes the bytes that a token stands for: those of its symbols; or, when a
 * character is none, as in some special tokens, its own. Returns their end. */
static char *
write_token (char *to, const char *token,
    const gint16 bytes[ITUNING_BPE_N_SYMBOLS])
{
  char *at = to;

  for (const char *c = token; *c != '\0'; c = g_utf8_next_char (c)) {
    const gunichar symbol = g_utf8_get_char (c);
    if (symbol >= ITUNING_BPE_N_SYMBOLS || bytes[symbol] < 0)
      return g_stpcpy (to, token);
    *at++ = (char) bytes[symbol];
  }
  return at;
}

static void
fill_tokens (ItuningBpe *bpe, const ItuningVocabulary *vocabulary)
{
  const GPtrArray *tokens = vocabulary->tokens;
  gint16 bytes[ITUNING_BPE_N_SYMBOLS];
  gunichar symbols[256];
  gsize size = 1;
  char *at;

  ituning_bpe_fill_symbols (symbols);
  memset (bytes, 0xff, sizeof bytes);
  for (gint16 byte = 0; byte < 256; byte++)
    bytes[symbols[byte]] = byte;
  for (guint id = 0; id < tokens->len; id++)
    size += strlen (tokens->pdata[id]);
  bpe->starts = g_new (gsize, (gsize) tokens->len + 1);
  bpe->bytes = at = g_malloc (size);
  for (guint id = 0; id < tokens->len; id++) {
    bpe->starts[id] = (gsize) (at - bpe->bytes);
    at = write_token (at, tokens->pdata[id], bytes);
  }
  bpe->starts[tokens->len] = (gsize) (at - bpe->bytes);
}

static gboolean
fill_rule (ItuningBpeRule *rule, const ItuningMerge *merge, GHashTable *ids,
    GString *merged, const char **missing)
{
  g_string_assign (merged, merge->left);
  g_string_append (merged, merge->right);
  if (!find_id (ids, merge->left, &rule->left))
    *missing = "its left token";
  else if (!find_id (ids, merge->right, &rule->right))
    *missing = "its right token";
  else if (!find_id (ids, merged->str, &rule->merged))
    *missing = "what it makes";
  else
    return TRUE;
  return FALSE;
}

static gboolean
fill_rules (ItuningBpe *bpe, const ItuningVocabulary *vocabulary,
    GHashTable *ids, GError **error)
{
  const GArray *merges = vocabulary->merges;
  g_autoptr (GString) merged = g_string_new (NULL);
  const char *missing = NULL;

  bpe->rules = g_new (ItuningBpeRule, merges->len);
  for (guint32 rank = 0; rank < merges->len; rank++) {
    const ItuningMerge *merge = &g_array_index (merges, ItuningMerge, rank);
    bpe->rules[rank].rank = rank;
    if (!fill_rule (&bpe->rules[rank], merge, ids, merged, &missing)) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: merge %u does not fit the vocabulary, which lacks %s",
          vocabulary->merges_path, rank, missing);
      return FALSE;
    }
  }
  return TRUE;
}

static guint64
get_pair (guint32 left, guint32 right)
{
  return (guint64) left << 32 | right;
}

static int
compare_rules (const void *a, const void *b)
{
  const ItuningBpeRule *x = a, *y = b;
  const guint64 p = get_pair (x->left, x->right);
  const guint64 q = get_pair (y->left, y->right);

  return (p > q) - (p < q);
}

static gboolean
sort_rules (ItuningBpe *bpe, const ItuningVocabulary *vocabulary,
    GError **error)
{
  const guint32 n_rules = vocabulary->merges->len;
  const ItuningBpeRule *rules = bpe->rules;
  guint32 rule = 0;

  if (n_rules > 0)
    qsort (bpe->rules, n_rules, sizeof (ItuningBpeRule), compare_rules);
  for (guint32 i = 1; i < n_rules; i++) {
    if (compare_rules (&rules[i - 1], &rules[i]) == 0) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: merges %u and %u join the same pair", vocabulary->merges_path,
          MIN (rules[i - 1].rank, rules[i].rank),
          MAX (rules[i - 1].rank, rules[i].rank));
      return FALSE;
    }
  }
  bpe->first_rules = g_new (guint32, (gsize) bpe->n_tokens + 1);
  for (guint32 id = 0; id <= bpe->n_tokens; id++) {
    while (rule < n_rules && rules[rule].left < id)
      rule++;
    bpe->first_rules[id] = rule;
  }
  return TRUE;
}

/**
 * ituning_bpe_new:
 * @vocabulary: tokens by id, and merges; may be freed afterwards
 *
 * A token stands for the bytes of its symbols; one that holds a character
 * which is no symbol stands for itself.
 *
 * Returns: (transfer full): the tables; or %NULL with %ITUNING_ERROR_FORMAT
 *   when a byte has no token, a token or merge comes twice, or a merge does
 *   not lead from tokens to a token
 */
ItuningBpe *
ituning_bpe_new (const ItuningVocabulary *vocabulary, GError **error)
{
  g_autoptr (GHashTable) ids = index_tokens (vocabulary, error);
  ItuningBpe *bpe;

  if (ids == NULL)
    return NULL;
  bpe = g_new0 (ItuningBpe, 1);
  bpe->n_tokens = vocabulary->tokens->len;
  if (find_bytes (bpe, vocabulary, ids, error) &&
      fill_rules (bpe, vocabulary, ids, error) &&
      sort_rules (bpe, vocabulary, error)) {
    fill_tokens (bpe, vocabulary);
    return bpe;
  }
  ituning_bpe_free (bpe);
  return NULL;
}

/**
 * ituning_bpe_free:
 * @bpe: (transfer full) (nullable): tables
 */
void
ituning_bpe_free (ItuningBpe *bpe)
{
  if (bpe == NULL)
    return;
  g_free (bpe->bytes);
  g_free (bpe->starts);
  g_free (bpe->rules);
  g_free (bpe->first_rules);
  g_free (bpe);
}

/**
 * ituning_bpe_get_size:
 * @bpe: tables
 *
 * Returns: number of tokens, those included that no text becomes
 */
gsize
ituning_bpe_get_size (const ItuningBpe *bpe)
{
  return bpe->n_tokens;
}

/**
 * ituning_bpe_get_byte:
 * @bpe: tables
 * @byte: any byte
 *
 * Returns: id of the token that is @byte alone
 */
guint32
ituning_bpe_get_byte (const ItuningBpe *bpe, guint8 byte)
{
  return bpe->byte_ids[byte];
}

/**
 * ituning_bpe_get_token:
 * @bpe: tables
 * @id: below ituning_bpe_get_size ()
 * @size: (out): bytes of the token, at least 1
 *
 * Returns: (transfer none): [@size] the bytes, without a 0 after them; they
 *   may begin or end within a character
 */
const char *
ituning_bpe_get_token (const ItuningBpe *bpe, guint32 id, gsize *size)
{
  *size = bpe->starts[id + 1] - bpe->starts[id];
  return bpe->bytes + bpe->starts[id];
}

/**
 * ituning_bpe_find_rule:
 * @bpe: tables
 * @left: a token
 * @right: the token after it
 *
 * Returns: (transfer none) (nullable): the rule that joins the two; the rank
 *   of a rule belongs to no other
 */
const ItuningBpeRule *
ituning_bpe_find_rule (const ItuningBpe *bpe, guint32 left, guint32 right)
{
  guint32 low = bpe->first_rules[left];
  guint32 high = bpe->first_rules[left + 1];

  while (low < high) {
    const guint32 middle = low + (high - low) / 2;
    const ItuningBpeRule *rule = &bpe->rules[middle];
    if (rule->right == right)
      return rule;
    if (rule->right < right)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}
