/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/traincurves.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gst/tools/output.h"

/* The log of a training run as one picture: the loss and the validation's; below
 * them how good the captions are, and the learning rate. */

#define WIDTH 720.0
#define MARGIN 70.0
#define LOSS_HEIGHT 300.0
#define METRIC_HEIGHT 120.0
#define RATE_HEIGHT 80.0
#define GAP 40.0

typedef struct
{
  double step, value;
} Point;

/* A curve and the range of all that is drawn beside it. */
typedef struct
{
  GArray *points; /* owned: Point */
  const char *name, *color;
} Curve;

typedef struct
{
  double top, height, last_step, low, high;
} Frame;

static void
read_member (Curve *curve, const char *line, double step, const char *member)
{
  const char *found = strstr (line, member);
  Point point = { step, 0.0 };

  if (found == NULL)
    return;
  point.value = g_ascii_strtod (found + strlen (member), NULL);
  if (isfinite (point.value))
    g_array_append_val (curve->points, point);
}

static void
grow_range (Frame *frame, const Curve *curve)
{
  for (guint i = 0; i < curve->points->len; i++) {
    const Point *point = &g_array_index (curve->points, Point, i);
    frame->low = MIN (frame->low, point->value);
    frame->high = MAX (frame->high, point->value);
    frame->last_step = MAX (frame->last_step, point->step);
  }
}

static void
draw_curve (GString *svg, const Frame *frame, const Curve *curve, guint index)
{
  const double range = MAX (frame->high - frame->low, 1e-12);

  g_string_append_printf (svg,
      "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"",
      curve->color);
  for (guint i = 0; i < curve->points->len; i++) {
    const Point *point = &g_array_index (curve->points, Point, i);
    g_string_append_printf (svg, "%.1f,%.1f ",
        MARGIN + WIDTH * point->step / MAX (frame->last_step, 1.0),
        frame->top + frame->height * (frame->high - point->value) / range);
  }
  g_string_append_printf (svg,
      "\"/>\n<text x=\"%.0f\" y=\"%.0f\" fill=\"%s\">%s</text>\n",
      MARGIN + WIDTH - 150.0, frame->top + 16.0 * (index + 1), curve->color,
      curve->name);
}

static void
draw_frame (GString *svg, const Frame *frame)
{
  g_string_append_printf (svg,
      "<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" "
      "fill=\"none\" stroke=\"#999\"/>\n"
      "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">%.3g</text>\n"
      "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">%.3g</text>\n"
      "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">%.0f steps</text>\n",
      MARGIN, frame->top, WIDTH, frame->height, MARGIN - 5.0, frame->top + 10.0,
      frame->high, MARGIN - 5.0, frame->top + frame->height, frame->low,
      MARGIN + WIDTH, frame->top + frame->height + 16.0, frame->last_step);
}

/* Curves of one frame. */
static void
draw (GString *svg, double top, double height, const Curve *curves, guint n)
{
  Frame frame = { top, height, 0.0, G_MAXDOUBLE, -G_MAXDOUBLE };

  for (guint i = 0; i < n; i++)
    grow_range (&frame, &curves[i]);
  if (frame.low > frame.high)
    return;
  draw_frame (svg, &frame);
  for (guint i = 0; i < n; i++)
    if (curves[i].points->len > 0)
      draw_curve (svg, &frame, &curves[i], i);
}

/**
 * tool_train_curves_write:
 * @path: an SVG, which is replaced
 * @log: the log of a run
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
tool_train_curves_write (const char *path, const char *log, GError **error)
{
  Curve curves[] = { { NULL, "loss", "#36c" },
    { NULL, "validation loss", "#c33" }, { NULL, "CIDEr-D", "#93c" },
    { NULL, "learning rate", "#393" } };
  static const char *const members[] = { " \"loss\": ", "\"validation_loss\": ",
    "\"cider\": ", "\"learning_rate\": " };
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GString) svg = g_string_new (NULL);
  g_auto (ToolOutput) output = { .path = path };

  if (!g_file_get_contents (log, &text, NULL, NULL))
    return TRUE;
  for (guint k = 0; k < G_N_ELEMENTS (curves); k++)
    curves[k].points = g_array_new (FALSE, FALSE, sizeof (Point));
  lines = g_strsplit (text, "\n", -1);
  for (gsize i = 0; lines[i] != NULL; i++) {
    double step;
    if (sscanf (lines[i], "{\"step\": %lf", &step) != 1)
      continue;
    for (guint k = 0; k < G_N_ELEMENTS (curves); k++)
      read_member (&curves[k], lines[i], step, members[k]);
  }
  g_string_printf (svg,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
      "height=\"%.0f\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      WIDTH + 2.0 * MARGIN,
      LOSS_HEIGHT + METRIC_HEIGHT + RATE_HEIGHT + 4.0 * GAP);
  draw (svg, GAP / 2.0, LOSS_HEIGHT, curves, 2);
  draw (svg, GAP * 1.5 + LOSS_HEIGHT, METRIC_HEIGHT, curves + 2, 1);
  draw (svg, GAP * 2.5 + LOSS_HEIGHT + METRIC_HEIGHT, RATE_HEIGHT, curves + 3,
      1);
  g_string_append (svg, "</svg>\n");
  for (guint k = 0; k < G_N_ELEMENTS (curves); k++)
    g_array_unref (curves[k].points);
  return tool_output_write (&output, svg->str, svg->len, error) &&
      tool_output_finish (&output, error);
}
