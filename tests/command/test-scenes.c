/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The scenes that a small model is trained with, their captions, and `ituning
 * scenes`, which draws and scores them. */

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <string.h>

#include "gst/tools/scenewords.h"
#include "tests/command/run.h"

#define N_SCENES 2000

/* --- scenes ------------------------------------------------------------- */

static void
make_grey (Scene *scene, SceneSplit split, double grey, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  scene_make (scene, split, grey, rand);
}

static void
make (Scene *scene, SceneSplit split, guint32 seed)
{
  make_grey (scene, split, 0.0, seed);
}

static guint
count_held_out (const Scene *scene)
{
  guint n = 0;

  for (guint i = 0; i < scene->n_objects; i++)
    n += scene_is_held_out (scene->objects[i].color, scene->objects[i].shape);
  return n;
}

static void
test_held_out_pairs_are_never_trained (void)
{
  guint64 n_held_out = 0, n_objects = 0;

  for (guint32 seed = 0; seed < N_SCENES; seed++) {
    Scene train, test, unseen, all;
    make (&train, SCENE_SPLIT_TRAIN, seed);
    make (&test, SCENE_SPLIT_TEST, seed);
    make (&unseen, SCENE_SPLIT_UNSEEN, seed);
    g_assert_cmpuint (count_held_out (&train), ==, 0);
    g_assert_cmpuint (count_held_out (&test), ==, 0);
    g_assert_cmpuint (count_held_out (&unseen), ==, 1);
    make (&all, SCENE_SPLIT_ALL, seed);
    n_held_out += count_held_out (&all);
    n_objects += all.n_objects;
  }
  /* Five of forty pairs are held out. */
  g_assert_cmpuint (8 * n_held_out, >, n_objects * 3 / 4);
  g_assert_cmpuint (8 * n_held_out, <, n_objects * 5 / 4);
}

/* Each object alone shows enough of itself, in pictures of any width. */
static void
check_every_object_can_be_seen (const Scene *scene, guint width, guint height)
{
  const gsize n_pixels = (gsize) width * height;
  g_autofree guint8 *with = g_malloc (n_pixels * 3);
  g_autofree guint8 *without = g_malloc (n_pixels * 3);

  scene_render (scene, with, width, height);
  for (guint i = 0; i < scene->n_objects; i++) {
    Scene less = *scene;
    guint n_changed = 0;
    less.objects[i] = scene->objects[--less.n_objects];
    scene_render (&less, without, width, height);
    for (gsize k = 0; k < n_pixels; k++)
      n_changed += memcmp (with + 3 * k, without + 3 * k, 3) != 0;
    g_assert_cmpuint (n_changed, >, 12);
  }
}

static void
test_every_object_can_be_seen (void)
{
  for (guint32 seed = 0; seed < 60; seed++) {
    Scene scene;
    make (&scene, SCENE_SPLIT_TRAIN, seed);
    check_every_object_can_be_seen (&scene, 48, 48);
    check_every_object_can_be_seen (&scene, 48, 36);
    check_every_object_can_be_seen (&scene, 64, 36);
  }
}

/* --- words -------------------------------------------------------------- */

static int
find_claim (const SceneClaims *claims, const SceneObject *object)
{
  for (guint i = 0; i < claims->n_objects; i++)
    if (claims->objects[i].shape == (int) object->shape &&
        claims->objects[i].color == (int) object->color)
      return (int) i;
  return -1;
}

static void
test_captions_say_what_is_there (void)
{
  for (guint32 seed = 0; seed < N_SCENES; seed++) {
    const guint wording = seed % SCENE_N_WORDINGS;
    Scene scene;
    g_autofree char *caption = NULL;
    g_auto (SceneClaims) claims = { 0 };

    make (&scene, SCENE_SPLIT_TRAIN, seed);
    caption = scene_caption (&scene, wording);
    g_assert_true (scene_claims_parse (&claims, caption));
    g_assert_cmpint (claims.layout, ==, scene.layout);
    g_assert_cmpuint (claims.n_objects, ==, scene.n_objects);
    for (guint i = 0; i < scene.n_objects; i++) {
      const int k = find_claim (&claims, &scene.objects[i]);
      g_assert_cmpint (k, ==, i);
      if (claims.objects[k].large >= 0)
        g_assert_cmpint (claims.objects[k].large, ==, scene.objects[i].large);
      if (claims.objects[k].shiny >= 0)
        g_assert_cmpint (claims.objects[k].shiny, ==, scene.objects[i].shiny);
    }
  }
}

