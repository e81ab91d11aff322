/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/gst/painter.h"

#include <math.h>

/* A scene is painted once, as wide and high as two views, and seen through a
 * view that moves: soft blobs, or clouds of several sizes with boxes on them. */

#define VIEW_WIDTH 320
#define VIEW_HEIGHT 180
#define WIDTH (2 * VIEW_WIDTH)
#define HEIGHT (2 * VIEW_HEIGHT)
#define N_NOISE 65536

struct _Painter
{
  GRand *rand;
  float *scene, *other; /* [HEIGHT, WIDTH] */
  float *noise; /* [N_NOISE] of deviation 1 */
};

static double
draw_normal (GRand *rand)
{
  const double radius = sqrt (-2 * log (1 - g_rand_double (rand)));

  return radius * cos (2 * G_PI * g_rand_double (rand));
}

Painter *
painter_new (guint32 seed)
{
  Painter *self = g_new0 (Painter, 1);
  const gsize size = (gsize) (WIDTH * HEIGHT);

  self->rand = g_rand_new_with_seed (seed);
  self->scene = g_new0 (float, size);
  self->other = g_new0 (float, size);
  self->noise = g_new (float, N_NOISE);
  for (gsize i = 0; i < N_NOISE; i++)
    self->noise[i] = (float) draw_normal (self->rand);
  return self;
}

void
painter_free (Painter *self)
{
  g_rand_free (self->rand);
  g_free (self->scene);
  g_free (self->other);
  g_free (self->noise);
  g_free (self);
}

GRand *
painter_get_rand (Painter *self)
{
  return self->rand;
}

/* --- scenes ------------------------------------------------------------- */

static void
add_blob (Painter *self)
{
  const double size = g_rand_double_range (self->rand, 0.05, 0.35) * VIEW_WIDTH;
  const double level = g_rand_double_range (self->rand, -110, 110);
  const int x0 = g_rand_int_range (self->rand, 0, WIDTH);
  const int y0 = g_rand_int_range (self->rand, 0, HEIGHT);
  const int reach = (int) (2.2 * size);

  const int left = MAX (0, x0 - reach), right = MIN (WIDTH, x0 + reach);
  float across[WIDTH];

  for (int x = left; x < right; x++)
    across[x] = (float) exp (-(x - x0) * (x - x0) / (size * size));
  for (int y = MAX (0, y0 - reach); y < MIN (HEIGHT, y0 + reach); y++) {
    const float down = (float) (level *
        exp (-(y - y0) * (y - y0) / (size * size)));
    for (int x = left; x < right; x++)
      self->scene[y * WIDTH + x] += down * across[x];
  }
}

/* Adds random levels on a grid of @step pixels, blended in between. */
static void
add_clouds (Painter *self, int step, double level)
{
  const int columns = WIDTH / step + 2, rows = HEIGHT / step + 2;
  g_autofree float *grid = g_new0 (float, (gsize) (columns * rows));

  for (int i = 0; i < columns * rows; i++)
    grid[i] = (float) g_rand_double_range (self->rand, -level, level);
  for (int y = 0; y < HEIGHT; y++) {
    const float fy = (float) (y % step) / (float) step;
    for (int x = 0; x < WIDTH; x++) {
      const float fx = (float) (x % step) / (float) step;
      const float *at = grid + (gsize) (y / step * columns + x / step);
      self->scene[y * WIDTH + x] += (1 - fy) * ((1 - fx) * at[0] + fx * at[1]) +
          fy * ((1 - fx) * at[columns] + fx * at[columns + 1]);
    }
  }
}

static void
add_box (Painter *self)
{
  const int width = g_rand_int_range (self->rand, 10, VIEW_WIDTH / 2);
  const int height = g_rand_int_range (self->rand, 10, VIEW_HEIGHT / 2);
  const int left = g_rand_int_range (self->rand, 0, WIDTH - width);
  const int top = g_rand_int_range (self->rand, 0, HEIGHT - height);
  const float level = (float) g_rand_double_range (self->rand, 10, 245);

  for (int y = top; y < top + height; y++)
    for (int x = left; x < left + width; x++)
      self->scene[y * WIDTH + x] = level;
}

/* Paints a new scene of one of the two kinds; the old one becomes the other. */
void
painter_make_scene (Painter *self)
{
  const float base = (float) g_rand_double_range (self->rand, 70, 180);

  painter_swap_scenes (self);
  for (gsize i = 0; i < (gsize) (WIDTH * HEIGHT); i++)
    self->scene[i] = base;
  if (g_rand_boolean (self->rand)) {
    add_clouds (self, WIDTH, 50);
    for (guint i = 0; i < 30; i++)
      add_blob (self);
  } else {
    for (int step = 160; step >= 5; step /= 2)
      add_clouds (self, step, step / 3.0);
    for (int i = g_rand_int_range (self->rand, 0, 25); i > 0; i--)
      add_box (self);
  }
}

void
painter_swap_scenes (Painter *self)
{
  float *scene = self->scene;

  self->scene = self->other;
  self->other = scene;
}

/* --- frames ------------------------------------------------------------- */

static int
mirror (double at, int size)
{
  int i = (int) floor (at) % (2 * size);

  if (i < 0)
    i += 2 * size;
  return i < size ? i : 2 * size - 1 - i;
}

