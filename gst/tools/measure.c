/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
compare_doubles (const void *a, const void *b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/**
 * tool_measure_median:
 * @values: [n], sorted in place: the least comes first
 * @n: how many, at least 1
 *
 * Returns: their median
 */
double
tool_measure_median (double *values, gsize n)
{
  qsort (values, n, sizeof *values, compare_doubles);
  return (values[(n - 1) / 2] + values[n / 2]) / 2.0;
}

/**
 * tool_measure_peak_memory:
 *
 * Returns: the most memory in bytes that was resident since it was reset; 0
 *   where it is unknown
 */
guint64
tool_measure_peak_memory (void)
{
  g_autofree char *status = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/self/status", &status, NULL, NULL) ||
      (line = strstr (status, "VmHWM:")) == NULL)
    return 0;
  return g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10) * 1024;
}

/**
 * tool_measure_reset_peak_memory:
 *
 * From here on tool_measure_peak_memory () counts anew.
 */
void
tool_measure_reset_peak_memory (void)
{
  FILE *file = fopen ("/proc/self/clear_refs", "we");

  if (file == NULL)
    return;
  fputs ("5", file);
  fclose (file);
}
