/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "gst/gstituning.h"
#include "tests/gst/pipelines.h"

/* The sampler on painted material whose cuts are known. */

#define WIDTH 160
#define HEIGHT 90
#define FPS 25

/* --- painting ----------------------------------------------------------- */

/* A scene is a few soft blobs on a slope; the camera looks at a part of it. */
typedef struct
{
  double x[8], y[8], size[8], level[8], slope_x, slope_y, base;
} Scene;

static void
make_scene (Scene *scene, GRand *rand)
{
  for (gsize i = 0; i < G_N_ELEMENTS (scene->x); i++) {
    scene->x[i] = g_rand_double_range (rand, -0.3, 1.3);
    scene->y[i] = g_rand_double_range (rand, -0.1, 1.1);
    scene->size[i] = g_rand_double_range (rand, 0.05, 0.3);
    scene->level[i] = g_rand_double_range (rand, -110, 110);
  }
  scene->slope_x = g_rand_double_range (rand, -60, 60);
  scene->slope_y = g_rand_double_range (rand, -60, 60);
  scene->base = g_rand_double_range (rand, 80, 170);
}

static double
look (const Scene *scene, double x, double y)
{
  double value = scene->base + scene->slope_x * (x - 0.5) +
      scene->slope_y * (y - 0.5);

  for (gsize i = 0; i < G_N_ELEMENTS (scene->x); i++) {
    const double dx = (x - scene->x[i]) / scene->size[i];
    const double dy = (y - scene->y[i]) / scene->size[i];
    value += scene->level[i] * exp (-dx * dx - dy * dy);
  }
  return value;
}

/* How a frame is taken: the view's offset, a light, noise. */
typedef struct
{
  const Scene *scene;
  double offset, gain, light, noise;
} Shot;

static void
paint (guint8 *luma, const Shot *shot, GRand *rand)
{
  for (gsize y = 0; y < HEIGHT; y++) {
    for (gsize x = 0; x < WIDTH; x++) {
      double value = look (shot->scene, (double) x / WIDTH + shot->offset,
          (double) y / HEIGHT);
      value = value * shot->gain + shot->light;
      if (shot->noise > 0)
        value += shot->noise *
            (g_rand_double (rand) + g_rand_double (rand) +
                g_rand_double (rand) - 1.5) *
            2.0;
      luma[y * WIDTH + x] = (guint8) CLAMP (value, 0, 255);
    }
  }
}

typedef struct
{
  GstItuningSampler *sampler;
  GstVideoInfo info;
  GstBuffer *buffer;
  GRand *rand;
  guint n_frames;
  GArray *found; /* guint: frames with a new scene */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->sampler = g_object_new (GST_TYPE_ITUNING_SAMPLER, "min-interval",
      (guint64) 200 * GST_MSECOND, "max-interval", G_MAXUINT64, NULL);
  gst_video_info_set_format (&fixture->info, GST_VIDEO_FORMAT_GRAY8, WIDTH,
      HEIGHT);
  fixture->buffer = gst_buffer_new_allocate (NULL, fixture->info.size, NULL);
  fixture->rand = g_rand_new_with_seed (5);
  fixture->n_frames = 0;
  fixture->found = g_array_new (FALSE, FALSE, sizeof (guint));
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_object_unref (fixture->sampler);
  gst_buffer_unref (fixture->buffer);
  g_rand_free (fixture->rand);
  g_array_unref (fixture->found);
}

static GstItuningReason
push_at (Fixture *fixture, const Shot *shot, GstClockTime pts)
{
  GstItuningReason reason;
  GstVideoFrame frame;

  g_assert_true (gst_video_frame_map (&frame, &fixture->info, fixture->buffer,
      GST_MAP_READWRITE));
  paint (GST_VIDEO_FRAME_PLANE_DATA (&frame, 0), shot, fixture->rand);
  reason = gst_ituning_sampler_push (fixture->sampler, &frame, pts, 0);
  gst_video_frame_unmap (&frame);
  if (reason == GST_ITUNING_REASON_SCENE)
    g_array_append_val (fixture->found, fixture->n_frames);
  fixture->n_frames++;
  return reason;
}

static GstItuningReason
push (Fixture *fixture, const Shot *shot)
{
  return push_at (fixture, shot,
      gst_util_uint64_scale (fixture->n_frames, GST_SECOND, FPS));
}

/* --- cuts --------------------------------------------------------------- */

/* 200 cuts between scenes of half a second and more, the camera still, moving
 * or noisy: at least 98 of 100 are found, on their frame, and at least 98 of
 * 100 found are cuts. Seen: all. */
