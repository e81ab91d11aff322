/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The model that is built into the library, through the element: the patterns
 * of videotestsrc are named, small and large, raw and after H.264 at a low
 * bitrate. */

#include "gst/tools/scenepatterns.h"
#include "gst/tools/scenewords.h"
#include "model/ituning.h"
#include "tests/gst/pipelines.h"

typedef struct
{
  const char *name;
  guint width, height;
  const char *coding;
  const char *needs; /* an element; or NULL */
} Way;

/* How many threads share a frame of the encoder's is part of what is left of
 * it. */
static const Way ways[] = {
  { "small-raw", 160, 120, "", NULL },
  { "large-raw", 1920, 1080, "", NULL },
  { "small-h264", 160, 120,
      "x264enc threads=2 bitrate=100 tune=zerolatency ! avdec_h264 !",
      "x264enc" },
  { "large-h264", 1920, 1080,
      "x264enc threads=2 bitrate=1000 speed-preset=ultrafast tune=zerolatency ! "
      "avdec_h264 !",
      "x264enc" },
};

static char *
caption_pattern (const char *nick, const Way *way)
{
  GstElement *pipeline = launch (
      "videotestsrc num-buffers=10 pattern=%s ! video/x-raw,format=I420,"
      "width=%u,height=%u,framerate=25/1 ! %s ituningcaptioner ! fakesink",
      nick, way->width, way->height, way->coding);
  g_auto (Outcome) outcome = { 0 };

  play (pipeline, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpuint (outcome.cues->len, >, 0);
  return g_strdup (((Cue *) g_ptr_array_index (outcome.cues, 0))->text);
}

/* Of snow at 1920x1080 hardly more is left than an even grey, which is taken for a
 * zone plate's now and then. */
static gboolean
may_be_missed (const char *nick, const Way *way)
{
  return g_str_equal (nick, "snow") && way->height > 1000;
}

/* By a caption as pictures of patterns have them, with that name and no other. */
static gboolean
is_named (const char *text, const char *name)
{
  SceneClaims claims;
  const gboolean same = scene_claims_parse (&claims, text) &&
      g_strcmp0 (claims.pattern, name) == 0;

  scene_claims_clear (&claims);
  return same;
}

static void
test_patterns_are_named (gconstpointer data)
{
  const Way *way = data;
  guint n_wrong = 0;

  if (!ituning_model_is_built_in ()) {
    g_test_skip ("the library has no model in it");
    return;
  }
  if (way->needs != NULL) {
    g_autoptr (GstElementFactory) factory = gst_element_factory_find (
        way->needs);
    if (factory == NULL) {
      g_test_skip ("no encoder");
      return;
    }
  }
  for (gsize i = 0; i < scene_patterns_count (); i++) {
    const char *name = scene_patterns_get_name (i);
    g_autofree char *text = NULL;
    if (name == NULL) /* no single picture tells it */
      continue;
    text = caption_pattern (scene_patterns_get_nick (i), way);
    if (!is_named (text, name)) {
      g_test_message ("%s is called \"%s\"", scene_patterns_get_nick (i), text);
      n_wrong += !may_be_missed (scene_patterns_get_nick (i), way);
    }
  }
  g_assert_cmpuint (n_wrong, ==, 0);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autofree char *path = g_strdup_printf ("/builtin/patterns-are-named-%s",
        ways[i].name);
    g_test_add_data_func (path, &ways[i], test_patterns_are_named);
  }
  return g_test_run ();
}
