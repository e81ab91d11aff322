/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/json.h"

/* Tokens there may be: four times the largest vocabulary in use. */
#define ITUNING_VOCABULARY_MAX (1 << 20)

/* Two tokens that are joined into one, in the symbols of the files, which
 * write a byte that is not printable as a letter that is. */
typedef struct
{
  const char *left;
  const char *right;
} ItuningMerge;

/* What the files of a tokenizer say. Nobody has checked yet that the merges
 * fit the tokens. */
typedef struct
{
  char *tokens_path; /* owned; for messages */
  char *merges_path; /* owned; for messages */
  GPtrArray *tokens; /* owned; by id, borrowed from @strings */
  GArray *merges; /* owned; of ItuningMerge, by rank, borrowed likewise */
  GStringChunk *strings; /* owned */
} ItuningVocabulary;

ItuningVocabulary *ituning_vocabulary_new (void);
void ituning_vocabulary_free (ItuningVocabulary *vocabulary);
GMappedFile *ituning_vocabulary_map (const char *path, GError **error);
JsonNode *ituning_vocabulary_load_json (const char *path, JsonObject **object,
    GError **error);
gboolean ituning_vocabulary_scan (ItuningVocabulary *vocabulary,
    const char *path, const char *text, gsize size);
gboolean ituning_vocabulary_add_token (ItuningVocabulary *vocabulary,
    const char *path, const char *token, gint64 id, GError **error);
gboolean ituning_vocabulary_add_tokens (ItuningVocabulary *vocabulary,
    const char *path, JsonObject *object, GError **error);
gboolean ituning_vocabulary_add_merge (ItuningVocabulary *vocabulary,
    const char *line, gsize size, GError **error);
gboolean ituning_vocabulary_check (const ItuningVocabulary *vocabulary,
    GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningVocabulary, ituning_vocabulary_free)
