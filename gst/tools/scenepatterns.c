/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/scenepatterns.h"

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <string.h>

#include "model/ituning.h"

/* The pictures of GStreamer's videotestsrc, by itself, and what captions call
 * them. What looks the same in a still picture has one name: blink is black or
 * white, the solid colour is white by default, and both zone plates are grey. */

static const struct
{
  const char *nick; /* videotestsrc's */
  const char *name;
} names[] = {
  { "smpte", "colour bars" },
  { "snow", "snow" },
  { "black", "black" },
  { "white", "white" },
  { "red", "red" },
  { "green", "green" },
  { "blue", "blue" },
  { "checkers-1", "checkers" },
  { "checkers-2", "checkers" },
  { "checkers-4", "checkers" },
  { "checkers-8", "checkers" },
  { "circular", "circles" },
  { "blink", NULL }, /* black or white */
  { "smpte75", "pale colour bars" },
  { "zone-plate", "zone plate" },
  { "gamut", "gamut checkers" },
  { "chroma-zone-plate", "zone plate" },
  { "solid-color", "white" },
  { "ball", "bouncing ball" },
  { "smpte100", "bright colour bars" },
  { "bar", "bar" },
  { "pinwheel", "pinwheel" },
  { "spokes", "spokes" },
  { "gradient", "gradient" },
  { "colors", "all colours" },
  { "smpte-rp-219", "wide colour bars" },
};

/**
 * scene_patterns_count:
 *
 * Returns: how many patterns there are names for
 */
gsize
scene_patterns_count (void)
{
  return G_N_ELEMENTS (names);
}

/**
 * scene_patterns_get_nick:
 *
 * Returns: (transfer none): what videotestsrc calls a pattern
 */
const char *
scene_patterns_get_nick (gsize index)
{
  return names[index].nick;
}

/**
 * scene_patterns_get_name:
 *
 * Returns: (transfer none) (nullable): what captions call it; %NULL for one
 *   that one picture does not tell
 */
const char *
scene_patterns_get_name (gsize index)
{
  return names[index].name;
}

static GstSample *
pull_sample (const char *line, GError **error)
{
  g_autoptr (GstElement) pipeline = gst_parse_launch_full (line, NULL,
      GST_PARSE_FLAG_FATAL_ERRORS, error);
  g_autoptr (GstElement) sink = NULL;
  GstSample *sample = NULL, *next;

  if (pipeline == NULL)
    return NULL;
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((next = gst_app_sink_pull_sample (GST_APP_SINK (sink))) != NULL) {
    g_clear_pointer (&sample, gst_sample_unref);
    sample = next;
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  if (sample == NULL)
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN,
        "videotestsrc gave no picture (%s)", line);
  return sample;
}

/**
 * scene_patterns_render:
 * @index: which pattern
 * @rgb: [@height, @width, 3] output
 * @frame: which frame of it, from 0
 * @coding: (nullable): elements that it passes, as in a gst-launch-1.0 line
 *
 * Returns: FALSE with an error when GStreamer lacks an element for it
 */
gboolean
scene_patterns_render (gsize index, guint8 *rgb, guint width, guint height,
    guint frame, const char *coding, GError **error)
{
  g_autofree char *line = g_strdup_printf (
      "videotestsrc pattern=%s num-buffers=%u ! "
      "video/x-raw,format=I420,width=%u,height=%u,framerate=30/1 ! "
      "%s%svideoconvert ! "
      "video/x-raw,format=RGB,width=%u,height=%u ! appsink name=sink sync=false",
      names[index].nick, frame + 1, width, height, coding != NULL ? coding : "",
      coding != NULL ? " ! " : "", width, height);
  g_autoptr (GstSample) sample = pull_sample (line, error);
  GstVideoInfo info;
  GstVideoFrame video;

  if (sample == NULL)
    return FALSE;
  gst_video_info_from_caps (&info, gst_sample_get_caps (sample));
  if (!gst_video_frame_map (&video, &info, gst_sample_get_buffer (sample),
          GST_MAP_READ)) {
    g_set_error_literal (error, ITUNING_ERROR, ITUNING_ERROR_OPEN,
        "videotestsrc's picture cannot be read");
    return FALSE;
  }
  for (guint row = 0; row < height; row++)
    memcpy (rgb + (gsize) row * width * 3,
        (const guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&video, 0) +
            (gsize) row * (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (&video, 0),
        (gsize) width * 3);
  gst_video_frame_unmap (&video);
  return TRUE;
}
