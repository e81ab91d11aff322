/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Scratch memory of a session: grows, never shrinks, contents are lost when it
 * grows. Zero-initialised it is empty. */
typedef struct
{
  float *values; /* owned, aligned to a cache line */
  gsize n_values;
} ItuningBuffer;

static inline float *
ituning_buffer_reserve (ItuningBuffer *buffer, gsize n_values)
{
  if (buffer->n_values < n_values) {
    g_aligned_free (buffer->values);
    buffer->values = g_aligned_alloc (n_values, sizeof (float), 64);
    buffer->n_values = n_values;
  }
  return buffer->values;
}

static inline void
ituning_buffer_clear (ItuningBuffer *buffer)
{
  g_aligned_free (buffer->values);
  buffer->values = NULL;
  buffer->n_values = 0;
}
