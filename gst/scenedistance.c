/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/thumbnail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How unlike two thumbnails are. */

#define WIDTH GST_ITUNING_THUMBNAIL_WIDTH
#define HEIGHT GST_ITUNING_THUMBNAIL_HEIGHT

/* Shifts, in cells of a whole frame, under which two frames may still be the same
 * scene. Between bars a picture is smaller, and so are its moves: at least 1. */
#define MAX_SHIFT_X 3
#define MAX_SHIFT_Y 2

/* A black frame's deviation is below this. */
#define BLACK_DEVIATION 1.2f
/* A light makes a frame brighter by this much on average and burns out this
 * part of it, or nearly all. */
#define LIGHT 8.0f
#define LIGHT_BURNT 0.08f
#define ALL_BURNT 0.9f
/* How unlike the rest may be for lights are not even; the more is burnt, the
 * less is left to tell. Two scenes that have nothing in common are at 1. */
#define LIT_DISTANCE(burnt) (0.15f + 0.35f * (burnt))
/* Keeps a deviation from 0 where all is cut off. */
#define CLIPPED_NOISE 1e-3f

/* --- black bars --------------------------------------------------------- */

/* Cells from the first to before the last, down and across. */
typedef struct
{
  int top, bottom, left, right;
} Area;

static const Area whole = { 0, HEIGHT, 0, WIDTH };

/* What two frames show between the black bars that both have: as structure that
 * all frames of a video share, bars would hide its cuts. */
typedef struct
{
  const GstItuningThumbnail *a, *b;
  Area area; /* whose cells are compared: none that a bar reaches into */
  GstItuningThumbnail rooms[2]; /* what @a and @b are, where there are bars */
} Sight;

static int
count_cells (Area area)
{
  return (area.bottom - area.top) * (area.right - area.left);
}

static Area
find_picture (const GstItuningThumbnail *a, const GstItuningThumbnail *b)
{
  return (Area){ MIN (a->top, b->top), HEIGHT - MIN (a->bottom, b->bottom),
    MIN (a->left, b->left), WIDTH - MIN (a->right, b->right) };
}

/* A bar may end within the next cell. */
static Area
leave_edges (Area picture)
{
  const int y = picture.top > 0 ? 1 : 0, x = picture.left > 0 ? 1 : 0;

  return (Area){ picture.top + y, picture.bottom - y, picture.left + x,
    picture.right - x };
}

/* Takes away brightness and contrast of the area, as was done with the frame's;
 * @scale makes luma of the cells. */
static void
normalise (GstItuningThumbnail *self, Area area, float scale)
{
  const float n = (float) count_cells (area);
  float mean = 0.0f, squares = 0.0f, change;

  for (int y = area.top; y < area.bottom; y++) {
    for (int x = area.left; x < area.right; x++) {
      mean += self->cells[y][x] / n;
      squares += self->cells[y][x] * self->cells[y][x] / n;
    }
  }
  self->deviation = scale * sqrtf (MAX (squares - mean * mean, 0.0f));
  change = scale /
      sqrtf (self->deviation * self->deviation + self->noise * self->noise);
  for (int y = area.top; y < area.bottom; y++)
    for (int x = area.left; x < area.right; x++)
      self->cells[y][x] = (self->cells[y][x] - mean) * change;
}

/* Makes of a frame's thumbnail that of its picture alone: its means are those of
 * the frame, less what bars add, which are black and have neither noise nor
 * colour. */
static void
crop (GstItuningThumbnail *self, Area picture, Area area)
{
  const float all = (float) count_cells (whole) / (float) count_cells (picture);
  const float even = GST_ITUNING_THUMBNAIL_NOISE * GST_ITUNING_THUMBNAIL_NOISE;
  const float scale = sqrtf (
      self->deviation * self->deviation + self->noise * self->noise);

  self->luma = self->black + all * (self->luma - self->black);
  for (gsize c = 0; c < 2; c++)
    self->chroma[c] = 128.0f + all * (self->chroma[c] - 128.0f);
  self->burnt *= all;
  self->noise = sqrtf (even + all * (self->noise * self->noise - even));
  normalise (self, area, scale);
}

/* Where there are no bars, what is looked at are the thumbnails as they are. */
static void
look (Sight *self, const GstItuningThumbnail *a, const GstItuningThumbnail *b)
{
  const Area picture = find_picture (a, b);

  self->a = a;
  self->b = b;
  self->area = leave_edges (picture);
  if (count_cells (picture) == count_cells (whole))
    return;
  self->rooms[0] = *a;
  self->rooms[1] = *b;
  for (gsize i = 0; i < 2; i++)
    crop (&self->rooms[i], picture, self->area);
  self->a = &self->rooms[0];
  self->b = &self->rooms[1];
}

/* --- distances ---------------------------------------------------------- */

static gboolean
has_no_structure (const GstItuningThumbnail *self)
{
  return self->deviation < 2.0f * self->noise;
}

/**
 * gst_ituning_thumbnail_is_flat:
 *
 * Returns: whether the frame has no more structure than noise has
 */
gboolean
gst_ituning_thumbnail_is_flat (const GstItuningThumbnail *self)
{
  Sight sight;

  look (&sight, self, self);
  return has_no_structure (sight.a);
}

/* Half the mean square of the difference where the two overlap, @b shifted:
 * 0 for the same structure, about 1 for two that have nothing in common. */
