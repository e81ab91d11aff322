/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How far a long job is, on stderr: on a terminal one line that is rewritten,
 * else a plain line now and then. */
typedef struct _ToolProgress ToolProgress;

ToolProgress *tool_progress_new (const char *path, const char *doing);
void tool_progress_update (ToolProgress *progress, double fraction);
void tool_progress_clear (ToolProgress *progress);
void tool_progress_free (ToolProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ToolProgress, tool_progress_free)
