/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/gstituningsampler.h"

#include "gst/scenes.h"

/**
 * SECTION:gstituningsampler
 * @title: GstItuningSampler
 *
 * Chooses the frames of a video that are worth a caption. It goes by the
 * frames' times alone, so it is right for any frame rate, a variable or unknown
 * one too. An object belongs to one thread at a time.
 *
 * Each frame is made a thumbnail of 32x18 cells of luma, normalised: their mean
 * becomes 0 and, but for what may be noise, their deviation 1. The distance of
 * two frames is half the mean squared difference of their thumbnails, the least
 * when they are shifted by up to 3 cells sideways and 2 up or down: 0 for the
 * same scene in whatever light, about 1 for two that have nothing in common.
 * Where one of them has no structure, what counts is how far apart the means of
 * luma and chroma are, less what they went on changing by as in a fade.
 *
 * A scene begins where a frame's distance to the one before is larger than
 * #GstItuningSampler:scene-threshold and stands out from the distances of the
 * frames before, which motion makes large; and where the picture has come to
 * rest farther than the threshold from the last keyframe, as after a fade. That
 * frame is a keyframe itself. A sudden light or a black picture that soon goes
 * away is no new scene: such a frame counts if it stays, 0.2 s later.
 *
 * A scene that begins within #GstItuningSampler:min-interval has its keyframe
 * when that is over, if what is shown then is still unlike the last keyframe.
 */

/* A time that goes back by no more than this, or than min-interval if that is
 * shorter, is a slip of the clock; one that goes back farther is a jump. */
#define MAX_SLIP GST_SECOND

struct _GstItuningSampler
{
  GObject parent;

  GstItuningKeyframes keyframes;
  GstClockTime min_interval, max_interval;
  gdouble scene_threshold;

