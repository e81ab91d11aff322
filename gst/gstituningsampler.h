/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

#include "gst/gstituningcaption.h"

G_BEGIN_DECLS

/**
 * GstItuningKeyframes:
 * @GST_ITUNING_KEYFRAMES_SCENE: frames that begin a scene, and one every
 *   max-interval
 * @GST_ITUNING_KEYFRAMES_CODEC: every frame that comes: the decoder is told to
 *   give out the codec's own keyframes alone
 * @GST_ITUNING_KEYFRAMES_INTERVAL: one frame every max-interval
 *
 * Which frames are keyframes.
 */
typedef enum
{
  GST_ITUNING_KEYFRAMES_SCENE,
  GST_ITUNING_KEYFRAMES_CODEC,
  GST_ITUNING_KEYFRAMES_INTERVAL,
} GstItuningKeyframes;

/**
 * GstItuningReason:
 * @GST_ITUNING_REASON_NONE: the frame is no keyframe
 * @GST_ITUNING_REASON_FIRST: it is the first, or the first after a jump
 * @GST_ITUNING_REASON_SCENE: it begins a scene
 * @GST_ITUNING_REASON_INTERVAL: max-interval has passed
 * @GST_ITUNING_REASON_CODEC: it is a keyframe of the codec
 *
 * Why a frame is a keyframe.
 */
typedef enum
{
  GST_ITUNING_REASON_NONE,
  GST_ITUNING_REASON_FIRST,
  GST_ITUNING_REASON_SCENE,
  GST_ITUNING_REASON_INTERVAL,
  GST_ITUNING_REASON_CODEC,
} GstItuningReason;

#define GST_TYPE_ITUNING_KEYFRAMES (gst_ituning_keyframes_get_type ())
#define GST_TYPE_ITUNING_REASON (gst_ituning_reason_get_type ())
#define GST_TYPE_ITUNING_SAMPLER (gst_ituning_sampler_get_type ())

#define GST_ITUNING_SAMPLER_DEFAULT_MIN_INTERVAL (1 * GST_SECOND)
#define GST_ITUNING_SAMPLER_DEFAULT_MAX_INTERVAL (10 * GST_SECOND)
#define GST_ITUNING_SAMPLER_DEFAULT_SCENE_THRESHOLD 0.15

GST_ITUNING_API
GType gst_ituning_keyframes_get_type (void);

GST_ITUNING_API
GType gst_ituning_reason_get_type (void);

GST_ITUNING_API
G_DECLARE_FINAL_TYPE (GstItuningSampler, gst_ituning_sampler, GST,
    ITUNING_SAMPLER, GObject)

GST_ITUNING_API
GstItuningSampler *gst_ituning_sampler_new (void);

GST_ITUNING_API
GstItuningReason gst_ituning_sampler_push (GstItuningSampler *sampler,
    GstVideoFrame *frame, GstClockTime pts, GstBufferFlags flags);

GST_ITUNING_API
void gst_ituning_sampler_reset (GstItuningSampler *sampler);

G_END_DECLS
