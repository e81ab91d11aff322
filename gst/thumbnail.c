/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/thumbnail.h"

#include <math.h>
#include <string.h>

/* A frame's lines, as they lie in memory or as GstVideo unpacks them -> pairs
 * of neighbouring pixels, spread over each cell -> means and noise of cells ->
 * black bars -> brightness, contrast and noise taken away. */

#define WIDTH GST_ITUNING_THUMBNAIL_WIDTH
#define HEIGHT GST_ITUNING_THUMBNAIL_HEIGHT
#define N_CELLS GST_ITUNING_THUMBNAIL_CELLS
#define NOISE GST_ITUNING_THUMBNAIL_NOISE

/* Luma that is as good as white, in full and in video range. */
#define WHITE 230.0f

/* What a cell is read from: pairs on a line, and lines; fewer where reading
 * costs more. */
#define PAIRS 8
#define LINES 4
#define SLOW_LINES 2

/* Where pixels are noisy, structure of less than this many times the deviation
 * that is left in a cell's mean is taken for noise. */
#define NOISE_FACTOR 3.0f

/* Bars are as black as the frame's corner, but for so much, and as wide as the one
 * across but for a cell; between them is at least this part of a side. */
#define BAR_SPREAD 3.0f
#define MIN_PICTURE(side) ((side) / 3)

/* Where the components Y, U, V or R, G, B of a frame or of one line are. */
typedef struct
{
  const guint8 *data[3];
  gssize stride[3];
  gsize step[3]; /* bytes from pixel to pixel */
  guint sub_x[3], sub_y[3]; /* log2 of pixels per sample */
  guint shift; /* what makes a sample 8 bits, if it has two bytes */
  gboolean rgb, grey, wide;
  gsize n_lines; /* to read for a row of cells */
} Planes;

/* Pixels of a line that are looked at. */
typedef struct
{
  gsize x[WIDTH][PAIRS]; /* first of a pair, in pixels */
  gsize offset[WIDTH][PAIRS]; /* the same, in bytes of the first component */
  gsize next; /* bytes from it to the second; 0 if the line has one pixel */
} Columns;

/* --- reading ------------------------------------------------------------ */

/* Whether the components lie in memory so that they can be read in place: of 8
 * bits each, or the luma of two bytes in this machine's order. */
static gboolean
find_planes (Planes *planes, const GstVideoFrame *frame)
{
  const GstVideoFormatInfo *info = frame->info.finfo;
  const guint odd = GST_VIDEO_FORMAT_FLAG_COMPLEX |
      GST_VIDEO_FORMAT_FLAG_TILED | GST_VIDEO_FORMAT_FLAG_PALETTE;
  const guint depth = GST_VIDEO_FORMAT_INFO_DEPTH (info, 0);
  const guint shift = GST_VIDEO_FORMAT_INFO_SHIFT (info, 0);

  memset (planes, 0, sizeof (*planes));
  planes->rgb = GST_VIDEO_FORMAT_INFO_IS_RGB (info);
  planes->grey = GST_VIDEO_FORMAT_INFO_IS_GRAY (info);
  planes->wide = depth > 8;
  planes->n_lines = planes->rgb ? SLOW_LINES : LINES;
  if ((info->flags & odd) != 0 ||
      !(planes->rgb || planes->grey || GST_VIDEO_FORMAT_INFO_IS_YUV (info)))
    return FALSE;
  if (planes->wide) {
    if (planes->rgb || depth + shift > 16 ||
        GST_VIDEO_FORMAT_INFO_IS_LE (info) !=
            (G_BYTE_ORDER == G_LITTLE_ENDIAN) ||
        GST_VIDEO_FRAME_COMP_PSTRIDE (frame, 0) != 2)
      return FALSE;
    planes->shift = depth + shift - 8;
  }
  for (guint c = 0; c < (planes->grey ? 1 : 3); c++) {
    const gint step = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c);
    if (step <= 0 || GST_VIDEO_FORMAT_INFO_DEPTH (info, c) != depth ||
        GST_VIDEO_FORMAT_INFO_SHIFT (info, c) != shift ||
        (!planes->wide && (depth != 8 || shift != 0)))
      return FALSE;
    planes->data[c] = GST_VIDEO_FRAME_COMP_DATA (frame, c);
    planes->stride[c] = GST_VIDEO_FRAME_COMP_STRIDE (frame, c);
    planes->step[c] = (gsize) step;
    planes->sub_x[c] = GST_VIDEO_FORMAT_INFO_W_SUB (info, c);
    planes->sub_y[c] = GST_VIDEO_FORMAT_INFO_H_SUB (info, c);
  }
  return TRUE;
}

