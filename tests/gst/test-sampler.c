/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <gst/check/gstharness.h>

#include "gst/gstituning.h"
#include "tests/gst/painter.h"
#include "tests/gst/pipelines.h"

/* The sampler on painted film whose cuts are known. */

typedef struct
{
  GstItuningSampler *sampler;
  Painter *painter;
  GRand *rand; /* the painter's */
  GstVideoInfo info;
  GstHarness
      *other; /* GStreamer's scenechange, while it is compared; or NULL */
  GstBuffer *kept; /* what that one holds; or NULL */
  guint n_frames;
  double bars_x, bars_y; /* of all shots */
  GArray *found, *found_other; /* guint: frames with a new scene */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->sampler = g_object_new (GST_TYPE_ITUNING_SAMPLER, "min-interval",
      (guint64) 200 * GST_MSECOND, "max-interval", GST_CLOCK_TIME_NONE, NULL);
  /* Not a seed that constants were chosen by. */
  fixture->painter = painter_new (91001);
  fixture->rand = painter_get_rand (fixture->painter);
  gst_video_info_set_format (&fixture->info, GST_VIDEO_FORMAT_I420,
      PAINTER_WIDTH, PAINTER_HEIGHT);
  fixture->info.fps_n = PAINTER_FPS;
  fixture->found = g_array_new (FALSE, FALSE, sizeof (guint));
  fixture->found_other = g_array_new (FALSE, FALSE, sizeof (guint));
}

static void
stop_other (Fixture *fixture)
{
  g_clear_pointer (&fixture->other, gst_harness_teardown);
  /* scenechange never lets go of the last frame. */
  g_clear_pointer (&fixture->kept, gst_buffer_unref);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_object_unref (fixture->sampler);
  painter_free (fixture->painter);
  stop_other (fixture);
  g_array_unref (fixture->found);
  g_array_unref (fixture->found_other);
}

/* scenechange sends an event ahead of a frame that begins a scene. */
static void
push_to_other (Fixture *fixture, GstBuffer *buffer)
{
  GstEvent *event;

  gst_harness_push (fixture->other, gst_buffer_ref (buffer));
  while ((event = gst_harness_try_pull_event (fixture->other)) != NULL) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM)
      g_array_append_val (fixture->found_other, fixture->n_frames);
    gst_event_unref (event);
  }
  fixture->kept = gst_harness_pull (fixture->other);
  gst_buffer_unref (fixture->kept);
}

static GstItuningReason
push_at (Fixture *fixture, const Shot *shot, GstClockTime pts,
    GstBufferFlags flags)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new_allocate (NULL,
      fixture->info.size, NULL);
  GstItuningReason reason;
  GstVideoFrame frame;

  g_assert_true (
      gst_video_frame_map (&frame, &fixture->info, buffer, GST_MAP_READWRITE));
  painter_paint (fixture->painter, shot, &frame);
  reason = gst_ituning_sampler_push (fixture->sampler, &frame, pts, flags);
  gst_video_frame_unmap (&frame);
  if (reason == GST_ITUNING_REASON_SCENE)
    g_array_append_val (fixture->found, fixture->n_frames);
  GST_BUFFER_PTS (buffer) = pts;
  if (fixture->other != NULL)
    push_to_other (fixture, buffer);
  fixture->n_frames++;
  return reason;
}

static GstItuningReason
push (Fixture *fixture, const Shot *shot)
{
  return push_at (fixture, shot,
      gst_util_uint64_scale (fixture->n_frames, GST_SECOND, PAINTER_FPS), 0);
}

static void
begin (Fixture *fixture)
{
  painter_make_scene (fixture->painter);
  gst_ituning_sampler_reset (fixture->sampler);
}

/* --- cuts --------------------------------------------------------------- */

typedef struct
{
  guint n_right, n_found, n_cuts;
} Score;

/* What happens in a shot. */
typedef enum
{
  SHOT_PLAIN,
  SHOT_NOISE,
  SHOT_DARK,
  SHOT_OBJECT,
  SHOT_FLASH,
  SHOT_LOST_FRAMES,
  SHOT_FADE,
  N_SHOTS
} ShotKind;

