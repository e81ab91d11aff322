/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Copying a file with one more track, by cues made by hand. */

#include <string.h>

#include "gst/tools/remux.h"
#include "model/ituning.h"
#include "tests/command/media.h"
#include "tests/command/run.h"

static const ToolCue hand_made[] = {
  { 500 * GST_MSECOND, 1500 * GST_MSECOND, 0, (char *) "a dog & <i>a cat</i>",
      1 },
  { 1500 * GST_MSECOND, 2500 * GST_MSECOND, 0, (char *) "two\n\nlines", 1 },
  { 4000 * GST_MSECOND, 5000 * GST_MSECOND, 0, (char *) "the end", 1 },
};

typedef struct
{
  const char *name; /* of the output */
  ToolContainer container;
} Output;

static const Output outputs[] = { { "out.mkv", TOOL_CONTAINER_MKV },
  { "out.mp4", TOOL_CONTAINER_MP4 } };

static GPtrArray *
get_cues (gsize n_cues)
{
  GPtrArray *cues = g_ptr_array_new ();

  for (gsize i = 0; i < n_cues; i++)
    g_ptr_array_add (cues, (gpointer) &hand_made[i]);
  return cues;
}

static char *
remux (const char *folder, const char *input, const Output *output,
    gsize n_cues)
{
  const ToolTrackName name = { "de", "What is \"seen\"" };
  g_autoptr (GPtrArray) cues = get_cues (n_cues);
  g_autoptr (GError) error = NULL;
  char *path = g_build_filename (folder, output->name, NULL);

  tool_remux_check (input, output->container, NULL, &error);
  g_assert_no_error (error);
  tool_remux (input, path, path, output->container, cues, &name, NULL, NULL,
      &error);
  g_assert_no_error (error);
  return path;
}

static char *
make (const char *folder, const Media *media)
{
  char *path = g_build_filename (folder,
      g_str_equal (media->muxer, "mp4mux") ? "in.mp4" : "in.mkv", NULL);

  media_make (path, media);
  return path;
}

static void
drop_empty (MediaStream *stream)
{
  for (guint i = stream->texts->len; i-- > 0;) {
    if (*(char *) g_ptr_array_index (stream->texts, i) == '\0') {
      g_ptr_array_remove_index (stream->texts, i);
      g_array_remove_index (stream->starts, i);
      g_array_remove_index (stream->ends, i);
    }
  }
}

static void
check_text (const MediaStream *stream, guint i, const char *text,
    guint start_ms, guint end_ms)
{
  g_assert_cmpuint (stream->texts->len, >, i);
  g_assert_cmpstr (g_ptr_array_index (stream->texts, i), ==, text);
  g_assert_cmpuint ((g_array_index (stream->starts, GstClockTime, i) + 500000) /
          GST_MSECOND,
      ==, start_ms);
  g_assert_cmpuint ((g_array_index (stream->ends, GstClockTime, i) + 500000) /
          GST_MSECOND,
      ==, end_ms);
}

/* --- what is written ---------------------------------------------------- */

static const Media five_seconds = { .muxer = "mp4mux",
  .scenes = { 75, 75 },
  .audio = TRUE,
  .tags = "\"title=(string)\\\"My film\\\",artist=Nobody\"" };

static void
check_same (const char *before_path, const char *after_path, const char *kind)
{
  g_autoptr (MediaStream) before = media_read (before_path, kind, 0);
  g_autoptr (MediaStream) after = media_read (after_path, kind, 0);

  g_assert_cmpstr (before->hash, ==, after->hash);
  g_assert_cmpuint (before->starts->len, ==, after->starts->len);
  for (guint i = 0; i < before->starts->len; i++) {
    const GstClockTime a = g_array_index (before->starts, GstClockTime, i),
                       b = g_array_index (after->starts, GstClockTime, i);
    g_assert_cmpint (ABS (GST_CLOCK_DIFF (a, b)), <=, GST_MSECOND);
  }
}

static void
test_track (gconstpointer data)
{
  const Output *output = data;
  const gboolean mkv = output->container == TOOL_CONTAINER_MKV;
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, &five_seconds);
  g_autofree char *path = remux (folder, input, output, 3);
  g_autoptr (MediaStream) text = media_read (path, "subtitle", 0);
  g_autofree char *language = NULL;

  check_same (input, path, "video");
  check_same (input, path, "audio");
  drop_empty (text);
  g_assert_cmpuint (text->texts->len, ==, 3);
  /* What matroskademux hands out is markup. */
  check_text (text, 0,
      mkv ? "a dog &amp; &lt; i&gt;a cat&lt; /i&gt;" : "a dog & <i>a cat</i>",
      500, 1500);
  check_text (text, 1, "two lines", 1500, 2500);
  check_text (text, 2, "the end", 4000, 5000);
  g_assert_nonnull (text->tags);
  g_assert_true (
      gst_tag_list_get_string (text->tags, GST_TAG_LANGUAGE_CODE, &language));
  g_assert_cmpstr (language, ==, "de");
}

