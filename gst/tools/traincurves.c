/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/traincurves.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gst/tools/output.h"

/* The log of a training run as one picture: the loss and the validation's; below
 * them, where the run has them, how good its captions are; and the learning
 * rate. Lines of the log -> points of curves -> panels of curves. */

#define WIDTH 760.0 /* of a panel */
#define LEFT 80.0 /* for its numbers */
#define RIGHT 30.0
#define TOP 56.0 /* for the title */
#define GAP 46.0 /* between panels, for their names */
#define BOTTOM 50.0 /* for the steps */
#define LEGEND 100.0 /* for the name of a curve */

/* A curve with more points than this is a line without dots. */
#define MAX_DOTS 60

typedef struct
{
  double step, value;
} Point;

typedef struct
{
  const char *member; /* of a line of the log */
  const char *name, *color;
  GArray *points; /* owned: Point */
} Curve;

typedef struct
{
  const char *name;
  double height;
  gboolean from_zero;
  guint first, n; /* of the curves */
} Panel;

/* What a panel's numbers are drawn by; @tick is the distance of its lines. */
typedef struct
{
  double top, height, low, high, tick;
  double last_step, step_tick;
} Frame;

static const Panel panels[] = {
  { "Loss", 300.0, FALSE, 0, 2 },
  { "Captions of the validation", 150.0, TRUE, 2, 2 },
  { "Learning rate", 90.0, TRUE, 4, 1 },
};

/* --- points ------------------------------------------------------------- */

static void
read_member (Curve *curve, const char *line, double step)
{
  const char *found = strstr (line, curve->member);
  Point point = { step, 0.0 };

  if (found == NULL)
    return;
  point.value = g_ascii_strtod (found + strlen (curve->member), NULL);
  if (isfinite (point.value))
    g_array_append_val (curve->points, point);
}

static void
read_lines (Curve *curves, guint n, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (gsize i = 0; lines[i] != NULL; i++) {
    double step;
    if (sscanf (lines[i], "{\"step\": %lf", &step) != 1)
      continue;
    for (guint k = 0; k < n; k++)
      read_member (&curves[k], lines[i], step);
  }
}

/* --- ranges ------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, so that about @n of them make @range. */
static double
choose_tick (double range, double n)
{
  const double rough = MAX (range, 1e-12) / n;
  const double power = pow (10.0, floor (log10 (rough)));
  const double part = rough / power;

  return power *
      (part <= 1.0          ? 1.0
              : part <= 2.0 ? 2.0
              : part <= 5.0 ? 5.0
                            : 10.0);
}

/* Returns FALSE when there is nothing to draw. */
static gboolean
choose_range (Frame *frame, const Panel *panel, const Curve *curves)
{
  double low = G_MAXDOUBLE, high = -G_MAXDOUBLE;

  for (guint k = 0; k < panel->n; k++) {
    const GArray *points = curves[panel->first + k].points;
    for (guint i = 0; i < points->len; i++) {
      low = MIN (low, g_array_index (points, Point, i).value);
      high = MAX (high, g_array_index (points, Point, i).value);
    }
  }
  if (low > high)
    return FALSE;
  if (panel->from_zero)
    low = MIN (low, 0.0);
  if (high <= low) {
    const double room = MAX (0.1 * fabs (low), 1e-6);
    low -= room;
    high += room;
  }
  frame->height = panel->height;
  frame->tick = choose_tick (high - low, panel->height / 45.0);
  frame->low = floor (low / frame->tick + 1e-9) * frame->tick;
  frame->high = ceil (high / frame->tick - 1e-9) * frame->tick;
  return TRUE;
}

static double
find_last_step (const Curve *curves, guint n)
{
  double last = 1.0;

  for (guint k = 0; k < n; k++)
    for (guint i = 0; i < curves[k].points->len; i++)
      last = MAX (last, g_array_index (curves[k].points, Point, i).step);
  return last;
}

/* --- drawing ------------------------------------------------------------ */

static double
place_step (const Frame *frame, double step)
{
  return LEFT + WIDTH * step / frame->last_step;
}

static double
place_value (const Frame *frame, double value)
{
  return frame->top +
      frame->height * (frame->high - value) / (frame->high - frame->low);
}

static void
draw_text (GString *svg, double x, double y, const char *anchor,
    const char *style, const char *text)
{
  g_autofree char *escaped = g_markup_escape_text (text, -1);

  g_string_append_printf (svg,
      "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>%s</text>\n", x, y,
      anchor, style, escaped);
}

static void
draw_number (GString *svg, double x, double y, const char *anchor, double value)
{
  g_autofree char *text = g_strdup_printf ("%.6g", value);

  draw_text (svg, x, y, anchor, "fill=\"#555\"", text);
}

static void
draw_line (GString *svg, double x1, double y1, double x2, double y2)
{
  g_string_append_printf (svg,
      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
      "stroke=\"#e2e2e2\"/>\n",
      x1, y1, x2, y2);
}

