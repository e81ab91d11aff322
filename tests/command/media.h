/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

/* Videos of differing scenes, made and read back. */

#define MEDIA_MAX_SCENES 16

typedef struct
{
  const char *muxer; /* element */
  const char *encoder; /* element with its properties; NULL for x264enc */
  guint scenes[MEDIA_MAX_SCENES]; /* frames of each; 0 ends the list */
  GstClockTime start; /* of the first frame */
  gboolean variable; /* frames are 20 to 60 ms apart, not 1/30 s */
  gboolean audio; /* from 0 on */
  gboolean subtitle; /* one that is there before */
  const char *tags; /* for taginject; or NULL */
} Media;

/* A stream as it is stored. */
typedef struct
{
  char *hash; /* owned: of all bytes */
  GArray *starts; /* owned: GstClockTime in stream time */
  GArray *ends; /* owned: likewise */
  GPtrArray *texts; /* owned: of a subtitle stream */
  GstTagList *tags; /* owned: or NULL */
} MediaStream;

void media_make (const char *path, const Media *media);
GstClockTime media_get_time (const Media *media, guint frame);
MediaStream *media_read (const char *path, const char *kind, guint index);
void media_stream_free (MediaStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MediaStream, media_stream_free)