static void
test_no_caption_names_a_colour_of_grey (void)
{
  const gsize n_pixels = 64;

  for (guint32 seed = 0; seed < 100; seed++) {
    Scene scene;
    g_autofree char *caption = NULL;
    g_autofree guint8 *rgb = g_malloc (n_pixels * 3);
    g_auto (SceneClaims) claims = { 0 };

    make_grey (&scene, SCENE_SPLIT_TRAIN, 1.0, seed);
    g_assert_cmpuint (count_held_out (&scene), ==, 0);
    scene_render (&scene, rgb, 8, 8);
    for (gsize i = 0; i < n_pixels; i++)
      g_assert_true (
          rgb[3 * i] == rgb[3 * i + 1] && rgb[3 * i] == rgb[3 * i + 2]);
    caption = scene_caption (&scene, seed % SCENE_N_WORDINGS);
    g_assert_true (scene_claims_parse (&claims, caption));
    g_assert_cmpuint (claims.n_objects, ==, scene.n_objects);
    for (guint i = 0; i < scene.n_objects; i++) {
      g_assert_cmpint (claims.objects[i].color, ==, -1);
      g_assert_cmpint (claims.objects[i].shape, ==, scene.objects[i].shape);
      for (guint k = 0; k < i; k++) /* or nobody could tell them apart */
        g_assert_cmpint (scene.objects[k].shape, !=, scene.objects[i].shape);
    }
  }
}

static void
test_other_texts_are_no_captions (void)
{
  static const char *const texts[] = { "", "a", "a red", "red ball",
    "a red ball and", "a red ball to the left of a blue cube too",
    "an red sphere", "a ball red", "a red ball to the left of", "a redball",
    "there is a red ball on the floor", "a test pattern: ", "a small red",
    "a red shiny ball", "a  ball" };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_auto (SceneClaims) claims = { 0 };
    g_assert_false (scene_claims_parse (&claims, texts[i]));
  }
}

/* --- the command -------------------------------------------------------- */

static Run *
draw (const char *folder, const char *seed)
{
  return run_command (NULL, "scenes", "--count", "6", "--patterns", "0.3",
      "--seed", seed, "-o", folder, NULL);
}

static void
assert_same (const char *a, const char *b, const char *name, gboolean same)
{
  g_autofree char *first = g_build_filename (a, name, NULL);
  g_autofree char *second = g_build_filename (b, name, NULL);
  g_autofree char *x = NULL, *y = NULL;
  gsize n, m;

  g_assert_true (g_file_get_contents (first, &x, &n, NULL));
  g_assert_true (g_file_get_contents (second, &y, &m, NULL));
  g_assert_true ((n == m && memcmp (x, y, n) == 0) == same);
}

static void
test_same_seed_draws_the_same (void)
{
  static const char *const names[] = { "captions.json", "details.json",
    "truth.json", "images/000000.jpg", "images/000005.jpg" };
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *a = g_build_filename (folder, "a", NULL);
  g_autofree char *b = g_build_filename (folder, "b", NULL);
  g_autofree char *c = g_build_filename (folder, "c", NULL);
  g_autoptr (Run) first = draw (a, "3"), second = draw (b, "3"),
                  third = draw (c, "4");

  g_assert_cmpint (first->status, ==, 0);
  g_assert_cmpint (second->status, ==, 0);
  g_assert_cmpint (third->status, ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    assert_same (a, b, names[i], TRUE);
    assert_same (a, c, names[i], FALSE);
  }
}