static void
test_no_cue (gconstpointer data)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, &five_seconds);
  g_autofree char *path = remux (folder, input, data, 0);

  check_same (input, path, "video");
  check_same (input, path, "audio");
}

static void
test_subtitles_stay (gconstpointer data)
{
  static const char *const muxers[] = { "mp4mux", "matroskamux" };

  for (gsize i = 0; i < G_N_ELEMENTS (muxers); i++) {
    const Media media = { .muxer = muxers[i],
      .scenes = { 300 },
      .subtitle = TRUE };
    g_autoptr (Folder) folder = make_folder ();
    g_autofree char *input = make (folder, &media);
    g_autofree char *path = remux (folder, input, data, 3);
    g_autoptr (MediaStream) before = media_read (path, "subtitle", 0);
    g_autoptr (MediaStream) ours = media_read (path, "subtitle", 1);

    check_same (input, path, "video");
    drop_empty (before);
    drop_empty (ours);
    g_assert_cmpuint (before->texts->len, ==, 2);
    check_text (before, 1, "three", 3000, 4000);
    g_assert_cmpuint (ours->texts->len, ==, 3);
    check_text (ours, 2, "the end", 4000, 5000);
  }
}

static gboolean
contains (const char *path, const char *text)
{
  g_autofree char *bytes = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  return memmem (bytes, size, text, strlen (text)) != NULL;
}

static void
test_tags (gconstpointer data)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, &five_seconds);
  g_autofree char *path = remux (folder, input, data, 1);

  g_assert_true (contains (input, "My film"));
  g_assert_true (contains (path, "My film"));
  g_assert_true (contains (path, "Nobody"));
  g_assert_true (contains (path, "What is \"seen\""));
}

static void
test_same_bytes (gconstpointer data)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, &five_seconds);
  g_autofree char *first = NULL;
  gsize first_size = 0;

  for (guint i = 0; i < 8; i++) {
    g_autofree char *path = remux (folder, input, data, 3);
    g_autofree char *bytes = NULL;
    gsize size;

    g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
    if (first == NULL) {
      first = g_steal_pointer (&bytes);
      first_size = size;
    } else {
      g_assert_cmpmem (first, first_size, bytes, size);
    }
  }
}

/* --- what is refused ---------------------------------------------------- */

static void
test_codec_that_does_not_fit (void)
{
  const Media media = { .muxer = "matroskamux",
    .encoder = "vp8enc deadline=1",
    .scenes = { 30 } };
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, &media);
  g_autoptr (GError) error = NULL;

  g_assert_true (tool_remux_check (input, TOOL_CONTAINER_MKV, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (tool_remux_check (input, TOOL_CONTAINER_MP4, NULL, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "in.mkv"));
  g_assert_nonnull (strstr (error->message, "VP8"));
  g_assert_nonnull (strstr (error->message, ".mkv may do"));
}

static void
test_full_disk (void)
{
  const ToolTrackName name = { "en", NULL };
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, &five_seconds);
  g_autoptr (GPtrArray) cues = get_cues (3);
  g_autoptr (GError) error = NULL;

  g_assert_false (tool_remux (input, "/dev/full", "film.mkv",
      TOOL_CONTAINER_MKV, cues, &name, NULL, NULL, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "film.mkv"));
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    GTestDataFunc test;
  } tests[] = { { "the-track-is-there-and-the-rest-is-untouched", test_track },
    { "no-cue", test_no_cue },
    { "subtitles-that-were-there-stay", test_subtitles_stay },
    { "tags-stay", test_tags },
    { "the-same-bytes-each-time", test_same_bytes } };

  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++) {
    for (gsize j = 0; j < G_N_ELEMENTS (outputs); j++) {
      g_autofree char *path = g_strdup_printf ("/remux/%s/%s",
          outputs[j].name + 4, tests[i].name);
      g_test_add_data_func (path, &outputs[j], tests[i].test);
    }
  }
  g_test_add_func ("/remux/codec-that-does-not-fit-is-named",
      test_codec_that_does_not_fit);
  g_test_add_func ("/remux/full-disk-is-an-error", test_full_disk);
  return g_test_run ();
}
