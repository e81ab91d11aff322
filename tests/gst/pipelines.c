/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/gst/pipelines.h"

#include <string.h>

/**
 * get_model:
 *
 * Returns: (transfer full): the folder of the small random model, whose
 *   captions are token ids
 */
char *
get_model (void)
{
  return g_test_build_filename (G_TEST_DIST, "data", "tiny", NULL);
}

/**
 * make_captioner:
 * @interval: between keyframes, whatever they show
 * @bus: (out) (transfer full): a bus of the element's own
 *
 * Returns: (transfer floating): a captioner with the small random model, of
 *   captions of four tokens at the most
 */
GstElement *
make_captioner (GstClockTime interval, GstBus **bus)
{
  GstElement *element = gst_element_factory_make ("ituningcaptioner", NULL);
  g_autofree char *model = get_model ();

  g_assert_nonnull (element);
  gst_util_set_object_arg (G_OBJECT (element), "keyframes", "interval");
  g_object_set (element, "model", model, "max-new-tokens", 4, "min-interval",
      (guint64) 0, "max-interval", interval, NULL);
  *bus = gst_bus_new ();
  gst_element_set_bus (element, *bus);
  return element;
}

/**
 * launch:
 * @format: a pipeline as for gst-launch-1.0, as a format
 *
 * Returns: (transfer full): the pipeline, stopped
 */
GstElement *
launch (const char *format, ...)
{
  g_autofree char *line = NULL;
  g_autoptr (GError) error = NULL;
  GstElement *pipeline;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  return pipeline;
}

/* --- bus ---------------------------------------------------------------- */

static void
free_cue (gpointer cue)
{
  g_free (((Cue *) cue)->text);
  g_free (cue);
}

static void
note_element_message (Outcome *outcome, const GstStructure *structure)
{
  Cue *cue;

  if (gst_structure_has_name (structure, "ituning-caption"))
    outcome->n_captions++;
  if (!gst_structure_has_name (structure, "ituning-cue"))
    return;
  cue = g_new0 (Cue, 1);
  cue->text = g_strdup (gst_structure_get_string (structure, "text"));
  g_assert_true (gst_structure_get (structure, "start", G_TYPE_UINT64,
      &cue->start, "end", G_TYPE_UINT64, &cue->end, NULL));
  g_assert_cmpuint (cue->start, <, cue->end);
  g_ptr_array_add (outcome->cues, cue);
}

static void
note_warning (Outcome *outcome, GstMessage *message)
{
  g_autoptr (GError) warning = NULL;
  g_autofree char *debug = NULL;

  gst_message_parse_warning (message, &warning, &debug);
  g_free (outcome->warning);
  outcome->warning = g_strdup_printf ("%s %s", warning->message, debug);
  outcome->n_warnings++;
}

static gboolean
note_message (Outcome *outcome, GstMessage *message)
{
  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      note_element_message (outcome, gst_message_get_structure (message));
      return FALSE;
    case GST_MESSAGE_WARNING:
      note_warning (outcome, message);
      return FALSE;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &outcome->error, NULL);
      return TRUE;
    default:
      return GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  }
}

/**
 * play:
 * @pipeline: a pipeline
 * @outcome: (out): what came over its bus, for clear_outcome ()
 *
 * Plays to the end, or to an error, and stops; hanging fails.
 */
void
play (GstElement *pipeline, Outcome *outcome)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gboolean over = FALSE;

  memset (outcome, 0, sizeof (*outcome));
  outcome->cues = g_ptr_array_new_with_free_func (free_cue);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!over) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop (bus, 30 * GST_SECOND);
    if (message == NULL)
      g_error ("the pipeline hangs");
    over = note_message (outcome, message);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/**
 * clear_outcome:
 *
 * Frees what play () noted.
 */
void
clear_outcome (Outcome *outcome)
{
  g_ptr_array_unref (outcome->cues);
  g_free (outcome->warning);
  g_clear_error (&outcome->error);
}

/**
 * assert_start_fails:
 * @element: an element of ours with its properties
 * @domain: of the error that is wanted
 * @code: of it
 * @cause: a part of its details
 *
 * A pipeline with this element does not start, and says why.
 */
void
assert_start_fails (const char *element, GQuark domain, int code,
    const char *cause)
{
  g_autoptr (GstElement) pipeline =
      launch ("videotestsrc num-buffers=5 ! %s ! fakesink", element);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 30 * GST_SECOND,
      GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, &debug);
  g_assert_error (error, domain, code);
  if (strstr (debug, cause) == NULL)
    g_error ("\"%s\" does not name %s", debug, cause);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/**
 * get_count:
 * @captioner: an ituningcaptioner
 * @name: of a count in its stats
 *
 * Returns: the count
 */
guint64
get_count (GstElement *captioner, const char *name)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 count;

  g_object_get (captioner, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, name, &count));
  return count;
}

/* --- leaks -------------------------------------------------------------- */

static GstTracer *
find_leaks_tracer (void)
{
  GList *tracers = gst_tracing_get_active_tracers ();
  GstTracer *found = NULL;

  for (GList *link = tracers; link != NULL && found == NULL; link = link->next)
    if (g_str_equal (G_OBJECT_TYPE_NAME (link->data), "GstLeaksTracer"))
      found = gst_object_ref (link->data);
  g_list_free_full (tracers, gst_object_unref);
  return found;
}

/* Asked once: the tracer of GStreamer 1.22 takes a reference of what it lists
 * away. Threads of the pool are waited for, which may hold what they worked on
 * a moment longer. */
static void
test_nothing_is_left (void)
{
  g_autoptr (GstTracer) tracer = find_leaks_tracer ();
  g_autoptr (GstStructure) live = NULL;
  const GValue *list;

  g_assert_nonnull (tracer);
  gst_task_cleanup_all ();
  g_signal_emit_by_name (tracer, "get-live-objects", &live);
  list = gst_structure_get_value (live, "live-objects-list");
  for (guint i = 0; i < gst_value_list_get_size (list); i++) {
    g_autofree char *text = gst_structure_to_string (
        g_value_get_boxed (gst_value_list_get_value (list, i)));
    g_printerr ("still there: %s\n", text);
  }
  g_assert_cmpuint (gst_value_list_get_size (list), ==, 0);
}

/**
 * add_leaks_test:
 *
 * Adds the test that of all that the tests before it made, elements, pads,
 * buffers, events and the like, nothing is alive any more. Where GST_TRACERS
 * does not ask for the tracer there is nothing to look at, and no test.
 */
void
add_leaks_test (void)
{
  const char *tracers = g_getenv ("GST_TRACERS");

  if (tracers != NULL && strstr (tracers, "leaks") != NULL)
    g_test_add_func ("/leaks/nothing-is-left", test_nothing_is_left);
}