static float
compare_shifted (const GstItuningThumbnail *a, const GstItuningThumbnail *b,
    Area area, int dx, int dy)
{
  const int top = area.top + MAX (0, -dy), bottom = area.bottom - MAX (0, dy);
  const int left = area.left + MAX (0, -dx), right = area.right - MAX (0, dx);
  float sum = 0.0f;

  for (int y = top; y < bottom; y++) {
    for (int x = left; x < right; x++) {
      const float d = a->cells[y][x] - b->cells[y + dy][x + dx];
      sum += d * d;
    }
  }
  return 0.5f * sum / (float) ((bottom - top) * (right - left));
}

/**
 * gst_ituning_thumbnail_change:
 *
 * Returns: how much of the picture changed in place: 0 to about 1
 */
float
gst_ituning_thumbnail_change (const GstItuningThumbnail *a,
    const GstItuningThumbnail *b)
{
  Sight sight;

  look (&sight, a, b);
  return compare_shifted (sight.a, sight.b, sight.area, 0, 0);
}

static int
scale_shift (int shift, int size, int whole_size)
{
  return MAX (1, (2 * shift * size + whole_size) / (2 * whole_size));
}

/* The smallest distance over all shifts: a moving camera is not a new scene. */
static float
compare_structure (const GstItuningThumbnail *a, const GstItuningThumbnail *b,
    Area area)
{
  const int max_dx = scale_shift (MAX_SHIFT_X, area.right - area.left, WIDTH);
  const int max_dy = scale_shift (MAX_SHIFT_Y, area.bottom - area.top, HEIGHT);
  float least = compare_shifted (a, b, area, 0, 0);

  if (least < 0.05f)
    return least;
  for (int dy = -max_dy; dy <= max_dy; dy++)
    for (int dx = -max_dx; dx <= max_dx; dx++)
      least = MIN (least, compare_shifted (a, b, area, dx, dy));
  return least;
}

static float
compare_colour (const GstItuningThumbnail *a, const GstItuningThumbnail *b)
{
  const float luma = fabsf (a->luma - b->luma);
  const float u = fabsf (a->chroma[0] - b->chroma[0]);
  const float v = fabsf (a->chroma[1] - b->chroma[1]);

  return MIN (1.0f, MAX (luma, 2.0f * MAX (u, v)) / 64.0f);
}

/**
 * gst_ituning_thumbnail_distance:
 *
 * Returns: how unlike two scenes are, 0 to 1: by their structure; by their
 *   colour, if one of them has none
 */
float
gst_ituning_thumbnail_distance (const GstItuningThumbnail *a,
    const GstItuningThumbnail *b)
{
  Sight sight;
  float structure;

  look (&sight, a, b);
  structure = MIN (1.0f, compare_structure (sight.a, sight.b, sight.area));
  if (has_no_structure (sight.a) || has_no_structure (sight.b))
    return MAX (structure, compare_colour (sight.a, sight.b));
  return structure;
}

/**
 * gst_ituning_thumbnail_is_black:
 *
 * Returns: whether the frame is dark and shows nothing at all
 */
gboolean
gst_ituning_thumbnail_is_black (const GstItuningThumbnail *self)
{
  return self->luma < GST_ITUNING_THUMBNAIL_BLACK &&
      self->deviation < BLACK_DEVIATION && self->deviation < self->noise;
}

static int
compare_floats (const void *a, const void *b)
{
  const float x = *(const float *) a, y = *(const float *) b;

  return (x > y) - (x < y);
}

/* Cuts off what is above a limit; mean 0 and deviation 1 are restored. */
static void
clip (GstItuningThumbnail *self, Area area, float limit)
{
  for (int y = area.top; y < area.bottom; y++)
    for (int x = area.left; x < area.right; x++)
      self->cells[y][x] = MIN (self->cells[y][x], limit);
  self->noise = CLIPPED_NOISE;
  normalise (self, area, 1.0f);
}

/* What so large a part of an area's cells is not brighter than. */
static float
find_quantile (const GstItuningThumbnail *self, Area area, float part)
{
  float sorted[GST_ITUNING_THUMBNAIL_CELLS];
  gsize n = 0;

  for (int y = area.top; y < area.bottom; y++)
    for (int x = area.left; x < area.right; x++)
      sorted[n++] = self->cells[y][x];
  qsort (sorted, n, sizeof (*sorted), compare_floats);
  return sorted[(gsize) (part * (float) (n - 1))];
}

/**
 * gst_ituning_thumbnail_is_lit:
 * @self: a frame
 * @before: one before it
 *
 * A light raises all luma and cuts off what becomes white: the brightest cells
 * of @before, as many as are burnt out now, lose their structure, the others
 * keep theirs. Another scene, however bright, has its own.
 *
 * Returns: whether @self may show what @before does, in a sudden light
 */
gboolean
gst_ituning_thumbnail_is_lit (const GstItuningThumbnail *self,
    const GstItuningThumbnail *before)
{
  GstItuningThumbnail now, then;
  float limit;
  Sight sight;

  look (&sight, self, before);
  now = *sight.a;
  then = *sight.b;
  if (now.luma < then.luma + LIGHT)
    return FALSE;
  if (now.burnt > ALL_BURNT)
    return TRUE;
  if (now.burnt < then.burnt + LIGHT_BURNT)
    return FALSE;
  limit = find_quantile (&then, sight.area, 1.0f - now.burnt);
  clip (&now, sight.area, G_MAXFLOAT);
  clip (&then, sight.area, limit);
  return compare_structure (&now, &then, sight.area) < LIT_DISTANCE (now.burnt);
}
