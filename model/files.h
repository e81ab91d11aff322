/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

GMappedFile *ituning_file_map (const char *path, GError **error);

/* Writes all of a file, and does not close @stream. */
typedef gboolean (
    *ItuningFileWrite) (GOutputStream *stream, gpointer data, GError **error);

gboolean ituning_file_replace (const char *path, ItuningFileWrite write,
    gpointer data, GError **error);
