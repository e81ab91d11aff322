/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/ituning.h"

/* What several subcommands take. Strings are owned by the structure. */

/* Which model. */
typedef struct
{
  char *model;
  char *vision;
  char *language;
  char *adapter;
  gint64 n_threads;
} ToolModelOptions;

/* How to write a caption: ItuningGenerateOptions as GOption can fill it. */
typedef struct
{
  gint64 num_beams;
  gint64 max_new_tokens;
  gint64 min_new_tokens;
  double length_penalty;
  gint64 no_repeat_ngram_size;
  gboolean do_sample;
  double temperature;
  gint64 top_k;
  double top_p;
  gint64 seed;
  gint64 visual_tokens; /* 0 for all */
} ToolGenerateOptions;

GOptionContext *tool_options_new (const char *arguments, const char *summary,
    const GOptionEntry *entries);
gboolean tool_options_parse (GOptionContext *context, char **argv,
    char ***arguments, GError **error);
char *tool_options_get_only (char **arguments, const char *what,
    GError **error);
gboolean tool_options_check_none (char **arguments, GError **error);
gboolean tool_options_check_size (const char *size, GError **error);
gboolean tool_options_usage_error (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
gboolean tool_options_get_count (const char *name, gint64 value, guint min,
    guint max, guint *count, GError **error);

void tool_model_options_add (ToolModelOptions *options,
    GOptionContext *context);
gboolean tool_model_options_check (const ToolModelOptions *options,
    GError **error);
ItuningModel *tool_model_options_open (const ToolModelOptions *options,
    GError **error);
void tool_model_options_clear (ToolModelOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ToolModelOptions, tool_model_options_clear)

void tool_generate_options_add (ToolGenerateOptions *options,
    GOptionContext *context);
gboolean tool_generate_options_get (const ToolGenerateOptions *options,
    ItuningGenerateOptions *generate, GError **error);
gboolean tool_generate_options_apply (const ToolGenerateOptions *options,
    const ItuningGenerateOptions *generate, ItuningSession *session,
    const ToolModelOptions *model, GError **error);