/* Its lines and numbers; those of the steps stand below the last panel. */
static void
draw_frame (GString *svg, const Frame *frame, gboolean is_last)
{
  const double bottom = frame->top + frame->height;
  const double first = round (frame->low / frame->tick);
  const guint n = (guint) round ((frame->high - frame->low) / frame->tick);
  const guint n_steps = (guint) (frame->last_step / frame->step_tick);

  for (guint i = 0; i <= n; i++) {
    const double value = (first + i) * frame->tick; /* 0 is 0, not 1e-17 */
    const double y = place_value (frame, value);
    draw_line (svg, LEFT, y, LEFT + WIDTH, y);
    draw_number (svg, LEFT - 8.0, y + 4.0, "end", value);
  }
  for (guint i = 0; i <= n_steps; i++) {
    const double step = i * frame->step_tick;
    const double x = place_step (frame, step);
    draw_line (svg, x, frame->top, x, bottom);
    if (is_last)
      draw_number (svg, x, bottom + 18.0, "middle", step);
  }
  g_string_append_printf (svg,
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
      "fill=\"none\" stroke=\"#888\"/>\n",
      LEFT, frame->top, WIDTH, frame->height);
  if (is_last)
    draw_text (svg, LEFT + WIDTH / 2.0, bottom + 38.0, "middle",
        "fill=\"#555\"", "steps");
}

static void
draw_curve (GString *svg, const Frame *frame, const Curve *curve)
{
  if (curve->points->len == 0)
    return;
  g_string_append_printf (svg,
      "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\" "
      "stroke-linejoin=\"round\" points=\"",
      curve->color);
  for (guint i = 0; i < curve->points->len; i++) {
    const Point *point = &g_array_index (curve->points, Point, i);
    g_string_append_printf (svg, "%.1f,%.1f ", place_step (frame, point->step),
        place_value (frame, point->value));
  }
  g_string_append (svg, "\"/>\n");
  for (guint i = 0; i < curve->points->len && curve->points->len <= MAX_DOTS;
       i++) {
    const Point *point = &g_array_index (curve->points, Point, i);
    g_string_append_printf (svg,
        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\" fill=\"%s\"/>\n",
        place_step (frame, point->step), place_value (frame, point->value),
        curve->color);
  }
}

/* The panel's name to the left; to the right its curves', each behind a piece
 * of it. */
static void
draw_legend (GString *svg, const Frame *frame, const Panel *panel,
    const Curve *curves)
{
  const double y = frame->top - 9.0;
  double x = LEFT + WIDTH - panel->n * LEGEND;

  draw_text (svg, LEFT, y, "start", "font-weight=\"bold\"", panel->name);
  for (guint k = 0; k < panel->n && panel->n > 1; k++) {
    const Curve *curve = &curves[panel->first + k];
    if (curve->points->len == 0)
      continue;
    g_string_append_printf (svg,
        "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
        "stroke-width=\"3\"/>\n",
        x, y - 4.0, x + 22.0, y - 4.0, curve->color);
    draw_text (svg, x + 28.0, y, "start", "fill=\"#333\"", curve->name);
    x += LEGEND;
  }
}

/* All panels that have something; those without take no room. */
static void
draw (GString *svg, const char *title, const Curve *curves, guint n)
{
  g_autoptr (GString) body = g_string_new (NULL);
  Frame frames[G_N_ELEMENTS (panels)], frame = { .top = TOP };
  gboolean shown[G_N_ELEMENTS (panels)];
  guint last = 0;

  frame.last_step = find_last_step (curves, n);
  frame.step_tick = MAX (choose_tick (frame.last_step, 8.0), 1.0);
  for (guint k = 0; k < G_N_ELEMENTS (panels); k++) {
    shown[k] = choose_range (&frame, &panels[k], curves);
    frames[k] = frame;
    if (!shown[k])
      continue;
    frames[k].top += GAP / 2.0;
    frame.top += panels[k].height + GAP;
    last = k;
  }
  for (guint k = 0; k < G_N_ELEMENTS (panels); k++) {
    if (!shown[k])
      continue;
    draw_frame (body, &frames[k], k == last);
    draw_legend (body, &frames[k], &panels[k], curves);
    for (guint i = 0; i < panels[k].n; i++)
      draw_curve (body, &frames[k], &curves[panels[k].first + i]);
  }
  g_string_append_printf (svg,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
      "height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" "
      "font-size=\"13\" fill=\"#222\" stroke=\"none\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      LEFT + WIDTH + RIGHT, frame.top + BOTTOM, LEFT + WIDTH + RIGHT,
      frame.top + BOTTOM);
  draw_text (svg, LEFT, 34.0, "start", "font-size=\"19\" font-weight=\"bold\"",
      title);
  g_string_append (svg, body->str);
  g_string_append (svg, "</svg>\n");
}

/* What the run's folder is called. */
static char *
make_title (const char *log)
{
  g_autofree char *path = g_canonicalize_filename (log, NULL);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_filename_display_basename (folder);

  return g_strconcat ("Training of ", name, NULL);
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
  Curve curves[] = {
    { " \"loss\": ", "training", "#2f6fb5", NULL },
    { "\"validation_loss\": ", "validation", "#d1495b", NULL },
    { "\"cider\": ", "CIDEr-D", "#7b4fa3", NULL },
    { "\"bleu_4\": ", "BLEU-4", "#e08e2b", NULL },
    { "\"learning_rate\": ", "learning rate", "#3a8f5c", NULL },
  };
  g_autofree char *text = NULL, *title = make_title (log);
  g_autoptr (GString) svg = g_string_new (NULL);
  g_auto (ToolOutput) output = { .path = path };

  if (!g_file_get_contents (log, &text, NULL, NULL))
    return TRUE;
  for (guint k = 0; k < G_N_ELEMENTS (curves); k++)
    curves[k].points = g_array_new (FALSE, FALSE, sizeof (Point));
  read_lines (curves, G_N_ELEMENTS (curves), text);
  draw (svg, title, curves, G_N_ELEMENTS (curves));
  for (guint k = 0; k < G_N_ELEMENTS (curves); k++)
    g_array_unref (curves[k].points);
  return tool_output_write (&output, svg->str, svg->len, error) &&
      tool_output_finish (&output, error);
}
