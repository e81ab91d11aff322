/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <gst/gst.h>

/* What the tests of elements share: pipelines with the small random model, what
 * comes over their bus, and a look at what is left when they are gone. */

#define VIDEO "video/x-raw,format=I420,width=160,height=120,framerate=25/1"
/* Three pictures of 2 s each, behind one another in one segment. */
#define SCENES \
  "videotestsrc num-buffers=50 pattern=smpte ! " VIDEO \
  " ! identity single-segment=true ! c.  " \
  "videotestsrc num-buffers=50 pattern=ball ! " VIDEO \
  " ! c.  videotestsrc num-buffers=50 pattern=pinwheel ! " VIDEO \
  " ! c.  concat name=c ! identity single-segment=true "

typedef struct
{
  char *text;
  GstClockTime start, end;
} Cue;

/* What came over the bus until the end. */
typedef struct
{
  GPtrArray *cues; /* of Cue */
  guint n_captions, n_warnings;
  char *warning; /* the last one's text and details */
  GError *error;
} Outcome;

char *get_model (void);
GstElement *make_captioner (GstClockTime interval, GstBus **bus);
GstElement *launch (const char *format, ...) G_GNUC_PRINTF (1, 2);
void play (GstElement *pipeline, Outcome *outcome);
void clear_outcome (Outcome *outcome);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, clear_outcome)
void assert_start_fails (const char *element, GQuark domain, int code,
    const char *cause);
guint64 get_count (GstElement *captioner, const char *name);
void add_leaks_test (void);
