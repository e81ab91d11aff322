/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-ituningcaptioner
 * @title: ituningcaptioner
 *
 * Writes what a video shows. Keyframes of the raw video that passes through are
 * captioned by an I-Tuning model on a thread of their own; captions come out as
 * metadata on the frames (#GstItuningCaptionMeta), as messages on the bus
 * (`ituning-caption`, and `ituning-cue` when a caption is over) and, where
 * `text_src` is requested, as a timed text stream.
 *
 * In a live pipeline video is never delayed or dropped: the newest keyframe is
 * captioned, older ones are left out. Anywhere else every keyframe is
 * captioned and the result is the same on every run.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -m filesrc location=in.mp4 ! decodebin ! ituningcaptioner model=bundle ! fakesink
 * ]| Prints the captions of a file as messages.
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin ! videoconvert ! ituningcaptioner model=bundle name=c ! x264enc ! queue ! matroskamux name=m ! filesink location=out.mkv  c.text_src ! queue ! m.
 * ]| Adds a subtitle track while encoding again.
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin ! videoconvert ! ituningcaptioner model=bundle name=c text-heartbeat=250000000 ! x264enc ! queue ! mp4mux name=m ! filesink location=out.mp4  c.text_src ! queue ! m.
 * ]| The same as MP4, whose muxer needs heartbeats.
 */
#include "plugin/captioner-private.h"

#include <string.h>

#include "plugin/context.h"

GST_DEBUG_CATEGORY (gst_ituning_captioner_debug);
#define GST_CAT_DEFAULT gst_ituning_captioner_debug

static guint prop_stats, prop_caption; /* ids after those of the settings */

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));
static GstStaticPadTemplate text_template = GST_STATIC_PAD_TEMPLATE ("text_src",
    GST_PAD_SRC, GST_PAD_REQUEST,
    GST_STATIC_CAPS ("text/x-raw, format = (string) utf8"));

G_DEFINE_TYPE (GstItuningCaptioner, gst_ituning_captioner, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (ituningcaptioner, "ituningcaptioner",
    GST_RANK_NONE, GST_TYPE_ITUNING_CAPTIONER)

/* --- model -------------------------------------------------------------- */

static void
copy_spec (GstItuningCaptioner *self, GstItuningSettings *settings)
{
  GST_OBJECT_LOCK (self);
  gst_ituning_settings_copy (settings, &self->settings);
  GST_OBJECT_UNLOCK (self);
}

static GstItuningEngines *
find_engines (GstItuningCaptioner *self)
{
  GstItuningEngines *engines;

  GST_OBJECT_LOCK (self);
  engines = self->engines != NULL ? gst_ituning_engines_ref (self->engines)
                                  : NULL;
  GST_OBJECT_UNLOCK (self);
  return engines != NULL
      ? engines
      : gst_ituning_context_find_engines (GST_ELEMENT (self));
}

static void
post_progress (GstItuningCaptioner *self, GstProgressType type,
    const char *text)
{
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_progress (GST_OBJECT (self), type, "load", text));
}

/* The loader's thread. */
static gpointer
load (gpointer captioner)
{
  GstItuningCaptioner *self = captioner;
  g_autoptr (GstItuningEngines) engines = find_engines (self);
  GstItuningSettings settings = { 0 };
  ItuningModel *model = NULL;

  gst_ituning_yield_to_video (); /* for the model's threads */
  copy_spec (self, &settings);
  post_progress (self, GST_PROGRESS_TYPE_START, "Loading the caption model");
  self->engine = gst_ituning_engines_open (engines, &settings.spec, &model,
      &self->load_error);
  if (self->engine != NULL) {
    self->image_size = ituning_model_get_info (model)->vision.image_size;
    self->model_name = g_path_get_basename (settings.spec.model != NULL
            ? settings.spec.model
            : settings.spec.vision != NULL ? settings.spec.vision
                                           : "built-in");
    g_mutex_lock (&self->lock);
    self->model = model;
    g_mutex_unlock (&self->lock);
    post_progress (self, GST_PROGRESS_TYPE_COMPLETE, "Caption model loaded");
  } else {
    post_progress (self, GST_PROGRESS_TYPE_ERROR, "Caption model not loaded");
  }
  gst_ituning_settings_clear (&settings);
  return NULL;
}

