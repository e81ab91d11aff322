/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/train/ituning-train.h"

/* What `train` and `pretrain` share: the options of a run, and its loop. The
 * folder that a run writes holds what was trained, a log, and a checkpoint to
 * go on from when it was broken off. */

/* What the user gave; strings are owned. */
typedef struct
{
  char *features, *validation, *output, *gradients, *schedule;
  gint64 steps, epochs, batch_size, accumulate, warmup_steps, seed;
  gint64 log_every, checkpoint_every, validate_every;
  gboolean resume, force;
  ItuningTrainOptions train;
} ToolTrainOptions;

#define TOOL_TRAIN_OPTIONS_INIT \
  { \
    .batch_size = 32, .accumulate = 1, .log_every = 10, .validate_every = 500, \
    .checkpoint_every = 500, .train = ITUNING_TRAIN_OPTIONS_INIT \
  }

void tool_train_options_add (ToolTrainOptions *options,
    GOptionContext *context);
gboolean tool_train_options_check (ToolTrainOptions *options, GError **error);
gboolean tool_train_goes_on (const ToolTrainOptions *options);
ItuningDataset *tool_train_options_open (ToolTrainOptions *options,
    GError **error);
void tool_train_options_clear (ToolTrainOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ToolTrainOptions, tool_train_options_clear)

gboolean tool_train_run_steps (ItuningTrainer *trainer,
    const ToolTrainOptions *options, GCancellable *cancellable, GError **error);
