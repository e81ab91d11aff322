/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include <gst/check/gstharness.h>

#include "tests/gst/pipelines.h"

/* What goes wrong around the captioner: broken weights, a stop in the middle, a
 * receiver of text that takes none. The video goes on. */

/* --- broken bundles ----------------------------------------------------- */

typedef struct
{
  char *folder; /* owned: a copy of the model */
  char *adapter; /* owned: the copy's folder of the adapter */
} Bundle;

static void
copy_file (const char *from, const char *to, const char *name)
{
  g_autofree char *source = g_build_filename (from, name, NULL);
  g_autofree char *target = g_build_filename (to, name, NULL);
  g_autofree char *data = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  g_file_get_contents (source, &data, &size, &error);
  g_assert_no_error (error);
  g_file_set_contents (target, data, (gssize) size, &error);
  g_assert_no_error (error);
}

static void
copy_part (const char *from, const char *to, const char *part)
{
  g_autofree char *source = g_build_filename (from, part, NULL);
  g_autofree char *target = g_build_filename (to, part, NULL);
  g_autoptr (GDir) folder = g_dir_open (source, 0, NULL);
  const char *name;

  g_assert_nonnull (folder);
  g_assert_cmpint (g_mkdir (target, 0700), ==, 0);
  while ((name = g_dir_read_name (folder)) != NULL)
    copy_file (source, target, name);
}

static void
set_up (Bundle *self, gconstpointer data)
{
  g_autofree char *model = get_model ();

  self->folder = g_dir_make_tmp ("ituning-faults-XXXXXX", NULL);
  g_assert_nonnull (self->folder);
  copy_part (model, self->folder, "vision");
  copy_part (model, self->folder, "language");
  copy_part (model, self->folder, "adapter");
  self->adapter = g_build_filename (self->folder, "adapter", NULL);
}

static void
remove_all (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL) {
    g_autofree char *child = g_build_filename (path, name, NULL);
    remove_all (child);
  }
  g_remove (path);
}

static void
tear_down (Bundle *self, gconstpointer data)
{
  remove_all (self->folder);
  g_free (self->folder);
  g_free (self->adapter);
}

typedef void (*Damage) (GByteArray *file);

/* Every weight is huge but finite: it loads, and overflows when it is used. */
static void
blow_up (GByteArray *file)
{
  const float huge = 1e30f;
  guint64 header;

  memcpy (&header, file->data, sizeof (header));
  for (gsize at = sizeof (header) + GUINT64_FROM_LE (header);
       at + sizeof (huge) <= file->len; at += sizeof (huge))
    memcpy (file->data + at, &huge, sizeof (huge));
}

static void
cut_short (GByteArray *file)
{
  g_byte_array_set_size (file, file->len - 1000);
}

/* The first [24, 64] becomes [64, 24]: as many values, of another shape. */
static void
turn_a_matrix (GByteArray *file)
{
  static const char turned[] = { '[', '6', '4', ',', '2', '4', ']' };
  const gsize header = sizeof (guint64); /* behind its length */
  char *shape = g_strstr_len ((char *) file->data + header,
      (gssize) (file->len - header), "[24,64]");

  if (shape == NULL)
    g_error ("no matrix of that shape");
  memcpy (shape, turned, sizeof (turned));
}

/* Returns: (transfer full): the file that is broken now */
static char *
damage (const Bundle *self, const char *part, Damage how)
{
  g_autofree char *path = g_build_filename (self->folder, part,
      "model.safetensors", NULL);
  g_autoptr (GByteArray) file = NULL;
  g_autoptr (GError) error = NULL;
  char *data = NULL;
  gsize size;

  g_file_get_contents (path, &data, &size, &error);
  g_assert_no_error (error);
  file = g_byte_array_new_take ((guint8 *) data, size);
  how (file);
  g_file_set_contents (path, (char *) file->data, (gssize) file->len, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&path);
}

/* --- inference that fails ----------------------------------------------- */

static GstPadProbeReturn
count_frame (GstPad *pad, GstPadProbeInfo *info, gpointer count)
{
  g_atomic_int_inc ((int *) count);
  return GST_PAD_PROBE_OK;
}

static void
count_frames (GstElement *captioner, int *n_frames)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (captioner, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, count_frame, n_frames,
      NULL);
}

