/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/picture.h"

/* A picture longer than this many times its height is cut in the middle, to bound
 * its size: CLIP's centre crop leaves less of it, and squashed into a square it
 * would show nothing. */
#define MAX_ASPECT 8

/**
 * gst_ituning_pictures_set_info:
 * @info: format of the frames to come
 * @edge: shortest edge that the model wants; larger frames are scaled to it,
 *   smaller ones are left to the model's own resize
 */
void
gst_ituning_pictures_set_info (GstItuningPictures *self,
    const GstVideoInfo *info, gsize edge)
{
  g_clear_pointer (&self->converter, gst_video_converter_free);
  self->info = *info;
  self->edge = edge;
}

/**
 * gst_ituning_pictures_set_orientation:
 * @orientation: how frames are to be turned, as the stream's tags say
 */
void
gst_ituning_pictures_set_orientation (GstItuningPictures *self,
    GstVideoOrientationMethod orientation)
{
  self->orientation = orientation;
}

/**
 * gst_ituning_pictures_clear:
 *
 * Gives back what was allocated.
 */
void
gst_ituning_pictures_clear (GstItuningPictures *self)
{
  g_clear_pointer (&self->converter, gst_video_converter_free);
}

/* --- sizes -------------------------------------------------------------- */

/* Lines of one buffer: with alternating fields, half of the frame's. */
static gint
get_lines (const GstVideoInfo *info)
{
  return GST_VIDEO_INFO_FIELD_HEIGHT (info);
}

static GstVideoRectangle
find_crop (const GstItuningPictures *self, GstBuffer *buffer)
{
  const GstVideoCropMeta *meta = gst_buffer_get_video_crop_meta (buffer);
  const gint width = GST_VIDEO_INFO_WIDTH (&self->info);
  const gint height = get_lines (&self->info);
  GstVideoRectangle crop = { 0, 0, width, height };

  if (meta != NULL && meta->x < (guint) width && meta->y < (guint) height) {
    crop.x = (gint) meta->x;
    crop.y = (gint) meta->y;
    crop.w = MIN ((gint) meta->width, width - crop.x);
    crop.h = MIN ((gint) meta->height, height - crop.y);
  }
  if (crop.w / MAX_ASPECT > crop.h) {
    crop.x += (crop.w - crop.h * MAX_ASPECT) / 2;
    crop.w = crop.h * MAX_ASPECT;
  } else if (crop.h / MAX_ASPECT > crop.w) {
    crop.y += (crop.h - crop.w * MAX_ASPECT) / 2;
    crop.h = crop.w * MAX_ASPECT;
  }
  return crop;
}

/* The crop's size as it is shown, scaled so that the shorter edge fits. */
static void
choose_size (const GstItuningPictures *self, const GstVideoRectangle *crop,
    gint *width, gint *height)
{
  const gboolean alternate = GST_VIDEO_INFO_INTERLACE_MODE (&self->info) ==
      GST_VIDEO_INTERLACE_MODE_ALTERNATE;
  const double par = (double) GST_VIDEO_INFO_PAR_N (&self->info) /
      (double) GST_VIDEO_INFO_PAR_D (&self->info);
  const double shown_width = (double) crop->w * par;
  const double shown_height = (double) crop->h * (alternate ? 2.0 : 1.0);
  const double shorter = MIN (shown_width, shown_height);
  const double scale = shorter > (double) self->edge
      ? (double) self->edge / shorter
      : 1.0;

  *width = MAX (1, (gint) (shown_width * scale + 0.5));
  *height = MAX (1, (gint) (shown_height * scale + 0.5));
}

/* --- converting --------------------------------------------------------- */

/* Fields are woven, which the scaling evens out: the converter itself does not
 * deinterlace and wants the same mode on both sides. */
static GstVideoInfo
as_progressive (const GstVideoInfo *info)
{
  GstVideoInfo flat = *info;

  GST_VIDEO_INFO_HEIGHT (&flat) = get_lines (info);
  GST_VIDEO_INFO_INTERLACE_MODE (&flat) = GST_VIDEO_INTERLACE_MODE_PROGRESSIVE;
  return flat;
}

static void
make_converter (GstItuningPictures *self, const GstVideoRectangle *crop)
{
  const GstVideoInfo in_info = as_progressive (&self->info);
  gint width, height;

  choose_size (self, crop, &width, &height);
  gst_video_info_set_format (&self->out_info, GST_VIDEO_FORMAT_RGB,
      (guint) width, (guint) height);
  GST_VIDEO_INFO_FPS_N (&self->out_info) = GST_VIDEO_INFO_FPS_N (&in_info);
  GST_VIDEO_INFO_FPS_D (&self->out_info) = GST_VIDEO_INFO_FPS_D (&in_info);
  self->crop = *crop;
  self->converter = gst_video_converter_new (&in_info, &self->out_info,
      gst_structure_new ("config", GST_VIDEO_CONVERTER_OPT_SRC_X, G_TYPE_INT,
          crop->x, GST_VIDEO_CONVERTER_OPT_SRC_Y, G_TYPE_INT, crop->y,
          GST_VIDEO_CONVERTER_OPT_SRC_WIDTH, G_TYPE_INT, crop->w,
          GST_VIDEO_CONVERTER_OPT_SRC_HEIGHT, G_TYPE_INT, crop->h, NULL));
}

