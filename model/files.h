/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

GMappedFile *ituning_file_map (const char *path, GError **error);