/* A fade to black takes so many frames, and as many back. */
#define FADE 12

static double
get_precision (const Score *score)
{
  return (double) score->n_right / MAX (score->n_found, 1);
}

static double
get_recall (const Score *score)
{
  return (double) score->n_right / MAX (score->n_cuts, 1);
}

/* A cut is found if its very frame is. */
static void
add_score (Score *score, const char *name, const GArray *found,
    const GArray *cuts)
{
  Score here = { .n_found = found->len, .n_cuts = cuts->len };

  for (guint i = 0; i < found->len; i++)
    for (guint k = 0; k < cuts->len; k++)
      here.n_right += g_array_index (found, guint, i) ==
          g_array_index (cuts, guint, k);
  g_test_message ("%s: %u cuts, precision %.4f, recall %.4f", name, cuts->len,
      get_precision (&here), get_recall (&here));
  score->n_right += here.n_right;
  score->n_found += here.n_found;
  score->n_cuts += here.n_cuts;
}

static Shot
make_shot (const Fixture *fixture, ShotKind kind)
{
  Shot shot = plain_shot;

  shot.bars_x = fixture->bars_x;
  shot.bars_y = fixture->bars_y;
  if (kind == SHOT_NOISE) {
    shot.noise = 12;
  } else if (kind == SHOT_DARK) {
    shot.gain = 0.12;
    shot.light = 5;
    shot.noise = 4;
  } else if (kind == SHOT_OBJECT) {
    shot.object_size = 0.25;
    shot.object_x = -0.2;
    shot.object_y = 0.5;
  }
  return shot;
}

/* What a shot is like @k frames after its event began. */
static void
apply_event (Shot *shot, ShotKind kind, guint k, double light)
{
  if (kind == SHOT_FLASH && k < 3) {
    shot->light += light;
  } else if (kind == SHOT_LOST_FRAMES && k < 3) {
    shot->gain = 0;
    shot->light = PAINTER_BLACK;
  } else if (kind == SHOT_FADE && k < 2 * FADE) {
    shot->gain = ABS ((double) k - FADE) / FADE;
    shot->light = PAINTER_BLACK * (1 - shot->gain);
  }
}

static void
film_shot (Fixture *fixture, ShotKind kind, Camera camera)
{
  guint n_frames = 20 + (guint) g_rand_int_range (fixture->rand, 0, 50);
  const guint event = (guint) g_rand_int_range (fixture->rand, 12,
      (gint) n_frames - 4);
  const double light = g_rand_double_range (fixture->rand, 60, 200);
  Shot shot = make_shot (fixture, kind);

  if (kind == SHOT_FADE)
    n_frames += 2 * FADE;
  for (guint k = 0; k < n_frames; k++) {
    Shot now = shot;
    if (k >= event)
      apply_event (&now, kind, k - event, light);
    push (fixture, &now);
    painter_move (fixture->painter, &shot, camera);
  }
}

/* GStreamer's scenechange will see the frames too, if it can. */
static void
start_other (Fixture *fixture)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (
      "scenechange");
  g_autoptr (GstCaps) caps = gst_video_info_to_caps (&fixture->info);

  if (factory == NULL) {
    g_test_message ("scenechange is not installed");
  } else if (!gst_element_factory_can_sink_all_caps (factory, caps)) {
    g_test_message ("scenechange does not take this format");
  } else {
    fixture->other = gst_harness_new ("scenechange");
    gst_harness_set_src_caps (fixture->other, g_steal_pointer (&caps));
  }
}

/* Films shots of the first kinds with the first cameras, and adds what is found
 * of their cuts to @score. */
