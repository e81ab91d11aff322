/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A made-up scene: one to three objects on a floor, seen by a camera. */

typedef enum
{
  SCENE_BALL,
  SCENE_CUBE,
  SCENE_CYLINDER,
  SCENE_CONE,
  SCENE_RING,
  SCENE_N_SHAPES
} SceneShape;

typedef enum
{
  SCENE_RED,
  SCENE_GREEN,
  SCENE_BLUE,
  SCENE_YELLOW,
  SCENE_PURPLE,
  SCENE_CYAN,
  SCENE_ORANGE,
  SCENE_WHITE,
  SCENE_N_COLORS
} SceneColor;

/* How objects stand to each other; the captions name them in this order. */
typedef enum
{
  SCENE_ALONE,
  SCENE_SIDE_BY_SIDE, /* the first is left of the second */
  SCENE_BEHIND, /* the first is in front of the second */
  SCENE_ROW, /* three from left to right */
  SCENE_TRIANGLE, /* the first left of the second, the third behind both */
} SceneLayout;

#define SCENE_MAX_OBJECTS 3

typedef struct
{
  SceneShape shape;
  SceneColor color;
  gboolean large;
  gboolean shiny;
  float x, z; /* where it stands: to the right, and away from the camera */
  float turn; /* about the vertical axis */
} SceneObject;

/* Where a split's scenes come from. */
typedef enum
{
  SCENE_SPLIT_TRAIN, /* no held-out pair of a colour and a shape */
  SCENE_SPLIT_TEST, /* likewise, other scenes */
  SCENE_SPLIT_UNSEEN, /* at least one held-out pair each */
  SCENE_SPLIT_ALL, /* any pairs: what can be said, for a language model */
} SceneSplit;

typedef struct
{
  gboolean grey; /* seen in shades of grey: nobody can tell the colours */
  SceneLayout layout;
  guint n_objects;
  SceneObject objects[SCENE_MAX_OBJECTS];
  guint floor; /* which background */
  float camera_turn, camera_height, camera_distance;
  float light_turn, light_height;
} Scene;

const char *scene_shape_name (SceneShape shape);
const char *scene_color_name (SceneColor color);
gboolean scene_is_held_out (SceneColor color, SceneShape shape);
guint scene_layout_count_objects (SceneLayout layout);
void scene_make (Scene *scene, SceneSplit split, double grey, GRand *rand);

/* scenerender.c */
#define SCENE_N_FLOORS 8
void scene_render (const Scene *scene, guint8 *rgb, guint width, guint height);
