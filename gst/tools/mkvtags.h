/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

gboolean tool_mkv_repair_tags (const char *path, GError **error);