/* Whoever starts with captions off need not name a model. */
static gboolean
needs_model (GstItuningCaptioner *self)
{
  const GstItuningModelSpec *spec = &self->settings.spec;
  gboolean needs;

  GST_OBJECT_LOCK (self);
  needs = self->settings.enabled || spec->model != NULL ||
      spec->vision != NULL || spec->language != NULL || spec->adapter != NULL;
  GST_OBJECT_UNLOCK (self);
  return needs;
}

/* Unless it loads, or has loaded, already. */
static void
start_loading (GstItuningCaptioner *self)
{
  if (self->loader == NULL && self->engine == NULL &&
      self->load_error == NULL && needs_model (self))
    self->loader = g_thread_new ("ituning-load", load, self);
}

static void
wait_for_loader (GstItuningCaptioner *self)
{
  if (self->loader != NULL)
    g_thread_join (g_steal_pointer (&self->loader));
}

/* The model, where one is needed, can be captioned with; or an error is on the
 * bus. */
static gboolean
check_model (GstItuningCaptioner *self)
{
  start_loading (self); /* captions may have been switched on since */
  wait_for_loader (self);
  if (self->engine == NULL && self->load_error == NULL)
    return TRUE;
  if (self->engine == NULL) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ,
        ("Could not load the caption model."),
        ("%s", self->load_error->message));
    return FALSE;
  }
  if (ituning_model_get_info (self->model)->adapter.part.n_parameters == 0) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
        ("The caption model has no I-Tuning adapter."),
        ("set the property \"adapter\""));
    return FALSE;
  }
  return TRUE;
}

static void
drop_model (GstItuningCaptioner *self)
{
  wait_for_loader (self);
  g_clear_error (&self->load_error);
  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->model, ituning_model_unref);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&self->engine, gst_ituning_engine_unref);
  g_clear_pointer (&self->model_name, g_free);
}

/* Another adapter, also while playing; a bad one leaves the old at work. */
static void
change_adapter (GstItuningCaptioner *self)
{
  g_autoptr (ItuningModel) old = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *adapter = NULL;
  ItuningModel *model;

  GST_OBJECT_LOCK (self);
  adapter = g_strdup (self->settings.spec.adapter);
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->lock);
  old = self->model != NULL ? ituning_model_ref (self->model) : NULL;
  g_mutex_unlock (&self->lock);
  if (old == NULL || adapter == NULL)
    return;
  model = ituning_model_with_adapter (old, adapter, &error);
  if (model == NULL) {
    GST_ELEMENT_WARNING (self, RESOURCE, OPEN_READ,
        ("Could not load the adapter; the one before stays."),
        ("%s", error->message));
    return;
  }
  g_mutex_lock (&self->lock);
  ituning_model_unref (self->model);
  self->model = model;
  if (self->stream != NULL)
    gst_ituning_stream_set_model (self->stream, model);
  g_mutex_unlock (&self->lock);
}

/* --- states ------------------------------------------------------------- */

static void
start (GstItuningCaptioner *self)
{
  self->sampler = gst_ituning_sampler_new ();
  gst_video_info_init (&self->info);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  memset (&self->stats, 0, sizeof (self->stats));
  self->last_warning = 0;
  gst_ituning_captioner_forget (self);
  g_mutex_lock (&self->lock);
  self->flushing = FALSE;
  g_mutex_unlock (&self->lock);
}

/* Before the pads are deactivated: wakes the streaming thread if it waits. */
static void
interrupt (GstItuningCaptioner *self)
{
  g_mutex_lock (&self->lock);
  self->flushing = TRUE;
  self->epoch++;
  if (self->stream != NULL)
    gst_ituning_stream_flush (self->stream);
  g_cond_broadcast (&self->answered);
  g_mutex_unlock (&self->lock);
}

