/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/gguf.h"
#include "model/vocabulary.h"

ItuningTokenizer *ituning_tokenizer_new_packed (const ItuningGguf *packed,
    GError **error);
const ItuningVocabulary *ituning_tokenizer_get_vocabulary (
    const ItuningTokenizer *tokenizer);
