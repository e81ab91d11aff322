/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Lines on their way to stdout at once, or to a file when all are there. Made
 * with { .path = path or NULL }. Of one thread. */
typedef struct
{
  const char *path; /* borrowed; NULL for stdout */
  GString *held; /* owned: what goes to @path; NULL until there is some */
} ToolOutput;

void tool_report (const char *format, ...) G_GNUC_PRINTF (1, 2);
gboolean tool_output_check (const char *path, GError **error);
gboolean tool_output_write (ToolOutput *output, const char *text, gsize length,
    GError **error);
gboolean tool_output_finish (ToolOutput *output, GError **error);
void tool_output_clear (ToolOutput *output);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ToolOutput, tool_output_clear)
