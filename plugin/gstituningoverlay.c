/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-ituningoverlay
 * @title: ituningoverlay
 *
 * Writes what a video shows on the picture itself: `ituningcaptioner` and
 * `textoverlay` in a bin, with the properties of the captioner. A caption is
 * drawn from the first frame that carries it and replaces the one before at
 * once; where a frame has none, nothing is drawn. The size of the letters goes
 * by the size of the picture.
 *
 * `textoverlay` is of the plugin "pango", in Debian's package gstreamer1.0-x.
 * The children are named `captioner` and `textoverlay`.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! ituningoverlay model=bundle ! videoconvert ! autovideosink
 * ]| Captions a camera.
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! ituningoverlay model=bundle textoverlay::valignment=top ! videoconvert ! autovideosink
 * ]| The same, at the top.
 */
#include "plugin/gstituningoverlay.h"

#include <gst/video/video.h>

#include "gst/gstituning.h"
#include "plugin/gstituningcaptioner.h"
#include "plugin/settings.h"

/* A frame's way: captioner, which puts the caption on it; a probe that gives
 * the frame's caption to the drawer; drawer. What is drawn is thus what the
 * frame carries, also where the captioner holds frames back. */

struct _GstItuningOverlay
{
  GstBin parent;
  GstElement *captioner; /* borrowed from the bin */
  GstElement *drawer; /* borrowed from the bin; NULL if it is not installed */

  /* The streaming thread alone. */
  char *drawn; /* owned; NULL while nothing is drawn */
};

GST_DEBUG_CATEGORY_STATIC (gst_ituning_overlay_debug);
#define GST_CAT_DEFAULT gst_ituning_overlay_debug

static GParamSpec *caption_spec;

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));

G_DEFINE_TYPE (GstItuningOverlay, gst_ituning_overlay, GST_TYPE_BIN)
GST_ELEMENT_REGISTER_DEFINE (ituningoverlay, "ituningoverlay", GST_RANK_NONE,
    GST_TYPE_ITUNING_OVERLAY)

/* --- drawing ------------------------------------------------------------ */

/* As many lines as this make a picture of 4:3 or wider; on narrower ones a line
 * has as many letters as on 4:3. But no letters that nobody can read. */
#define LINES 18
#define SMALLEST_FONT 8 /* pixels */
#define SHADING 140 /* that white letters stand out on white */

static void
fit_font (GstItuningOverlay *self, GstCaps *caps)
{
  g_autofree char *font = NULL;
  GstVideoInfo info;
  int size;

  if (!gst_video_info_from_caps (&info, caps))
    return;
  size = MAX (SMALLEST_FONT, MIN (info.height, info.width / 4 * 3) / LINES);
  font = g_strdup_printf ("Sans %dpx", size);
  g_object_set (self->drawer, "font-desc", font, "xpad", size / 2, "ypad",
      size / 2, NULL);
}

/* Frames that passed several captioners carry the last one's caption last. */
static const char *
find_text (GstBuffer *buffer)
{
  GstItuningCaptionMeta *meta;
  gpointer state = NULL;
  const char *text = NULL;

  while ((meta = gst_buffer_iterate_ituning_caption_meta (buffer, &state)))
    text = meta->caption->text;
  return text;
}

/* The drawer takes markup, where control characters have no place. */
static char *
make_markup (const char *text)
{
  g_autofree char *plain = g_strdup (text != NULL ? text : "");

  for (char *c = plain; *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      *c = ' ';
  return g_markup_escape_text (plain, -1);
}

static void
draw (GstItuningOverlay *self, const char *text)
{
  g_autofree char *markup = NULL;

  if (g_strcmp0 (text, self->drawn) == 0)
    return;
  GST_DEBUG_OBJECT (self, "now drawing: %s", text != NULL ? text : "nothing");
  g_free (self->drawn);
  self->drawn = g_strdup (text);
  markup = make_markup (text);
  g_object_set (self->drawer, "text", markup, "silent", text == NULL, NULL);
}

static GstPadProbeReturn
prepare_drawer (GstPad *pad, GstPadProbeInfo *info, gpointer overlay)
{
  GstItuningOverlay *self = overlay;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    draw (self, find_text (GST_PAD_PROBE_INFO_BUFFER (info)));
  } else if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) ==
      GST_EVENT_CAPS) {
    GstCaps *caps;
    gst_event_parse_caps (GST_PAD_PROBE_INFO_EVENT (info), &caps);
    fit_font (self, caps);
  }
  return GST_PAD_PROBE_OK;
}

/* --- states ------------------------------------------------------------- */

static GstStateChangeReturn
gst_ituning_overlay_change_state (GstElement *element,
    GstStateChange transition)
{
  GstItuningOverlay *self = GST_ITUNING_OVERLAY (element);

  if (transition == GST_STATE_CHANGE_NULL_TO_READY && self->drawer == NULL) {
    GST_ELEMENT_ERROR (self, CORE, MISSING_PLUGIN,
        ("Captions cannot be drawn: the element \"textoverlay\" is missing."),
        ("it is of the plugin \"pango\", in Debian's package gstreamer1.0-x"));
    return GST_STATE_CHANGE_FAILURE;
  }
  return GST_ELEMENT_CLASS (gst_ituning_overlay_parent_class)
      ->change_state (element, transition);
}