static void
test_scenes_are_as_wide_as_video (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autoptr (Run) run = run_command (NULL, "scenes", "--count", "12",
      "--patterns", "0", "-o", folder, NULL);
  guint n_wide = 0;

  g_assert_cmpint (run->status, ==, 0);
  for (guint i = 0; i < 12; i++) {
    g_autofree char *name = g_strdup_printf ("%06u.jpg", i);
    g_autofree char *path = g_build_filename (folder, "images", name, NULL);
    int width, height;
    g_assert_nonnull (gdk_pixbuf_get_file_info (path, &width, &height));
    g_assert_cmpint (height, >=, 96);
    if (ABS (width - height * 16 / 9) <= 1)
      n_wide++;
    else
      g_assert_cmpint (ABS (width - height * 4 / 3), <=, 1);
  }
  g_assert_cmpuint (n_wide, >, 0);
  g_assert_cmpuint (n_wide, <, 12);
}

/* Where there is an encoder: coded patterns too, and others than those that are
 * not coded. */
static void
test_same_seed_codes_the_same (void)
{
  g_autoptr (Folder) folder = make_folder ();
  static const char *const names[] = { "a", "b", "c" };
  static const char *const shares[] = { "1", "1", "0" };
  char *outputs[3] = { NULL }; /* owned */

  for (guint i = 0; i < 3; i++) {
    g_autoptr (Run) run = NULL;
    outputs[i] = g_build_filename (folder, names[i], NULL);
    run = run_command (NULL, "scenes", "--count", "12", "--patterns", "1",
        "--h264", shares[i], "--seed", "5", "-o", outputs[i], NULL);
    if (run->status != 0 && strstr (run->err, "no element \"") != NULL) {
      g_test_skip ("no x264enc or avdec_h264");
      break;
    }
    g_assert_cmpint (run->status, ==, 0);
  }
  for (guint i = 0; i < 12 && outputs[2] != NULL; i++) {
    g_autofree char *name = g_strdup_printf ("images/%06u.jpg", i);
    assert_same (outputs[0], outputs[1], name, TRUE);
    assert_same (outputs[0], outputs[2], name, FALSE);
  }
  for (guint i = 0; i < 3; i++)
    g_clear_pointer (&outputs[i], g_free);
}

/* Two objects and a pattern; what is said of them by hand. */
static void
test_score_finds_each_fault (void)
{
  static const struct
  {
    const char *caption;
    const char *wrong; /* lines that are below 1 */
  } cases[] = {
    { "a red ball to the left of a blue cube", "" },
    { "a small red ball stands left of a large blue cube", "" },
    { "a red ball in front of a blue cube", "relations whole" },
    { "a blue cube to the left of a red ball", "relations whole" },
    { "a red cube to the left of a blue ball",
        "objects sizes materials relations whole" },
    { "a red ball to the left of a green cube",
        "colours objects sizes materials relations whole" },
    { "a red ball to the left of a blue cone",
        "shapes objects sizes materials relations whole" },
    { "a large red ball stands left of a large blue cube", "sizes whole" },
    { "a ball to the left of a blue cube",
        "colours objects sizes materials relations whole" },
    { "only a small shiny red ball here",
        "counts shapes colours objects sizes materials relations whole" },
    { "two objects: a small shiny red ball and on its right a large matte blue "
      "cube",
        "materials whole" },
    { "nothing",
        "captions counts shapes colours objects sizes materials "
        "relations whole" },
  };
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *truth = g_build_filename (folder, "truth.json", NULL);
  g_autofree char *results = g_build_filename (folder, "results.json", NULL);

  write_file (truth,
      "[{\"id\": 7, \"objects\": ["
      "{\"color\": \"red\", \"shape\": \"ball\", \"size\": \"small\", "
      "\"material\": \"matte\", \"x\": -1, \"z\": 0}, "
      "{\"color\": \"blue\", \"shape\": \"cube\", \"size\": \"large\", "
      "\"material\": \"matte\", \"x\": 1, \"z\": 0.1}]}, "
      "{\"id\": 8, \"pattern\": \"checkers-2\"}]");
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *json = g_strdup_printf (
        "[{\"image_id\": 7, \"caption\": \"%s\"}, {\"image_id\": 8, "
        "\"caption\": \"test pattern checkers\"}]",
        cases[i].caption);
    g_autoptr (Run) run = NULL;
    g_auto (GStrv) lines = NULL;

    write_file (results, json);
    run = run_command (NULL, "scenes", "score", "--truth", truth, "--results",
        results, NULL);
    assert_works (run);
    lines = g_strsplit (run->out, "\n", -1);
    for (gsize k = 0; k < 10; k++) {
      g_auto (GStrv) words = g_strsplit (lines[k], " ", 2);
      const gboolean wrong = strstr (cases[i].wrong, words[0]) != NULL;
      g_test_message ("%s: %s", cases[i].caption, lines[k]);
      g_assert_true (g_str_has_suffix (lines[k], wrong ? "0.0000" : "1.0000"));
    }
  }
}

