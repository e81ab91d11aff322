/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/trainlog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gst/tools/json.h"
#include "gst/tools/measure.h"
#include "gst/tools/output.h"
#include "model/ituning.h"

/* Between lines on stderr, when it is no terminal. */
#define PLAIN_SECONDS 10

struct _ToolTrainLog
{
  char *path; /* owned */
  FILE *file; /* owned */
  gboolean terminal;
  guint64 first, n_steps;
  guint64 validated; /* last step of a validation that was kept; or 0 */
  const char *unit; /* borrowed */
  gint64 started, shown; /* monotonic time */
  guint64 n_units; /* since @started */
};

static gboolean
fail (const ToolTrainLog *self, GError **error)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s", self->path,
      g_strerror (errno));
  return FALSE;
}

/* The step of a whole line of the log; or %G_MAXUINT64. */
static guint64
read_step (const char *line)
{
  guint64 step;

  return sscanf (line, "{\"step\": %" G_GUINT64_FORMAT, &step) == 1 &&
          g_str_has_suffix (line, "}")
      ? step
      : G_MAXUINT64;
}

/* The last step up to @first of which there is a validation. Its captions come
 * before it, so that one that was broken off has captions alone. */
static guint64
find_validated (GStrv lines, guint64 first)
{
  guint64 validated = 0;

  for (gsize i = 0; lines[i] != NULL; i++) {
    const guint64 step = read_step (lines[i]);
    if (step <= first && strstr (lines[i], "\"validation_loss\"") != NULL)
      validated = step;
  }
  return validated;
}

/* Leaves of a log that was written by a run that broke off the lines up to
 * step @first: the others will be written again. */
static gboolean
keep_lines (const char *path, guint64 first, guint64 *validated, GError **error)
{
  g_autofree char *old = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GString) kept = g_string_new (NULL);
  g_auto (ToolOutput) output = { .path = path };

  if (first == 0 || !g_file_get_contents (path, &old, NULL, NULL))
    return tool_output_finish (&output, error);
  lines = g_strsplit (old, "\n", -1);
  *validated = find_validated (lines, first);
  for (gsize i = 0; lines[i] != NULL; i++) {
    const guint64 step = read_step (lines[i]);
    const gboolean caption = strstr (lines[i], "\"image\"") != NULL;
    if (step <= (caption ? *validated : first))
      g_string_append_printf (kept, "%s\n", lines[i]);
  }
  return tool_output_write (&output, kept->str, kept->len, error) &&
      tool_output_finish (&output, error);
}

/**
 * tool_train_log_open:
 * @path: written, from the beginning when @first is 0; what is kept of it is
 *   there all the time
 * @first: steps that were made before
 * @n_steps: steps of the run
 * @unit: what the loss is a mean over
 *
 * Returns: (transfer full): a log; or %NULL with %ITUNING_ERROR_WRITE
 */
ToolTrainLog *
tool_train_log_open (const char *path, guint64 first, guint64 n_steps,
    const char *unit, GError **error)
{
  guint64 validated = 0;
  ToolTrainLog *self;
  FILE *file;

  if (!keep_lines (path, first, &validated, error))
    return NULL;
  file = fopen (path, "ae");
  if (file == NULL) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s", path,
        g_strerror (errno));
    return NULL;
  }
  self = g_new0 (ToolTrainLog, 1);
  self->path = g_strdup (path);
  self->file = file;
  self->terminal = isatty (STDERR_FILENO) != 0;
  self->first = first;
  self->validated = validated;
  self->n_steps = n_steps;
  self->unit = unit;
  self->started = self->shown = g_get_monotonic_time ();
  return self;
}

/**
 * tool_train_log_get_validated:
 *
 * Returns: the last step, of those made before, that a validation is kept of;
 *   or 0
 */
guint64
tool_train_log_get_validated (const ToolTrainLog *log)
{
  return log->validated;
}

/**
 * tool_train_log_free:
 * @log: (nullable) (transfer full): a log
 */
void
tool_train_log_free (ToolTrainLog *log)
{
  if (log == NULL)
    return;
  if (log->terminal && log->shown > log->started)
    fputc ('\n', stderr);
  fclose (log->file);
  g_free (log->path);
  g_free (log);
}

static gboolean
write_line (ToolTrainLog *self, const GString *line, GError **error)
{
  if (fwrite (line->str, 1, line->len, self->file) == line->len &&
      fflush (self->file) == 0)
    return TRUE;
  return fail (self, error);
}

static void
append_number (GString *line, const char *name, double value)
{
  g_string_append_printf (line, ", \"%s\": ", name);
  tool_json_append_double (line, value);
}

