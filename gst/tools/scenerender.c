/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/scene.h"

#include <math.h>

/* Draws a scene by following a ray through each pixel until it meets an object
 * (sphere tracing: Hart 1996) or the floor, with shading, highlights, cast
 * shadows and perspective. A few analytic shapes need no library: those that
 * trace rays are far larger than this file, and choose their instructions by
 * the processor, so that the same seed would not give the same picture
 * everywhere. */

#define MAX_STEPS 64
#define NEAR 0.003f
#define FAR 30.0f
#define N_SAMPLES 2 /* along each side of a pixel */

typedef struct
{
  float x, y, z;
} Vector;

static const Vector colors[SCENE_N_COLORS] = {
  [SCENE_RED] = { 0.85f, 0.08f, 0.08f },
  [SCENE_GREEN] = { 0.10f, 0.60f, 0.12f },
  [SCENE_BLUE] = { 0.10f, 0.18f, 0.85f },
  [SCENE_YELLOW] = { 0.88f, 0.76f, 0.06f },
  [SCENE_PURPLE] = { 0.50f, 0.10f, 0.60f },
  [SCENE_CYAN] = { 0.10f, 0.80f, 0.85f },
  [SCENE_ORANGE] = { 0.95f, 0.45f, 0.03f },
  [SCENE_WHITE] = { 0.86f, 0.86f, 0.86f },
};

/* Floors have little colour, so that they are not taken for an object's: two
 * tones of a pattern, and the wall behind. */
static const struct
{
  Vector light, dark, wall;
  float tile; /* side of a square; 0 for none */
} floors[SCENE_N_FLOORS] = {
  { { .62f, .62f, .62f }, { .62f, .62f, .62f }, { .45f, .45f, .45f }, 0.0f },
  { { .50f, .50f, .52f }, { .38f, .38f, .40f }, { .70f, .70f, .72f }, 1.0f },
  { { .60f, .52f, .42f }, { .60f, .52f, .42f }, { .78f, .74f, .66f }, 0.0f },
  { { .55f, .46f, .36f }, { .45f, .37f, .28f }, { .40f, .42f, .46f }, 0.7f },
  { { .30f, .31f, .34f }, { .30f, .31f, .34f }, { .16f, .17f, .20f }, 0.0f },
  { { .42f, .45f, .42f }, { .34f, .37f, .34f }, { .58f, .62f, .66f }, 1.4f },
  { { .72f, .70f, .66f }, { .60f, .58f, .55f }, { .34f, .30f, .28f }, 0.5f },
  { { .40f, .38f, .42f }, { .40f, .38f, .42f }, { .66f, .62f, .64f }, 0.0f },
};

/* --- vectors ------------------------------------------------------------ */

static Vector
add (Vector a, Vector b, float t)
{
  return (Vector){ a.x + t * b.x, a.y + t * b.y, a.z + t * b.z };
}

static float
dot (Vector a, Vector b)
{
  return a.x * b.x + a.y * b.y + a.z * b.z;
}

static Vector
normalise (Vector a)
{
  return add ((Vector){ 0 }, a, 1.0f / sqrtf (dot (a, a)));
}

static Vector
cross (Vector a, Vector b)
{
  return (Vector){ a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z,
    a.x * b.y - a.y * b.x };
}

/* --- distances ---------------------------------------------------------- */

/* An object as rays meet it. */
typedef struct
{
  const SceneObject *object;
  Vector middle;
  float radius; /* half its height */
  float cos, sin; /* of its turn */
} Body;

/* All that a picture shows. */
typedef struct
{
  const Scene *scene;
  Body bodies[SCENE_MAX_OBJECTS];
  Vector light; /* towards it */
} World;

static Body
make_body (const SceneObject *object)
{
  const float radius = object->large ? 0.78f : 0.56f;

  return (Body){ object, { object->x, radius, object->z }, radius,
    cosf (object->turn), sinf (object->turn) };
}

/* To a box in two dimensions that reaches @a and @b from the middle. */
static inline float
box_distance (float x, float y, float a, float b)
{
  const float dx = fabsf (x) - a, dy = fabsf (y) - b;
  const float ox = MAX (dx, 0.0f), oy = MAX (dy, 0.0f);

  return sqrtf (ox * ox + oy * oy) + MIN (MAX (dx, dy), 0.0f);
}

/* To a cone from its middle, of half height and radius @r. */
static inline float
cone_distance (float across, float y, float r)
{
  const float slope = 0.4472136f; /* of the side: 1 across, 2 up */
  const float side = across * 2.0f * slope + (y - r) * slope;

  return MAX (side, -(y + r));
}

