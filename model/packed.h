/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/gguf.h"
#include "model/vocabulary.h"

/* A packed model: a GGUF file with a whole model in it. */

#define ITUNING_PACKED_ARCHITECTURE "ituning"
#define ITUNING_DESCRIPTION_KEY "general.description"

gboolean ituning_packed_is (const char *path);
ItuningGguf *ituning_packed_open (const char *path, GError **error);
ItuningGguf *ituning_packed_open_embedded (GError **error);
gboolean ituning_packed_has_tokenizer (const ItuningGguf *packed);
gboolean ituning_packed_has_adapter (const ItuningGguf *packed);

ItuningVocabulary *ituning_vocabulary_unpack (const ItuningGguf *packed,
    GError **error);
gboolean ituning_vocabulary_pack (const ItuningVocabulary *vocabulary,
    gsize bos, gsize eos, ItuningGgufWriter *writer, GError **error);