static void
score_film (Fixture *fixture, guint n_shots, ShotKind n_kinds, Camera n_cameras,
    Score *score)
{
  g_autoptr (GArray) cuts = g_array_new (FALSE, FALSE, sizeof (guint));
  Score other = { 0 };

  gst_ituning_sampler_reset (fixture->sampler);
  g_array_set_size (fixture->found, 0);
  g_array_set_size (fixture->found_other, 0);
  fixture->n_frames = 0;
  start_other (fixture);
  for (guint i = 0; i < n_shots; i++) {
    const gint kind = g_rand_int_range (fixture->rand, 0, (gint) n_kinds);
    const gint camera = g_rand_int_range (fixture->rand, 0, (gint) n_cameras);
    painter_make_scene (fixture->painter);
    if (i > 0)
      g_array_append_val (cuts, fixture->n_frames);
    film_shot (fixture, (ShotKind) kind, (Camera) camera);
  }
  g_test_message ("%u frames of %dx%d, %s", fixture->n_frames,
      fixture->info.width, fixture->info.height,
      GST_VIDEO_INFO_NAME (&fixture->info));
  add_score (score, "ours", fixture->found, cuts);
  if (fixture->other != NULL)
    add_score (&other, "scenechange", fixture->found_other, cuts);
  stop_other (fixture);
}

/* The camera is still or pans slowly, with noise or without. Seen:
 * precision 1, recall 0.990. */
static void
test_hard_cuts_are_found (Fixture *fixture, gconstpointer data)
{
  Score score = { 0 };

  score_film (fixture, 300, SHOT_DARK, CAMERA_FAST_PAN, &score);
  g_assert_cmpfloat (get_precision (&score), >=, 0.98);
  g_assert_cmpfloat (get_recall (&score), >=, 0.98);
}

/* All that can happen, and all the camera can do. Seen: precision and
 * recall 0.987. */
static void
test_hard_cuts_are_found_in_hard_material (Fixture *fixture, gconstpointer data)
{
  Score score = { 0 };

  score_film (fixture, 300, N_SHOTS, N_CAMERAS, &score);
  g_assert_cmpfloat (get_precision (&score), >=, 0.98);
  g_assert_cmpfloat (get_recall (&score), >=, 0.98);
}

/* The same in films of other kinds of frames, taken together. Seen:
 * precision 0.983, recall 0.986. */
static void
test_hard_cuts_are_found_in_any_format (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    GstVideoFormat format;
    guint width, height, n_shots;
  } films[] = {
    { GST_VIDEO_FORMAT_I420, 320, 180, 60 },
    { GST_VIDEO_FORMAT_GRAY8, 160, 90, 80 },
    { GST_VIDEO_FORMAT_NV12, 160, 90, 80 },
    { GST_VIDEO_FORMAT_I420_10LE, 160, 90, 80 },
    { GST_VIDEO_FORMAT_P010_10LE, 320, 180, 60 },
    { GST_VIDEO_FORMAT_I420, 1920, 1080, 4 },
  };
  Score score = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (films); i++) {
    gst_video_info_set_format (&fixture->info, films[i].format, films[i].width,
        films[i].height);
    score_film (fixture, films[i].n_shots, N_SHOTS, N_CAMERAS, &score);
  }
  g_assert_cmpfloat (get_precision (&score), >=, 0.98);
  g_assert_cmpfloat (get_recall (&score), >=, 0.98);
}

/* Wide film in a higher frame, and high film in a wider one. Seen: precision
 * 0.973 and recall 0.980; with the bars compared too 0.944 and 0.785. */
static void
test_hard_cuts_are_found_between_bars (Fixture *fixture, gconstpointer data)
{
  static const double bars[][2] = { { 0, 0.125 }, { 0.2, 0 } };
  Score score = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (bars); i++) {
    fixture->bars_x = bars[i][0];
    fixture->bars_y = bars[i][1];
    score_film (fixture, 150, N_SHOTS, N_CAMERAS, &score);
  }
  g_assert_cmpfloat (get_precision (&score), >=, 0.96);
  g_assert_cmpfloat (get_recall (&score), >=, 0.96);
}

static void
test_noise_is_no_scene (Fixture *fixture, gconstpointer data)
{
  static const double levels[] = { 2, 8, 20 };

  for (gsize i = 0; i < G_N_ELEMENTS (levels); i++) {
    /* Bright, then dark, where noise is most of what there is; a minute each. */
    Shot shot = plain_shot;
    shot.noise = levels[i];
    for (guint dark = 0; dark < 2; dark++) {
      begin (fixture);
      g_array_set_size (fixture->found, 0);
      if (dark) {
        shot.gain = 0.05;
        shot.light = 5;
      }
      for (guint k = 0; k < 60 * PAINTER_FPS; k++)
        push (fixture, &shot);
      g_assert_cmpuint (fixture->found->len, <=, 1);
    }
  }
}

