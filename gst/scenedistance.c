/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/thumbnail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How unlike two thumbnails are. */

#define WIDTH GST_ITUNING_THUMBNAIL_WIDTH
#define HEIGHT GST_ITUNING_THUMBNAIL_HEIGHT

/* Shifts, in cells of a whole frame, under which two frames may still be the same
 * scene; less where less of it is compared. */
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

/* --- black bars --------------------------------------------------------- */

/* The cells that are compared, from the first to before the last. Black bars that
 * both frames have are left out, with the cells that they may reach into: as
 * structure that all frames of a video share, they would hide its cuts. */
typedef struct
{
  int top, bottom, left, right;
} Area;

static const Area whole = { 0, HEIGHT, 0, WIDTH };

static int
skip_bar (guint8 a, guint8 b)
{
  return a > 0 && b > 0 ? MIN (a, b) + 1 : 0;
}

static Area
find_area (const GstItuningThumbnail *a, const GstItuningThumbnail *b)
{
  return (Area){ skip_bar (a->top, b->top),
    HEIGHT - skip_bar (a->bottom, b->bottom), skip_bar (a->left, b->left),
    WIDTH - skip_bar (a->right, b->right) };
}

static float
count_cells (Area area)
{
  return (float) ((area.bottom - area.top) * (area.right - area.left));
}

/* Mean and mean square of the cells in an area. */
static void
measure (const GstItuningThumbnail *self, Area area, float *mean,
    float *squares)
{
  const float n = count_cells (area);

  *mean = *squares = 0.0f;
  for (int y = area.top; y < area.bottom; y++) {
    for (int x = area.left; x < area.right; x++) {
      *mean += self->cells[y][x] / n;
      *squares += self->cells[y][x] * self->cells[y][x] / n;
    }
  }
}

/* The thumbnail of a frame that shows the area alone, in @room if that is less
 * than all: bars are black, and have neither noise nor colour. */
static const GstItuningThumbnail *
crop (const GstItuningThumbnail *self, Area area, GstItuningThumbnail *room)
{
  const float all = count_cells (whole) / count_cells (area);
  const float even = GST_ITUNING_THUMBNAIL_NOISE * GST_ITUNING_THUMBNAIL_NOISE;
  const float scale = sqrtf (
      self->deviation * self->deviation + self->noise * self->noise);
  float mean, squares, change;

  if (all <= 1.0f)
    return self;
  *room = *self;
  measure (self, area, &mean, &squares);
  room->luma += scale * mean;
  for (gsize c = 0; c < 2; c++)
    room->chroma[c] = 128.0f + all * (self->chroma[c] - 128.0f);
  room->deviation = scale * sqrtf (MAX (squares - mean * mean, 0.0f));
  room->noise = sqrtf (even + all * (self->noise * self->noise - even));
  change = scale /
      sqrtf (room->deviation * room->deviation + room->noise * room->noise);
  for (int y = area.top; y < area.bottom; y++)
    for (int x = area.left; x < area.right; x++)
      room->cells[y][x] = (self->cells[y][x] - mean) * change;
  return room;
}

/* --- distances ---------------------------------------------------------- */

/**
 * gst_ituning_thumbnail_is_flat:
 *
 * Returns: whether the frame has no more structure than noise has
 */
gboolean
gst_ituning_thumbnail_is_flat (const GstItuningThumbnail *self)
{
  GstItuningThumbnail room;
  const GstItuningThumbnail *picture = crop (self, find_area (self, self),
      &room);

  return picture->deviation < 2.0f * picture->noise;
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
  const Area area = find_area (a, b);
  GstItuningThumbnail rooms[2];

  return compare_shifted (crop (a, area, &rooms[0]), crop (b, area, &rooms[1]),
      area, 0, 0);
}

/* The smallest distance over all shifts: a moving camera is not a new scene. */
static float
compare_structure (const GstItuningThumbnail *a, const GstItuningThumbnail *b,
    Area area)
{
  const int max_dx = MAX_SHIFT_X * (area.right - area.left) / WIDTH;
  const int max_dy = MAX_SHIFT_Y * (area.bottom - area.top) / HEIGHT;
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
  const Area area = find_area (a, b);
  GstItuningThumbnail rooms[2];
  const GstItuningThumbnail *seen[2] = { crop (a, area, &rooms[0]),
    crop (b, area, &rooms[1]) };
  const float structure = MIN (1.0f,
      compare_structure (seen[0], seen[1], area));

  if (gst_ituning_thumbnail_is_flat (a) || gst_ituning_thumbnail_is_flat (b))
    return MAX (structure, compare_colour (seen[0], seen[1]));
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
clip (GstItuningThumbnail *self, float limit)
{
  const gsize n = GST_ITUNING_THUMBNAIL_CELLS;
  float *cells = &self->cells[0][0], mean = 0.0f, squares = 1e-6f;

  for (gsize i = 0; i < n; i++) {
    cells[i] = MIN (cells[i], limit);
    mean += cells[i] / (float) n;
  }
  for (gsize i = 0; i < n; i++) {
    cells[i] -= mean;
    squares += cells[i] * cells[i] / (float) n;
  }
  for (gsize i = 0; i < n; i++)
    cells[i] /= sqrtf (squares);
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
  float sorted[GST_ITUNING_THUMBNAIL_CELLS];
  GstItuningThumbnail now = *self, then = *before;
  gsize rank;

  if (self->luma < before->luma + LIGHT)
    return FALSE;
  if (self->burnt > ALL_BURNT)
    return TRUE;
  if (self->burnt < before->burnt + LIGHT_BURNT)
    return FALSE;
  rank = (gsize) ((1.0f - self->burnt) *
      (float) (GST_ITUNING_THUMBNAIL_CELLS - 1));
  memcpy (sorted, before->cells, sizeof (sorted));
  qsort (sorted, G_N_ELEMENTS (sorted), sizeof (*sorted), compare_floats);
  clip (&now, G_MAXFLOAT);
  clip (&then, sorted[rank]);
  return compare_structure (&now, &then, whole) < LIT_DISTANCE (self->burnt);
}