static void
show (ToolTrainLog *self, const ItuningTrainReport *report)
{
  const gint64 now = g_get_monotonic_time ();
  const double seconds = (double) MAX (now - self->started, 1) / 1e6;
  const gint64 left = (gint64) (seconds /
      (double) (report->step - self->first) *
      (double) (self->n_steps - report->step));
  const gint64 pause = self->terminal ? G_USEC_PER_SEC / 5
                                      : PLAIN_SECONDS * G_USEC_PER_SEC;

  if (now - self->shown < pause && report->step != self->n_steps)
    return;
  self->shown = now;
  fprintf (stderr,
      "%sstep %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
      "  loss %.4f  %.0f %s/s  %" G_GINT64_FORMAT ":%02d left%s",
      self->terminal ? "\r" : "", report->step, self->n_steps, report->loss,
      (double) self->n_units / seconds, self->unit, left / 60,
      (int) (left % 60), self->terminal ? "  " : "\n");
}

/**
 * tool_train_log_step:
 * @report: of a step
 * @mean_loss: (nullable): since the last line of the log, if this step gets one
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
tool_train_log_step (ToolTrainLog *log, const ItuningTrainReport *report,
    const double *mean_loss, GError **error)
{
  g_autoptr (GString) line = g_string_new (NULL);

  log->n_units += report->n_units;
  show (log, report);
  if (mean_loss == NULL)
    return TRUE;
  g_string_printf (line, "{\"step\": %" G_GUINT64_FORMAT, report->step);
  append_number (line, "loss", *mean_loss);
  append_number (line, "grad_norm", report->grad_norm);
  append_number (line, "learning_rate", report->learning_rate);
  g_string_append_printf (line, ", \"%s\": %zu}\n", log->unit, report->n_units);
  return write_line (log, line, error);
}

/**
 * tool_train_log_validation:
 * @loss: on other captions, after @step steps
 * @metrics: (nullable): of the captions that were written then
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
tool_train_log_validation (ToolTrainLog *log, guint64 step, double loss,
    const ItuningMetrics *metrics, GError **error)
{
  g_autoptr (GString) line = g_string_new (NULL);

  g_string_printf (line, "{\"step\": %" G_GUINT64_FORMAT, step);
  append_number (line, "validation_loss", loss);
  if (metrics != NULL) {
    append_number (line, "bleu_4", metrics->bleu[3]);
    append_number (line, "cider", metrics->cider);
  }
  g_string_append (line, "}\n");
  if (log->terminal)
    fputc ('\r', stderr);
  fprintf (stderr, "step %" G_GUINT64_FORMAT "  validation loss %.4f", step,
      loss);
  if (metrics != NULL)
    fprintf (stderr, "  CIDEr-D %.4f", metrics->cider);
  fputs ("          \n", stderr);
  return write_line (log, line, error);
}

/**
 * tool_train_log_caption:
 * @image: which image of the validation's
 * @caption: what the model says of it after @step steps
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
tool_train_log_caption (ToolTrainLog *log, guint64 step, gsize image,
    const char *caption, GError **error)
{
  g_autoptr (GString) line = g_string_new (NULL);

  g_string_printf (line,
      "{\"step\": %" G_GUINT64_FORMAT ", \"image\": %zu, \"caption\": ", step,
      image);
  tool_json_append_string (line, caption, strlen (caption));
  g_string_append (line, "}\n");
  fprintf (stderr, "  image %zu: %s\n", image, caption);
  return write_line (log, line, error);
}

/**
 * tool_train_log_finish:
 * @path: replaced by an object of JSON with what is said; apart from the log,
 *   which is the same for the same run wherever it runs, but for the first mean
 *   loss after a run was broken off
 * @n_parameters: how many were trained
 *
 * Says what the run took: steps of this process, not of those before it.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
tool_train_log_finish (ToolTrainLog *log, const char *path,
    guint64 n_parameters, GError **error)
{
  g_autoptr (GString) object = g_string_new (NULL);
  g_auto (ToolOutput) output = { .path = path };
  const double seconds = (double) (g_get_monotonic_time () - log->started) /
      1e6 / (double) MAX (log->n_steps - log->first, 1);
  const double peak = (double) tool_measure_peak_memory () / 1048576.0;

  g_string_printf (object, "{\"trained_parameters\": %" G_GUINT64_FORMAT,
      n_parameters);
  append_number (object, "seconds_per_step", seconds);
  append_number (object, "peak_memory_mib", peak);
  g_string_append (object, "}\n");
  if (log->terminal)
    fputc ('\n', stderr);
  log->shown = log->started; /* the line is ended */
  fprintf (stderr,
      "%" G_GUINT64_FORMAT " parameters trained, %.4f s a step, %.0f MiB\n",
      n_parameters, seconds, peak);
  return tool_output_write (&output, object->str, object->len, error) &&
      tool_output_finish (&output, error);
}
