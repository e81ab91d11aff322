/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning scenes`: pictures of made-up scenes and of videotestsrc's patterns,
 * with captions and with what is really in them. Each picture is drawn from a
 * generator of its own, so that threads do not change what comes out. */

#include <errno.h>
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <json-glib/json-glib.h>
#include <math.h>

#include "gst/tools/command.h"
#include "gst/tools/options.h"
#include "gst/tools/progress.h"
#include "gst/tools/scene.h"
#include "gst/tools/scenenuisance.h"
#include "gst/tools/scenepatterns.h"
#include "gst/tools/scenescore.h"
#include "gst/tools/scenewords.h"
#include "model/ituning.h"

typedef struct
{
  char *output, *split;
  gint64 count, seed, size;
  double patterns, grey, h264;
} Arguments;

static void
clear_arguments (Arguments *self)
{
  g_free (self->output);
  g_free (self->split);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, clear_arguments)

/* One picture: what it shows, and where it is. */
typedef struct
{
  guint index;
  Scene scene;
  int pattern; /* index of a test pattern; or -1 for a scene */
} Picture;

typedef struct
{
  const Arguments *given;
  SceneSplit split;
  char *folder; /* owned: of the pictures */
  Picture *pictures; /* owned: [count] */
  GMutex lock; /* guards what follows */
  guint n_done;
  GError *error; /* owned: the first */
} Run;

static void
clear_run (Run *self)
{
  g_free (self->folder);
  g_free (self->pictures);
  g_clear_error (&self->error);
  g_mutex_clear (&self->lock);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, clear_run)

/* --- a picture ---------------------------------------------------------- */

static char *
name_picture (guint index)
{
  return g_strdup_printf ("images/%06u.jpg", index);
}

/* Pictures are a little larger than a small model sees them, and as wide as video
 * is. */
static void
choose_size (const Run *self, GRand *rand, guint *width, guint *height)
{
  const double ratio = g_rand_boolean (rand) ? 4.0 / 3.0 : 16.0 / 9.0;

  *height = (guint) self->given->size +
      (guint) g_rand_int_range (rand, 0, (gint32) self->given->size / 2);
  *width = (guint) (ratio * *height);
}

/* Patterns come as large as video does. */
static void
choose_pattern_size (GRand *rand, guint *width, guint *height)
{
  static const guint sizes[][2] = { { 160, 120 }, { 160, 120 }, { 320, 240 },
    { 320, 180 }, { 640, 360 }, { 640, 480 }, { 1920, 1080 }, { 1920, 1080 },
    { 1920, 1080 } };
  const int i = g_rand_int_range (rand, 0, G_N_ELEMENTS (sizes));

  *width = sizes[i][0];
  *height = sizes[i][1];
}

/* H.264 as live video has it, of a bitrate that is low for its size: what looks
 * fine at twice of it is in pieces at half. */
static char *
choose_coding (guint width, guint height, GRand *rand)
{
  static const char *const presets[] = { "ultrafast", "veryfast", "medium" };
  const double usual = 90.0 + width * height / 2300.0; /* kbit/s */
  const double bitrate = usual * exp2 (g_rand_double_range (rand, -1.0, 1.0));
  const char *preset =
      presets[g_rand_int_range (rand, 0, G_N_ELEMENTS (presets))];

  /* Encoders share a picture by its rows. Threads that do so share its bits by
   * who comes first: slices of one thread do not. */
  return g_strdup_printf ("x264enc tune=zerolatency bitrate=%d "
                          "speed-preset=%s threads=1 option-string=slices=%d ! "
                          "avdec_h264",
      (int) bitrate, preset, g_rand_int_range (rand, 1, 5));
}

static gboolean
draw_pattern (const Run *self, gsize pattern, guint8 *rgb, guint width,
    guint height, GRand *rand, GError **error)
{
  const guint frame = (guint) g_rand_int_range (rand, 0, 12);
  g_autofree char *coding = self->given->h264 > 0.0 &&
          g_rand_double (rand) < self->given->h264
      ? choose_coding (width, height, rand)
      : NULL;

  return scene_patterns_render (pattern, rgb, width, height, frame, coding,
      error);
}

static gboolean
save_picture (guint8 *rgb, guint width, guint height, const char *path,
    int quality, GError **error)
{
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new_from_data (rgb,
      GDK_COLORSPACE_RGB, FALSE, 8, (int) width, (int) height, (int) width * 3,
      NULL, NULL);
  g_autofree char *percent = g_strdup_printf ("%d", quality);

  return gdk_pixbuf_save (pixbuf, path, "jpeg", error, "quality", percent,
      NULL);
}

static gboolean
draw_picture (Run *self, Picture *picture, GError **error)
{
  const guint32 seeds[] = { (guint32) self->given->seed, picture->index,
    (guint32) self->split };
  g_autoptr (GRand) rand = g_rand_new_with_seed_array (seeds,
      G_N_ELEMENTS (seeds));
  g_autofree char *name = name_picture (picture->index);
  g_autofree char *path = g_build_filename (self->given->output, name, NULL);
  g_autofree guint8 *rgb = NULL;
  const gboolean is_pattern = g_rand_double (rand) < self->given->patterns;
  guint width, height;

  picture->pattern = -1;
  if (is_pattern) {
    do
      picture->pattern = g_rand_int_range (rand, 0,
          (gint32) scene_patterns_count ());
    while (scene_patterns_get_name ((gsize) picture->pattern) == NULL);
    choose_pattern_size (rand, &width, &height);
    rgb = g_malloc ((gsize) width * height * 3);
    if (!draw_pattern (self, (gsize) picture->pattern, rgb, width, height, rand,
            error))
      return FALSE;
  } else {
    scene_make (&picture->scene, self->split, self->given->grey, rand);
    choose_size (self, rand, &width, &height);
    rgb = g_malloc ((gsize) width * height * 3);
    scene_render (&picture->scene, rgb, width, height);
  }
  scene_disturb (rgb, width, height, is_pattern, rand);
  return save_picture (rgb, width, height, path,
      g_rand_int_range (rand, 40, 96), error);
}

static void
run_picture (gpointer picture, gpointer data)
{
  Run *self = data;
  g_autoptr (GError) error = NULL;
  gboolean failed;

  g_mutex_lock (&self->lock);
  failed = self->error != NULL;
  g_mutex_unlock (&self->lock);
  if (!failed)
    draw_picture (self, picture, &error);
  g_mutex_lock (&self->lock);
  self->n_done++;
  if (error != NULL && self->error == NULL)
    self->error = g_steal_pointer (&error);
  g_mutex_unlock (&self->lock);
}

static gboolean
draw_all (Run *self, GError **error)
{
  const guint n = (guint) self->given->count;
  g_autoptr (ToolProgress) progress = tool_progress_new (self->given->output,
      "drawing");
  GThreadPool *pool = g_thread_pool_new (run_picture, self,
      (gint) g_get_num_processors (), FALSE, error);
  guint n_done = 0;

  if (pool == NULL)
    return FALSE;
  for (guint i = 0; i < n; i++) {
    self->pictures[i].index = i;
    g_thread_pool_push (pool, &self->pictures[i], NULL);
  }
  while (n_done < n) {
    g_usleep (50000);
    g_mutex_lock (&self->lock);
    n_done = self->n_done;
    g_mutex_unlock (&self->lock);
    tool_progress_update (progress, (double) n_done / n);
  }
  g_thread_pool_free (pool, FALSE, TRUE);
  tool_progress_clear (progress);
  if (self->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&self->error));
  return FALSE;
}

/* --- what is said of them ----------------------------------------------- */

/* Those of the wordings from @first on. */
static void
add_captions (JsonBuilder *json, const Picture *picture, guint first, guint *id)
{
  for (guint wording = first; wording < SCENE_N_WORDINGS; wording++) {
    g_autofree char *caption = picture->pattern >= 0
        ? scene_pattern_caption (scene_patterns_get_name (
                                     (gsize) picture->pattern),
              wording)
        : scene_caption (&picture->scene, wording);

    json_builder_begin_object (json);
    json_builder_set_member_name (json, "id");
    json_builder_add_int_value (json, (*id)++);
    json_builder_set_member_name (json, "image_id");
    json_builder_add_int_value (json, picture->index);
    json_builder_set_member_name (json, "caption");
    json_builder_add_string_value (json, caption);
    json_builder_end_object (json);
  }
}

/* COCO's captions, of the wordings from @first on. */
static JsonNode *
build_captions (const Run *self, guint first)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  guint id = 0;

  json_builder_begin_object (json);
  json_builder_set_member_name (json, "images");
  json_builder_begin_array (json);
  for (gint64 i = 0; i < self->given->count; i++) {
    g_autofree char *name = name_picture ((guint) i);
    json_builder_begin_object (json);
    json_builder_set_member_name (json, "id");
    json_builder_add_int_value (json, i);
    json_builder_set_member_name (json, "file_name");
    json_builder_add_string_value (json, name);
    json_builder_end_object (json);
  }
  json_builder_end_array (json);
  json_builder_set_member_name (json, "annotations");
  json_builder_begin_array (json);
  for (gint64 i = 0; i < self->given->count; i++)
    add_captions (json, &self->pictures[i], first, &id);
  json_builder_end_array (json);
  json_builder_end_object (json);
  return json_builder_get_root (json);
}

static JsonNode *
build_truth (const Run *self)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_array (json);
  for (gint64 i = 0; i < self->given->count; i++) {
    const Picture *picture = &self->pictures[i];
    scene_truth_add (json, picture->index,
        picture->pattern >= 0 ? NULL : &picture->scene,
        picture->pattern >= 0
            ? scene_patterns_get_nick ((gsize) picture->pattern)
            : NULL);
  }
  json_builder_end_array (json);
  return json_builder_get_root (json);
}

static gboolean
save_json (const char *folder, const char *name, JsonNode *root, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) owned = root;
  g_autoptr (GError) reason = NULL;

  json_generator_set_root (generator, owned);
  if (json_generator_to_file (generator, path, &reason))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s", path,
      reason->message);
  return FALSE;
}

/* --- the command -------------------------------------------------------- */

static gboolean
read_split (const char *name, SceneSplit *split, GError **error)
{
  static const char *const names[] = { "train", "test", "unseen", "all" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (g_strcmp0 (name != NULL ? name : "train", names[i]) == 0) {
      *split = (SceneSplit) i;
      return TRUE;
    }
  }
  return tool_options_usage_error (error,
      "--split %s: wanted train, test, unseen or all", name);
}

static gboolean
check (const Arguments *given, GError **error)
{
  if (given->output == NULL)
    return tool_options_usage_error (error, "--output is missing");
  if (given->count < 1 || given->count > 999999 || given->size < 32 ||
      given->size > 4096 ||
      !(given->patterns >= 0.0 && given->patterns <= 1.0) ||
      !(given->grey >= 0.0 && given->grey <= 1.0) ||
      !(given->h264 >= 0.0 && given->h264 <= 1.0))
    return tool_options_usage_error (error,
        "wanted 1 to 999999 for --count, 32 to 4096 for --size, 0 to 1 for "
        "--patterns, --grey and --h264");
  return TRUE;
}

/* Before pictures are drawn that a lack of it would make worthless. */
static gboolean
check_element (const char *name, GError **error)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (name);

  if (factory != NULL)
    return TRUE;
  g_set_error (error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT,
      "--h264: no element \"%s\"", name);
  return FALSE;
}

static gboolean
run (const Arguments *given, GError **error)
{
  g_auto (Run) self = { .given = given };

  g_mutex_init (&self.lock);
  if (!check (given, error) || !read_split (given->split, &self.split, error))
    return FALSE;
  gst_init (NULL, NULL);
  if (given->h264 > 0.0 &&
      !(check_element ("x264enc", error) &&
          check_element ("avdec_h264", error)))
    return FALSE;
  self.folder = g_build_filename (given->output, "images", NULL);
  self.pictures = g_new0 (Picture, given->count);
  if (g_mkdir_with_parents (self.folder, 0777) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s",
        self.folder, g_strerror (errno));
    return FALSE;
  }
  return draw_all (&self, error) &&
      save_json (given->output, "captions.json", build_captions (&self, 0),
          error) &&
      save_json (given->output, "details.json",
          build_captions (&self, SCENE_N_WORDINGS - 1), error) &&
      save_json (given->output, "truth.json", build_truth (&self), error);
}

gboolean
tool_scenes_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_auto (Arguments) given = { .count = 1000, .size = 96, .patterns = 0.15 };
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &given.output,
        "Folder for images/, captions.json, details.json and truth.json",
        "DIR" },
    { "count", 0, 0, G_OPTION_ARG_INT64, &given.count, "Pictures (1000)", "N" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &given.seed,
        "The same seed draws the same pictures (0)", "N" },
    { "split", 0, 0, G_OPTION_ARG_STRING, &given.split,
        "train, test, unseen: pairs of colour and shape that train never has, or "
        "all",
        "NAME" },
    { "size", 0, 0, G_OPTION_ARG_INT64, &given.size,
        "Least height of a scene in pixels (96)", "N" },
    { "patterns", 0, 0, G_OPTION_ARG_DOUBLE, &given.patterns,
        "Share of videotestsrc's patterns (0.15)", "X" },
    { "grey", 0, 0, G_OPTION_ARG_DOUBLE, &given.grey,
        "Share of scenes in shades of grey (0)", "X" },
    { "h264", 0, 0, G_OPTION_ARG_DOUBLE, &given.h264,
        "Share of patterns that have been H.264 (0), by x264enc and avdec_h264",
        "X" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new ("[score]",
      "Draws scenes of simple objects, and GStreamer's test patterns, with "
      "captions in COCO's\nform, to train and to measure a small model; "
      "`ituning scenes score --help` measures.",
      entries);
  g_auto (GStrv) arguments = NULL;

  if (argv[1] != NULL && g_str_equal (argv[1], "score"))
    return scene_score_run (argv + 1, error);
  return tool_options_parse (context, argv, &arguments, error) &&
      tool_options_check_none (arguments, error) && run (&given, error);
}
