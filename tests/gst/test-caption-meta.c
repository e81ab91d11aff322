/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "gst/gstituning.h"
#include "tests/gst/pipelines.h"

static GstItuningCaption *
make_caption (const gchar *text)
{
  return gst_ituning_caption_new (1, text, 0.5, 0, 0, GST_CLOCK_TIME_NONE, 0,
      "tiny", NULL, 0);
}

static void
assert_text (GstBuffer *buffer, const gchar *text)
{
  g_autoptr (GstItuningCaption) caption = gst_ituning_caption_from_buffer (
      buffer);

  g_assert_nonnull (caption);
  g_assert_cmpstr (caption->text, ==, text);
}

static void
test_frame_without_caption_has_none (void)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  gpointer state = NULL;

  g_assert_null (gst_ituning_caption_from_buffer (buffer));
  g_assert_null (gst_buffer_get_ituning_caption_meta (buffer));
  g_assert_null (gst_buffer_iterate_ituning_caption_meta (buffer, &state));
}

static void
test_metadata_holds_a_reference (void)
{
  GstItuningCaption *caption = make_caption ("a cat");
  GstBuffer *buffer = gst_buffer_new ();
  GstItuningCaptionMeta *meta = gst_buffer_add_ituning_caption_meta (buffer,
      caption);

  g_assert_true (meta->caption == caption);
  g_assert_true (gst_buffer_get_ituning_caption_meta (buffer) == meta);
  g_assert_cmpint (GST_MINI_OBJECT_REFCOUNT_VALUE (caption), ==, 2);
  gst_buffer_remove_meta (buffer, &meta->meta);
  g_assert_cmpint (GST_MINI_OBJECT_REFCOUNT_VALUE (caption), ==, 1);
  gst_buffer_add_ituning_caption_meta (buffer, caption);
  gst_buffer_unref (buffer);
  g_assert_cmpint (GST_MINI_OBJECT_REFCOUNT_VALUE (caption), ==, 1);
  gst_ituning_caption_unref (caption);
}

static void
test_all_captions_are_iterated (void)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  g_autoptr (GstItuningCaption) first = make_caption ("first");
  g_autoptr (GstItuningCaption) second = make_caption ("second");
  GstItuningCaptionMeta *meta;
  gpointer state = NULL;
  guint n = 0, seen = 0;

  gst_buffer_add_ituning_caption_meta (buffer, first);
  gst_buffer_add_video_crop_meta (buffer);
  gst_buffer_add_ituning_caption_meta (buffer, second);
  while ((meta = gst_buffer_iterate_ituning_caption_meta (buffer, &state))) {
    seen |= meta->caption == first ? 1 : meta->caption == second ? 2 : 4;
    n++;
  }
  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpuint (seen, ==, 3);
}

static void
test_copies_keep_the_caption (void)
{
  g_autoptr (GstItuningCaption) caption = make_caption ("a cat");
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 64, NULL), *writable;
  g_autoptr (GstBuffer) copy = NULL, deep = NULL, part = NULL;

  gst_buffer_add_ituning_caption_meta (buffer, caption);
  copy = gst_buffer_copy (buffer);
  deep = gst_buffer_copy_deep (buffer);
  part = gst_buffer_copy_region (buffer, GST_BUFFER_COPY_ALL, 8, 16);
  assert_text (copy, "a cat");
  assert_text (deep, "a cat");
  assert_text (part, "a cat");
  writable = gst_buffer_make_writable (gst_buffer_ref (buffer));
  g_assert_true (writable != buffer);
  gst_buffer_unref (buffer);
  assert_text (writable, "a cat");
  gst_buffer_unref (writable);
}

static gboolean
have_elements (const gchar *line)
{
  g_auto (GStrv) parts = g_strsplit (line, " ", -1);

  for (guint i = 0; parts[i] != NULL; i++) {
    g_autoptr (GstElementFactory) factory = NULL;
    if (parts[i][0] == '!' || strchr (parts[i], '=') != NULL)
      continue;
    factory = gst_element_factory_find (parts[i]);
    if (factory == NULL)
      return FALSE;
  }
  return TRUE;
}