/* From @p to a body, which stands on the floor. */
static inline float
find_distance (const Body *body, Vector p)
{
  const float r = body->radius;
  const Vector d = add (p, body->middle, -1.0f);

  switch (body->object->shape) {
    case SCENE_CUBE: {
      const float side = 0.82f * r, rim = 0.03f;
      const float c = body->cos, s = body->sin;
      const float plane = box_distance (c * d.x + s * d.z, c * d.z - s * d.x,
          side, side);
      return MAX (plane, fabsf (p.y - side - rim) - side) - rim;
    }
    case SCENE_CYLINDER:
      return box_distance (sqrtf (d.x * d.x + d.z * d.z), d.y, 0.6f * r, r);
    case SCENE_CONE:
      return cone_distance (sqrtf (d.x * d.x + d.z * d.z), d.y, r);
    case SCENE_RING: {
      /* Upright, its axis towards the camera but for a little. */
      const float tube = 0.26f * r;
      const float round = sqrtf (d.x * d.x + d.y * d.y) - (r - tube);
      return sqrtf (round * round + d.z * d.z) - tube;
    }
    case SCENE_BALL:
    case SCENE_N_SHAPES:
    default:
      return sqrtf (dot (d, d)) - r;
  }
}

/* --- rays --------------------------------------------------------------- */

/* Follows a ray to a body, from @start to @limit: no further than through the
 * ball that holds the body. Returns how far it goes, or @limit when it misses. */
static float
meet (const Body *body, Vector from, Vector ray, float start, float limit)
{
  const float reach = 1.6f * body->radius; /* a cube's lowest corner */
  const Vector to = add (body->middle, from, -1.0f);
  const float along = dot (to, ray);
  const float depth = reach * reach - (dot (to, to) - along * along);
  float t, end;

  if (depth <= 0.0f)
    return limit;
  t = MAX (start, along - sqrtf (depth));
  end = MIN (limit, along + sqrtf (depth));
  for (guint i = 0; i < MAX_STEPS && t < end; i++) {
    const float distance = find_distance (body, add (from, ray, t));
    if (distance < NEAR)
      return t;
    t += distance;
  }
  return limit;
}

/* Follows a ray for at most @limit. Returns how far it goes, or @limit when it
 * meets nothing. */
static float
follow (const World *world, Vector from, Vector ray, float start, float limit,
    const Body **hit)
{
  float nearest = limit;

  for (guint i = 0; i < world->scene->n_objects; i++) {
    const float t = meet (&world->bodies[i], from, ray, start, nearest);
    if (t < nearest) {
      nearest = t;
      *hit = &world->bodies[i];
    }
  }
  return nearest;
}

static Vector
find_normal (const Body *body, Vector p)
{
  const float e = 0.004f, middle = find_distance (body, p);

  return normalise (
      (Vector){ find_distance (body, (Vector){ p.x + e, p.y, p.z }) - middle,
          find_distance (body, (Vector){ p.x, p.y + e, p.z }) - middle,
          find_distance (body, (Vector){ p.x, p.y, p.z + e }) - middle });
}

static float
find_shadow (const World *world, Vector p)
{
  const Body *hit = NULL;

  (void) follow (world, p, world->light, 0.05f, 8.0f, &hit);
  return hit == NULL ? 1.0f : 0.35f;
}

static Vector
shade_object (const World *world, const Body *body, Vector p, Vector ray)
{
  const SceneObject *object = body->object;
  const Vector normal = find_normal (body, p);
  const float facing = MAX (dot (normal, world->light), 0.0f);
  const float lit = facing > 0.0f ? find_shadow (world, add (p, normal, 0.02f))
                                  : 0.35f;
  const Vector half = normalise (add (world->light, ray, -1.0f));
  const float mirror = MAX (dot (normal, half), 0.0f);
  const float rim = 1.0f - fabsf (dot (normal, ray));
  Vector color = add ((Vector){ 0 }, colors[object->color],
      0.38f + 0.62f * facing * lit);

  if (object->shiny) {
    const float shine = powf (mirror, 40.0f) * lit + 0.25f * rim * rim * rim;
    color = add (color, (Vector){ 1.0f, 1.0f, 1.0f }, shine);
  }
  return color;
}