static void
test_usage (void)
{
  g_autoptr (Run) none = run_command (NULL, "scenes", NULL);
  g_autoptr (Run) split = run_command (NULL, "scenes", "-o", "x", "--split",
      "val", NULL);
  g_autoptr (Run) count = run_command (NULL, "scenes", "-o", "x", "--count",
      "0", NULL);
  g_autoptr (Run) score = run_command (NULL, "scenes", "score", NULL);
  g_autoptr (Run) missing = run_command (NULL, "scenes", "score", "--truth",
      "/nowhere.json", "--results", "x", NULL);

  assert_fails (none, 2, "scenes", "--output");
  assert_fails (split, 2, "val", "unseen");
  assert_fails (count, 2, "scenes", "--count");
  assert_fails (score, 2, "scenes", "--truth");
  assert_fails (missing, 1, "/nowhere.json", "No such file");
}

static void
test_score_names_bad_files (void)
{
  static const struct
  {
    const char *truth, *results, *cause;
  } cases[] = {
    { "[1]", "[]", "no \"id\"" },
    { "[{\"id\": \"5\"}]", "[]", "no \"id\"" },
    { "[{\"id\": 5}]", "[{\"image_id\": 5, \"caption\": \"a\"}]", "no scene" },
    { "[{\"id\": 5, \"objects\": [3]}]",
        "[{\"image_id\": 5, \"caption\": \"a\"}]", "no scene" },
    { "[{\"id\": 5}]", "[{\"image_id\": 6, \"caption\": \"a\"}]",
        "none of its pictures" },
    { "[]", "[{\"image_id\": \"5\", \"caption\": \"a\"}]", "image_id" },
  };
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *truth = g_build_filename (folder, "truth.json", NULL);
  g_autofree char *results = g_build_filename (folder, "results.json", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (Run) run = NULL;

    write_file (truth, cases[i].truth);
    write_file (results, cases[i].results);
    run = run_command (NULL, "scenes", "score", "--truth", truth, "--results",
        results, NULL);
    assert_fails (run, 1, ".json", cases[i].cause);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scenes/held-out-pairs-are-never-trained",
      test_held_out_pairs_are_never_trained);
  g_test_add_func ("/scenes/every-object-can-be-seen",
      test_every_object_can_be_seen);
  g_test_add_func ("/scenes/captions-say-what-is-there",
      test_captions_say_what_is_there);
  g_test_add_func ("/scenes/no-caption-names-a-colour-of-grey",
      test_no_caption_names_a_colour_of_grey);
  g_test_add_func ("/scenes/other-texts-are-no-captions",
      test_other_texts_are_no_captions);
  g_test_add_func ("/scenes/same-seed-draws-the-same",
      test_same_seed_draws_the_same);
  g_test_add_func ("/scenes/scenes-are-as-wide-as-video",
      test_scenes_are_as_wide_as_video);
  g_test_add_func ("/scenes/same-seed-codes-the-same",
      test_same_seed_codes_the_same);
  g_test_add_func ("/scenes/score-finds-each-fault",
      test_score_finds_each_fault);
  g_test_add_func ("/scenes/score-names-bad-files", test_score_names_bad_files);
  g_test_add_func ("/scenes/usage", test_usage);
  return g_test_run ();
}