/* GstVideo unpacks a line of any format to one of four: AYUV or ARGB, of 8 or
 * 16 bits. */
static gboolean
find_unpacked (Planes *planes, const GstVideoFrame *frame, GByteArray *scratch)
{
  const GstVideoFormatInfo *info = frame->info.finfo;
  const GstVideoFormat format = info->unpack_format;

  memset (planes, 0, sizeof (*planes));
  planes->rgb = format == GST_VIDEO_FORMAT_ARGB ||
      format == GST_VIDEO_FORMAT_ARGB64;
  planes->wide = format == GST_VIDEO_FORMAT_AYUV64 ||
      format == GST_VIDEO_FORMAT_ARGB64;
  planes->shift = 8;
  planes->n_lines = SLOW_LINES;
  if (info->unpack_func == NULL ||
      (!planes->rgb && !planes->wide && format != GST_VIDEO_FORMAT_AYUV))
    return FALSE;
  /* Unpacking may write a few pixels more. */
  g_byte_array_set_size (scratch,
      ((guint) GST_VIDEO_FRAME_WIDTH (frame) + 64) * 8);
  for (gsize c = 0; c < 3; c++) {
    planes->data[c] = scratch->data + (c + 1) * (planes->wide ? 2 : 1);
    planes->step[c] = planes->wide ? 8 : 4;
  }
  return TRUE;
}

static void
find_columns (Columns *columns, const Planes *planes, gsize width)
{
  for (gsize column = 0; column < WIDTH; column++) {
    const gsize start = column * width / WIDTH;
    const gsize size = (column + 1) * width / WIDTH - start;
    for (gsize i = 0; i < PAIRS; i++) {
      const gsize x = start + (2 * i + 1) * size / ((gsize) 2 * PAIRS);
      columns->x[column][i] = MIN (x, width - MIN (width, 2));
      columns->offset[column][i] = columns->x[column][i] * planes->step[0];
    }
  }
  columns->next = width > 1 ? planes->step[0] : 0;
}

static inline guint
read_sample (const guint8 *at, gboolean wide, guint shift)
{
  guint16 value;

  if (!wide)
    return *at;
  memcpy (&value, at, sizeof (value));
  return (guint) value >> shift;
}

/* What a cell is made of: the sum of its pixels' luma, and that of the squared
 * steps from the first to the second of a pair. */
typedef struct
{
  guint luma, steps;
} Sums;

/* Inlined once for each kind of line. */
static inline __attribute__ ((always_inline)) void
sum_line (Sums sums[WIDTH], const guint8 *const lines[3],
    const Columns *columns, gboolean rgb, gboolean wide, guint shift)
{
  for (gsize column = 0; column < WIDTH; column++) {
    guint luma = 0, steps = 0;
    for (gsize i = 0; i < PAIRS; i++) {
      const gsize at = columns->offset[column][i];
      guint pair[2];
      for (gsize k = 0; k < 2; k++) {
        const gsize pixel = at + k * columns->next;
        pair[k] = read_sample (lines[0] + pixel, wide, shift);
        /* BT.601. */
        if (rgb)
          pair[k] = (77 * pair[k] +
                        150 * read_sample (lines[1] + pixel, wide, shift) +
                        29 * read_sample (lines[2] + pixel, wide, shift)) >>
              8;
      }
      luma += pair[0] + pair[1];
      steps += (pair[1] - pair[0]) * (pair[1] - pair[0]);
    }
    sums[column].luma += luma;
    sums[column].steps += steps;
  }
}