static void
test_hard_cuts_are_found (Fixture *fixture, gconstpointer data)
{
  enum
  {
    N_SCENES = 201
  };
  guint n_right = 0, cuts[N_SCENES] = { 0 };
  Scene scene;

  for (guint i = 0; i < N_SCENES; i++) {
    const guint length = 13 + (guint) g_rand_int_range (fixture->rand, 0, 40);
    const double speed = i % 3 == 1 ? 0.01 : 0.0;
    Shot shot = { &scene, 0, 1, 0, i % 3 == 2 ? 12.0 : 2.0 };
    make_scene (&scene, fixture->rand);
    cuts[i] = fixture->n_frames;
    for (guint k = 0; k < length; k++) {
      shot.offset = speed * k;
      push (fixture, &shot);
    }
  }
  for (guint i = 1; i < N_SCENES; i++)
    for (guint k = 0; k < fixture->found->len; k++)
      if (g_array_index (fixture->found, guint, k) == cuts[i])
        n_right++;
  g_test_message ("%u of 200 cuts, %u found in all", n_right,
      fixture->found->len);
  g_assert_cmpuint (n_right, >=, 196);
  g_assert_cmpfloat (n_right, >=, 0.98 * fixture->found->len);
}

static void
test_noise_is_no_scene (Fixture *fixture, gconstpointer data)
{
  static const double levels[] = { 2, 8, 20 };
  Scene scene;

  make_scene (&scene, fixture->rand);
  for (gsize i = 0; i < G_N_ELEMENTS (levels); i++) {
    /* Bright, then dark, where noise is most of what there is. */
    const Shot bright = { &scene, 0, 1, 0, levels[i] };
    const Shot dark = { &scene, 0, 0.05, 5, levels[i] };
    for (guint k = 0; k < 20 * FPS; k++)
      push (fixture, &bright);
    gst_ituning_sampler_reset (fixture->sampler);
    for (guint k = 0; k < 20 * FPS; k++)
      push (fixture, &dark);
    gst_ituning_sampler_reset (fixture->sampler);
  }
  g_assert_cmpuint (fixture->found->len, <=, 1);
}

static void
test_flashes_are_no_scenes (Fixture *fixture, gconstpointer data)
{
  Scene scene;

  for (guint i = 0; i < 20; i++) {
    make_scene (&scene, fixture->rand);
    gst_ituning_sampler_reset (fixture->sampler);
    for (guint k = 0; k < 2 * FPS; k++) {
      const gboolean lit = k >= FPS && k < FPS + 3;
      const Shot shot = { &scene, 0, 1, lit ? 60.0 + 10.0 * i : 0, 2 };
      push (fixture, &shot);
    }
  }
  g_assert_cmpuint (fixture->found->len, <=, 1);
}

static void
test_slow_pans_are_no_scenes (Fixture *fixture, gconstpointer data)
{
  Scene scene;

  for (guint i = 0; i < 20; i++) {
    make_scene (&scene, fixture->rand);
    gst_ituning_sampler_reset (fixture->sampler);
    for (guint k = 0; k < 2 * FPS; k++) {
      const Shot shot = { &scene, 0.012 * k, 1, 0, 2 };
      push (fixture, &shot);
    }
  }
  g_assert_cmpuint (fixture->found->len, <=, 1);
}

static void
test_fade_gives_one_scene (Fixture *fixture, gconstpointer data)
{
  guint n_found = 0;

  for (guint i = 0; i < 10; i++) {
    Scene scenes[2];
    make_scene (&scenes[0], fixture->rand);
    make_scene (&scenes[1], fixture->rand);
    gst_ituning_sampler_reset (fixture->sampler);
    g_array_set_size (fixture->found, 0);
    for (guint k = 0; k < 4 * FPS; k++) {
      const double fade = ABS ((double) k - 2.0 * FPS) / FPS;
      const Shot shot = { &scenes[k >= 2 * FPS], 0, MIN (fade, 1.0), 0, 1 };
      push (fixture, &shot);
    }
    g_assert_cmpuint (fixture->found->len, <=, 2);
    n_found += fixture->found->len > 0;
  }
  g_assert_cmpuint (n_found, >=, 9);
}

/* --- times -------------------------------------------------------------- */