/* Of 40 flashes; seen: 2 frames taken for scenes. */
static void
test_flashes_are_no_scenes (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 40; i++) {
    begin (fixture);
    for (guint k = 0; k < 2 * PAINTER_FPS; k++) {
      Shot shot = plain_shot;
      if (k >= PAINTER_FPS && k < PAINTER_FPS + 3)
        shot.light = 60 + 5 * i;
      push (fixture, &shot);
    }
  }
  g_assert_cmpuint (fixture->found->len, <=, 4);
}

/* A light that stays on, or a cut to white or black, is seen in the end. */
static void
test_blank_that_stays_is_a_scene (Fixture *fixture, gconstpointer data)
{
  static const double levels[] = { PAINTER_BLACK, 250 };

  for (gsize i = 0; i < G_N_ELEMENTS (levels); i++) {
    begin (fixture);
    g_array_set_size (fixture->found, 0);
    fixture->n_frames = 0;
    for (guint k = 0; k < 2 * PAINTER_FPS; k++) {
      Shot shot = plain_shot;
      if (k >= PAINTER_FPS) {
        shot.gain = 0;
        shot.light = levels[i];
      }
      push (fixture, &shot);
    }
    g_assert_cmpuint (fixture->found->len, ==, 1);
    g_assert_cmpuint (g_array_index (fixture->found, guint, 0), <=,
        PAINTER_FPS + PAINTER_FPS / 5 + 1);
  }
}

static void
test_camera_moves_are_no_scenes (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 70; i++) {
    Shot shot = plain_shot;
    begin (fixture);
    for (guint k = 0; k < 2 * PAINTER_FPS; k++) {
      push (fixture, &shot);
      painter_move (fixture->painter, &shot, (Camera) (i % N_CAMERAS));
    }
  }
  g_assert_cmpuint (fixture->found->len, <=, 2);
}

/* Through black, over two seconds. */
static void
test_fade_gives_one_scene (Fixture *fixture, gconstpointer data)
{
  guint n_found = 0;

  g_object_set (fixture->sampler, "min-interval", GST_SECOND, NULL);
  for (guint i = 0; i < 20; i++) {
    begin (fixture);
    g_array_set_size (fixture->found, 0);
    for (guint k = 0; k < 4 * PAINTER_FPS; k++) {
      const double fade = ABS ((double) k - 2.0 * PAINTER_FPS) / PAINTER_FPS;
      Shot shot = plain_shot;
      if (k == 2 * PAINTER_FPS)
        painter_make_scene (fixture->painter);
      shot.gain = MIN (fade, 1.0);
      shot.noise = 1;
      push (fixture, &shot);
    }
    g_assert_cmpuint (fixture->found->len, <=, 2);
    n_found += fixture->found->len > 0;
  }
  g_assert_cmpuint (n_found, >=, 19);
}

/* To black or to white, and back to the same scene, in 0.2 to 1 s each way; of
 * 40 such, seen: 6 frames taken for scenes. */
static void
test_fade_and_back_is_no_scene (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 40; i++) {
    const guint length = 5 + i / 2;
    begin (fixture);
    for (guint k = 0; k < 2 * length + 2 * PAINTER_FPS; k++) {
      const double fade = ABS ((double) k - PAINTER_FPS - length) / length;
      Shot shot = plain_shot;
      shot.gain = MIN (fade, 1.0);
      shot.light = i % 2 == 0 ? 0 : 240 * (1 - shot.gain);
      push (fixture, &shot);
    }
  }
  g_assert_cmpuint (fixture->found->len, <=, 8);
}

/* An even picture grows bright, faster and then slower: each step is about as
 * large as the one before, between bars as without them. */
