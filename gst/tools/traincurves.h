/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

gboolean tool_train_curves_write (const char *path, const char *log,
    GError **error);