static void
sum_any_line (Sums sums[WIDTH], const guint8 *const lines[3],
    const Columns *columns, const Planes *planes)
{
  if (planes->rgb && planes->wide)
    sum_line (sums, lines, columns, TRUE, TRUE, planes->shift);
  else if (planes->rgb)
    sum_line (sums, lines, columns, TRUE, FALSE, 0);
  else if (planes->wide)
    sum_line (sums, lines, columns, FALSE, TRUE, planes->shift);
  else
    sum_line (sums, lines, columns, FALSE, FALSE, 0);
}

/* Adds one pixel of each cell to the means of U and V (BT.601). */
static void
add_chroma (GstItuningThumbnail *self, const guint8 *const lines[3],
    const Columns *columns, const Planes *planes)
{
  for (gsize column = 0; column < WIDTH; column++) {
    float values[3] = { 0 };
    for (gsize c = planes->rgb ? 0 : 1; c < 3; c++) {
      const gsize x = columns->x[column][PAIRS / 2] >> planes->sub_x[c];
      values[c] = (float) read_sample (lines[c] + x * planes->step[c],
                      planes->wide, planes->shift) /
          N_CELLS;
    }
    if (planes->rgb) {
      self->chroma[0] += 128.0f / N_CELLS - 0.169f * values[0] -
          0.331f * values[1] + 0.5f * values[2];
      self->chroma[1] += 128.0f / N_CELLS + 0.5f * values[0] -
          0.419f * values[1] - 0.081f * values[2];
    } else {
      self->chroma[0] += values[1];
      self->chroma[1] += values[2];
    }
  }
}

/* --- cells -------------------------------------------------------------- */

/* Reads a row of cells; @noise is the variance that noise gives each
 * one's mean. */
static void
read_row (GstItuningThumbnail *self, float noise[WIDTH],
    const GstVideoFrame *frame, gsize row, const Planes *planes,
    const Columns *columns, guint8 *unpacked)
{
  const GstVideoFormatInfo *info = frame->info.finfo;
  const gsize width = (gsize) GST_VIDEO_FRAME_WIDTH (frame);
  const gsize height = (gsize) GST_VIDEO_FRAME_HEIGHT (frame);
  const gsize n_lines = planes->n_lines;
  const float n_pixels = (float) ((gsize) 2 * PAIRS * n_lines);
  Sums sums[WIDTH] = { { 0 } };

  for (gsize k = 0; k < n_lines; k++) {
    const gsize y = (2 * (row * n_lines + k) + 1) * height /
        ((gsize) 2 * HEIGHT * n_lines);
    const guint8 *lines[3] = { NULL };
    if (unpacked != NULL)
      info->unpack_func (info, GST_VIDEO_PACK_FLAG_NONE, unpacked,
          (gpointer *) frame->data, frame->info.stride, 0, (gint) y,
          (gint) width);
    for (gsize c = 0; c < (planes->grey ? 1 : 3); c++)
      lines[c] = planes->data[c] +
          (gssize) (y >> planes->sub_y[c]) * planes->stride[c];
    sum_any_line (sums, lines, columns, planes);
    if (k == n_lines / 2 && !planes->grey)
      add_chroma (self, lines, columns, planes);
  }
  for (gsize column = 0; column < WIDTH; column++) {
    const float luma = (float) sums[column].luma / n_pixels;
    self->cells[row][column] = luma;
    self->luma += luma / N_CELLS;
    if (luma >= WHITE)
      self->burnt += 1.0f / N_CELLS;
    /* Each step is the difference of two pixels' noise. */
    noise[column] = (float) sums[column].steps / (n_pixels * n_pixels);
  }
}