static void
test_even_fade_is_no_scene (Fixture *fixture, gconstpointer data)
{
  static const double bars[][2] = { { 0, 0 }, { 0, 0.125 }, { 0.2, 0 },
    { 0.15, 0.15 } };

  for (gsize i = 0; i < G_N_ELEMENTS (bars); i++) {
    Shot shot = { .zoom = 1,
      .light = 40,
      .noise = 1,
      .bars_x = bars[i][0],
      .bars_y = bars[i][1] };
    begin (fixture);
    for (int k = -PAINTER_FPS; k < 2 * PAINTER_FPS; k++) {
      push (fixture, &shot);
      shot.light += MAX (0, 5 * (6 - ABS (k - 6)));
    }
    g_assert_cmpfloat (shot.light, >, 200);
  }
  g_assert_cmpuint (fixture->found->len, ==, 0);
}

/* --- times -------------------------------------------------------------- */

/* Nothing is burnt out, so that no light is suspected. */
static const Shot even_shot = { .zoom = 1,
  .gain = 0.7,
  .light = 20,
  .noise = 2 };

static const Shot *
cut_every (Fixture *fixture, guint n)
{
  if (fixture->n_frames % n == 0)
    painter_swap_scenes (fixture->painter);
  return &even_shot;
}

static void
begin_two (Fixture *fixture, GstClockTime min, GstClockTime max)
{
  g_object_set (fixture->sampler, "min-interval", min, "max-interval", max,
      NULL);
  begin (fixture);
  painter_make_scene (fixture->painter);
}