/* After the pads are deactivated. */
static void
stop (GstItuningCaptioner *self)
{
  GstItuningStream *stream;

  g_mutex_lock (&self->lock);
  stream = g_steal_pointer (&self->stream);
  g_mutex_unlock (&self->lock);
  gst_ituning_stream_free (stream);
  gst_ituning_captioner_forget (self);
  gst_ituning_pictures_clear (&self->pictures);
  g_clear_object (&self->sampler);
}

static GstStateChangeReturn
gst_ituning_captioner_change_state (GstElement *element,
    GstStateChange transition)
{
  GstItuningCaptioner *self = GST_ITUNING_CAPTIONER (element);
  GstStateChangeReturn result;

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      start_loading (self);
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!check_model (self))
        return GST_STATE_CHANGE_FAILURE;
      start (self);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      interrupt (self);
      break;
    default:
      break;
  }
  result = GST_ELEMENT_CLASS (gst_ituning_captioner_parent_class)
               ->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    stop (self);
  else if (transition == GST_STATE_CHANGE_READY_TO_NULL)
    drop_model (self);
  return result;
}

static void
gst_ituning_captioner_set_context (GstElement *element, GstContext *context)
{
  GstItuningCaptioner *self = GST_ITUNING_CAPTIONER (element);

  if (gst_context_has_context_type (context, GST_ITUNING_ENGINES_CONTEXT)) {
    GstItuningEngines *engines = gst_ituning_context_get_engines (context),
                      *old;
    GST_OBJECT_LOCK (self);
    old = self->engines;
    self->engines = engines;
    GST_OBJECT_UNLOCK (self);
    gst_ituning_engines_unref (old);
  }
  GST_ELEMENT_CLASS (gst_ituning_captioner_parent_class)
      ->set_context (element, context);
}

/* --- text pad ----------------------------------------------------------- */

static GstPad *
gst_ituning_captioner_request_new_pad (GstElement *element,
    GstPadTemplate *template, const char *name, const GstCaps *caps)
{
  GstItuningCaptioner *self = GST_ITUNING_CAPTIONER (element);
  GstPad *pad;

  g_mutex_lock (&self->lock);
  if (self->text != NULL) {
    g_mutex_unlock (&self->lock);
    return NULL;
  }
  pad = gst_ituning_text_pad_new (template, "text_src");
  self->text = gst_object_ref_sink (pad);
  g_mutex_unlock (&self->lock);
  gst_pad_set_query_function (pad,
      GST_DEBUG_FUNCPTR (gst_ituning_captioner_src_query));
  gst_pad_set_event_function (pad,
      GST_DEBUG_FUNCPTR (gst_ituning_captioner_src_event));
  gst_pad_set_active (pad, TRUE);
  gst_element_add_pad (element, pad);
  gst_ituning_captioner_start_text (self, GST_ITUNING_TEXT_PAD (pad));
  return pad;
}

static void
gst_ituning_captioner_release_pad (GstElement *element, GstPad *pad)
{
  GstItuningCaptioner *self = GST_ITUNING_CAPTIONER (element);

  g_mutex_lock (&self->lock);
  if (GST_PAD (self->text) != pad) {
    g_mutex_unlock (&self->lock);
    return;
  }
  self->text = NULL;
  g_mutex_unlock (&self->lock);
  gst_ituning_text_pad_stop (GST_ITUNING_TEXT_PAD (pad));
  gst_element_remove_pad (element, pad);
  gst_object_unref (pad);
}

/* Video and text have nothing to do with each other's caps: what comes in at
 * the sink pad goes out at the source pad. */
static GstIterator *
iterate_sink_links (GstPad *pad, GstObject *parent)
{
  GValue value = G_VALUE_INIT;
  GstIterator *links;

  g_value_init (&value, GST_TYPE_PAD);
  g_value_set_object (&value, GST_ITUNING_CAPTIONER (parent)->srcpad);
  links = gst_iterator_new_single (GST_TYPE_PAD, &value);
  g_value_unset (&value);
  return links;
}

/* --- properties --------------------------------------------------------- */

