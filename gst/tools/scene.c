/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/scene.h"

static const char *const shapes[SCENE_N_SHAPES] = { "ball", "cube", "cylinder",
  "cone", "ring" };
static const char *const colors[SCENE_N_COLORS] = { "red", "green", "blue",
  "yellow", "purple", "cyan", "orange", "white" };

/* Pairs that training never shows: each colour and each shape is seen often,
 * but not these together. */
static const struct
{
  SceneColor color;
  SceneShape shape;
} held_out[] = {
  { SCENE_PURPLE, SCENE_BALL },
  { SCENE_YELLOW, SCENE_CUBE },
  { SCENE_RED, SCENE_CYLINDER },
  { SCENE_BLUE, SCENE_CONE },
  { SCENE_GREEN, SCENE_RING },
};

const char *
scene_shape_name (SceneShape shape)
{
  return shapes[shape];
}

const char *
scene_color_name (SceneColor color)
{
  return colors[color];
}

gboolean
scene_is_held_out (SceneColor color, SceneShape shape)
{
  for (gsize i = 0; i < G_N_ELEMENTS (held_out); i++)
    if (held_out[i].color == color && held_out[i].shape == shape)
      return TRUE;
  return FALSE;
}

guint
scene_layout_count_objects (SceneLayout layout)
{
  static const guint n_objects[] = { 1, 2, 2, 3, 3 };

  return n_objects[layout];
}

static float
draw (GRand *rand, double low, double high)
{
  return (float) g_rand_double_range (rand, low, high);
}

/* No two objects look the same, so that a caption can tell them apart. */
static gboolean
is_like_another (const Scene *scene, guint index)
{
  for (guint i = 0; i < index; i++)
    if (scene->objects[i].shape == scene->objects[index].shape &&
        (scene->grey || scene->objects[i].color == scene->objects[index].color))
      return TRUE;
  return FALSE;
}

/* Which pairs of a colour and a shape an object may have. */
typedef enum
{
  PAIR_ANY,
  PAIR_SEEN,
  PAIR_HELD_OUT,
} Pair;

static gboolean
may_be (Pair pair, const SceneObject *object)
{
  return pair == PAIR_ANY ||
      scene_is_held_out (object->color, object->shape) ==
      (pair == PAIR_HELD_OUT);
}

static void
make_object (Scene *scene, guint index, Pair pair, GRand *rand)
{
  SceneObject *object = &scene->objects[index];

  do {
    if (pair == PAIR_HELD_OUT) {
      const int i = g_rand_int_range (rand, 0, G_N_ELEMENTS (held_out));
      object->color = held_out[i].color;
      object->shape = held_out[i].shape;
    } else {
      object->color = (SceneColor) g_rand_int_range (rand, 0, SCENE_N_COLORS);
      object->shape = (SceneShape) g_rand_int_range (rand, 0, SCENE_N_SHAPES);
    }
  } while (is_like_another (scene, index) || !may_be (pair, object));
  object->large = g_rand_boolean (rand);
  object->shiny = g_rand_boolean (rand);
  object->turn = draw (rand, 0.0, 6.28);
}

static void
place (SceneObject *object, GRand *rand, double x, double z)
{
  object->x = (float) x + draw (rand, -0.15, 0.15);
  object->z = (float) z + draw (rand, -0.15, 0.15);
}

/* Far enough apart that nobody could call it otherwise, near enough that a
 * square picture shows enough of each. */
static void
place_objects (Scene *scene, GRand *rand)
{
  SceneObject *objects = scene->objects;
  const double apart = g_rand_double_range (rand, 0.82, 1.05);
  const double x = g_rand_double_range (rand, -0.3, 0.3);
  const double z = g_rand_double_range (rand, -0.2, 0.2);

  switch (scene->layout) {
    case SCENE_ALONE:
      place (&objects[0], rand, 2.0 * x, 2.0 * z);
      break;
    case SCENE_SIDE_BY_SIDE:
      place (&objects[0], rand, x - apart, z);
      place (&objects[1], rand, x + apart, z);
      break;
    case SCENE_BEHIND:
      place (&objects[0], rand, x, z - apart - 0.1);
      place (&objects[1], rand, x, z + apart + 0.4);
      break;
    case SCENE_ROW:
      place (&objects[0], rand, -1.7, z);
      place (&objects[1], rand, 0.0, z);
      place (&objects[2], rand, 1.7, z);
      break;
    case SCENE_TRIANGLE:
    default:
      place (&objects[0], rand, x - 1.1, z - 0.9);
      place (&objects[1], rand, x + 1.1, z - 0.9);
      place (&objects[2], rand, x, z + 1.3);
      break;
  }
}

/**
 * scene_make:
 * @scene: (out): a scene
 * @split: what may be in it
 * @grey: how likely it is in shades of grey
 * @rand: draws it; the same state gives the same scene
 */
void
scene_make (Scene *scene, SceneSplit split, double grey, GRand *rand)
{
  static const SceneLayout layouts[] = { SCENE_ALONE, SCENE_ALONE,
    SCENE_SIDE_BY_SIDE, SCENE_SIDE_BY_SIDE, SCENE_BEHIND, SCENE_ROW,
    SCENE_TRIANGLE };
  /* By layout: the fewer objects, the nearer the camera comes. */
  static const float nearness[] = { 0.6f, 0.88f, 0.8f, 1.0f, 0.96f };
  guint unseen;

  *scene = (Scene){
    .grey = g_rand_double (rand) < grey,
    .layout = layouts[g_rand_int_range (rand, 0, G_N_ELEMENTS (layouts))],
  };
  scene->n_objects = scene_layout_count_objects (scene->layout);
  unseen = (guint) g_rand_int_range (rand, 0, (gint32) scene->n_objects);
  for (guint i = 0; i < scene->n_objects; i++)
    make_object (scene, i,
        split == SCENE_SPLIT_ALL                         ? PAIR_ANY
            : split == SCENE_SPLIT_UNSEEN && i == unseen ? PAIR_HELD_OUT
                                                         : PAIR_SEEN,
        rand);
  place_objects (scene, rand);
  scene->floor = (guint) g_rand_int_range (rand, 0, SCENE_N_FLOORS);
  scene->camera_turn = draw (rand, -0.12, 0.12);
  scene->camera_height = draw (rand, 0.68, 0.84);
  scene->camera_distance = nearness[scene->layout] * draw (rand, 6.6, 7.4);
  scene->light_turn = draw (rand, -1.2, 1.2);
  scene->light_height = draw (rand, 0.75, 1.15);
}
