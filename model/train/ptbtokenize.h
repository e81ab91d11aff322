/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

void ituning_ptb_tokenize (const char *text, gboolean keep_punctuation,
    GPtrArray *tokens);