static Vector
shade_floor (const World *world, Vector from, Vector ray)
{
  const Scene *scene = world->scene;
  const float t = ray.y < -0.01f ? -from.y / ray.y : FAR;
  const Vector p = add (from, ray, t);
  const float tile = floors[scene->floor].tile;
  Vector color = floors[scene->floor].light;

  if (t >= FAR || p.z > 6.0f)
    return floors[scene->floor].wall;
  if (tile > 0.0f &&
      ((int) floorf (p.x / tile) + (int) floorf (p.z / tile)) % 2 != 0)
    color = floors[scene->floor].dark;
  return add ((Vector){ 0 }, color, 0.45f + 0.55f * find_shadow (world, p));
}

/* --- the picture -------------------------------------------------------- */

typedef struct
{
  Vector eye, forward, right, up;
} View;

static View
make_view (const Scene *scene)
{
  const float turn = scene->camera_turn, height = scene->camera_height;
  View view = {
    .eye = { sinf (turn) * cosf (height) * scene->camera_distance,
        sinf (height) * scene->camera_distance + 0.4f,
        -cosf (turn) * cosf (height) * scene->camera_distance },
  };

  view.forward = normalise (
      add ((Vector){ 0.0f, 0.4f, 0.1f }, view.eye, -1.0f));
  view.right = normalise (cross ((Vector){ 0.0f, 1.0f, 0.0f }, view.forward));
  view.up = cross (view.forward, view.right);
  return view;
}

static World
make_world (const Scene *scene)
{
  const float turn = scene->light_turn, height = scene->light_height;
  World world = {
    .scene = scene,
    .light = { sinf (turn) * cosf (height), sinf (height),
        -cosf (turn) * cosf (height) },
  };

  for (guint i = 0; i < scene->n_objects; i++)
    world.bodies[i] = make_body (&scene->objects[i]);
  return world;
}

/* @x and @y are 0 in the middle; a square picture goes from -1 to 1. */
static Vector
trace (const World *world, const View *view, float x, float y)
{
  const float zoom = 0.38f;
  const Vector ray = normalise (
      add (add (view->forward, view->right, zoom * x), view->up, zoom * y));
  const Body *hit = NULL;
  const float t = follow (world, view->eye, ray, 1.0f, FAR, &hit);

  if (hit == NULL)
    return shade_floor (world, view->eye, ray);
  return shade_object (world, hit, add (view->eye, ray, t), ray);
}

/* Light as eyes and screens have it: a gamma of about 2. */
static guint8
to_byte (float value)
{
  return (guint8) lrintf (255.0f * sqrtf (CLAMP (value, 0.0f, 1.0f)));
}

static Vector
take_color (Vector color)
{
  const float grey = dot (color, (Vector){ 0.299f, 0.587f, 0.114f });

  return (Vector){ grey, grey, grey };
}

/* Half the side of the square that a square picture would show, in pixels. In a
 * wider one the camera comes nearer. */
static float
choose_half (const Scene *scene, guint width, guint height)
{
  /* By how much: powers of the picture's ratio. With 1 it shows as much from left
   * to right as a square one, with 0 from top to bottom, which is what high
   * layouts need. */
  static const float powers[] = {
    [SCENE_ALONE] = 0.25f,
    [SCENE_SIDE_BY_SIDE] = 1.0f,
    [SCENE_BEHIND] = 0.25f,
    [SCENE_ROW] = 0.9f,
    [SCENE_TRIANGLE] = 0.5f,
  };
  const float ratio = MAX ((float) width / (float) height, 1.0f);

  return 0.5f * (float) MIN (width, height) *
      powf (ratio, powers[scene->layout]);
}

/**
 * scene_render:
 * @rgb: [@height, @width, 3] output; shows of each object enough to name it
 */
void
scene_render (const Scene *scene, guint8 *rgb, guint width, guint height)
{
  const World world = make_world (scene);
  const View view = make_view (scene);
  const float half = choose_half (scene, width, height);

  for (guint row = 0; row < height; row++) {
    for (guint column = 0; column < width; column++, rgb += 3) {
      Vector sum = { 0 };
      for (guint i = 0; i < N_SAMPLES * N_SAMPLES; i++) {
        const guint across = i % N_SAMPLES, down = i / N_SAMPLES;
        const float dx = ((float) across + 0.5f) / N_SAMPLES;
        const float dy = ((float) down + 0.5f) / N_SAMPLES;
        sum = add (sum,
            trace (&world, &view,
                ((float) column + dx - 0.5f * (float) width) / half,
                (0.5f * (float) height - (float) row - dy) / half),
            1.0f / (N_SAMPLES * N_SAMPLES));
      }
      if (scene->grey)
        sum = take_color (sum);
      rgb[0] = to_byte (sum.x);
      rgb[1] = to_byte (sum.y);
      rgb[2] = to_byte (sum.z);
    }
  }
}
