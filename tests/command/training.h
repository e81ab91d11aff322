/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/command/run.h"

/* Runs that train the tiny model's adapter on its two captions, into a folder
 * of that name in @folder. */

#define TRAIN(folder, name, ...) \
  train_tiny (folder, name, (const char *const[]){ __VA_ARGS__, NULL })

char *find_tiny (const char *name);
Run *train_tiny (const char *folder, const char *name, const char *const *more);
char *read_output (const char *folder, const char *name, const char *file,
    gsize *size);
void assert_same_output (const char *folder, const char *a, const char *b,
    const char *file);