static void
check_failing_inference (Bundle *self, gboolean live)
{
  g_autoptr (GstElement) pipeline = launch (
      "videotestsrc is-live=%s num-buffers=20 ! "
      "video/x-raw,width=64,height=64,framerate=20/1 ! ituningcaptioner name=i "
      "model=\"%s\" min-interval=0 max-interval=1 ! fakesink sync=%s  "
      "i.text_src ! fakesink name=t async=false",
      live ? "true" : "false", self->folder, live ? "true" : "false");
  g_autoptr (GstElement) captioner = gst_bin_get_by_name (GST_BIN (pipeline),
      "i");
  g_autofree char *caption = NULL;
  g_auto (Outcome) outcome = { 0 };
  int n_frames = 0;

  count_frames (captioner, &n_frames);
  play (pipeline, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpint (n_frames, ==, 20);
  g_assert_cmpuint (outcome.n_warnings, ==, 1);
  if (strstr (outcome.warning, "not finite") == NULL)
    g_error ("\"%s\" does not tell the cause", outcome.warning);
  g_assert_cmpuint (outcome.n_captions, ==, 0);
  g_assert_cmpuint (outcome.cues->len, ==, 0);
  g_object_get (captioner, "caption", &caption, NULL);
  g_assert_null (caption);
  g_assert_cmpuint (get_count (captioner, "captions"), ==, 0);
  g_assert_cmpuint (get_count (captioner, "failed"), >, 0);
  if (!live)
    g_assert_cmpuint (get_count (captioner, "failed"), ==, 20);
}

static void
test_a_failing_adapter_stops_no_video (Bundle *self, gconstpointer data)
{
  g_free (damage (self, "adapter", blow_up));
  check_failing_inference (self, FALSE);
  check_failing_inference (self, TRUE);
}

static void
test_a_failing_encoder_stops_no_video (Bundle *self, gconstpointer data)
{
  g_free (damage (self, "vision", blow_up));
  check_failing_inference (self, FALSE);
  check_failing_inference (self, TRUE);
}

/* --- models that do not load -------------------------------------------- */

static void
check_broken (Bundle *self, const char *part, Damage how)
{
  g_autofree char *path = damage (self, part, how);
  g_autofree char *element = g_strdup_printf ("ituningcaptioner model=\"%s\"",
      self->folder);

  assert_start_fails (element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ,
      path);
}

static void
test_a_truncated_language_model_is_named (Bundle *self, gconstpointer data)
{
  check_broken (self, "language", cut_short);
}

static void
test_a_truncated_adapter_is_named (Bundle *self, gconstpointer data)
{
  check_broken (self, "adapter", cut_short);
}

static void
test_a_misshapen_adapter_is_named (Bundle *self, gconstpointer data)
{
  check_broken (self, "adapter", turn_a_matrix);
}

typedef struct
{
  GstElement *captioner;
  const char *adapter;
  guint n_frames;
} Change;

static GstPadProbeReturn
change_adapter (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Change *change = data;

  if (++change->n_frames == 10)
    g_object_set (change->captioner, "adapter", change->adapter, NULL);
  return GST_PAD_PROBE_OK;
}

static void
test_a_bad_adapter_while_playing_changes_nothing (Bundle *self,
    gconstpointer data)
{
  g_autofree char *path = damage (self, "adapter", turn_a_matrix);
  g_autofree char *model = get_model ();
  g_autoptr (GstElement) pipeline = launch (
      "videotestsrc num-buffers=20 ! video/x-raw,width=64,height=64 ! "
      "ituningcaptioner name=i model=\"%s\" min-interval=0 max-interval=1 "
      "max-new-tokens=4 ! fakesink",
      model);
  g_autoptr (GstElement) captioner = gst_bin_get_by_name (GST_BIN (pipeline),
      "i");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (captioner, "sink");
  Change change = { captioner, self->adapter, 0 };
  g_auto (Outcome) outcome = { 0 };

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, change_adapter, &change,
      NULL);
  play (pipeline, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpuint (outcome.n_warnings, ==, 1);
  if (strstr (outcome.warning, path) == NULL)
    g_error ("\"%s\" does not name %s", outcome.warning, path);
  g_assert_cmpuint (outcome.n_captions, ==, 20);
}

/* --- stops in the middle ------------------------------------------------ */

static void
test_a_loading_element_can_be_stopped (void)
{
  g_autofree char *model = get_model ();

  for (guint i = 0; i < 60; i++) {
    g_autoptr (GstElement) element = gst_object_ref_sink (
        gst_element_factory_make ("ituningcaptioner", NULL));
    g_object_set (element, "model", i % 4 == 3 ? "/nowhere" : model, NULL);
    gst_element_set_state (element, GST_STATE_READY);
    if (i % 3 == 1)
      gst_element_set_state (element, GST_STATE_PAUSED);
    if (i % 3 == 2) {
      gst_element_set_state (element, GST_STATE_NULL);
      gst_element_set_state (element, GST_STATE_READY);
    }
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_NULL), ==,
        GST_STATE_CHANGE_SUCCESS);
  }
}

