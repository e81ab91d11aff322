/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/vocabulary.h"

gboolean ituning_tokenizer_files_exist (const char *language_dir);
ItuningVocabulary *ituning_tokenizer_files_load (const char *language_dir,
    GError **error);
