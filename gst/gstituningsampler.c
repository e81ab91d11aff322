/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/gstituningsampler.h"

#include <math.h>
#include <string.h>

#include "gst/thumbnail.h"

/**
 * SECTION:gstituningsampler
 * @title: GstItuningSampler
 *
 * Chooses the frames of a video that are worth a caption. It goes by the
 * frames' times alone, so it is right for any frame rate, a variable or unknown
 * one too. An object belongs to one thread at a time.
 *
 * A scene begins where a frame's structure, whatever its brightness, is unlike
 * that of the frame before even when shifted a little; where a frame without
 * structure changes its colour; and where the picture has come to rest far from
 * the last keyframe, as after a fade. A sudden light that goes out again is no
 * new scene: a frame that only became brighter counts when it stays.
 */

/* Light that goes out within this time is a flash. */
#define FLASH_TIME (200 * GST_MSECOND)
/* Brighter by this much on average, of 255, is a flash, if anything. */
#define FLASH_STEP 25.0f
/* Part of the picture that a flash burns out. */
#define FLASH_BURNT 0.3f
/* The picture is at rest when it has changed by less than this for as many
 * frames; a slow pan changes it by more. */
#define REST_DISTANCE 0.015f
#define REST_FRAMES 10

struct _GstItuningSampler
{
  GObject parent;

  GstItuningKeyframes keyframes;
  GstClockTime min_interval, max_interval;
  gdouble scene_threshold;

  GstClockTime last_key; /* time of the last keyframe, or NONE */
  GstClockTime last; /* time of the last frame */
  gboolean cut; /* a scene began and has no keyframe yet */
  guint n_rest; /* frames that the picture has been at rest */
  GstClockTime flash; /* when a light went on, or NONE */
  GstItuningThumbnail key, previous, before_flash, anchor;
};

enum
{
  PROP_KEYFRAMES = 1,
  PROP_MIN_INTERVAL,
  PROP_MAX_INTERVAL,
  PROP_SCENE_THRESHOLD,
};

G_DEFINE_TYPE (GstItuningSampler, gst_ituning_sampler, G_TYPE_OBJECT)

GType
gst_ituning_keyframes_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { GST_ITUNING_KEYFRAMES_SCENE, "Where a scene begins, and regularly",
        "scene" },
    { GST_ITUNING_KEYFRAMES_CODEC, "Every frame that comes", "codec" },
    { GST_ITUNING_KEYFRAMES_INTERVAL, "Regularly", "interval" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstItuningKeyframes", values));
  return (GType) type;
}

GType
gst_ituning_reason_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { GST_ITUNING_REASON_NONE, "No keyframe", "none" },
    { GST_ITUNING_REASON_FIRST, "The first frame", "first" },
    { GST_ITUNING_REASON_SCENE, "A scene begins", "scene" },
    { GST_ITUNING_REASON_INTERVAL, "Time has passed", "interval" },
    { GST_ITUNING_REASON_CODEC, "A keyframe of the codec", "codec" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstItuningReason", values));
  return (GType) type;
}

/* --- scenes ------------------------------------------------------------- */

static gboolean
differ (const GstItuningSampler *self, const GstItuningThumbnail *a,
    const GstItuningThumbnail *b)
{
  return gst_ituning_thumbnail_distance (a, b) > (float) self->scene_threshold;
}

/* A light went on: the scene goes on if it goes out soon, or if what it shows
 * is the same. */
static gboolean
judge_flash (GstItuningSampler *self, const GstItuningThumbnail *thumbnail,
    GstClockTime pts)
{
  if (!differ (self, &self->before_flash, thumbnail)) {
    self->flash = GST_CLOCK_TIME_NONE;
    return FALSE;
  }
  if (pts - self->flash < FLASH_TIME &&
      thumbnail->luma > self->before_flash.luma + FLASH_STEP)
    return FALSE;
  self->flash = GST_CLOCK_TIME_NONE;
  return TRUE;
}

/* A light burns structure out; another scene brings its own. */
static gboolean
looks_like_flash (const GstItuningSampler *self,
    const GstItuningThumbnail *thumbnail)
{
  return thumbnail->luma > self->previous.luma + FLASH_STEP &&
      thumbnail->burnt > self->previous.burnt + FLASH_BURNT;
}