#define BEFORE_FLUSH (1000 * GST_SECOND) /* frames there, and none after it */

typedef struct
{
  GstHarness *harness;
  GstElement *captioner; /* borrowed from the harness */
  int stale; /* atomic: captions of frames from before the flush are too late */
  int n_stale, n_fresh; /* atomic */
} Flush;

static GstBusSyncReply
note_caption (GstBus *bus, GstMessage *message, gpointer data)
{
  Flush *flush = data;
  const GstStructure *structure = gst_message_get_structure (message);
  guint64 keyframe;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT &&
      gst_structure_has_name (structure, "ituning-caption") &&
      gst_structure_get_uint64 (structure, "keyframe", &keyframe)) {
    if (keyframe < BEFORE_FLUSH)
      g_atomic_int_inc (&flush->n_fresh);
    else if (g_atomic_int_get (&flush->stale))
      g_atomic_int_inc (&flush->n_stale);
  }
  gst_message_unref (message);
  return GST_BUS_DROP;
}

#define FRAME_SIZE ((gsize) 64 * 64)

static GstFlowReturn
push_frame (Flush *flush, GstClockTime pts)
{
  GstBuffer *buffer = gst_harness_create_buffer (flush->harness, FRAME_SIZE);

  gst_buffer_memset (buffer, 0, 90, FRAME_SIZE);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = GST_SECOND;
  return gst_harness_push (flush->harness, buffer);
}

static gpointer
push_first_frame (gpointer data)
{
  return GINT_TO_POINTER (push_frame (data, BEFORE_FLUSH));
}

#define GREY "video/x-raw,format=GRAY8,width=64,height=64,framerate=1/1"

static void
start_stream (Flush *flush)
{
  GstSegment segment;

  gst_harness_set_src_caps_str (flush->harness, GREY);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  g_assert_true (gst_harness_push_event (flush->harness,
      gst_event_new_segment (&segment)));
}

/* Waits until the first frame is with the engine, and a little longer. */
static void
let_it_work (Flush *flush, guint round)
{
  while (get_count (flush->captioner, "keyframes") == 0)
    g_usleep (100);
  g_usleep ((gulong) round * 400);
}

static void
flush_and_go_on (Flush *flush, guint round)
{
  GThread *pusher;

  start_stream (flush);
  pusher = g_thread_new ("pusher", push_first_frame, flush);
  let_it_work (flush, round);
  g_assert_true (
      gst_harness_push_event (flush->harness, gst_event_new_flush_start ()));
  g_thread_join (pusher);
  g_assert_true (
      gst_harness_push_event (flush->harness, gst_event_new_flush_stop (TRUE)));
  g_atomic_int_set (&flush->stale, TRUE);
  start_stream (flush);
  g_object_set (flush->captioner, "min-new-tokens", 0, "max-new-tokens", 2,
      NULL);
  g_assert_cmpint (push_frame (flush, 0), ==, GST_FLOW_OK);
  while (g_atomic_int_get (&flush->n_fresh) == 0)
    g_usleep (100); /* live, it comes later */
}

static void
test_a_flushed_caption_never_comes (void)
{
  g_autofree char *model = get_model ();

  for (guint round = 0; round < 20; round++) {
    Flush flush = { 0 };
    g_autoptr (GstBus) bus = gst_bus_new ();
    flush.captioner = gst_element_factory_make ("ituningcaptioner", NULL);
    g_object_set (flush.captioner, "model", model, "num-beams", 32,
        "max-new-tokens", 30, "min-new-tokens", 30, NULL);
    gst_bus_set_sync_handler (bus, note_caption, &flush, NULL);
    gst_element_set_bus (flush.captioner, bus);
    flush.harness = gst_harness_new_with_element (flush.captioner, "sink",
        "src");
    gst_object_unref (flush.captioner);
    gst_harness_set_live (flush.harness, round % 2 == 0);
    flush_and_go_on (&flush, round);
    gst_element_set_bus (flush.captioner, NULL);
    gst_harness_teardown (flush.harness);
    gst_bus_set_sync_handler (bus, NULL, NULL, NULL);
    g_assert_cmpint (flush.n_stale, ==, 0);
    g_assert_cmpint (flush.n_fresh, ==, 1);
  }
}