static void
gst_ituning_captioner_set_property (GObject *object, guint id,
    const GValue *value, GParamSpec *spec)
{
  GstItuningCaptioner *self = GST_ITUNING_CAPTIONER (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = gst_ituning_settings_set (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
  g_atomic_int_set (&self->settings_changed, TRUE);
  if (g_str_equal (spec->name, "adapter"))
    change_adapter (self);
}

static void
gst_ituning_captioner_get_property (GObject *object, guint id, GValue *value,
    GParamSpec *spec)
{
  GstItuningCaptioner *self = GST_ITUNING_CAPTIONER (object);
  gboolean known = TRUE;

  if (id == prop_stats || id == prop_caption) {
    g_mutex_lock (&self->lock);
    if (id == prop_stats)
      g_value_take_boxed (value, gst_ituning_stats_to_structure (&self->stats));
    else
      g_value_set_string (value, self->latest);
    g_mutex_unlock (&self->lock);
    return;
  }
  GST_OBJECT_LOCK (self);
  known = gst_ituning_settings_get (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
}

/* --- object ------------------------------------------------------------- */

static void
gst_ituning_captioner_finalize (GObject *object)
{
  GstItuningCaptioner *self = GST_ITUNING_CAPTIONER (object);

  drop_model (self);
  gst_ituning_settings_clear (&self->settings);
  gst_ituning_settings_clear (&self->now);
  gst_ituning_engines_unref (self->engines);
  g_free (self->latest);
  g_clear_object (&self->text);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->answered);
  G_OBJECT_CLASS (gst_ituning_captioner_parent_class)->finalize (object);
}

static void
install_results (GObjectClass *klass, guint first)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  prop_stats = first;
  prop_caption = first + 1;
  g_object_class_install_property (klass, prop_stats,
      g_param_spec_boxed ("stats", "stats",
          "Counts of frames, keyframes and captions, and their times",
          GST_TYPE_STRUCTURE, flags));
  g_object_class_install_property (klass, prop_caption,
      g_param_spec_string ("caption", "caption",
          "The latest caption; notified from the engine's thread", NULL,
          flags));
}

static void
gst_ituning_captioner_class_init (GstItuningCaptionerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_ituning_captioner_debug, "ituningcaptioner", 0,
      "I-Tuning captioner");
  object_class->set_property = gst_ituning_captioner_set_property;
  object_class->get_property = gst_ituning_captioner_get_property;
  object_class->finalize = gst_ituning_captioner_finalize;
  install_results (object_class, gst_ituning_settings_install (object_class));
  element_class->change_state = gst_ituning_captioner_change_state;
  element_class->set_context = gst_ituning_captioner_set_context;
  element_class->request_new_pad = gst_ituning_captioner_request_new_pad;
  element_class->release_pad = gst_ituning_captioner_release_pad;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_add_static_pad_template (element_class, &text_template);
  gst_element_class_set_static_metadata (element_class, "I-Tuning captioner",
      "Filter/Analyzer/Video", "Writes what a video shows",
      "gst-ituning contributors");
  gst_type_mark_as_plugin_api (GST_TYPE_ITUNING_KEYFRAMES, 0);
}

static void
gst_ituning_captioner_init (GstItuningCaptioner *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->answered);
  gst_ituning_settings_init (&self->settings);
  gst_ituning_settings_init (&self->now);
  g_queue_init (&self->hold.items);
  self->settings_changed = TRUE;
  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad,
      GST_DEBUG_FUNCPTR (gst_ituning_captioner_chain));
  gst_pad_set_event_function (self->sinkpad,
      GST_DEBUG_FUNCPTR (gst_ituning_captioner_sink_event));
  gst_pad_set_query_function (self->sinkpad,
      GST_DEBUG_FUNCPTR (gst_ituning_captioner_sink_query));
  gst_pad_set_iterate_internal_links_function (self->sinkpad,
      GST_DEBUG_FUNCPTR (iterate_sink_links));
  GST_PAD_SET_PROXY_CAPS (self->sinkpad);
  GST_PAD_SET_PROXY_SCHEDULING (self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);
  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->srcpad,
      GST_DEBUG_FUNCPTR (gst_ituning_captioner_src_event));
  gst_pad_set_query_function (self->srcpad,
      GST_DEBUG_FUNCPTR (gst_ituning_captioner_src_query));
  GST_PAD_SET_PROXY_CAPS (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}