static void
test_intervals_are_kept (Fixture *fixture, gconstpointer data)
{
  GstClockTime last = 0;

  begin_two (fixture, GST_SECOND, 2 * GST_SECOND);
  for (guint k = 0; k < 20 * PAINTER_FPS; k++) {
    /* Cuts every 0.4 s for 10 s, then none; times start at 7 s and jitter. */
    const GstClockTime pts = 7 * GST_SECOND +
        gst_util_uint64_scale (k, GST_SECOND, PAINTER_FPS) +
        9 * GST_MSECOND * (k % 3);
    const GstItuningReason reason = push_at (fixture,
        cut_every (fixture, k < 10 * PAINTER_FPS ? 10 : G_MAXUINT), pts, 0);
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

static void
test_early_cut_is_not_lost (Fixture *fixture, gconstpointer data)
{
  begin_two (fixture, GST_SECOND, GST_CLOCK_TIME_NONE);
  for (guint k = 0; k < 2 * PAINTER_FPS; k++) {
    if (k == 10)
      painter_swap_scenes (fixture->painter);
    push (fixture, &even_shot);
  }
  g_assert_cmpuint (fixture->found->len, ==, 1);
  g_assert_cmpuint (g_array_index (fixture->found, guint, 0), ==, PAINTER_FPS);
}

static void
test_early_cut_and_back_is_nothing (Fixture *fixture, gconstpointer data)
{
  begin_two (fixture, GST_SECOND, GST_CLOCK_TIME_NONE);
  for (guint k = 0; k < 2 * PAINTER_FPS; k++) {
    if (k == 8 || k == 18)
      painter_swap_scenes (fixture->painter);
    push (fixture, &even_shot);
  }
  g_assert_cmpuint (fixture->found->len, ==, 0);
}

/* Whether time passes in steps of 3 ms or of 2 s, and whatever the caps say of
 * the rate; here, as live sources do, that it is not known. */
static void
test_any_frame_rate_will_do (Fixture *fixture, gconstpointer data)
{
  static const GstClockTime steps[] = { 3 * GST_MSECOND, 33 * GST_MSECOND,
    500 * GST_MSECOND, 2 * GST_SECOND };

  fixture->info.fps_n = 0;
  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++) {
    GstClockTime pts = 5 * GST_SECOND;
    begin_two (fixture, 0, GST_CLOCK_TIME_NONE);
    g_array_set_size (fixture->found, 0);
    fixture->n_frames = 0;
    for (guint k = 0; k < 40; k++) {
      push_at (fixture, cut_every (fixture, 10), pts, 0);
      pts += steps[i] + steps[i] / 2 * (k % 2);
    }
    g_assert_cmpuint (fixture->found->len, ==, 3);
    for (guint k = 0; k < 3; k++)
      g_assert_cmpuint (g_array_index (fixture->found, guint, k), ==,
          k * 10 + 10);
  }
}

static void
test_odd_times_are_borne (Fixture *fixture, gconstpointer data)
{
  begin_two (fixture, 0, GST_CLOCK_TIME_NONE);
  g_assert_cmpint (push_at (fixture, &even_shot, GST_CLOCK_TIME_NONE, 0), ==,
      GST_ITUNING_REASON_NONE);
  g_assert_cmpint (push_at (fixture, &even_shot, 5 * GST_SECOND, 0), ==,
      GST_ITUNING_REASON_FIRST);
  g_assert_cmpint (push_at (fixture, &even_shot, 5 * GST_SECOND, 0), ==,
      GST_ITUNING_REASON_NONE);
  /* Cut to without a time, seen; a keyframe when there is one. */
  painter_swap_scenes (fixture->painter);
  g_assert_cmpint (push_at (fixture, &even_shot, GST_CLOCK_TIME_NONE, 0), ==,
      GST_ITUNING_REASON_NONE);
  g_assert_cmpint (push_at (fixture, &even_shot, 6 * GST_SECOND, 0), ==,
      GST_ITUNING_REASON_SCENE);
  g_assert_cmpint (push_at (fixture, &even_shot, 1 * GST_SECOND, 0), ==,
      GST_ITUNING_REASON_FIRST);
}

/* Every third frame's time is 90 ms behind; then all jump back by 5 s. */
static void
test_times_slip_or_jump_back (Fixture *fixture, gconstpointer data)
{
  GstClockTime last = 0;
  guint n_keyframes = 0;

  begin_two (fixture, GST_SECOND, 2 * GST_SECOND);
  for (guint k = 0; k < 10 * PAINTER_FPS; k++) {
    const GstClockTime pts = 7 * GST_SECOND + k * GST_SECOND / PAINTER_FPS -
        (k % 3 == 2 ? 90 * GST_MSECOND : 0);
    const GstItuningReason reason = push_at (fixture, cut_every (fixture, 10),
        pts, 0);
    if (reason == GST_ITUNING_REASON_NONE)
      continue;
    if (n_keyframes++ > 0)
      g_assert_cmpuint (pts - last, >=, GST_SECOND);
    last = pts;
  }
  g_assert_cmpuint (n_keyframes, >=, 5);
  g_assert_cmpint (push_at (fixture, &even_shot, 12 * GST_SECOND, 0), ==,
      GST_ITUNING_REASON_FIRST);
}

static void
test_gap_in_the_stream_is_borne (Fixture *fixture, gconstpointer data)
{
  begin_two (fixture, 0, GST_CLOCK_TIME_NONE);
  push_at (fixture, &even_shot, 0, GST_BUFFER_FLAG_DISCONT);
  push_at (fixture, &even_shot, GST_SECOND, 0);
  /* The same scene goes on. */
  g_assert_cmpint (push_at (fixture, &even_shot, 9 * GST_SECOND,
                       GST_BUFFER_FLAG_DISCONT),
      ==, GST_ITUNING_REASON_NONE);
  /* A frame that stands for a gap is not looked at. */
  painter_swap_scenes (fixture->painter);
  g_assert_cmpint (push_at (fixture, &even_shot, 10 * GST_SECOND,
                       GST_BUFFER_FLAG_GAP),
      ==, GST_ITUNING_REASON_NONE);
  /* Another does. */
  g_assert_cmpint (push_at (fixture, &even_shot, 20 * GST_SECOND,
                       GST_BUFFER_FLAG_DISCONT),
      ==, GST_ITUNING_REASON_SCENE);
}

/* --- modes -------------------------------------------------------------- */

static void
test_codec_takes_what_is_no_delta (Fixture *fixture, gconstpointer data)
{
  begin_two (fixture, GST_SECOND, 2 * GST_SECOND);
  g_object_set (fixture->sampler, "keyframes", GST_ITUNING_KEYFRAMES_CODEC,
      NULL);
  for (guint k = 0; k < 20; k++) {
    const GstBufferFlags flags = k % 4 == 0 ? 0 : GST_BUFFER_FLAG_DELTA_UNIT;
    g_assert_cmpint (push_at (fixture, &even_shot,
                         (GstClockTime) k * 200 * GST_MSECOND, flags),
        ==, k % 8 == 0 ? GST_ITUNING_REASON_CODEC : GST_ITUNING_REASON_NONE);
  }
}

static void
test_interval_ignores_scenes (Fixture *fixture, gconstpointer data)
{
  begin_two (fixture, 0, GST_SECOND);
  g_object_set (fixture->sampler, "keyframes", GST_ITUNING_KEYFRAMES_INTERVAL,
      NULL);
  for (guint k = 0; k < 100; k++)
    g_assert_cmpint (push (fixture, cut_every (fixture, 10)), ==,
        k == 0                     ? GST_ITUNING_REASON_FIRST
            : k % PAINTER_FPS == 0 ? GST_ITUNING_REASON_INTERVAL
                                   : GST_ITUNING_REASON_NONE);
}

/* --- formats ------------------------------------------------------------ */

/* A picture of colours, the same in any format of any size. */
static void
paint_argb (GstVideoFrame *frame, gboolean other)
{
  const gint width = GST_VIDEO_FRAME_WIDTH (frame);
  const gint height = GST_VIDEO_FRAME_HEIGHT (frame);

  for (gint y = 0; y < height; y++) {
    guint8 *line = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (frame, 0) +
        (gssize) y * GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0);
    for (gint x = 0; x < width; x++) {
      const gint column = 8 * x / width, row = 6 * y / height;
      const gint value = other ? (column * 5 + row * 3) % 8 : column ^ row;
      line[(gsize) 4 * (gsize) x] = 255;
      line[4 * (gsize) x + 1] = (guint8) (30 + 28 * value);
      line[4 * (gsize) x + 2] = (guint8) (40 + 25 * value);
      line[4 * (gsize) x + 3] = (guint8) (30 + 20 * ((value + 3) % 8));
    }
  }
}

