/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The subcommands. @argv[0] is "ituning NAME", the rest is what the user gave
 * it. One that returns FALSE sets @error; main () reports it and picks the exit
 * status from its domain. `caption` and `subtitle` may have reported failures
 * themselves and leave @error alone. @cancellable is cancelled by an interrupt from the keyboard. */
typedef gboolean (
    *ToolRun) (char **argv, GCancellable *cancellable, GError **error);

gboolean tool_caption_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_subtitle_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_generate_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_forward_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_preprocess_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_tokenize_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_convert_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_inspect_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_scenes_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_features_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_pretrain_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_train_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_bench_run (char **argv, GCancellable *cancellable,
    GError **error);
gboolean tool_eval_run (char **argv, GCancellable *cancellable, GError **error);
gboolean tool_tokenizer_run (char **argv, GCancellable *cancellable,
    GError **error);
