/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Runs `ituning` as a user does. */

typedef struct
{
  int status; /* exit status, or 128 + the signal that ended it */
  char *out; /* owned, with a NUL at the end */
  char *err; /* owned, likewise */
} Run;

Run *run_command (const char *input, ...) G_GNUC_NULL_TERMINATED;
Run *run_program (const char *input, const char *const *argv);
Run *run_argv (const char *input, const char *const *arguments);
void run_free (Run *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Run, run_free)

/* A failure: the status, nothing on stdout, and on stderr one line that starts
 * with "ituning: ", with both words in it. */
#define assert_fails(run, status, name, cause) \
  assert_fails_at (__FILE__, __LINE__, G_STRFUNC, run, status, name, cause)
void assert_fails_at (const char *file, int line, const char *func,
    const Run *run, int status, const char *name, const char *cause);
/* Status 0 and nothing on stderr. */
#define assert_works(run) assert_works_at (__FILE__, __LINE__, G_STRFUNC, run)
void assert_works_at (const char *file, int line, const char *func,
    const Run *run);

/* Folders of a test's own, and broken bundles in them. */
char *make_folder (void);
void remove_folder (char *path);
typedef char Folder;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Folder, remove_folder)

char *copy_bundle (const char *folder, const char *name);
void write_tokenizer (const char *folder);
void write_file (const char *path, const char *text);
void replace_text (const char *path, const char *old, const char *new);
void replace_header (const char *path, const char *old, const char *new);
void replace_bytes (const char *path, gsize offset, const void *bytes,
    gsize size);
gsize get_header_size (const char *path);
