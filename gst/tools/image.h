/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"

/* A picture from a file. Immutable. */
typedef struct
{
  ItuningImage image; /* points into @pixels */
  GBytes *pixels; /* owned */
} ToolImage;

gboolean tool_image_is_known (const char *path);
ToolImage *tool_image_open (const char *path, GError **error);
void tool_image_free (ToolImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ToolImage, tool_image_free)
