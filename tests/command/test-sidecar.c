/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The writers of .srt, .vtt and .json, by cues made by hand. */

#include <string.h>

#include "gst/tools/sidecar.h"
#include "model/ituning.h"
#include "tests/command/run.h"

#define MS G_GUINT64_CONSTANT (1000000)
#define SECOND (1000 * MS)
#define HOUR (3600 * SECOND)

static char *
read_file (const char *path)
{
  g_autoptr (GError) error = NULL;
  char *text;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

/* The file after @n_cues cues, not yet closed: what a reader finds meanwhile.
 */
static char *
write_cues (ToolSidecarFormat format, const ToolCue *cues, gsize n_cues)
{
  g_autoptr (Folder) folder = make_folder ();
  g_autofree char *path = g_build_filename (folder, "cues", NULL);
  g_autoptr (GError) error = NULL;
  ToolSidecar *sidecar = tool_sidecar_open (path, format, &error);
  char *text;

  g_assert_no_error (error);
  for (gsize i = 0; i < n_cues; i++) {
    tool_sidecar_write (sidecar, &cues[i], &error);
    g_assert_no_error (error);
  }
  text = read_file (path);
  tool_sidecar_close (sidecar, &error);
  g_assert_no_error (error);
  return text;
}

static void
check (ToolSidecarFormat format, const ToolCue *cues, gsize n_cues,
    const char *wanted)
{
  g_autofree char *text = write_cues (format, cues, n_cues);

  g_assert_cmpstr (text, ==, wanted);
}

static void
test_no_cue (void)
{
  check (TOOL_SIDECAR_SRT, NULL, 0, "");
  check (TOOL_SIDECAR_VTT, NULL, 0, "WEBVTT\n");
  check (TOOL_SIDECAR_JSON, NULL, 0, "[\n]\n");
}

static void
test_times (void)
{
  const ToolCue cues[] = {
    { 10 * SECOND, 13 * SECOND + 500999999, 10 * SECOND, (char *) "a", 0.5 },
    { 123 * HOUR + 245006 * MS, 124 * HOUR, 0, (char *) "b", 1 },
  };

  check (TOOL_SIDECAR_SRT, cues, 2,
      "1\n00:00:10,000 --> 00:00:13,500\na\n"
      "\n2\n123:04:05,006 --> 124:00:00,000\nb\n");
  check (TOOL_SIDECAR_VTT, cues, 2,
      "WEBVTT\n\n00:00:10.000 --> 00:00:13.500\na\n"
      "\n123:04:05.006 --> 124:00:00.000\nb\n");
  check (TOOL_SIDECAR_JSON, cues, 1,
      "[\n{\"start\": 10.000, \"end\": 13.500, \"keyframe\": 10.000, "
      "\"text\": \"a\", \"confidence\": 0.5}\n]\n");
  check (TOOL_SIDECAR_JSON, cues, 2,
      "[\n{\"start\": 10.000, \"end\": 13.500, \"keyframe\": 10.000, "
      "\"text\": \"a\", \"confidence\": 0.5},\n"
      "{\"start\": 443045.006, \"end\": 446400.000, \"keyframe\": 0.000, "
      "\"text\": \"b\", \"confidence\": 1}\n]\n");
}

/* Shorter than a millisecond, it still is shown. */
static void
test_short (void)
{
  const ToolCue cue = { 5 * MS + 1, 5 * MS + 2, 0, (char *) "a", 1 };

  check (TOOL_SIDECAR_VTT, &cue, 1,
      "WEBVTT\n\n00:00:00.005 --> 00:00:00.006\na\n");
}

static void
check_text (const char *text, const char *srt, const char *vtt)
{
  const ToolCue cue = { 0, MS, 0, (char *) text, 1 };
  g_autofree char *wanted_srt =
      g_strdup_printf ("1\n00:00:00,000 --> 00:00:00,001\n%s\n", srt);
  g_autofree char *wanted_vtt =
      g_strdup_printf ("WEBVTT\n\n00:00:00.000 --> 00:00:00.001\n%s\n", vtt);

  check (TOOL_SIDECAR_SRT, &cue, 1, wanted_srt);
  check (TOOL_SIDECAR_VTT, &cue, 1, wanted_vtt);
}

static void
test_texts (void)
{
  check_text ("Tom & <b>Jerry</b>", "Tom & < b>Jerry< /b>",
      "Tom &amp; &lt;b&gt;Jerry&lt;/b&gt;");
  check_text ("1 < 2 > 0", "1 < 2 > 0", "1 &lt; 2 &gt; 0");
  check_text ("a --> b", "a -- > b", "a --&gt; b");
  check_text ("00:00:01,000 --> 00:00:02,000", "00:00:01,000 -- > 00:00:02,000",
      "00:00:01,000 --&gt; 00:00:02,000");
  check_text ("{\\an8}up {y:i}x {z}", "{ \\an8}up { y:i}x {z}",
      "{\\an8}up {y:i}x {z}");
  check_text (" a\r\n\r\nb\t\tc \x1b[1m\n", "a b c [1m", "a b c [1m");
  check_text ("a\342\200\250b\342\200\251c", "a b c", "a b c");
  check_text ("M\303\274ll\xff\303", "M\303\274ll\357\277\275\357\277\275",
      "M\303\274ll\357\277\275\357\277\275");
  check_text ("&amp;", "&amp;", "&amp;amp;");
}

static void
test_empty (void)
{
  const ToolCue cues[] = { { 0, MS, 0, (char *) "", 1 },
    { MS, 2 * MS, 0, (char *) " \n", 1 },
    { 2 * MS, 3 * MS, 0, (char *) "a", 1 } };

  check (TOOL_SIDECAR_SRT, cues, 2, "");
  check (TOOL_SIDECAR_SRT, cues, 3, "1\n00:00:00,002 --> 00:00:00,003\na\n");
}

/* /dev/full is a disk with no room. */
static void
test_full_disk (void)
{
  const ToolCue cue = { 0, MS, 0, (char *) "a", 1 };
  g_autoptr (GError) error = NULL;
  ToolSidecar *sidecar = tool_sidecar_open ("/dev/full", TOOL_SIDECAR_SRT,
      &error);

  g_assert_no_error (error);
  g_assert_false (tool_sidecar_write (sidecar, &cue, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE);
  g_assert_nonnull (strstr (error->message, "/dev/full"));
  g_clear_error (&error);
  tool_sidecar_close (sidecar, NULL);
  g_assert_null (tool_sidecar_open ("/dev/full", TOOL_SIDECAR_VTT, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE);
}

static void
test_no_folder (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (
      tool_sidecar_open ("/nonexistent/a.srt", TOOL_SIDECAR_SRT, &error));
  g_assert_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE);
  g_assert_nonnull (strstr (error->message, "/nonexistent/a.srt"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sidecar/no-cue-is-a-valid-file", test_no_cue);
  g_test_add_func ("/sidecar/times", test_times);
  g_test_add_func ("/sidecar/never-without-duration", test_short);
  g_test_add_func ("/sidecar/texts-are-one-line-and-no-markup", test_texts);
  g_test_add_func ("/sidecar/empty-text-is-no-cue", test_empty);
  g_test_add_func ("/sidecar/full-disk-is-an-error", test_full_disk);
  g_test_add_func ("/sidecar/missing-folder-is-an-error", test_no_folder);
  return g_test_run ();
}
