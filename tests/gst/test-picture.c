/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The model sees what a viewer sees: every raw format, cropped, with square
 * pixels, turned, whatever the strides. A frame has four quarters of different
 * brightness, which tell where everything went. */

#include <gst/video/video.h>
#include <string.h>

#include "plugin/picture.h"

#define WIDTH 64
#define HEIGHT 48
#define EDGE 32

/* Top left, top right, bottom left, bottom right. */
static const guint8 quarters[] = { 20, 90, 160, 235 };

static GstBuffer *
convert (GstBuffer *buffer, const GstVideoInfo *from, const GstVideoInfo *to)
{
  GstVideoConverter *converter = gst_video_converter_new (from, to, NULL);
  GstBuffer *out;
  GstVideoFrame in_frame, out_frame;

  if (converter == NULL)
    return NULL;
  out = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (to), NULL);
  g_assert_true (gst_video_frame_map (&in_frame, from, buffer, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&out_frame, to, out, GST_MAP_WRITE));
  gst_video_converter_frame (converter, &in_frame, &out_frame);
  gst_video_frame_unmap (&in_frame);
  gst_video_frame_unmap (&out_frame);
  gst_video_converter_free (converter);
  return out;
}

/* A frame of the quarters in @info's format; NULL when GStreamer cannot write
 * that. */
static GstBuffer *
paint (const GstVideoInfo *info)
{
  const gint width = GST_VIDEO_INFO_WIDTH (info);
  const gint height = GST_VIDEO_INFO_HEIGHT (info);
  g_autoptr (GstBuffer) rgb = NULL;
  GstVideoInfo rgb_info;
  GstVideoFrame frame;

  gst_video_info_set_format (&rgb_info, GST_VIDEO_FORMAT_RGB, (guint) width,
      (guint) height);
  GST_VIDEO_INFO_FPS_N (&rgb_info) = GST_VIDEO_INFO_FPS_N (info);
  GST_VIDEO_INFO_FPS_D (&rgb_info) = GST_VIDEO_INFO_FPS_D (info);
  rgb = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&rgb_info), NULL);
  g_assert_true (gst_video_frame_map (&frame, &rgb_info, rgb, GST_MAP_WRITE));
  for (gint y = 0; y < height; y++)
    for (gint x = 0; x < width; x++)
      memset ((guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, 0) +
              (gssize) y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0) +
              (gssize) x * 3,
          quarters[(y >= height / 2 ? 2 : 0) + (x >= width / 2 ? 1 : 0)], 3);
  gst_video_frame_unmap (&frame);
  return convert (rgb, &rgb_info, info);
}

static GstItuningJob *
take (GstItuningPictures *pictures, const GstVideoInfo *info, GstBuffer *buffer)
{
  GstVideoFrame frame;
  GstItuningJob *job;

  gst_ituning_pictures_set_info (pictures, info, EDGE);
  g_assert_true (gst_video_frame_map (&frame, info, buffer, GST_MAP_READ));
  job = gst_ituning_pictures_take (pictures, &frame);
  gst_video_frame_unmap (&frame);
  return job;
}

/* The quarters of a picture, as they should be. */
static void
check_quarters (const GstItuningJob *job, const guint order[4], int tolerance)
{
  for (guint i = 0; i < 4; i++) {
    const gsize x = job->width * (i % 2 != 0 ? 3 : 1) / 4;
    const gsize y = job->height * (i >= 2 ? 3 : 1) / 4;
    const guint8 *pixel = job->pixels + y * job->stride + x * 3;
    for (guint c = 0; c < 3; c++)
      g_assert_cmpint (ABS ((int) pixel[c] - quarters[order[i]]), <=,
          tolerance);
  }
}

static const guint upright[] = { 0, 1, 2, 3 };

static void
test_every_format (void)
{
  guint n_formats, n_checked = 0;
  const GstVideoFormat *formats = gst_video_formats_raw (&n_formats);

  for (guint i = 0; i < n_formats; i++) {
    GstItuningPictures pictures = { 0 };
    GstVideoInfo info;
    g_autoptr (GstBuffer) buffer = NULL;
    GstItuningJob *job;

    gst_video_info_set_format (&info, formats[i], WIDTH, HEIGHT);
    buffer = paint (&info);
    if (buffer == NULL)
      continue;
    g_test_message ("%s", gst_video_format_to_string (formats[i]));
    job = take (&pictures, &info, buffer);
    g_assert_nonnull (job);
    g_assert_cmpuint (job->height, ==, EDGE);
    check_quarters (job, upright, 30); /* 15 bits and palettes are coarse */
    gst_ituning_job_free (job);
    gst_ituning_pictures_clear (&pictures);
    n_checked++;
  }
  g_assert_cmpuint (n_checked, >, 80);
}