/* --- receivers of text -------------------------------------------------- */

static GstFlowReturn
refuse (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  gst_buffer_unref (buffer);
  return (GstFlowReturn) GPOINTER_TO_INT (
      g_object_get_data (G_OBJECT (pad), "flow"));
}

static void
check_refusal (GstFlowReturn flow)
{
  g_autofree char *model = get_model ();
  g_autoptr (GstElement) pipeline = launch (SCENES
      "! ituningcaptioner name=i model=\"%s\" max-new-tokens=8 ! fakesink",
      model);
  g_autoptr (GstElement) captioner = gst_bin_get_by_name (GST_BIN (pipeline),
      "i");
  g_autoptr (GstPad) text = gst_element_request_pad_simple (captioner,
      "text_src");
  g_autoptr (GstPad) receiver = gst_object_ref_sink (
      gst_pad_new ("receiver", GST_PAD_SINK));
  g_auto (Outcome) outcome = { 0 };
  int n_frames = 0;

  g_object_set_data (G_OBJECT (receiver), "flow", GINT_TO_POINTER (flow));
  gst_pad_set_chain_function (receiver, refuse);
  gst_pad_set_active (receiver, TRUE);
  g_assert_cmpint (gst_pad_link (text, receiver), ==, GST_PAD_LINK_OK);
  count_frames (captioner, &n_frames);
  play (pipeline, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpint (n_frames, ==, 150);
  g_assert_cmpuint (outcome.cues->len, >, 0);
  gst_pad_set_active (receiver, FALSE);
  gst_element_release_request_pad (captioner, text);
}

static void
test_refused_text_stops_no_video (void)
{
  check_refusal (GST_FLOW_NOT_LINKED);
  check_refusal (GST_FLOW_FLUSHING);
  check_refusal (GST_FLOW_EOS);
  check_refusal (GST_FLOW_ERROR);
}

/* The text waits in a sink that is paused; its pad goes nevertheless. */
static void
test_an_unlinked_text_pad_can_be_released (void)
{
  g_autofree char *model = get_model ();
  g_autoptr (GstElement) pipeline =
      launch ("videotestsrc num-buffers=50 ! " VIDEO
              " ! ituningcaptioner name=i model=\"%s\" max-new-tokens=4 ! "
              "fakesink async=false sync=false  i.text_src ! fakesink name=t",
          model);
  g_autoptr (GstElement) captioner = gst_bin_get_by_name (GST_BIN (pipeline),
      "i");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "t");
  g_autoptr (GstPad) text = gst_element_get_static_pad (captioner, "text_src");
  g_autoptr (GstPad) sink_pad = gst_element_get_static_pad (sink, "sink");

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  g_assert_cmpint (gst_element_get_state (sink, NULL, NULL, 30 * GST_SECOND),
      ==, GST_STATE_CHANGE_SUCCESS);
  g_assert_true (gst_pad_unlink (text, sink_pad));
  gst_element_release_request_pad (captioner, text);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

#define ADD(path, function) \
  g_test_add (path, Bundle, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  ADD ("/faults/a-failing-adapter-stops-no-video",
      test_a_failing_adapter_stops_no_video);
  ADD ("/faults/a-failing-encoder-stops-no-video",
      test_a_failing_encoder_stops_no_video);
  ADD ("/faults/a-truncated-language-model-is-named",
      test_a_truncated_language_model_is_named);
  ADD ("/faults/a-truncated-adapter-is-named",
      test_a_truncated_adapter_is_named);
  ADD ("/faults/a-misshapen-adapter-is-named",
      test_a_misshapen_adapter_is_named);
  ADD ("/faults/a-bad-adapter-while-playing-changes-nothing",
      test_a_bad_adapter_while_playing_changes_nothing);
  g_test_add_func ("/faults/a-loading-element-can-be-stopped",
      test_a_loading_element_can_be_stopped);
  g_test_add_func ("/faults/a-flushed-caption-never-comes",
      test_a_flushed_caption_never_comes);
  g_test_add_func ("/faults/refused-text-stops-no-video",
      test_refused_text_stops_no_video);
  g_test_add_func ("/faults/an-unlinked-text-pad-can-be-released",
      test_an_unlinked_text_pad_can_be_released);
  add_leaks_test ();
  return g_test_run ();
}
