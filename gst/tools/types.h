/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"

gboolean tool_types_parse (const char *text, ItuningPartTypes *types,
    GError **error);
