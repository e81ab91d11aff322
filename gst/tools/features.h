/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"

/* Which images and captions features are of; all strings are borrowed. */
typedef struct
{
  const char *captions;
  const char *images; /* or NULL */
  const char *split; /* or NULL */
  const char *output;
  gsize max_length;
  gboolean strict;
} ToolFeatures;

gboolean tool_features_check (const ToolFeatures *features, ItuningModel *model,
    GError **error);
gboolean tool_features_write (const ToolFeatures *features, ItuningModel *model,
    GCancellable *cancellable, GError **error);
