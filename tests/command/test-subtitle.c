/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning subtitle` and `ituning caption VIDEO` on made-up videos. The tiny
 * model has no tokenizer: its captions are token ids. */

#include <json-glib/json-glib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/command/media.h"
#include "tests/command/run.h"

#define FRAME (GST_SECOND / 30)

static char *
find_model (void)
{
  return g_test_build_filename (G_TEST_DIST, "data", "tiny", NULL);
}

/* One cue a scene: nothing else begins one. */
static Run *
subtitle (const char *input, const char *output, const char *option)
{
  g_autofree char *model = find_model ();

  return run_command (NULL, "subtitle", "--model", model, "--max-new-tokens",
      "4", "--max-interval", "3600", "--max-cue-duration", "3600", "-o", output,
      input, option, NULL);
}

static char *
make (const char *folder, const char *name, const Media *media)
{
  char *path = g_build_filename (folder, name, NULL);

  media_make (path, media);
  return path;
}

static const Media minute = {
  .muxer = "mp4mux",
  .scenes = { 300, 211, 389, 300, 240, 150, 210 },
  .audio = TRUE,
};

/* --- cues --------------------------------------------------------------- */

static GPtrArray *
read_cues (const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (GError) error = NULL;
  GPtrArray *cues = g_ptr_array_new_with_free_func (
      (GDestroyNotify) json_object_unref);
  JsonArray *array;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  node = json_from_string (text, &error);
  g_assert_no_error (error);
  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++)
    g_ptr_array_add (cues,
        json_object_ref (json_array_get_object_element (array, i)));
  return cues;
}

static gboolean
is_close (GstClockTime a, GstClockTime b)
{
  return GST_CLOCK_DIFF (a, b) <= (GstClockTimeDiff) FRAME &&
      GST_CLOCK_DIFF (b, a) <= (GstClockTimeDiff) FRAME;
}

/* @time is where a scene begins, or the video ends. */
static gboolean
is_border (const Media *media, GstClockTime time, GstClockTime shift)
{
  guint frame = 0;

  for (guint i = 0; i < MEDIA_MAX_SCENES; i++) {
    if (is_close (media_get_time (media, frame) - shift, time))
      return TRUE;
    if (media->scenes[i] == 0)
      break;
    frame += media->scenes[i];
  }
  return FALSE;
}

static GstClockTime
get_time (JsonObject *cue, const char *name)
{
  return (GstClockTime) (json_object_get_double_member (cue, name) * 1e9 + 0.5);
}

/* The cues of @sidecar stand where scenes begin and end; those in @path's track
 * @index are the same, as the video in it counts. */
static void
check_cues (const Media *media, const char *sidecar, const char *path,
    guint index)
{
  g_autoptr (GPtrArray) cues = read_cues (sidecar);
  g_autoptr (MediaStream) video = media_read (path, "video", 0);
  g_autoptr (MediaStream) text = media_read (path, "subtitle", index);
  const GstClockTime first = g_array_index (video->starts, GstClockTime, 0);
  const GstClockTime shift = media->start - first;

  g_assert_cmpuint (cues->len, >=, 3);
  for (guint i = 0, j = 0; i < cues->len; i++, j++) {
    JsonObject *cue = g_ptr_array_index (cues, i);
    const GstClockTime start = get_time (cue, "start"),
                       end = get_time (cue, "end");

    /* An MP4 track fills the time between cues with empty texts. */
    while (j < text->texts->len &&
        *(char *) g_ptr_array_index (text->texts, j) == '\0')
      j++;
    g_test_message ("cue %u: %.3f to %.3f", i, (double) start / 1e9,
        (double) end / 1e9);
    g_assert_true (is_border (media, start, shift));
    g_assert_true (is_border (media, end, shift));
    g_assert_cmpuint (j, <, text->texts->len);
    g_assert_cmpstr (g_ptr_array_index (text->texts, j), ==,
        json_object_get_string_member (cue, "text"));
    g_assert_true (
        is_close (g_array_index (text->starts, GstClockTime, j), start));
    g_assert_true (is_close (g_array_index (text->ends, GstClockTime, j), end));
  }
}

/* The video is as it was, and a second run writes the same bytes. */
static void
check_copy (const char *input, const char *output)
{
  g_autoptr (MediaStream) before = media_read (input, "video", 0);
  g_autoptr (MediaStream) after = media_read (output, "video", 0);
  g_autofree char *again = g_strconcat (output, ".again", strrchr (output, '.'),
      NULL);
  g_autoptr (Run) run = subtitle (input, again, NULL);
  g_autofree char *first = NULL, *second = NULL;
  gsize first_size, second_size;

  assert_works (run);
  g_assert_cmpstr (before->hash, ==, after->hash);
  g_assert_cmpuint (before->starts->len, ==, after->starts->len);
  for (guint i = 0; i < before->starts->len; i++)
    g_assert_cmpint (ABS (GST_CLOCK_DIFF (g_array_index (before->starts,
                                              GstClockTime, i),
                         g_array_index (after->starts, GstClockTime, i))),
        <=, GST_MSECOND);
  g_assert_true (g_file_get_contents (output, &first, &first_size, NULL));
  g_assert_true (g_file_get_contents (again, &second, &second_size, NULL));
  g_assert_cmpmem (first, first_size, second, second_size);
}

static void
check_video (const Media *media)
{
  static const char *const names[] = { "out.mkv", "out.mp4" };
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder,
      g_str_equal (media->muxer, "mp4mux") ? "in.mp4" : "in.mkv", media);
  g_autofree char *sidecar = g_build_filename (folder, "out.json", NULL);
  g_autoptr (Run) json = subtitle (input, sidecar, NULL);

  assert_works (json);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *output = g_build_filename (folder, names[i], NULL);
    g_autoptr (Run) run = subtitle (input, output, NULL);
    g_test_message ("%s", names[i]);
    assert_works (run);
    check_cues (media, sidecar, output, 0);
    check_copy (input, output);
  }
}

static void
test_minute (void)
{
  check_video (&minute);
}

static void
test_variable (void)
{
  const Media media = { .muxer = "matroskamux",
    .scenes = { 60, 75, 61, 90, 33 },
    .variable = TRUE };

  check_video (&media);
}

static void
test_late_mkv (void)
{
  const Media media = { .muxer = "matroskamux",
    .scenes = { 60, 75, 61, 90, 33 },
    .start = 10 * GST_SECOND };

  check_video (&media);
}

static void
test_late_mp4 (void)
{
  const Media media = { .muxer = "mp4mux",
    .scenes = { 60, 75, 61, 90, 33 },
    .start = 10 * GST_SECOND,
    .audio = TRUE };

  check_video (&media);
}

/* The last scene is shorter than two frames. */
static void
test_short_end (void)
{
  const Media media = { .muxer = "mp4mux", .scenes = { 60, 75, 61, 90, 1 } };

  check_video (&media);
}

/* --- what is refused and what is left ----------------------------------- */

static const Media seconds = { .muxer = "mp4mux", .scenes = { 60, 60 } };

static void
test_no_cue (void)
{
  static const char *const names[] = { "a.mkv", "a.mp4", "a.srt", "a.vtt",
    "a.json" };
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, "in.mp4", &seconds);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *output = g_build_filename (folder, names[i], NULL);
    g_autoptr (Run) run = subtitle (input, output, "--min-confidence=1");
    assert_works (run);
    g_assert_true (g_file_test (output, G_FILE_TEST_EXISTS));
  }
}

static void
test_refusals (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, "in.mp4", &seconds);
  g_autofree char *output = g_build_filename (folder, "out.srt", NULL);
  g_autofree char *text = g_build_filename (folder, "text.mp4", NULL);
  g_autofree char *link = g_build_filename (folder, "link.mp4", NULL);
  g_autofree char *nowhere = g_build_filename (folder, "no", "out.mkv", NULL);
  g_autoptr (Run) same = subtitle (input, input, "-f");
  g_autoptr (Run) ending = subtitle (input, "out.avi", NULL);
  g_autoptr (Run) folderless = subtitle (input, nowhere, NULL);
  g_autoptr (Run) linked = NULL, exists = NULL, forced = NULL, junk = NULL;

  assert_fails (same, 1, "in.mp4", "both the input and the output");
  assert_fails (ending, 2, "out.avi", ".mkv");
  assert_fails (folderless, 1, "out.mkv", "No such file");
  g_assert_cmpint (symlink (input, link), ==, 0);
  linked = subtitle (input, link, "-f");
  assert_fails (linked, 1, "link.mp4", "both the input and the output");
  write_file (output, "mine");
  exists = subtitle (input, output, NULL);
  assert_fails (exists, 1, "out.srt", "-f");
  forced = subtitle (input, output, "-f");
  assert_works (forced);
  write_file (text, "this is no video\n");
  junk = subtitle (text, output, "-f");
  assert_fails (junk, 1, "text.mp4", "no video");
}

/* Every line is a cue with its times. */
static void
test_caption_lines (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *model = find_model ();
  g_autofree char *input = make (folder, "in.mp4", &seconds);
  g_autoptr (Run) text = run_command (NULL, "caption", "--model", model, input,
      NULL);
  g_autoptr (Run) json = run_command (NULL, "caption", "--model", model,
      "--format", "json", input, NULL);
  g_autoptr (Run) vtt = run_command (NULL, "caption", "--model", model,
      "--format", "vtt", input, NULL);
  g_autoptr (JsonNode) node = NULL;

  assert_works (text);
  assert_works (json);
  assert_works (vtt);
  g_assert_true (g_str_has_prefix (text->out, "[00:00:00.000 --> 00:00:0"));
  g_assert_true (
      g_str_has_prefix (vtt->out, "WEBVTT\n\n00:00:00.000 --> 00:00:0"));
  *strchr (json->out, '\n') = '\0';
  node = json_from_string (json->out, NULL);
  g_assert_nonnull (node);
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (node),
                       "file"),
      ==, input);
}

static void
test_codec_keyframes (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, "in.mp4", &seconds);
  g_autofree char *output = g_build_filename (folder, "out.json", NULL);
  g_autoptr (Run) run = subtitle (input, output, "--keyframes=codec");
  g_autoptr (GPtrArray) cues = NULL;

  assert_works (run);
  cues = read_cues (output);
  g_assert_cmpuint (cues->len, >, 0);
  g_assert_true (
      is_close (get_time (g_ptr_array_index (cues, cues->len - 1), "end"),
          4 * GST_SECOND));
}

/* --- what other programs see -------------------------------------------- */

/* What a program prints; NULL where it is not installed. */
static char *
ask (const char *program, const char *arguments, const char *path)
{
  g_autofree char *found = g_find_program_in_path (program);
  g_autofree char *quoted = g_shell_quote (path);
  g_autofree char *line = g_strdup_printf ("%s %s %s", program, arguments,
      quoted);
  char *out = NULL;
  int status;

  if (found == NULL)
    return NULL;
  g_assert_true (g_spawn_command_line_sync (line, &out, NULL, &status, NULL));
  g_assert_true (g_spawn_check_wait_status (status, NULL));
  return out;
}

static void
test_others_see_the_track (void)
{
  static const char *const names[] = { "out.mkv", "out.mp4" };
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, "in.mp4", &seconds);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *output = g_build_filename (folder, names[i], NULL);
    g_autoptr (Run) run = subtitle (input, output, "--track-language=fi");
    g_autofree char *probe = NULL, *discovered = NULL;

    assert_works (run);
    probe = ask ("ffprobe",
        "-v error -select_streams s -show_entries "
        "stream=codec_type:stream_tags=language -of csv=p=0",
        output);
    discovered = ask ("gst-discoverer-1.0", "", output);
    if (probe == NULL && discovered == NULL) {
      g_test_skip ("neither ffprobe nor gst-discoverer-1.0 is installed");
      return;
    }
    if (probe != NULL)
      g_assert_cmpstr (g_strchomp (probe), ==, "subtitle,fin");
    if (discovered != NULL)
      g_assert_nonnull (strstr (discovered, "subtitles #"));
  }
}

/* --- interrupted -------------------------------------------------------- */

/* Starts the command and interrupts it after a second, or as soon after that as
 * the output has @size bytes. A caption every 0.2 s by a wide search makes the
 * minute of video take far longer. Returns its exit status. */
static int
interrupt (const char *input, const char *output, gsize size)
{
  g_autofree char *model = find_model ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
          g_getenv ("ITUNING_COMMAND"), "subtitle", "--model", model,
          "--min-interval", "0.2", "--max-interval", "0.2", "--num-beams", "64",
          "-o", output, input, NULL);

  g_assert_no_error (error);
  g_usleep (G_USEC_PER_SEC);
  for (guint i = 0; size > 0 && i < 6000; i++) { /* a minute at most */
    g_autofree char *text = NULL;
    gsize length = 0;
    if (g_file_get_contents (output, &text, &length, NULL) && length >= size)
      break;
    g_usleep (10000);
  }
  g_subprocess_send_signal (process, SIGINT);
  g_assert_true (g_subprocess_wait (process, NULL, NULL));
  return g_subprocess_get_if_exited (process)
      ? g_subprocess_get_exit_status (process)
      : -1;
}

static void
test_interrupted_sidecar_has_the_cues_so_far (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, "in.mp4", &minute);
  g_autofree char *output = g_build_filename (folder, "out.json", NULL);
  g_autoptr (GPtrArray) cues = NULL;

  g_assert_cmpint (interrupt (input, output, 20), ==, 130);
  cues = read_cues (output);
  g_assert_cmpuint (cues->len, >=, 1);
  g_assert_true (
      is_border (&minute, get_time (g_ptr_array_index (cues, 0), "start"), 0));
}

/* The copy has all of the video. */
static void
test_interrupted_copy_is_whole (void)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *input = make (folder, "in.mp4", &minute);
  g_autofree char *output = g_build_filename (folder, "out.mkv", NULL);
  g_autoptr (MediaStream) before = NULL, after = NULL;

  g_assert_cmpint (interrupt (input, output, 0), ==, 130);
  before = media_read (input, "video", 0);
  after = media_read (output, "video", 0);
  g_assert_cmpstr (before->hash, ==, after->hash);
}

/* The tests need what encodes, decodes and stores their videos. */
static gboolean
have_elements (void)
{
  static const char *const names[] = { "x264enc", "avdec_h264", "matroskamux",
    "mp4mux", "h264parse" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GstElementFactory) factory = gst_element_factory_find (names[i]);
    if (factory == NULL) {
      g_print ("1..0 # SKIP there is no element %s\n", names[i]);
      return FALSE;
    }
  }
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  if (!have_elements ())
    return 0;
  g_test_add_func ("/subtitle/one-minute-of-scenes", test_minute);
  g_test_add_func ("/subtitle/variable-frame-rate", test_variable);
  g_test_add_func ("/subtitle/mkv-that-starts-late", test_late_mkv);
  g_test_add_func ("/subtitle/mp4-that-starts-late", test_late_mp4);
  g_test_add_func ("/subtitle/last-scene-cut-short", test_short_end);
  g_test_add_func ("/subtitle/no-cue-at-all", test_no_cue);
  g_test_add_func ("/subtitle/refusals", test_refusals);
  g_test_add_func ("/subtitle/codec-keyframes-last-to-the-end",
      test_codec_keyframes);
  g_test_add_func ("/caption/lines-of-cues", test_caption_lines);
  g_test_add_func ("/subtitle/others-see-the-track", test_others_see_the_track);
  g_test_add_func ("/subtitle/interrupted-sidecar-has-the-cues-so-far",
      test_interrupted_sidecar_has_the_cues_so_far);
  g_test_add_func ("/subtitle/interrupted-copy-is-whole",
      test_interrupted_copy_is_whole);
  return g_test_run ();
}
