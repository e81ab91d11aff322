/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

/* Paints frames of film whose cuts are known. What they show does not depend on
 * their size or format; the size here will do for most tests. */

#define PAINTER_WIDTH 160
#define PAINTER_HEIGHT 90
#define PAINTER_FPS 25
#define PAINTER_BLACK 16 /* luma, of bars too */

typedef struct _Painter Painter;

/* What the camera does, from frame to frame. */
typedef enum
{
  CAMERA_STILL,
  CAMERA_SLOW_PAN,
  CAMERA_FAST_PAN,
  CAMERA_TILT,
  CAMERA_ZOOM_IN,
  CAMERA_ZOOM_OUT,
  CAMERA_HAND,
  N_CAMERAS
} Camera;

/* A frame: the view's place in the scene, its light, what is before it. */
typedef struct
{
  double x, y; /* offset, in widths and heights of the view */
  double zoom;
  double gain, light; /* luma becomes gain * luma + light */
  double noise; /* deviation */
  double object_x, object_y, object_size; /* a disk, if the size is above 0 */
  double bars_x, bars_y; /* part of each side that is a black bar */
} Shot;

Painter *painter_new (guint32 seed);
void painter_free (Painter *self);
GRand *painter_get_rand (Painter *self);
void painter_make_scene (Painter *self);
void painter_swap_scenes (Painter *self);
void painter_paint (Painter *self, const Shot *shot, GstVideoFrame *frame);
void painter_move (Painter *self, Shot *shot, Camera camera);

static const Shot plain_shot = { .zoom = 1, .gain = 1, .noise = 2 };