/* Whether the picture has come to rest, which a fade's end is known by. */
static gboolean
is_at_rest (GstItuningSampler *self, const GstItuningThumbnail *thumbnail)
{
  if (gst_ituning_thumbnail_change (&self->anchor, thumbnail) < REST_DISTANCE)
    return ++self->n_rest >= REST_FRAMES;
  self->anchor = *thumbnail;
  self->n_rest = 0;
  return FALSE;
}

static gboolean
begins_scene (GstItuningSampler *self, const GstItuningThumbnail *thumbnail,
    GstClockTime pts)
{
  const gboolean at_rest = is_at_rest (self, thumbnail);

  if (GST_CLOCK_TIME_IS_VALID (self->flash))
    return judge_flash (self, thumbnail, pts);
  if (differ (self, &self->previous, thumbnail)) {
    if (!looks_like_flash (self, thumbnail))
      return TRUE;
    self->flash = pts;
    self->before_flash = self->previous;
    return FALSE;
  }
  return at_rest && !gst_ituning_thumbnail_is_flat (thumbnail) &&
      differ (self, &self->key, thumbnail);
}

/* --- choosing ----------------------------------------------------------- */

static GstItuningReason
choose_by_scene (GstItuningSampler *self, GstVideoFrame *frame,
    GstClockTime pts, GstClockTime elapsed)
{
  GstItuningReason reason = GST_ITUNING_REASON_NONE;
  GstItuningThumbnail thumbnail;

  if (!gst_ituning_thumbnail_take (&thumbnail, frame))
    return elapsed >= self->max_interval ? GST_ITUNING_REASON_INTERVAL
                                         : GST_ITUNING_REASON_NONE;
  if (!GST_CLOCK_TIME_IS_VALID (self->last_key)) {
    reason = GST_ITUNING_REASON_FIRST;
  } else {
    self->cut |= begins_scene (self, &thumbnail, pts);
    if (self->cut && elapsed >= self->min_interval) {
      /* A cut that had to wait counts only if the scene is still another. */
      self->cut = FALSE;
      if (differ (self, &self->key, &thumbnail))
        reason = GST_ITUNING_REASON_SCENE;
    }
    if (reason == GST_ITUNING_REASON_NONE && elapsed >= self->max_interval &&
        elapsed >= self->min_interval)
      reason = GST_ITUNING_REASON_INTERVAL;
  }
  if (reason != GST_ITUNING_REASON_NONE) {
    self->key = self->anchor = thumbnail;
    self->n_rest = 0;
    self->cut = FALSE;
  }
  self->previous = thumbnail;
  return reason;
}

static GstItuningReason
choose (GstItuningSampler *self, GstVideoFrame *frame, GstClockTime pts)
{
  const gboolean first = !GST_CLOCK_TIME_IS_VALID (self->last_key);
  const GstClockTime elapsed = first ? 0 : pts - self->last_key;

  switch (self->keyframes) {
    case GST_ITUNING_KEYFRAMES_CODEC:
      return first || elapsed >= self->min_interval ? GST_ITUNING_REASON_CODEC
                                                    : GST_ITUNING_REASON_NONE;
    case GST_ITUNING_KEYFRAMES_INTERVAL:
      if (first)
        return GST_ITUNING_REASON_FIRST;
      return elapsed >= self->max_interval ? GST_ITUNING_REASON_INTERVAL
                                           : GST_ITUNING_REASON_NONE;
    case GST_ITUNING_KEYFRAMES_SCENE:
    default:
      return choose_by_scene (self, frame, pts, elapsed);
  }
}

/**
 * gst_ituning_sampler_push:
 * @sampler: a sampler
 * @frame: a mapped frame of any raw format
 * @pts: its time; a frame without one is no keyframe
 * @flags: flags of its buffer; with %GST_BUFFER_FLAG_GAP it is not looked at
 *
 * Looks at the next frame. A time that goes back begins anew.
 *
 * Returns: why it is a keyframe, or %GST_ITUNING_REASON_NONE
 */
