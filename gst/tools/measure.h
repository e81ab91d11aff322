/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What the measuring commands share. */

double tool_measure_median (double *values, gsize n);
guint64 tool_measure_peak_memory (void);
void tool_measure_reset_peak_memory (void);
