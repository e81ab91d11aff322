/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

typedef struct _ToolInterrupt ToolInterrupt;

ToolInterrupt *tool_interrupt_catch (void);
GCancellable *tool_interrupt_get_cancellable (ToolInterrupt *interrupt);
int tool_interrupt_get_signal (ToolInterrupt *interrupt);
