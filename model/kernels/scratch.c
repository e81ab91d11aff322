/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/scratch.h"

/* Memory that stays with a thread, so that nothing is allocated for a token. */
typedef struct
{
  gpointer bytes; /* owned */
  gsize size;
} Scratch;

static void
scratch_free (gpointer data)
{
  Scratch *self = data;

  g_free (self->bytes);
  g_free (self);
}

/**
 * ituning_scratch_reserve:
 * @size: bytes
 *
 * Returns: (transfer none): memory of that size, which is the calling thread's
 *   until its next call; what is in it is not defined
 */
gpointer
ituning_scratch_reserve (gsize size)
{
  static GPrivate key = G_PRIVATE_INIT (scratch_free);
  Scratch *self = g_private_get (&key);

  if (self == NULL) {
    self = g_new0 (Scratch, 1);
    g_private_set (&key, self);
  }
  if (self->size < size) {
    g_free (self->bytes);
    self->bytes = g_malloc (size);
    self->size = size;
  }
  return self->bytes;
}
