/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/captionvideo.h"

/**
 * tool_caption_is_list:
 *
 * Returns: whether @format is a file of subtitles, for one video
 */
gboolean
tool_caption_is_list (ToolCaptionFormat format)
{
  return format == TOOL_CAPTION_SRT || format == TOOL_CAPTION_VTT;
}

static void
append_text (GString *line, const ToolCue *cue, const char *file)
{
  g_autofree char *text = tool_cue_get_plain_text (cue);

  if (file != NULL)
    g_string_append_printf (line, "%s: ", file);
  g_string_append_c (line, '[');
  tool_cue_append_time (line, cue->start, '.');
  g_string_append (line, " --> ");
  tool_cue_append_time (line, cue->end, '.');
  g_string_append_printf (line, "] %s", text);
}

static gboolean
take_cue (const ToolCue *cue, gpointer caption, GError **error)
{
  ToolCaptionVideo *self = caption;
  g_autoptr (GString) line = g_string_new (NULL);

  if (self->sidecar != NULL)
    return tool_sidecar_write (self->sidecar, cue, error);
  if (self->format == TOOL_CAPTION_JSON)
    tool_cue_append_json (line, cue, self->path);
  else
    append_text (line, cue, self->name_files ? self->path : NULL);
  g_string_append_c (line, '\n');
  return tool_output_write (self->output, line->str, line->len, error);
}

/**
 * tool_caption_video:
 * @path: a video
 * @complete: (out): as tool_video_run ()
 *
 * Writes the cues as they come; so they are there when it fails later.
 *
 * Returns: FALSE as tool_video_open () and tool_video_run ()
 */
gboolean
tool_caption_video (ToolCaptionVideo *self, const char *path,
    gboolean *complete, GCancellable *cancellable, GError **error)
{
  g_autoptr (ToolVideo) video = tool_video_open (path, self->options,
      cancellable, error);
  gboolean done;

  *complete = TRUE;
  if (video == NULL)
    return FALSE;
  self->path = path;
  if (tool_caption_is_list (self->format)) {
    self->sidecar = tool_sidecar_open (self->output->path,
        self->format == TOOL_CAPTION_SRT ? TOOL_SIDECAR_SRT : TOOL_SIDECAR_VTT,
        error);
    if (self->sidecar == NULL)
      return FALSE;
  }
  done = tool_video_run (video, take_cue, self, complete, cancellable, error);
  return tool_sidecar_close (g_steal_pointer (&self->sidecar),
             done ? error : NULL) &&
      done;
}
