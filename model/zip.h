/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Finds the entries of a zip archive in memory, ZIP64 or not. Those that are
 * read must be stored as they are: nothing is unpacked, so that what is found
 * can be used in place. */

typedef struct _ItuningZip ItuningZip;

ItuningZip *ituning_zip_open (const char *path, const guint8 *bytes, gsize size,
    GError **error);
void ituning_zip_free (ItuningZip *zip);
const char *ituning_zip_get_first_name (const ItuningZip *zip);
gboolean ituning_zip_contains (const ItuningZip *zip, const char *name);
gboolean ituning_zip_read (const ItuningZip *zip, const char *name,
    const guint8 **data, gsize *size, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningZip, ituning_zip_free)