static gboolean
same_rectangle (const GstVideoRectangle *a, const GstVideoRectangle *b)
{
  return a->x == b->x && a->y == b->y && a->w == b->w && a->h == b->h;
}

/* --- turning ------------------------------------------------------------ */

/* Where the pixel at (x, y) of the turned picture comes from, as a walk over
 * the source: a start and a step for each axis. */
typedef struct
{
  gsize width, height; /* of the result */
  gssize start, step_x, step_y;
} Walk;

static Walk
plan_walk (GstVideoOrientationMethod method, gssize w, gssize h, gssize stride)
{
  const gssize right = (w - 1) * 3, bottom = (h - 1) * stride;
  const gsize W = (gsize) w, H = (gsize) h;

  switch (method) {
    case GST_VIDEO_ORIENTATION_90R:
      return (Walk){ H, W, bottom, -stride, 3 };
    case GST_VIDEO_ORIENTATION_180:
      return (Walk){ W, H, bottom + right, -3, -stride };
    case GST_VIDEO_ORIENTATION_90L:
      return (Walk){ H, W, right, stride, -3 };
    case GST_VIDEO_ORIENTATION_HORIZ:
      return (Walk){ W, H, right, -3, stride };
    case GST_VIDEO_ORIENTATION_VERT:
      return (Walk){ W, H, bottom, 3, -stride };
    case GST_VIDEO_ORIENTATION_UL_LR:
      return (Walk){ H, W, 0, stride, 3 };
    case GST_VIDEO_ORIENTATION_UR_LL:
      return (Walk){ H, W, bottom + right, -stride, -3 };
    default:
      return (Walk){ W, H, 0, 3, stride };
  }
}

static void
turn (GstItuningJob *job, GstVideoOrientationMethod method)
{
  const Walk walk = plan_walk (method, (gssize) job->width,
      (gssize) job->height, (gssize) job->stride);
  guint8 *turned, *out;

  if (method == GST_VIDEO_ORIENTATION_IDENTITY)
    return;
  out = turned = g_malloc_n (walk.width * walk.height, 3);
  for (gsize y = 0; y < walk.height; y++) {
    const guint8 *pixel = job->pixels + walk.start + (gssize) y * walk.step_y;
    for (gsize x = 0; x < walk.width; x++, out += 3, pixel += walk.step_x) {
      out[0] = pixel[0];
      out[1] = pixel[1];
      out[2] = pixel[2];
    }
  }
  g_free (job->pixels);
  job->pixels = turned;
  job->width = walk.width;
  job->height = walk.height;
  job->stride = 3 * walk.width;
}

/**
 * gst_ituning_pictures_take:
 * @frame: a mapped frame of the format that was set
 *
 * Returns: (transfer full) (nullable): a job with the picture and no times; or
 *   %NULL when GstVideo cannot convert the format
 */
GstItuningJob *
gst_ituning_pictures_take (GstItuningPictures *self, GstVideoFrame *frame)
{
  const GstVideoRectangle crop = find_crop (self, frame->buffer);
  GstVideoFrame out_frame;
  GstItuningJob *job;
  GstBuffer *buffer;

  if (self->converter == NULL || !same_rectangle (&crop, &self->crop)) {
    g_clear_pointer (&self->converter, gst_video_converter_free);
    make_converter (self, &crop);
  }
  if (self->converter == NULL)
    return NULL;
  job = g_new0 (GstItuningJob, 1);
  job->width = (gsize) GST_VIDEO_INFO_WIDTH (&self->out_info);
  job->height = (gsize) GST_VIDEO_INFO_HEIGHT (&self->out_info);
  job->stride = (gsize) GST_VIDEO_INFO_PLANE_STRIDE (&self->out_info, 0);
  job->pixels = g_malloc (GST_VIDEO_INFO_SIZE (&self->out_info));
  buffer = gst_buffer_new_wrapped_full (0, job->pixels,
      GST_VIDEO_INFO_SIZE (&self->out_info), 0,
      GST_VIDEO_INFO_SIZE (&self->out_info), NULL, NULL);
  gst_video_frame_map (&out_frame, &self->out_info, buffer, GST_MAP_WRITE);
  gst_video_converter_frame (self->converter, frame, &out_frame);
  gst_video_frame_unmap (&out_frame);
  gst_buffer_unref (buffer);
  turn (job, self->orientation);
  return job;
}
