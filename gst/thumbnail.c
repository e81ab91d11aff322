/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/thumbnail.h"

#include <math.h>
#include <string.h>

#define WIDTH GST_ITUNING_THUMBNAIL_WIDTH
#define HEIGHT GST_ITUNING_THUMBNAIL_HEIGHT
#define N_CELLS ((gsize) WIDTH * HEIGHT)

/* Luma that is as good as white, in full and in video range. */
#define WHITE 230.0f

/* Lines of the frame that a row of cells is made of. */
#define LINES_PER_CELL ((gsize) 2)
/* Structure of a lower deviation than this is taken for noise; where pixels are
 * noisy, than this many times the deviation that is left in a cell's mean. */
#define NOISE 5.0f
#define NOISE_FACTOR 3.0f
/* Shifts, in cells, under which two frames may still be the same scene. */
#define MAX_SHIFT_X 3
#define MAX_SHIFT_Y 2

/* --- reading ------------------------------------------------------------ */

/* GstVideo unpacks a line of any format to one of four: AYUV or ARGB, of 8 or
 * 16 bits. */
typedef struct
{
  gboolean rgb;
  gsize bytes; /* of a component */
} Unpacked;

static gboolean
find_unpacked (GstVideoFormat format, Unpacked *unpacked)
{
  unpacked->rgb = format == GST_VIDEO_FORMAT_ARGB ||
      format == GST_VIDEO_FORMAT_ARGB64;
  unpacked->bytes = format == GST_VIDEO_FORMAT_AYUV ||
          format == GST_VIDEO_FORMAT_ARGB
      ? 1
      : 2;
  return unpacked->rgb || format == GST_VIDEO_FORMAT_AYUV ||
      format == GST_VIDEO_FORMAT_AYUV64;
}

static inline guint
read_component (const guint8 *pixel, const Unpacked *unpacked, gsize component)
{
  guint16 wide;

  if (unpacked->bytes == 1)
    return pixel[component];
  memcpy (&wide, pixel + 2 * component, sizeof (wide));
  return wide >> 8;
}

/* What a cell is made of: sums of Y, U and V, or R, G and B, and of the squared
 * steps from pixel to pixel of Y or G. */
typedef struct
{
  guint64 n, components[3], steps;
} Sums;

static void
sum_pixels (Sums *sums, const guint8 *pixels, const Unpacked *unpacked, gsize n,
    gsize stride)
{
  const gsize brightest = unpacked->rgb ? 1 : 0;
  guint last = read_component (pixels, unpacked, brightest + 1);

  for (gsize i = 0; i < n; i += stride) {
    const guint8 *pixel = pixels + i * 4 * unpacked->bytes;
    guint values[3];
    for (gsize c = 0; c < 3; c++) {
      values[c] = read_component (pixel, unpacked, c + 1);
      sums->components[c] += values[c];
    }
    sums->steps += (guint64) ((values[brightest] - last) *
        (values[brightest] - last));
    last = values[brightest];
    sums->n++;
  }
}

/* Means of a cell as Y, U and V (BT.601, full range). */
static void
to_yuv (const Sums *sums, gboolean rgb, float yuv[3])
{
  const float a = (float) sums->components[0] / (float) sums->n;
  const float b = (float) sums->components[1] / (float) sums->n;
  const float c = (float) sums->components[2] / (float) sums->n;

  yuv[0] = rgb ? 0.299f * a + 0.587f * b + 0.114f * c : a;
  yuv[1] = rgb ? 128.0f - 0.169f * a - 0.331f * b + 0.5f * c : b;
  yuv[2] = rgb ? 128.0f + 0.5f * a - 0.419f * b - 0.081f * c : c;
}