static gboolean
is_in_object (const Shot *shot, double x, double y)
{
  const double dx = x - shot->object_x, dy = y - shot->object_y;

  return dx * dx + dy * dy < shot->object_size * shot->object_size;
}

/* Writes a sample, of 8 bits with a fraction, of a component's depth. */
static void
write_sample (guint8 *line, int x, float value, guint depth, guint shift)
{
  const float full = CLAMP (value, 0.0f, 255.0f);

  if (depth == 8)
    line[x] = (guint8) full;
  else
    ((guint16 *) (gpointer) line)[x] =
        (guint16) ((guint) (full * (float) (1U << (depth - 8))) << shift);
}

/* Colours are left out: U and V are in the middle. */
static void
paint_chroma (GstVideoFrame *frame, guint plane, guint depth, guint shift)
{
  const gint stride = GST_VIDEO_FRAME_PLANE_STRIDE (frame, plane);
  const gint n_samples = depth == 8 ? stride : stride / 2;

  for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (frame, plane); y++)
    for (gint x = 0; x < n_samples; x++)
      write_sample ((guint8 *) GST_VIDEO_FRAME_PLANE_DATA (frame, plane) +
              (gssize) y * stride,
          x, 128.0f, depth, shift);
}

/* Where a place in the frame is in the picture between bars of this part of a
 * side each: from 0 to 1, and beyond in the bars. */
static double
find_place (double at, double bars)
{
  return (at - bars) / (1 - 2 * bars);
}

static gboolean
is_outside (double at)
{
  return at < 0 || at >= 1;
}

static void
paint_line (Painter *self, const Shot *shot, GstVideoFrame *frame, int y,
    const int *columns)
{
  const GstVideoFormatInfo *info = frame->info.finfo;
  const guint depth = GST_VIDEO_FORMAT_INFO_DEPTH (info, 0);
  const guint shift = GST_VIDEO_FORMAT_INFO_SHIFT (info, 0);
  const int width = GST_VIDEO_FRAME_WIDTH (frame);
  const double at = find_place ((double) y / GST_VIDEO_FRAME_HEIGHT (frame),
      shot->bars_y);
  const double place = VIEW_HEIGHT * (1 + shot->y + (at - 0.5) / shot->zoom);
  const float *row = self->scene + (gsize) (mirror (place, HEIGHT) * WIDTH);
  const float *noise = self->noise +
      g_rand_int_range (self->rand, 0, N_NOISE - width);
  guint8 *line = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (frame, 0) +
      (gssize) y * GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0);

  for (int x = 0; x < width; x++) {
    const double across = find_place ((double) x / width, shot->bars_x);
    float value = CLAMP (row[columns[x]], 0.0f, 255.0f);
    if (shot->object_size > 0 && is_in_object (shot, across, at))
      value = (float) (40 + (x + y) % 7 * 10);
    value = value * (float) shot->gain + (float) shot->light +
        noise[x] * (float) shot->noise;
    if (is_outside (across) || is_outside (at))
      value = PAINTER_BLACK;
    write_sample (line, x, value, depth, shift);
  }
}

/* Paints a frame of any size whose first plane is luma, of 8 bits or of 16 in
 * this machine's order. */
void
painter_paint (Painter *self, const Shot *shot, GstVideoFrame *frame)
{
  const GstVideoFormatInfo *info = frame->info.finfo;
  const int width = GST_VIDEO_FRAME_WIDTH (frame);
  const double left = VIEW_WIDTH * (1 + shot->x - 0.5 / shot->zoom);
  g_autofree int *columns = g_new0 (int, (gsize) width);

  for (int x = 0; x < width; x++)
    columns[x] = mirror (left +
            VIEW_WIDTH / shot->zoom *
                find_place ((double) x / width, shot->bars_x),
        WIDTH);
  for (int y = 0; y < GST_VIDEO_FRAME_HEIGHT (frame); y++)
    paint_line (self, shot, frame, y, columns);
  for (guint plane = 1; plane < GST_VIDEO_FRAME_N_PLANES (frame); plane++)
    paint_chroma (frame, plane, GST_VIDEO_FORMAT_INFO_DEPTH (info, plane),
        GST_VIDEO_FORMAT_INFO_SHIFT (info, plane));
}

/* Moves the view, as from one frame to the next, and the object, if any. */
void
painter_move (Painter *self, Shot *shot, Camera camera)
{
  shot->object_x += 0.02;
  if (shot->object_x > 1.2)
    shot->object_x = -0.2;
  switch (camera) {
    case CAMERA_SLOW_PAN:
      shot->x += 0.006;
      break;
    case CAMERA_FAST_PAN:
      shot->x += 0.03;
      break;
    case CAMERA_TILT:
      shot->y += 0.015;
      break;
    case CAMERA_ZOOM_IN:
      shot->zoom *= 1.008;
      break;
    case CAMERA_ZOOM_OUT:
      shot->zoom /= 1.008;
      break;
    case CAMERA_HAND:
      shot->x = 0.8 * shot->x + 0.01 * draw_normal (self->rand);
      shot->y = 0.8 * shot->y + 0.01 * draw_normal (self->rand);
      break;
    case CAMERA_STILL:
    case N_CAMERAS:
    default:
      break;
  }
}
