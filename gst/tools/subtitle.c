/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning subtitle`: a video in, the same with a subtitle track out, or a file
 * of subtitles. The video is read twice: to write the captions, and to copy it
 * with them. */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gst/tools/command.h"
#include "gst/tools/output.h"
#include "gst/tools/remux.h"
#include "gst/tools/source.h"
#include "gst/tools/video.h"

typedef enum
{
  OUTPUT_MKV,
  OUTPUT_MP4,
  OUTPUT_SRT,
  OUTPUT_VTT,
  OUTPUT_JSON,
  N_OUTPUTS,
} OutputKind;

static const char *const endings[N_OUTPUTS] = { ".mkv", ".mp4", ".srt", ".vtt",
  ".json" };

typedef struct
{
  const char *input;
  char *output; /* owned */
  OutputKind kind;
  gboolean force;
  char *language; /* owned */
  char *title; /* owned */
  GPtrArray *cues; /* owned: for a container */
  ToolSidecar *sidecar; /* owned: for a file of subtitles */
} Subtitler;

static gboolean
is_container (const Subtitler *self)
{
  return self->kind == OUTPUT_MKV || self->kind == OUTPUT_MP4;
}

static ToolContainer
get_container (const Subtitler *self)
{
  return self->kind == OUTPUT_MKV ? TOOL_CONTAINER_MKV : TOOL_CONTAINER_MP4;
}

/* --- what is asked for -------------------------------------------------- */

static gboolean
find_kind (const char *output, OutputKind *kind, GError **error)
{
  g_autofree char *lower = NULL;

  if (output == NULL)
    return tool_options_usage_error (error,
        "no output: give one with -o, its name ending in .mkv, .mp4, .srt, "
        ".vtt or .json");
  lower = g_ascii_strdown (output, -1);
  for (*kind = 0; *kind < N_OUTPUTS; (*kind)++) {
    if (g_str_has_suffix (lower, endings[*kind]))
      return TRUE;
  }
  return tool_options_usage_error (error,
      "-o %s: a name that ends in .mkv, .mp4, .srt, .vtt or .json is wanted",
      output);
}

static gboolean
check_language (const char *language, GError **error)
{
  const gsize length = strlen (language);

  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_islower (language[i]))
      return tool_options_usage_error (error,
          "--track-language %s: an ISO 639 code is wanted, such as en or eng",
          language);
  }
  return (length == 2 || length == 3) ||
      tool_options_usage_error (error,
          "--track-language %s: an ISO 639 code is wanted, such as en or eng",
          language);
}

/* The output may be written, and is not the input. */
static gboolean
check_output (const Subtitler *self, GError **error)
{
  struct stat in, out;

  if (stat (self->output, &out) != 0)
    return tool_output_check (self->output, error);
  if (stat (self->input, &in) == 0 && in.st_dev == out.st_dev &&
      in.st_ino == out.st_ino) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "%s: is both the input and the output", self->output);
    return FALSE;
  }
  if (S_ISREG (out.st_mode) && !self->force) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "%s: exists; -f overwrites it", self->output);
    return FALSE;
  }
  if (is_container (self) && !S_ISREG (out.st_mode)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "%s: cannot be written: it is no file", self->output);
    return FALSE;
  }
  return tool_output_check (self->output, error);
}

/* --- cues --------------------------------------------------------------- */

static gboolean
take_cue (const ToolCue *cue, gpointer subtitler, GError **error)
{
  Subtitler *self = subtitler;

  if (self->sidecar != NULL)
    return tool_sidecar_write (self->sidecar, cue, error);
  g_ptr_array_add (self->cues,
      tool_cue_new (cue->start, cue->end, cue->keyframe, cue->text,
          cue->confidence));
  return TRUE;
}

/* --- container ---------------------------------------------------------- */

/* A new file beside the output, as readable as a new file is. */
static char *
make_temporary (const Subtitler *self, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (self->output);
  char *path = g_build_filename (folder, ".ituning-XXXXXX", NULL);
  const int fd = g_mkstemp_full (path, O_RDWR | O_CLOEXEC, 0666);

  if (fd >= 0) {
    close (fd);
    return path;
  }
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
      "%s: cannot be written: %s: %s", self->output, folder,
      g_strerror (errno));
  g_free (path);
  return NULL;
}

static gboolean
move_into_place (const Subtitler *self, const char *temporary, GError **error)
{
  if (!self->force && g_file_test (self->output, G_FILE_TEST_EXISTS)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
        "%s: exists by now; -f overwrites it", self->output);
    return FALSE;
  }
  if (g_rename (temporary, self->output) == 0)
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE,
      "%s: cannot be written: %s", self->output, g_strerror (errno));
  return FALSE;
}

static gboolean
write_container (const Subtitler *self, gboolean quiet,
    GCancellable *cancellable, GError **error)
{
  const ToolTrackName name = { self->language, self->title };
  g_autofree char *temporary = make_temporary (self, error);
  g_autoptr (ToolProgress) progress = quiet
      ? NULL
      : tool_progress_new (self->output, "writing");

  if (temporary == NULL)
    return FALSE;
  if (tool_remux (self->input, temporary, self->output, get_container (self),
          self->cues, &name, progress, cancellable, error) &&
      move_into_place (self, temporary, error))
    return TRUE;
  g_unlink (temporary);
  return FALSE;
}

/* --- the whole ---------------------------------------------------------- */

/* Returns FALSE without an error when what went wrong was reported. */
static gboolean
run (Subtitler *self, const ToolVideoOptions *options,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (ToolVideo) video = NULL;
  g_autoptr (GError) reason = NULL;
  gboolean complete, interrupted;

  if (is_container (self) &&
      !tool_remux_check (self->input, get_container (self), cancellable, error))
    return FALSE;
  video = tool_video_open (self->input, options, cancellable, error);
  if (video == NULL)
    return FALSE;
  if (!is_container (self)) {
    self->sidecar = tool_sidecar_open (self->output,
        (ToolSidecarFormat) (self->kind - OUTPUT_SRT), error);
    if (self->sidecar == NULL)
      return FALSE;
  }
  tool_video_run (video, take_cue, self, &complete, cancellable, &reason);
  g_clear_pointer (&video, tool_video_free);
  interrupted = g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  if (interrupted && is_container (self))
    tool_report ("%s: interrupted; written with the %u captions so far "
                 "(interrupt again to leave it)",
        self->output, self->cues->len);
  if ((reason == NULL || interrupted) && is_container (self) &&
      !write_container (self, options->quiet, interrupted ? NULL : cancellable,
          error))
    return FALSE;
  if (!tool_sidecar_close (g_steal_pointer (&self->sidecar),
          reason == NULL ? error : NULL))
    return FALSE;
  if (reason != NULL)
    g_propagate_error (error, g_steal_pointer (&reason));
  return reason == NULL && complete && (error == NULL || *error == NULL);
}

static void
free_cue (gpointer cue)
{
  tool_cue_free (cue);
}

static void
clear (Subtitler *self)
{
  g_ptr_array_unref (self->cues);
  tool_sidecar_close (self->sidecar, NULL);
  g_free (self->output);
  g_free (self->language);
  g_free (self->title);
}

static gboolean
parse (Subtitler *self, GOptionContext *context, char **argv,
    const ToolGenerateOptions *decoding, ToolVideoOptions *options,
    char ***files, GError **error)
{
  if (!tool_options_parse (context, argv, files, error) ||
      !tool_generate_options_get (decoding, &options->generate, error) ||
      !tool_video_options_check (options, error))
    return FALSE;
  options->visual_tokens = (guint) decoding->visual_tokens;
  self->input = tool_options_get_only (*files, "video", error);
  if (self->language == NULL)
    self->language = g_strdup ("en");
  return self->input != NULL && find_kind (self->output, &self->kind, error) &&
      check_language (self->language, error) &&
      tool_model_options_check (options->model, error) &&
      check_output (self, error);
}

gboolean
tool_subtitle_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_auto (ToolModelOptions) model = { 0 };
  g_auto (ToolVideoOptions) options = { 0 };
  ToolGenerateOptions decoding;
  Subtitler subtitler = { .cues = g_ptr_array_new_with_free_func (free_cue) };
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &subtitler.output,
        "What to write, by the ending of its name: .mkv or .mp4 with a "
        "subtitle track, or .srt, .vtt, .json",
        "FILE" },
    { "force", 'f', 0, G_OPTION_ARG_NONE, &subtitler.force,
        "Overwrite the output", NULL },
    { "track-language", 0, 0, G_OPTION_ARG_STRING, &subtitler.language,
        "Language of the subtitle track (en)", "CODE" },
    { "title", 0, 0, G_OPTION_ARG_STRING, &subtitler.title,
        "Name of the subtitle track", "TEXT" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new ("VIDEO -o OUTPUT",
      "Writes what a video shows as subtitles: copies it, without encoding "
      "anything\nanew, with one more track, or writes the subtitles alone.",
      entries);
  g_auto (GStrv) files = NULL;
  gboolean done;

  tool_model_options_add (&model, context);
  tool_generate_options_add (&decoding, context);
  tool_video_options_add (&options, context);
  options.model = &model;
  done = parse (&subtitler, context, argv, &decoding, &options, &files,
             error) &&
      run (&subtitler, &options, cancellable, error);
  clear (&subtitler);
  return done;
}