static void
read_row (GstItuningThumbnail *self, GstVideoFrame *frame, gsize row,
    const Unpacked *unpacked, guint8 *line)
{
  const GstVideoFormatInfo *info = frame->info.finfo;
  const gsize width = (gsize) GST_VIDEO_FRAME_WIDTH (frame);
  const gsize height = (gsize) GST_VIDEO_FRAME_HEIGHT (frame);
  const gsize step = MAX (width / ((gsize) WIDTH * 30), 1);
  Sums sums[WIDTH] = { 0 };

  for (gsize k = 0; k < LINES_PER_CELL; k++) {
    const gsize y = (row * LINES_PER_CELL + k) * height /
        (HEIGHT * LINES_PER_CELL);
    info->unpack_func (info, GST_VIDEO_PACK_FLAG_NONE, line, frame->data,
        frame->info.stride, 0, (gint) y, (gint) width);
    for (gsize column = 0; column < WIDTH; column++) {
      const gsize start = column * width / WIDTH;
      const gsize end = MAX ((column + 1) * width / WIDTH, start + 1);
      sum_pixels (&sums[column], line + start * 4 * unpacked->bytes, unpacked,
          end - start, step);
    }
  }
  for (gsize column = 0; column < WIDTH; column++) {
    float yuv[3];
    to_yuv (&sums[column], unpacked->rgb, yuv);
    self->cells[row][column] = yuv[0];
    /* Each step is the difference of two pixels' noise; means have less. */
    self->noise += (float) sums[column].steps /
        (2.0f * (float) (sums[column].n * sums[column].n) * N_CELLS);
    self->luma += yuv[0] / N_CELLS;
    if (yuv[0] >= WHITE)
      self->burnt += 1.0f / N_CELLS;
    self->chroma[0] += yuv[1] / N_CELLS;
    self->chroma[1] += yuv[2] / N_CELLS;
  }
}

static void
normalise (GstItuningThumbnail *self)
{
  float *cells = &self->cells[0][0], squares = 0.0f, scale;

  for (gsize i = 0; i < N_CELLS; i++) {
    cells[i] -= self->luma;
    squares += cells[i] * cells[i];
  }
  self->deviation = sqrtf (squares / N_CELLS);
  self->noise = sqrtf (
      NOISE * NOISE + NOISE_FACTOR * NOISE_FACTOR * self->noise);
  scale = 1.0f /
      sqrtf (self->deviation * self->deviation + self->noise * self->noise);
  for (gsize i = 0; i < N_CELLS; i++)
    cells[i] *= scale;
}

/**
 * gst_ituning_thumbnail_take:
 * @self: (out): the thumbnail
 * @frame: a mapped frame of any raw format
 *
 * Reads a few lines of a frame.
 *
 * Returns: FALSE when GstVideo cannot unpack the format
 */
gboolean
gst_ituning_thumbnail_take (GstItuningThumbnail *self, GstVideoFrame *frame)
{
  const GstVideoFormatInfo *info = frame->info.finfo;
  g_autofree guint8 *line = NULL;
  Unpacked unpacked;

  memset (self, 0, sizeof (*self));
  if (info->unpack_func == NULL ||
      !find_unpacked (info->unpack_format, &unpacked))
    return FALSE;
  /* Unpacking may write a few pixels more. */
  line = g_malloc ((gsize) (GST_VIDEO_FRAME_WIDTH (frame) + 64) * 8);
  for (gsize row = 0; row < HEIGHT; row++)
    read_row (self, frame, row, &unpacked, line);
  normalise (self);
  return TRUE;
}

/* --- comparing ---------------------------------------------------------- */

/**
 * gst_ituning_thumbnail_is_flat:
 *
 * Returns: whether the frame has no more structure than noise has
 */
gboolean
gst_ituning_thumbnail_is_flat (const GstItuningThumbnail *self)
{
  return self->deviation < 2.0f * self->noise;
}

/* Half the mean square of the difference where the two overlap, @b shifted:
 * 0 for the same structure, about 1 for two that have nothing in common. */
static float
compare_shifted (const GstItuningThumbnail *a, const GstItuningThumbnail *b,
    int dx, int dy)
{
  const int top = MAX (0, -dy), bottom = MIN (HEIGHT, HEIGHT - dy);
  const int left = MAX (0, -dx), right = MIN (WIDTH, WIDTH - dx);
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
  return compare_shifted (a, b, 0, 0);
}

/* The smallest distance over all shifts: a moving camera is not a new scene. */
static float
compare_structure (const GstItuningThumbnail *a, const GstItuningThumbnail *b)
{
  float least = compare_shifted (a, b, 0, 0);

  if (least < 0.05f)
    return least;
  for (int dy = -MAX_SHIFT_Y; dy <= MAX_SHIFT_Y; dy++)
    for (int dx = -MAX_SHIFT_X; dx <= MAX_SHIFT_X; dx++)
      least = MIN (least, compare_shifted (a, b, dx, dy));
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
  const float structure = MIN (1.0f, compare_structure (a, b));

  if (gst_ituning_thumbnail_is_flat (a) || gst_ituning_thumbnail_is_flat (b))
    return MAX (structure, compare_colour (a, b));
  return structure;
}