static GstBuffer *
make_picture (GstVideoInfo *info, gboolean other)
{
  GstVideoInfo argb_info;
  GstVideoFrame argb, frame;
  GstVideoConverter *converter;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info->size, NULL);
  g_autoptr (GstBuffer) source = NULL;

  gst_video_info_set_format (&argb_info, GST_VIDEO_FORMAT_ARGB,
      (guint) info->width, (guint) info->height);
  source = gst_buffer_new_allocate (NULL, argb_info.size, NULL);
  gst_buffer_memset (buffer, 0, 0, info->size);
  g_assert_true (
      gst_video_frame_map (&argb, &argb_info, source, GST_MAP_READWRITE));
  g_assert_true (gst_video_frame_map (&frame, info, buffer, GST_MAP_WRITE));
  paint_argb (&argb, other);
  converter = gst_video_converter_new (&argb_info, info, NULL);
  g_assert_nonnull (converter);
  gst_video_converter_frame (converter, &argb, &frame);
  gst_video_converter_free (converter);
  gst_video_frame_unmap (&frame);
  gst_video_frame_unmap (&argb);
  return buffer;
}

static GstItuningReason
push_picture (GstItuningSampler *sampler, GstVideoFormat format, guint width,
    guint height, gboolean other, GstClockTime pts)
{
  GstItuningReason reason;
  GstVideoInfo info;
  GstVideoFrame frame;
  g_autoptr (GstBuffer) buffer = NULL;

  gst_video_info_set_format (&info, format, width, height);
  buffer = make_picture (&info, other);
  g_assert_true (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
  reason = gst_ituning_sampler_push (sampler, &frame, pts, 0);
  gst_video_frame_unmap (&frame);
  return reason;
}

/* The format and size of the frames change and the scene goes on; then it
 * changes. */
static void
test_every_format_shows_the_same (void)
{
  static const guint sizes[][2] = { { 64, 48 }, { 333, 211 }, { 320, 240 } };
  guint n_formats = 0;

  for (int i = GST_VIDEO_FORMAT_I420; i <= GST_VIDEO_FORMAT_AV12; i++) {
    const GstVideoFormat format = (GstVideoFormat) i;
    const GstVideoFormatInfo *info = gst_video_format_get_info (format);
    g_autoptr (GstItuningSampler) sampler =
        g_object_new (GST_TYPE_ITUNING_SAMPLER, "min-interval",
            G_GUINT64_CONSTANT (0), NULL);
    GstClockTime pts = 0;
    if (info == NULL || info->unpack_func == NULL || info->pack_func == NULL ||
        GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info))
      continue;
    g_test_message ("%s", GST_VIDEO_FORMAT_INFO_NAME (info));
    push_picture (sampler, GST_VIDEO_FORMAT_I420, 320, 240, FALSE, pts++);
    for (gsize k = 0; k < G_N_ELEMENTS (sizes); k++)
      g_assert_cmpint (push_picture (sampler, format, sizes[k][0], sizes[k][1],
                           FALSE, pts++),
          ==, GST_ITUNING_REASON_NONE);
    g_assert_cmpint (push_picture (sampler, format, 320, 240, TRUE, pts++), ==,
        GST_ITUNING_REASON_SCENE);
    n_formats++;
  }
  g_assert_cmpuint (n_formats, >, 80);
}

