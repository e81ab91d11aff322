/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/gstituning.h"
#include "plugin/cuetrack.h"
#include "plugin/gstituningcaptioner.h"
#include "plugin/hold.h"
#include "plugin/picture.h"
#include "plugin/settings.h"
#include "plugin/stats.h"
#include "plugin/textpad.h"

/* The captioner, in the order of a frame's way:
 *
 *   gstituningcaptioner.c  the element: properties, pads, states, the model
 *   captionerevents.c      events and queries
 *   captionerframes.c      sink pad -> sampler -> engine; hold -> source pad
 *   captionerresults.c     engine -> caption, cue, messages -> text pad
 *   captionerqos.c         what downstream says of late frames
 *
 * Threads: frames and serialized events come on the streaming thread, results
 * on the engine's, properties and flushes on any. @lock is never held while
 * something is pushed, posted or submitted. */

struct _GstItuningCaptioner
{
  GstElement parent;
  GstPad *sinkpad, *srcpad; /* borrowed from the element */

  /* Guarded by the object lock. */
  GstItuningSettings settings;
  GstItuningEngines *engines; /* owned reference; or NULL */

  int settings_changed; /* atomic */

  /* State changes alone. */
  GThread *loader; /* owned; or NULL */
  GError *load_error;
  GstItuningEngine *engine; /* owned reference */
  char *model_name; /* owned */
  gsize image_size; /* that the model wants */

  /* The streaming thread alone. */
  GstItuningSettings now; /* the settings that frames go by */
  GstVideoInfo info;
  GstItuningPictures pictures;
  GstItuningSampler *sampler; /* owned */
  GstItuningHold hold;
  gboolean live; /* the policy */
  GstClockTime postponed; /* running time of a keyframe left out; or NONE */
  GstClockTime next_heartbeat;
  GstClockTime text_until; /* end of the live text sent so far; or NONE */

  GMutex lock; /* guards what follows */
  GCond answered;
  ItuningModel *model; /* owned reference */
  GstItuningStream *stream; /* owned; until the pads are deactivated */
  gboolean flushing;
  guint epoch; /* results of another one are not wanted */
  guint waiting; /* frames whose results are to come */
  GstSegment segment;
  guint32 segment_seqnum; /* of the event that it came with */
  GstClockTime end; /* of the newest frame, as buffers count */
  GstClockTime newest_running; /* running time of the newest frame */
  GstClockTime late_until; /* frames up to it come late downstream; or NONE */
  double proportion; /* of the time that downstream needs, as it says */
  GstItuningCueTrack track;
  GstItuningCaption *current; /* owned: what frames carry; or NULL */
  GstItuningCaption *closed; /* owned: what held frames carry; or NULL */
  gboolean release; /* held frames may go */
  char *latest; /* owned: text of the latest caption */
  guint64 next_id;
  GstItuningStats stats;
  gint64 last_warning; /* monotonic time of the last "too slow" */
  GstItuningTextPad *text; /* owned reference; or NULL */
};

/* mp4mux takes no note of gaps: with heartbeats, where there is no cue it gets
 * an empty one of this length. After a cue it takes the place of the cue's own
 * end, so that times never turn back when the next cue starts there. */
#define GST_ITUNING_HEARTBEAT_DURATION GST_MSECOND

GST_DEBUG_CATEGORY_EXTERN (gst_ituning_captioner_debug);

/* captionerframes.c */
GstFlowReturn gst_ituning_captioner_chain (GstPad *pad, GstObject *parent,
    GstBuffer *buffer);
GstFlowReturn gst_ituning_captioner_finish_cue (GstItuningCaptioner *self);
void gst_ituning_captioner_forget (GstItuningCaptioner *self);

/* captionerresults.c */
void gst_ituning_captioner_on_result (const GstItuningResult *result,
    gpointer captioner);
void gst_ituning_captioner_set_current (GstItuningCaptioner *self,
    GstItuningCaption *caption);
void gst_ituning_captioner_emit_cue (GstItuningCaptioner *self,
    GstItuningCue *cue, GQueue *messages);
void gst_ituning_captioner_post (GstItuningCaptioner *self, GQueue *messages);

/* captionerqos.c */
gboolean gst_ituning_captioner_src_event (GstPad *pad, GstObject *parent,
    GstEvent *event);
gboolean gst_ituning_captioner_postpone (GstItuningCaptioner *self,
    GstClockTime pts, gboolean is_keyframe);
void gst_ituning_captioner_add_qos (GstItuningCaptioner *self, GQueue *messages,
    GstClockTime pts, GstClockTimeDiff jitter);
void gst_ituning_captioner_reset_qos (GstItuningCaptioner *self);

/* captionerevents.c */
gboolean gst_ituning_captioner_sink_event (GstPad *pad, GstObject *parent,
    GstEvent *event);
gboolean gst_ituning_captioner_sink_query (GstPad *pad, GstObject *parent,
    GstQuery *query);
gboolean gst_ituning_captioner_src_query (GstPad *pad, GstObject *parent,
    GstQuery *query);
void gst_ituning_captioner_start_text (GstItuningCaptioner *self,
    GstItuningTextPad *text);
