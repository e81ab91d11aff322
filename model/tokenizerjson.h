/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/vocabulary.h"

gboolean ituning_tokenizer_json_read (ItuningVocabulary *vocabulary,
    const char *path, GError **error);