/* A frame with a caption goes in; each frame that comes out has it. */
static void
test_elements_keep_the_caption (gconstpointer data)
{
  g_autoptr (GstItuningCaption) caption = make_caption ("a cat");
  GstHarness *harness;
  GstBuffer *out;
  guint n = 0;

  if (!have_elements (data)) {
    g_test_skip ("an element is missing");
    return;
  }
  harness = gst_harness_new_parse (data);
  gst_harness_set_src_caps_str (harness,
      "video/x-raw,format=I420,width=64,height=48,framerate=25/1");
  for (guint i = 0; i < 4; i++) {
    GstBuffer *in = gst_buffer_new_allocate (NULL, 64 * 48 * 3 / 2, NULL);
    gst_buffer_memset (in, 0, (guint8) (40 * i), 64 * 48 * 3 / 2);
    GST_BUFFER_PTS (in) = (GstClockTime) i * 40 * GST_MSECOND;
    GST_BUFFER_DURATION (in) = 40 * GST_MSECOND;
    gst_buffer_add_ituning_caption_meta (in, caption);
    g_assert_cmpint (gst_harness_push (harness, in), ==, GST_FLOW_OK);
  }
  gst_harness_push_event (harness, gst_event_new_eos ());
  while ((out = gst_harness_try_pull (harness)) != NULL) {
    assert_text (out, "a cat");
    gst_buffer_unref (out);
    n++;
  }
  g_assert_cmpuint (n, ==, 4);
  gst_harness_teardown (harness);
}

#if GST_CHECK_VERSION(1, 24, 0)
static void
test_serialised_metadata_comes_back (void)
{
  static const gfloat embedding[] = { 0.6f, -0.8f };
  g_autoptr (GstBuffer) from = gst_buffer_new (), to = gst_buffer_new ();
  g_autoptr (GstItuningCaption) caption = gst_ituning_caption_new (1, "a cat",
      0.5, 0, 0, GST_CLOCK_TIME_NONE, 0, NULL, embedding, 2);
  g_autoptr (GstItuningCaption) read = NULL;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  GstItuningCaptionMeta *meta = gst_buffer_add_ituning_caption_meta (from,
      caption);
  guint32 consumed = 0;

  g_assert_true (gst_meta_serialize_simple (&meta->meta, bytes));
  g_assert_nonnull (
      gst_meta_deserialize (to, bytes->data, bytes->len, &consumed));
  read = gst_ituning_caption_from_buffer (to);
  g_assert_cmpstr (read->text, ==, "a cat");
  g_assert_cmpmem (read->embedding, read->n_embedding * sizeof (gfloat),
      embedding, sizeof (embedding));
}
#endif

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/caption-meta/frame-without-caption-has-none",
      test_frame_without_caption_has_none);
  g_test_add_func ("/caption-meta/metadata-holds-a-reference",
      test_metadata_holds_a_reference);
  g_test_add_func ("/caption-meta/all-captions-are-iterated",
      test_all_captions_are_iterated);
  g_test_add_func ("/caption-meta/copies-keep-the-caption",
      test_copies_keep_the_caption);
  g_test_add_data_func ("/caption-meta/converters-keep-the-caption",
      "videoconvert ! capsfilter caps=video/x-raw,format=RGBA ! videoscale ! "
      "capsfilter caps=video/x-raw,width=32,height=32",
      test_elements_keep_the_caption);
  g_test_add_data_func ("/caption-meta/filters-keep-the-caption",
      "videoflip method=clockwise ! videobalance saturation=0.5",
      test_elements_keep_the_caption);
  g_test_add_data_func ("/caption-meta/jpegenc-keeps-the-caption", "jpegenc",
      test_elements_keep_the_caption);
  g_test_add_data_func ("/caption-meta/x264enc-keeps-the-caption",
      "x264enc tune=zerolatency", test_elements_keep_the_caption);
#if GST_CHECK_VERSION(1, 24, 0)
  g_test_add_func ("/caption-meta/serialised-metadata-comes-back",
      test_serialised_metadata_comes_back);
#endif
  add_leaks_test ();
  return g_test_run ();
}
