/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/pairimages.h"

#include "gst/tools/output.h"

/**
 * tool_pair_images_open:
 * @pairs: images and their captions
 * @first: the first of the images to open
 * @n: how many
 * @strict: whether one that cannot be opened is an error
 * @images: (out) (array length=n) (transfer full): the images; %NULL for those
 *   that cannot be opened, which are reported
 *
 * Returns: FALSE with the error of tool_image_open (), when it is strict; @images
 *   has those before it
 */
gboolean
tool_pair_images_open (const ItuningPairs *pairs, gsize first, gsize n,
    gboolean strict, ToolImage **images, GError **error)
{
  for (gsize i = 0; i < n; i++) {
    g_autoptr (GError) reason = NULL;
    images[i] = tool_image_open (ituning_pairs_get_image (pairs, first + i),
        &reason);
    if (images[i] != NULL)
      continue;
    if (strict) {
      g_propagate_error (error, g_steal_pointer (&reason));
      return FALSE;
    }
    tool_report ("skipped: %s", reason->message);
  }
  return TRUE;
}
