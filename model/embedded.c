/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/embedded.h"

/* The packed model that is part of the library, if it was built with one
 * (Meson's option `embedded-model`): assembler's .incbin put it between these
 * two, on a page of its own. */
#ifdef ITUNING_EMBEDDED_MODEL
extern const guint8 ituning_embedded_start[], ituning_embedded_end[];
#endif

/**
 * ituning_embedded_get:
 *
 * Returns: (transfer full) (nullable): the file's bytes, which live as long as
 *   the library; %NULL when none was built in
 */
GBytes *
ituning_embedded_get (void)
{
#ifdef ITUNING_EMBEDDED_MODEL
  return g_bytes_new_static (ituning_embedded_start,
      (gsize) (ituning_embedded_end - ituning_embedded_start));
#else
  return NULL;
#endif
}