/* --- properties: the captioner's ---------------------------------------- */

static void
gst_ituning_overlay_set_property (GObject *object, guint id,
    const GValue *value, GParamSpec *spec)
{
  GstItuningOverlay *self = GST_ITUNING_OVERLAY (object);

  g_object_set_property (G_OBJECT (self->captioner), spec->name, value);
}

static void
gst_ituning_overlay_get_property (GObject *object, guint id, GValue *value,
    GParamSpec *spec)
{
  GstItuningOverlay *self = GST_ITUNING_OVERLAY (object);

  g_object_get_property (G_OBJECT (self->captioner), spec->name, value);
}

static void
tell_of_caption (GObject *captioner, GParamSpec *spec, gpointer overlay)
{
  g_object_notify_by_pspec (overlay, caption_spec);
}

static void
install_results (GObjectClass *klass, guint first)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  g_object_class_install_property (klass, first,
      g_param_spec_boxed ("stats", "stats",
          "Counts of frames, keyframes and captions, and their times",
          GST_TYPE_STRUCTURE, flags));
  caption_spec = g_param_spec_string ("caption", "caption",
      "The latest caption; notified from the engine's thread", NULL, flags);
  g_object_class_install_property (klass, first + 1, caption_spec);
}

/* --- object ------------------------------------------------------------- */

static void
gst_ituning_overlay_finalize (GObject *object)
{
  g_free (GST_ITUNING_OVERLAY (object)->drawn);
  G_OBJECT_CLASS (gst_ituning_overlay_parent_class)->finalize (object);
}

static void
gst_ituning_overlay_class_init (GstItuningOverlayClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_ituning_overlay_debug, "ituningoverlay", 0,
      "I-Tuning overlay");
  object_class->set_property = gst_ituning_overlay_set_property;
  object_class->get_property = gst_ituning_overlay_get_property;
  object_class->finalize = gst_ituning_overlay_finalize;
  install_results (object_class, gst_ituning_settings_install (object_class));
  element_class->change_state = gst_ituning_overlay_change_state;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "I-Tuning overlay",
      "Filter/Analyzer/Effect/Video", "Draws on a video what it shows",
      "gst-ituning contributors");
  gst_type_mark_as_plugin_api (GST_TYPE_ITUNING_KEYFRAMES, 0);
}

/* A ghost of the child's pad; without a child, one that leads nowhere. */
static void
add_ghost (GstItuningOverlay *self, GstElement *child, const char *child_pad,
    GstStaticPadTemplate *static_template)
{
  g_autoptr (GstPadTemplate) template = gst_static_pad_template_get (
      static_template);
  g_autoptr (GstPad) target = child != NULL
      ? gst_element_get_static_pad (child, child_pad)
      : NULL;
  const char *name = static_template->name_template;

  gst_element_add_pad (GST_ELEMENT (self),
      target != NULL
          ? gst_ghost_pad_new_from_template (name, target, template)
          : gst_ghost_pad_new_no_target_from_template (name, template));
}

static void
add_drawer (GstItuningOverlay *self)
{
  g_autoptr (GstPad) pad = NULL;

  self->drawer = gst_element_factory_make ("textoverlay", "textoverlay");
  if (self->drawer == NULL)
    return;
  gst_util_set_object_arg (G_OBJECT (self->drawer), "halignment", "center");
  gst_util_set_object_arg (G_OBJECT (self->drawer), "valignment", "bottom");
  gst_util_set_object_arg (G_OBJECT (self->drawer), "line-alignment", "center");
  gst_util_set_object_arg (G_OBJECT (self->drawer), "wrap-mode", "wordchar");
  gst_util_set_object_arg (G_OBJECT (self->drawer), "scale-mode", "par");
  /* auto-resize knows the width alone; fit_font () does it */
  g_object_set (self->drawer, "auto-resize", FALSE, "shaded-background", TRUE,
      "shading-value", SHADING, "wait-text", FALSE, "silent", TRUE, NULL);
  gst_bin_add (GST_BIN (self), self->drawer);
  gst_element_link_pads (self->captioner, "src", self->drawer, "video_sink");
  pad = gst_element_get_static_pad (self->drawer, "video_sink");
  gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      prepare_drawer, self, NULL);
}

static void
gst_ituning_overlay_init (GstItuningOverlay *self)
{
  self->captioner = g_object_new (GST_TYPE_ITUNING_CAPTIONER, "name",
      "captioner", NULL);
  g_signal_connect_object (self->captioner, "notify::caption",
      G_CALLBACK (tell_of_caption), self, 0);
  gst_bin_add (GST_BIN (self), self->captioner);
  add_drawer (self);
  add_ghost (self, self->captioner, "sink", &sink_template);
  add_ghost (self, self->drawer, "src", &src_template);
}