static void
test_tiny_frames_are_read (void)
{
  for (int i = GST_VIDEO_FORMAT_I420; i <= GST_VIDEO_FORMAT_AV12; i++) {
    static const guint sizes[][2] = { { 1, 1 }, { 2, 2 }, { 16, 16 },
      { 17, 3 } };
    for (gsize k = 0; k < G_N_ELEMENTS (sizes); k++) {
      g_autoptr (GstItuningSampler) sampler = gst_ituning_sampler_new ();
      g_autoptr (GstBuffer) buffer = NULL;
      GstVideoFrame frame;
      GstVideoInfo info;
      if (!gst_video_info_set_format (&info, (GstVideoFormat) i, sizes[k][0],
              sizes[k][1]) ||
          info.size == 0)
        continue;
      buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
      gst_buffer_memset (buffer, 0, 100, info.size);
      g_assert_true (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
      g_assert_cmpint (gst_ituning_sampler_push (sampler, &frame, 0, 0), ==,
          GST_ITUNING_REASON_FIRST);
      g_assert_cmpint (gst_ituning_sampler_push (sampler, &frame, 1, 0), ==,
          GST_ITUNING_REASON_NONE);
      gst_video_frame_unmap (&frame);
    }
  }
}

#define ADD(path, function) \
  g_test_add ("/sampler/" path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  ADD ("hard-cuts-are-found", test_hard_cuts_are_found);
  ADD ("hard-cuts-are-found-in-hard-material",
      test_hard_cuts_are_found_in_hard_material);
  ADD ("hard-cuts-are-found-in-any-format",
      test_hard_cuts_are_found_in_any_format);
  ADD ("hard-cuts-are-found-between-bars",
      test_hard_cuts_are_found_between_bars);
  ADD ("noise-is-no-scene", test_noise_is_no_scene);
  ADD ("flashes-are-no-scenes", test_flashes_are_no_scenes);
  ADD ("blank-that-stays-is-a-scene", test_blank_that_stays_is_a_scene);
  ADD ("camera-moves-are-no-scenes", test_camera_moves_are_no_scenes);
  ADD ("fade-gives-one-scene", test_fade_gives_one_scene);
  ADD ("fade-and-back-is-no-scene", test_fade_and_back_is_no_scene);
  ADD ("even-fade-is-no-scene", test_even_fade_is_no_scene);
  ADD ("intervals-are-kept", test_intervals_are_kept);
  ADD ("early-cut-is-not-lost", test_early_cut_is_not_lost);
  ADD ("early-cut-and-back-is-nothing", test_early_cut_and_back_is_nothing);
  ADD ("any-frame-rate-will-do", test_any_frame_rate_will_do);
  ADD ("odd-times-are-borne", test_odd_times_are_borne);
  ADD ("times-slip-or-jump-back", test_times_slip_or_jump_back);
  ADD ("gap-in-the-stream-is-borne", test_gap_in_the_stream_is_borne);
  ADD ("codec-takes-what-is-no-delta", test_codec_takes_what_is_no_delta);
  ADD ("interval-ignores-scenes", test_interval_ignores_scenes);
  g_test_add_func ("/sampler/every-format-shows-the-same",
      test_every_format_shows_the_same);
  g_test_add_func ("/sampler/tiny-frames-are-read", test_tiny_frames_are_read);
  add_leaks_test ();
  return g_test_run ();
}