GstItuningReason
gst_ituning_sampler_push (GstItuningSampler *sampler, GstVideoFrame *frame,
    GstClockTime pts, GstBufferFlags flags)
{
  GstItuningReason reason;

  g_return_val_if_fail (GST_IS_ITUNING_SAMPLER (sampler),
      GST_ITUNING_REASON_NONE);
  g_return_val_if_fail (frame != NULL, GST_ITUNING_REASON_NONE);
  if (!GST_CLOCK_TIME_IS_VALID (pts) || (flags & GST_BUFFER_FLAG_GAP) != 0)
    return GST_ITUNING_REASON_NONE;
  if (GST_CLOCK_TIME_IS_VALID (sampler->last) && pts < sampler->last)
    gst_ituning_sampler_reset (sampler);
  reason = choose (sampler, frame, pts);
  sampler->last = pts;
  if (reason != GST_ITUNING_REASON_NONE)
    sampler->last_key = pts;
  return reason;
}

/**
 * gst_ituning_sampler_reset:
 * @sampler: a sampler
 *
 * Forgets all frames: the next is a keyframe.
 */
void
gst_ituning_sampler_reset (GstItuningSampler *sampler)
{
  g_return_if_fail (GST_IS_ITUNING_SAMPLER (sampler));
  sampler->last_key = sampler->last = sampler->flash = GST_CLOCK_TIME_NONE;
  sampler->cut = FALSE;
  sampler->n_rest = 0;
}

/**
 * gst_ituning_sampler_new:
 *
 * Returns: (transfer full): a sampler
 */
GstItuningSampler *
gst_ituning_sampler_new (void)
{
  return g_object_new (GST_TYPE_ITUNING_SAMPLER, NULL);
}

/* --- object ------------------------------------------------------------- */

static void
gst_ituning_sampler_set_property (GObject *object, guint id,
    const GValue *value, GParamSpec *spec)
{
  GstItuningSampler *self = GST_ITUNING_SAMPLER (object);

  switch (id) {
    case PROP_KEYFRAMES:
      self->keyframes = (GstItuningKeyframes) g_value_get_enum (value);
      break;
    case PROP_MIN_INTERVAL:
      self->min_interval = g_value_get_uint64 (value);
      break;
    case PROP_MAX_INTERVAL:
      self->max_interval = g_value_get_uint64 (value);
      break;
    case PROP_SCENE_THRESHOLD:
      self->scene_threshold = g_value_get_double (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
  }
}

static void
gst_ituning_sampler_get_property (GObject *object, guint id, GValue *value,
    GParamSpec *spec)
{
  GstItuningSampler *self = GST_ITUNING_SAMPLER (object);

  switch (id) {
    case PROP_KEYFRAMES:
      g_value_set_enum (value, (gint) self->keyframes);
      break;
    case PROP_MIN_INTERVAL:
      g_value_set_uint64 (value, self->min_interval);
      break;
    case PROP_MAX_INTERVAL:
      g_value_set_uint64 (value, self->max_interval);
      break;
    case PROP_SCENE_THRESHOLD:
      g_value_set_double (value, self->scene_threshold);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
  }
}

static void
gst_ituning_sampler_class_init (GstItuningSamplerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT |
      G_PARAM_STATIC_STRINGS;

  object_class->set_property = gst_ituning_sampler_set_property;
  object_class->get_property = gst_ituning_sampler_get_property;
  g_object_class_install_property (object_class, PROP_KEYFRAMES,
      g_param_spec_enum ("keyframes", "keyframes", "Which frames are keyframes",
          GST_TYPE_ITUNING_KEYFRAMES, GST_ITUNING_KEYFRAMES_SCENE, flags));
  g_object_class_install_property (object_class, PROP_MIN_INTERVAL,
      g_param_spec_uint64 ("min-interval", "min-interval",
          "Shortest time between two keyframes (ns)", 0, G_MAXUINT64,
          GST_ITUNING_SAMPLER_DEFAULT_MIN_INTERVAL, flags));
  g_object_class_install_property (object_class, PROP_MAX_INTERVAL,
      g_param_spec_uint64 ("max-interval", "max-interval",
          "Longest time without a keyframe (ns)", 1, G_MAXUINT64,
          GST_ITUNING_SAMPLER_DEFAULT_MAX_INTERVAL, flags));
  g_object_class_install_property (object_class, PROP_SCENE_THRESHOLD,
      g_param_spec_double ("scene-threshold", "scene-threshold",
          "How different a frame must be to begin a new scene", 0.0, 1.0,
          GST_ITUNING_SAMPLER_DEFAULT_SCENE_THRESHOLD, flags));
}

static void
gst_ituning_sampler_init (GstItuningSampler *self)
{
  gst_ituning_sampler_reset (self);
}