static void
set_format (GstVideoInfo *info, guint width, guint height)
{
  gst_video_info_set_format (info, GST_VIDEO_FORMAT_I420, width, height);
}

static void
test_turned (void)
{
  static const struct
  {
    GstVideoOrientationMethod method;
    guint order[4]; /* what each quarter shows */
    gboolean swapped;
  } cases[] = {
    { GST_VIDEO_ORIENTATION_IDENTITY, { 0, 1, 2, 3 }, FALSE },
    { GST_VIDEO_ORIENTATION_90R, { 2, 0, 3, 1 }, TRUE },
    { GST_VIDEO_ORIENTATION_180, { 3, 2, 1, 0 }, FALSE },
    { GST_VIDEO_ORIENTATION_90L, { 1, 3, 0, 2 }, TRUE },
    { GST_VIDEO_ORIENTATION_HORIZ, { 1, 0, 3, 2 }, FALSE },
    { GST_VIDEO_ORIENTATION_VERT, { 2, 3, 0, 1 }, FALSE },
    { GST_VIDEO_ORIENTATION_UL_LR, { 0, 2, 1, 3 }, TRUE },
    { GST_VIDEO_ORIENTATION_UR_LL, { 3, 1, 2, 0 }, TRUE },
  };
  GstVideoInfo info;
  g_autoptr (GstBuffer) buffer = NULL;

  set_format (&info, WIDTH, HEIGHT);
  buffer = paint (&info);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstItuningPictures pictures = { 0 };
    GstItuningJob *job;

    gst_ituning_pictures_set_orientation (&pictures, cases[i].method);
    job = take (&pictures, &info, buffer);
    g_assert_true ((job->width < job->height) == cases[i].swapped);
    check_quarters (job, cases[i].order, 12);
    gst_ituning_job_free (job);
    gst_ituning_pictures_clear (&pictures);
  }
}

/* The bottom right quarter alone, then the whole again. */
static void
test_cropped (void)
{
  static const guint last[] = { 3, 3, 3, 3 };
  GstItuningPictures pictures = { 0 };
  GstVideoInfo info;
  g_autoptr (GstBuffer) whole = NULL, cropped = NULL;
  GstVideoCropMeta *crop;
  GstItuningJob *job;

  set_format (&info, WIDTH, HEIGHT);
  whole = paint (&info);
  cropped = paint (&info);
  crop = gst_buffer_add_video_crop_meta (cropped);
  crop->x = WIDTH / 2 + 2;
  crop->y = HEIGHT / 2 + 2;
  crop->width = crop->height = 20;
  job = take (&pictures, &info, cropped);
  g_assert_cmpuint (job->width, ==, job->height);
  check_quarters (job, last, 12);
  gst_ituning_job_free (job);
  job = take (&pictures, &info, whole);
  check_quarters (job, upright, 12);
  gst_ituning_job_free (job);
  gst_ituning_pictures_clear (&pictures);
}

/* Pixels that are twice as wide as high; fields that come one by one. */
static void
test_shown_size (void)
{
  GstItuningPictures pictures = { 0 };
  GstVideoInfo info;
  g_autoptr (GstBuffer) buffer = NULL;
  GstItuningJob *job;

  set_format (&info, WIDTH, HEIGHT);
  GST_VIDEO_INFO_PAR_N (&info) = 2;
  buffer = paint (&info);
  job = take (&pictures, &info, buffer);
  g_assert_cmpuint (job->height, ==, EDGE);
  g_assert_cmpuint (job->width, ==, (2 * WIDTH * EDGE + HEIGHT / 2) / HEIGHT);
  check_quarters (job, upright, 12);
  gst_ituning_job_free (job);
  gst_ituning_pictures_clear (&pictures);
}

static void
test_sizes (void)
{
  static const guint sizes[][2] = { { 16, 16 }, { 17, 33 }, { 2, 500 },
    { 7680, 4320 } };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    GstItuningPictures pictures = { 0 };
    GstVideoInfo info;
    g_autoptr (GstBuffer) buffer = NULL;
    GstItuningJob *job;

    set_format (&info, sizes[i][0], sizes[i][1]);
    buffer = paint (&info);
    job = take (&pictures, &info, buffer);
    g_assert_nonnull (job);
    g_assert_cmpuint (MIN (job->width, job->height), <=, EDGE);
    if (sizes[i][0] >= 16)
      check_quarters (job, upright, 12);
    gst_ituning_job_free (job);
    gst_ituning_pictures_clear (&pictures);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/picture/every-format-shows-the-same", test_every_format);
  g_test_add_func ("/picture/tags-turn-it", test_turned);
  g_test_add_func ("/picture/crop-is-all-there-is", test_cropped);
  g_test_add_func ("/picture/pixels-become-square", test_shown_size);
  g_test_add_func ("/picture/16-pixels-to-8k", test_sizes);
  return g_test_run ();
}
