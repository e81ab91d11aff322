/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/scenes.h"

#include <string.h>

/* Light or darkness that goes away within this time is a flash or a blink. */
#define BLANK_TIME (200 * GST_MSECOND)
/* The picture is at rest when it has changed by less than this for this long; a
 * slow pan changes it by more. */
#define REST_DISTANCE 0.012f
#define REST_TIME (500 * GST_MSECOND)
/* A cut is this many times as far as frames of late were from each other, if
 * that is not farther than any two frames are. */
#define MOTION_FACTOR 2.0f
#define MOTION_LIMIT 0.5f
#define MOTION_TIME (400 * GST_MSECOND)

static gboolean
differ (const GstItuningScenes *self, const GstItuningThumbnail *a,
    const GstItuningThumbnail *b)
{
  return gst_ituning_thumbnail_distance (a, b) > self->threshold;
}

static float
approach (float from, float to, float step)
{
  return CLAMP (to, from - ABS (step), from + ABS (step));
}

/* The distance to the frame before, or to what it would have become if its
 * colour had gone on changing as fast as it did: a fade is no new scene. */
static float
get_step (const GstItuningScenes *self, const GstItuningThumbnail *thumbnail)
{
  const float distance = gst_ituning_thumbnail_distance (&self->previous,
      thumbnail);
  GstItuningThumbnail faded = self->previous;

  /* Colour counts only where structure is missing. */
  if (distance <= self->threshold ||
      !(gst_ituning_thumbnail_is_flat (&self->previous) ||
          gst_ituning_thumbnail_is_flat (thumbnail)))
    return distance;
  faded.luma = approach (faded.luma, thumbnail->luma, self->fade[0]);
  for (gsize c = 0; c < 2; c++)
    faded.chroma[c] = approach (faded.chroma[c], thumbnail->chroma[c],
        self->fade[c + 1]);
  return MIN (distance, gst_ituning_thumbnail_distance (&faded, thumbnail));
}

/* Whether a frame stands out from the one before more than motion explains. */
static gboolean
stands_out (GstItuningScenes *self, const GstItuningThumbnail *thumbnail,
    GstClockTime pts)
{
  const float distance = get_step (self, thumbnail);
  const float expected = MIN (MOTION_FACTOR * self->motion, MOTION_LIMIT);
  const GstClockTime step = pts - self->last;

  if (distance > self->threshold && distance > expected)
    return TRUE;
  self->motion += (distance - self->motion) *
      MIN (1.0f, (float) step / (float) MOTION_TIME);
  return FALSE;
}

/* Whether a frame may hide what the one before showed. */
static gboolean
is_blank (const GstItuningThumbnail *thumbnail,
    const GstItuningThumbnail *before)
{
  return gst_ituning_thumbnail_is_lit (thumbnail, before) ||
      (gst_ituning_thumbnail_is_black (thumbnail) &&
          !gst_ituning_thumbnail_is_black (before));
}

/* The scene goes on if the blank is soon over, or if what is shown then is the
 * same as before it. */
static gboolean
judge_blank (GstItuningScenes *self, const GstItuningThumbnail *thumbnail,
    GstClockTime pts)
{
  const gboolean differs = differ (self, &self->before_blank, thumbnail);

  if (differs && is_blank (thumbnail, &self->before_blank) &&
      pts - self->blank < BLANK_TIME)
    return FALSE;
  self->blank = GST_CLOCK_TIME_NONE;
  return differs;
}

/* Whether the picture has come to rest, which a fade's end is known by. */
static gboolean
is_at_rest (GstItuningScenes *self, const GstItuningThumbnail *thumbnail,
    GstClockTime pts)
{
  if (gst_ituning_thumbnail_change (&self->anchor, thumbnail) < REST_DISTANCE)
    return pts - self->rest >= REST_TIME;
  self->anchor = *thumbnail;
  self->rest = pts;
  return FALSE;
}

/**
 * gst_ituning_scenes_push:
 * @self: scenes
 * @thumbnail: the next frame, not the first since the scenes were reset
 * @pts: its time, not before that of the last
 *
 * Returns: whether a scene begins
 */
gboolean
gst_ituning_scenes_push (GstItuningScenes *self,
    const GstItuningThumbnail *thumbnail, GstClockTime pts)
{
  gboolean at_rest, begins = FALSE;

  if (!GST_CLOCK_TIME_IS_VALID (self->last))
    self->rest = self->last = pts;
  at_rest = is_at_rest (self, thumbnail, pts);
  if (GST_CLOCK_TIME_IS_VALID (self->blank)) {
    begins = judge_blank (self, thumbnail, pts);
  } else if (!stands_out (self, thumbnail, pts)) {
    begins = at_rest && !gst_ituning_thumbnail_is_flat (thumbnail) &&
        differ (self, &self->key, thumbnail);
  } else if (!is_blank (thumbnail, &self->previous)) {
    begins = TRUE;
  } else {
    self->blank = pts;
    self->before_blank = self->previous;
  }
  self->fade[0] = thumbnail->luma - self->previous.luma;
  for (gsize c = 0; c < 2; c++)
    self->fade[c + 1] = thumbnail->chroma[c] - self->previous.chroma[c];
  self->previous = *thumbnail;
  self->last = pts;
  return begins;
}

/**
 * gst_ituning_scenes_is_another:
 *
 * Returns: whether a frame shows another scene than the last keyframe
 */
gboolean
gst_ituning_scenes_is_another (const GstItuningScenes *self,
    const GstItuningThumbnail *thumbnail)
{
  return differ (self, &self->key, thumbnail);
}

/**
 * gst_ituning_scenes_set_key:
 *
 * A frame, the last that was pushed or the first, is a keyframe.
 */
void
gst_ituning_scenes_set_key (GstItuningScenes *self,
    const GstItuningThumbnail *thumbnail)
{
  self->key = self->previous = self->anchor = *thumbnail;
  self->rest = self->last;
}

/**
 * gst_ituning_scenes_skip:
 *
 * Tells of a gap in the stream. What came before it says nothing about motion,
 * light or rest after it; the last keyframe is all there is to compare with.
 */
void
gst_ituning_scenes_skip (GstItuningScenes *self)
{
  self->previous = self->anchor = self->key;
  self->blank = self->last = GST_CLOCK_TIME_NONE;
  self->motion = 0.0f;
  memset (self->fade, 0, sizeof (self->fade));
}

/**
 * gst_ituning_scenes_reset:
 *
 * Forgets all frames; the next is given to gst_ituning_scenes_set_key().
 */
void
gst_ituning_scenes_reset (GstItuningScenes *self)
{
  const float threshold = self->threshold;

  memset (self, 0, sizeof (*self));
  self->threshold = threshold;
  gst_ituning_scenes_skip (self);
}
