/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning caption`: image files in, a line each out; videos in, a line a cue
 * out. A file that fails is reported, and the next one is captioned. */

#include <string.h>

#include "gst/tools/captionvideo.h"
#include "gst/tools/command.h"
#include "gst/tools/image.h"
#include "gst/tools/json.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"

typedef struct
{
  ItuningSession *session; /* owned; NULL until there is an image */
  ToolModelOptions model;
  ToolVideoOptions options;
  const ToolGenerateOptions *decoding; /* borrowed */
  ToolCaptionFormat format;
  gboolean name_files; /* in text: several were given */
  GCancellable *cancellable; /* borrowed */
  ToolOutput output;
} Captioner;

/* A caption is one line of text, and what a terminal would obey is not written
 * to it; without a tokenizer the ids are. */
static void
append_text (GString *line, const char *path, const ItuningCaption *caption,
    gboolean name_files)
{
  if (name_files)
    g_string_append_printf (line, "%s: ", path);
  for (const char *c = caption->text; c != NULL && *c != '\0'; c++)
    g_string_append_c (line, g_ascii_iscntrl (*c) ? ' ' : *c);
  for (gsize i = 0; caption->text == NULL && i < caption->n_ids; i++)
    g_string_append_printf (line, "%s%u", i > 0 ? " " : "", caption->ids[i]);
  g_string_append_c (line, '\n');
}

static void
append_json (GString *line, const char *path, const ItuningCaption *caption)
{
  g_string_append (line, "{\"file\": ");
  tool_json_append_string (line, path, strlen (path));
  g_string_append (line, ", \"text\": ");
  if (caption->text != NULL)
    tool_json_append_string (line, caption->text, strlen (caption->text));
  else
    g_string_append (line, "null");
  g_string_append (line, ", \"ids\": ");
  tool_json_append_ids (line, caption->ids, caption->n_ids);
  g_string_append (line, ", \"score\": ");
  tool_json_append_double (line, caption->score);
  g_string_append (line, ", \"confidence\": ");
  tool_json_append_double (line, caption->confidence);
  g_string_append (line, ", \"log_probs\": [");
  for (gsize i = 0; i < caption->n_log_probs; i++) {
    g_string_append (line, i > 0 ? ", " : "");
    tool_json_append_float (line, caption->log_probs[i]);
  }
  g_string_append (line, "]}\n");
}

static ItuningCaption *
caption_image (Captioner *self, const char *path, GError **error)
{
  g_autoptr (ToolImage) image = tool_image_open (path, error);
  g_autoptr (ItuningFeatures) features = NULL;
  ItuningCaption *caption = NULL;

  if (image == NULL)
    return NULL;
  if (!ituning_session_encode (self->session, &image->image, 1, &features,
          self->cancellable, error) ||
      !ituning_session_caption (self->session, &features, 1,
          &self->options.generate, &caption, self->cancellable, error)) {
    g_prefix_error (error, "%s: ", path);
    return NULL;
  }
  return caption;
}

/* The model, once, when it is known that there is an image. */
static gboolean
open_session (Captioner *self, GError **error)
{
  g_autoptr (ItuningModel) model = NULL;

  if (self->session != NULL)
    return TRUE;
  model = tool_model_options_open (&self->model, error);
  if (model == NULL)
    return FALSE;
  self->session = ituning_session_new (model);
  return tool_generate_options_apply (self->decoding, &self->options.generate,
      self->session, &self->model, error);
}

static gboolean
write_image (Captioner *self, const char *path, GError **error)
{
  g_autoptr (ItuningCaption) caption = caption_image (self, path, error);
  g_autoptr (GString) line = g_string_new (NULL);

  if (caption == NULL)
    return FALSE;
  if (self->format == TOOL_CAPTION_JSON)
    append_json (line, path, caption);
  else
    append_text (line, path, caption, self->name_files);
  return tool_output_write (&self->output, line->str, line->len, error);
}

static gboolean
write_video (Captioner *self, const char *path, gboolean *complete,
    GError **error)
{
  ToolCaptionVideo video = { .options = &self->options,
    .format = self->format,
    .name_files = self->name_files,
    .output = &self->output };

  return tool_caption_video (&video, path, complete, self->cancellable, error);
}

/* What goes wrong with one file is no reason to leave out the others. */
static gboolean
is_about_file (const GError *reason)
{
  return !g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_CANCELLED) &&
      !g_error_matches (reason, ITUNING_ERROR, ITUNING_ERROR_WRITE);
}

/* Returns FALSE without an error when some file failed and was reported. */
static gboolean
caption_files (Captioner *self, char **paths, GError **error)
{
  gboolean all = TRUE;

  for (gsize i = 0; paths[i] != NULL; i++) {
    g_autoptr (GError) reason = NULL;
    gboolean complete = TRUE;
    const gboolean image = tool_image_is_known (paths[i]);

    if (image && !open_session (self, error))
      return FALSE;
    if (!(image ? write_image (self, paths[i], &reason)
                : write_video (self, paths[i], &complete, &reason))) {
      if (!is_about_file (reason)) {
        if (!image) /* the cues so far */
          tool_output_finish (&self->output, NULL);
        g_propagate_error (error, g_steal_pointer (&reason));
        return FALSE;
      }
      tool_report ("%s", reason->message);
      all = FALSE;
    }
    all = all && complete;
  }
  return tool_caption_is_list (self->format)
      ? all
      : tool_output_finish (&self->output, error) && all;
}

static gboolean
parse_format (const char *format, ToolCaptionFormat *value, GError **error)
{
  static const char *const formats[] = { "text", "json", "srt", "vtt" };

  *value = TOOL_CAPTION_TEXT;
  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++) {
    if (g_strcmp0 (format, formats[i]) == 0)
      *value = (ToolCaptionFormat) i;
  }
  return format == NULL || g_str_equal (format, formats[*value]) ||
      tool_options_usage_error (error,
          "--format %s: there are text, json, srt and vtt", format);
}

static gboolean
check_files (ToolCaptionFormat format, char **files, GError **error)
{
  if (files[0] == NULL)
    return tool_options_usage_error (error, "an image or a video is missing");
  if (!tool_caption_is_list (format))
    return TRUE;
  if (files[1] != NULL)
    return tool_options_usage_error (error,
        "--format srt and vtt are for one video");
  if (tool_image_is_known (files[0]) &&
      g_file_test (files[0], G_FILE_TEST_IS_REGULAR))
    return tool_options_usage_error (error,
        "%s: is an image; --format srt and vtt are for a video", files[0]);
  return TRUE;
}

static gboolean
check (Captioner *self, const char *format, const ToolGenerateOptions *decoding,
    char **files, GError **error)
{
  return parse_format (format, &self->format, error) &&
      tool_generate_options_get (decoding, &self->options.generate, error) &&
      tool_video_options_check (&self->options, error) &&
      check_files (self->format, files, error) &&
      tool_output_check (self->output.path, error) &&
      tool_model_options_check (&self->model, error);
}

gboolean
tool_caption_run (char **argv, GCancellable *cancellable, GError **error)
{
  ToolGenerateOptions decoding;
  Captioner captioner = { .cancellable = cancellable, .decoding = &decoding };
  g_autofree char *format = NULL, *output = NULL;
  const GOptionEntry entries[] = {
    { "format", 'f', 0, G_OPTION_ARG_STRING, &format,
        "text (default) or json: an object an image or cue; for one video also "
        "srt or vtt",
        "FORMAT" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
        "Write to FILE, not to standard output", "FILE" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new ("FILE...",
      "Prints a line an image, and for a video a line a cue with its times; the "
      "file's\nname comes first when there are several. A file that fails is "
      "reported, and the\nothers are captioned; the exit status is then 1.",
      entries);
  g_auto (GStrv) files = NULL;
  gboolean done;

  tool_model_options_add (&captioner.model, context);
  tool_generate_options_add (&decoding, context);
  tool_video_options_add (&captioner.options, context);
  captioner.options.model = &captioner.model;
  done = tool_options_parse (context, argv, &files, error);
  captioner.output.path = output;
  captioner.options.visual_tokens = (guint) decoding.visual_tokens;
  captioner.name_files = done && files[0] != NULL && files[1] != NULL;
  done = done && check (&captioner, format, &decoding, files, error) &&
      caption_files (&captioner, files, error);
  ituning_session_free (captioner.session);
  tool_video_options_clear (&captioner.options);
  tool_model_options_clear (&captioner.model);
  tool_output_clear (&captioner.output);
  return done;
}