static void
test_intervals_are_kept (Fixture *fixture, gconstpointer data)
{
  Scene scenes[2];
  GstClockTime last = 0;

  g_object_set (fixture->sampler, "min-interval", (guint64) GST_SECOND,
      "max-interval", (guint64) 2 * GST_SECOND, NULL);
  make_scene (&scenes[0], fixture->rand);
  make_scene (&scenes[1], fixture->rand);
  for (guint k = 0; k < 20 * FPS; k++) {
    /* Cuts every 0.4 s for 10 s, then none; times start at 7 s and jitter. */
    const Shot shot = { &scenes[k < 10 * FPS ? (k / 10) % 2 : 0], 0, 1, 0, 1 };
    const GstClockTime pts = 7 * GST_SECOND +
        gst_util_uint64_scale (k, GST_SECOND, FPS) + 9 * GST_MSECOND * (k % 3);
    const GstItuningReason reason = push_at (fixture, &shot, pts);
    if (k == 0)
      g_assert_cmpint (reason, ==, GST_ITUNING_REASON_FIRST);
    if (reason == GST_ITUNING_REASON_NONE) {
      g_assert_cmpuint (pts - last, <, 2 * GST_SECOND);
      continue;
    }
    if (k > 0)
      g_assert_cmpuint (pts - last, >=, GST_SECOND);
    last = pts;
  }
}

/* A cut within min-interval is made up for. */
static void
test_early_cut_is_not_lost (Fixture *fixture, gconstpointer data)
{
  Scene scenes[2];

  g_object_set (fixture->sampler, "min-interval", (guint64) GST_SECOND, NULL);
  make_scene (&scenes[0], fixture->rand);
  make_scene (&scenes[1], fixture->rand);
  for (guint k = 0; k < 2 * FPS; k++) {
    const Shot shot = { &scenes[k >= 10], 0, 1, 0, 1 };
    push (fixture, &shot);
  }
  g_assert_cmpuint (fixture->found->len, ==, 1);
  g_assert_cmpuint (g_array_index (fixture->found, guint, 0), ==, FPS);
}

static void
test_odd_times_are_borne (Fixture *fixture, gconstpointer data)
{
  Scene scene;
  const Shot shot = { &scene, 0, 1, 0, 1 };

  make_scene (&scene, fixture->rand);
  g_assert_cmpint (push_at (fixture, &shot, GST_CLOCK_TIME_NONE), ==,
      GST_ITUNING_REASON_NONE);
  g_assert_cmpint (push_at (fixture, &shot, 5 * GST_SECOND), ==,
      GST_ITUNING_REASON_FIRST);
  g_assert_cmpint (push_at (fixture, &shot, 5 * GST_SECOND), ==,
      GST_ITUNING_REASON_NONE);
  g_assert_cmpint (push_at (fixture, &shot, 1 * GST_SECOND), ==,
      GST_ITUNING_REASON_FIRST);
}

/* --- formats ------------------------------------------------------------ */

static void
test_every_format_is_read (void)
{
  for (int format = GST_VIDEO_FORMAT_I420; format <= GST_VIDEO_FORMAT_AV12;
       format++) {
    g_autoptr (GstItuningSampler) sampler = gst_ituning_sampler_new ();
    static const guint sizes[][2] = { { 16, 16 }, { 64, 48 }, { 333, 211 } };
    for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
      GstVideoInfo info;
      GstVideoFrame frame;
      GstBuffer *buffer;
      if (!gst_video_info_set_format (&info, (GstVideoFormat) format,
              sizes[i][0], sizes[i][1]))
        continue;
      buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
      gst_buffer_memset (buffer, 0, 100, info.size);
      g_assert_true (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
      gst_ituning_sampler_reset (sampler);
      if (gst_ituning_sampler_push (sampler, &frame, 0, 0) !=
          GST_ITUNING_REASON_FIRST)
        g_test_message ("%s cannot be read",
            gst_video_format_to_string ((GstVideoFormat) format));
      g_assert_cmpint (gst_ituning_sampler_push (sampler, &frame, 1, 0), ==,
          GST_ITUNING_REASON_NONE);
      gst_video_frame_unmap (&frame);
      gst_buffer_unref (buffer);
    }
  }
}

#define ADD(path, function) \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  ADD ("/sampler/hard-cuts-are-found", test_hard_cuts_are_found);
  ADD ("/sampler/noise-is-no-scene", test_noise_is_no_scene);
  ADD ("/sampler/flashes-are-no-scenes", test_flashes_are_no_scenes);
  ADD ("/sampler/slow-pans-are-no-scenes", test_slow_pans_are_no_scenes);
  ADD ("/sampler/fade-gives-one-scene", test_fade_gives_one_scene);
  ADD ("/sampler/intervals-are-kept", test_intervals_are_kept);
  ADD ("/sampler/early-cut-is-not-lost", test_early_cut_is_not_lost);
  ADD ("/sampler/odd-times-are-borne", test_odd_times_are_borne);
  g_test_add_func ("/sampler/every-format-is-read", test_every_format_is_read);
  add_leaks_test ();
  return g_test_run ();
}