static gboolean
is_bar (const GstItuningThumbnail *self, gsize row, gsize column)
{
  const float luma = self->cells[row][column];

  return luma < GST_ITUNING_THUMBNAIL_BLACK &&
      fabsf (luma - self->cells[0][0]) < BAR_SPREAD;
}

static gboolean
is_bar_row (const GstItuningThumbnail *self, gsize row)
{
  for (gsize column = 0; column < WIDTH; column++)
    if (!is_bar (self, row, column))
      return FALSE;
  return TRUE;
}

static gboolean
is_bar_column (const GstItuningThumbnail *self, gsize column)
{
  for (gsize row = self->top; row < (gsize) HEIGHT - self->bottom; row++)
    if (!is_bar (self, row, column))
      return FALSE;
  return TRUE;
}

/* Whether bars so wide, on opposite ends of @n cells, are bars: what is black on
 * one side alone is part of the picture, as are two that leave little of it. */
static gboolean
are_bars (guint8 one, guint8 other, int n)
{
  return MIN (one, other) > 0 && ABS (one - other) <= 1 &&
      one + other <= n - MIN_PICTURE (n);
}

/* Of cells that are luma still. */
static void
find_bars (GstItuningThumbnail *self)
{
  self->black = self->cells[0][0];
  while (self->top < HEIGHT && is_bar_row (self, self->top))
    self->top++;
  while (self->top + self->bottom < HEIGHT &&
      is_bar_row (self, (gsize) HEIGHT - 1 - self->bottom))
    self->bottom++;
  if (!are_bars (self->top, self->bottom, HEIGHT))
    self->top = self->bottom = 0;
  while (self->left < WIDTH && is_bar_column (self, self->left))
    self->left++;
  while (self->left + self->right < WIDTH &&
      is_bar_column (self, (gsize) WIDTH - 1 - self->right))
    self->right++;
  if (!are_bars (self->left, self->right, WIDTH))
    self->left = self->right = 0;
}

static void
normalise (GstItuningThumbnail *self, const float *noise)
{
  float *cells = &self->cells[0][0], squares = 0.0f, variance = 0.0f, scale;

  for (gsize i = 0; i < N_CELLS; i++) {
    cells[i] -= self->luma;
    squares += cells[i] * cells[i];
    variance += noise[i] / N_CELLS;
  }
  self->deviation = sqrtf (squares / N_CELLS);
  self->noise = sqrtf (NOISE * NOISE + NOISE_FACTOR * NOISE_FACTOR * variance);
  scale = 1.0f /
      sqrtf (self->deviation * self->deviation + self->noise * self->noise);
  for (gsize i = 0; i < N_CELLS; i++)
    cells[i] *= scale;
}

/**
 * gst_ituning_thumbnail_take:
 * @self: (out): the thumbnail
 * @frame: a mapped frame of any raw format
 * @scratch: memory that is used again from frame to frame
 *
 * Reads some pixels of a frame: 36 or 72 lines, 512 on each.
 *
 * Returns: FALSE when GstVideo cannot unpack the format
 */
gboolean
gst_ituning_thumbnail_take (GstItuningThumbnail *self,
    const GstVideoFrame *frame, GByteArray *scratch)
{
  float noise[HEIGHT][WIDTH];
  gboolean in_place;
  Columns columns;
  Planes planes;

  memset (self, 0, sizeof (*self));
  in_place = find_planes (&planes, frame);
  if (!in_place && !find_unpacked (&planes, frame, scratch))
    return FALSE;
  if (planes.grey)
    self->chroma[0] = self->chroma[1] = 128.0f;
  find_columns (&columns, &planes, (gsize) GST_VIDEO_FRAME_WIDTH (frame));
  for (gsize row = 0; row < HEIGHT; row++)
    read_row (self, noise[row], frame, row, &planes, &columns,
        in_place ? NULL : scratch->data);
  find_bars (self);
  normalise (self, &noise[0][0]);
  return TRUE;
}