  GstClockTime last_key; /* time of the last keyframe, or NONE */
  GstClockTime last; /* time of the last frame, or NONE */
  gboolean cut; /* a scene began and has no keyframe yet */
  GstItuningScenes scenes;
  GByteArray *scratch; /* owned */
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

/* --- choosing ----------------------------------------------------------- */

static gboolean
is_long (const GstItuningSampler *self, GstClockTime elapsed)
{
  return elapsed >= MAX (self->max_interval, self->min_interval);
}

static GstItuningReason
choose_by_interval (const GstItuningSampler *self, GstClockTime elapsed,
    gboolean timed)
{
  if (!GST_CLOCK_TIME_IS_VALID (self->last_key))
    return GST_ITUNING_REASON_FIRST;
  return timed && is_long (self, elapsed) ? GST_ITUNING_REASON_INTERVAL
                                          : GST_ITUNING_REASON_NONE;
}

static GstItuningReason
choose_by_scene (GstItuningSampler *self, GstVideoFrame *frame,
    GstClockTime pts, gboolean discont, gboolean timed)
{
  const gboolean first = !GST_CLOCK_TIME_IS_VALID (self->last_key);
  const GstClockTime elapsed = first ? 0 : pts - self->last_key;
  GstItuningReason reason = GST_ITUNING_REASON_NONE;
  GstItuningThumbnail thumbnail;

  if (!gst_ituning_thumbnail_take (&thumbnail, frame, self->scratch))
    return choose_by_interval (self, elapsed, timed);
  self->scenes.threshold = (float) self->scene_threshold;
  if (discont)
    gst_ituning_scenes_skip (&self->scenes);
  if (first) {
    reason = GST_ITUNING_REASON_FIRST;
  } else {
    self->cut |= gst_ituning_scenes_push (&self->scenes, &thumbnail, pts);
    if (self->cut && timed && elapsed >= self->min_interval) {
      /* A cut that had to wait counts only if the scene is still another. */
      self->cut = FALSE;
      if (gst_ituning_scenes_is_another (&self->scenes, &thumbnail))
        reason = GST_ITUNING_REASON_SCENE;
    }
    if (reason == GST_ITUNING_REASON_NONE && timed && is_long (self, elapsed))
      reason = GST_ITUNING_REASON_INTERVAL;
  }
  if (reason != GST_ITUNING_REASON_NONE) {
    gst_ituning_scenes_set_key (&self->scenes, &thumbnail);
    self->cut = FALSE;
  }
  return reason;
}

static GstItuningReason
choose (GstItuningSampler *self, GstVideoFrame *frame, GstClockTime pts,
    GstBufferFlags flags, gboolean timed)
{
  const gboolean first = !GST_CLOCK_TIME_IS_VALID (self->last_key);
  const GstClockTime elapsed = first ? 0 : pts - self->last_key;

  switch (self->keyframes) {
    case GST_ITUNING_KEYFRAMES_CODEC:
      return timed && (flags & GST_BUFFER_FLAG_DELTA_UNIT) == 0 &&
              (first || elapsed >= self->min_interval)
          ? GST_ITUNING_REASON_CODEC
          : GST_ITUNING_REASON_NONE;
    case GST_ITUNING_KEYFRAMES_INTERVAL:
      return choose_by_interval (self, elapsed, timed);
    case GST_ITUNING_KEYFRAMES_SCENE:
    default:
      return choose_by_scene (self, frame, pts,
          (flags & GST_BUFFER_FLAG_DISCONT) != 0, timed);
  }
}

static gboolean
slips_back (const GstItuningSampler *self, GstClockTime pts)
{
  return GST_CLOCK_TIME_IS_VALID (self->last) && pts < self->last &&
      self->last - pts <= MIN (self->min_interval, MAX_SLIP);
}

/**
 * gst_ituning_sampler_push:
 * @sampler: a sampler
 * @frame: a mapped frame of any raw format and size
 * @pts: its time, or %GST_CLOCK_TIME_NONE
 * @flags: flags of its buffer
 *
 * Looks at the next frame. A time that jumps back begins anew. A frame without
 * a time, or whose time slips back by at most a second and at most
 * #GstItuningSampler:min-interval, is looked at as if it came together with the
 * one before, and is no keyframe itself; with %GST_BUFFER_FLAG_GAP it is not
 * looked at. After %GST_BUFFER_FLAG_DISCONT frames are compared with the last
 * keyframe, not with those before the gap. With %GST_ITUNING_KEYFRAMES_CODEC a
 * frame with %GST_BUFFER_FLAG_DELTA_UNIT is no keyframe; decoders do not set it
 * on raw frames, so whoever chooses this either has only keyframes decoded or
 * has the others marked.
 *
 * Returns: why it is a keyframe, or %GST_ITUNING_REASON_NONE
 */
GstItuningReason
gst_ituning_sampler_push (GstItuningSampler *sampler, GstVideoFrame *frame,
    GstClockTime pts, GstBufferFlags flags)
{
  GstItuningReason reason;
  gboolean timed;

  g_return_val_if_fail (GST_IS_ITUNING_SAMPLER (sampler),
      GST_ITUNING_REASON_NONE);
  g_return_val_if_fail (frame != NULL, GST_ITUNING_REASON_NONE);
  timed = GST_CLOCK_TIME_IS_VALID (pts) && !slips_back (sampler, pts);
  if (!timed)
    pts = sampler->last;
  if (!GST_CLOCK_TIME_IS_VALID (pts) || (flags & GST_BUFFER_FLAG_GAP) != 0)
    return GST_ITUNING_REASON_NONE;
  if (GST_CLOCK_TIME_IS_VALID (sampler->last) && pts < sampler->last)
    gst_ituning_sampler_reset (sampler);
  if (!timed && !GST_CLOCK_TIME_IS_VALID (sampler->last_key))
    return GST_ITUNING_REASON_NONE;
  reason = choose (sampler, frame, pts, flags, timed);
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
  sampler->last_key = sampler->last = GST_CLOCK_TIME_NONE;
  sampler->cut = FALSE;
  gst_ituning_scenes_reset (&sampler->scenes);
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
gst_ituning_sampler_finalize (GObject *object)
{
  g_byte_array_unref (GST_ITUNING_SAMPLER (object)->scratch);
  G_OBJECT_CLASS (gst_ituning_sampler_parent_class)->finalize (object);
}

static void
gst_ituning_sampler_class_init (GstItuningSamplerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT |
      G_PARAM_STATIC_STRINGS;

  object_class->finalize = gst_ituning_sampler_finalize;
  object_class->set_property = gst_ituning_sampler_set_property;
  object_class->get_property = gst_ituning_sampler_get_property;
  /**
   * GstItuningSampler:keyframes:
   *
   * Which frames are keyframes.
   */
  g_object_class_install_property (object_class, PROP_KEYFRAMES,
      g_param_spec_enum ("keyframes", "keyframes", "Which frames are keyframes",
          GST_TYPE_ITUNING_KEYFRAMES, GST_ITUNING_KEYFRAMES_SCENE, flags));
  /**
   * GstItuningSampler:min-interval:
   *
   * Shortest time between two keyframes, in nanoseconds. It holds in every
   * mode, and against a shorter #GstItuningSampler:max-interval.
   */
  g_object_class_install_property (object_class, PROP_MIN_INTERVAL,
      g_param_spec_uint64 ("min-interval", "min-interval",
          "Shortest time between two keyframes (ns)", 0, G_MAXUINT64,
          GST_ITUNING_SAMPLER_DEFAULT_MIN_INTERVAL, flags));
  /**
   * GstItuningSampler:max-interval:
   *
   * Longest time without a keyframe, in nanoseconds: the first frame after it
   * is one. %GST_CLOCK_TIME_NONE for none but where scenes begin. With
   * %GST_ITUNING_KEYFRAMES_CODEC it has no effect.
   */
  g_object_class_install_property (object_class, PROP_MAX_INTERVAL,
      g_param_spec_uint64 ("max-interval", "max-interval",
          "Longest time without a keyframe (ns)", 1, G_MAXUINT64,
          GST_ITUNING_SAMPLER_DEFAULT_MAX_INTERVAL, flags));
  /**
   * GstItuningSampler:scene-threshold:
   *
   * How different from the frame before a frame must be to begin a scene: 0 for
   * any difference, 1 for none; see the section's description for the measure.
   */
  g_object_class_install_property (object_class, PROP_SCENE_THRESHOLD,
      g_param_spec_double ("scene-threshold", "scene-threshold",
          "How different a frame must be to begin a new scene", 0.0, 1.0,
          GST_ITUNING_SAMPLER_DEFAULT_SCENE_THRESHOLD, flags));
}

static void
gst_ituning_sampler_init (GstItuningSampler *self)
{
  self->scratch = g_byte_array_new ();
  gst_ituning_sampler_reset (self);
}
