/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/command/run.h"

#include <glib/gstdio.h>
#include <string.h>

static char *
copy_text (GBytes *bytes)
{
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_append_len (text, g_bytes_get_data (bytes, NULL),
      (gssize) g_bytes_get_size (bytes));
  return g_strdup (text->str);
}

/**
 * run_program:
 * @input: (nullable): what goes to stdin
 * @argv: the program and what follows, %NULL at the end
 *
 * Returns: (transfer full): what came of it
 */
Run *
run_program (const char *input, const char *const *argv)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GBytes) in = g_bytes_new (input,
      input != NULL ? strlen (input) : 0);
  g_autoptr (GBytes) out = NULL, err = NULL;
  g_autoptr (GError) error = NULL;
  Run *run = g_new0 (Run, 1);

  process = g_subprocess_newv (argv,
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
          G_SUBPROCESS_FLAGS_STDERR_PIPE,
      &error);
  g_assert_no_error (error);
  g_subprocess_communicate (process, in, NULL, &out, &err, &error);
  g_assert_no_error (error);
  run->status = g_subprocess_get_if_exited (process)
      ? g_subprocess_get_exit_status (process)
      : 128 + g_subprocess_get_term_sig (process);
  run->out = copy_text (out);
  run->err = copy_text (err);
  return run;
}

/**
 * run_argv:
 * @input: (nullable): what goes to stdin
 * @arguments: what follows the command's name, %NULL at the end
 *
 * Returns: (transfer full): what came of it
 */
Run *
run_argv (const char *input, const char *const *arguments)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();

  g_assert_nonnull (g_getenv ("ITUNING_COMMAND"));
  g_ptr_array_add (argv, (char *) g_getenv ("ITUNING_COMMAND"));
  for (gsize i = 0; arguments[i] != NULL; i++)
    g_ptr_array_add (argv, (char *) arguments[i]);
  g_ptr_array_add (argv, NULL);
  return run_program (input, (const char *const *) argv->pdata);
}

/**
 * run_command:
 * @input: (nullable): what goes to stdin
 * @...: what follows the command's name, %NULL at the end
 *
 * Returns: (transfer full): what came of it
 */
Run *
run_command (const char *input, ...)
{
  g_autoptr (GPtrArray) arguments = g_ptr_array_new ();
  const char *argument;
  va_list args;

  va_start (args, input);
  while ((argument = va_arg (args, const char *)) != NULL)
    g_ptr_array_add (arguments, (char *) argument);
  va_end (args);
  g_ptr_array_add (arguments, NULL);
  return run_argv (input, (const char *const *) arguments->pdata);
}

/**
 * run_free:
 */
void
run_free (Run *run)
{
  g_free (run->out);
  g_free (run->err);
  g_free (run);
}

static void
fail_at (const char *file, int line, const char *func, const Run *run,
    const char *wanted)
{
  g_autofree char *message = g_strdup_printf (
      "wanted %s; got status %d, stdout \"%.300s\", stderr \"%.2000s\"", wanted,
      run->status, run->out, run->err);

  g_assertion_message (G_LOG_DOMAIN, file, line, func, message);
}

void
assert_fails_at (const char *file, int line, const char *func, const Run *run,
    int status, const char *name, const char *cause)
{
  const char *newline = strchr (run->err, '\n');
  g_autofree char *wanted =
      g_strdup_printf ("status %d and a line with \"%s\" and \"%s\"", status,
          name, cause);

  if (run->status != status || *run->out != '\0' || newline == NULL ||
      newline[1] != '\0' || !g_str_has_prefix (run->err, "ituning: ") ||
      strstr (run->err, name) == NULL || strstr (run->err, cause) == NULL)
    fail_at (file, line, func, run, wanted);
  g_test_message ("%s", run->err);
}

void
assert_works_at (const char *file, int line, const char *func, const Run *run)
{
  if (run->status != 0 || *run->err != '\0')
    fail_at (file, line, func, run, "status 0 and nothing on stderr");
}

/**
 * make_folder:
 *
 * Returns: (transfer full): a new folder, for remove_folder ()
 */
char *
make_folder (void)
{
  g_autoptr (GError) error = NULL;
  char *path = g_dir_make_tmp ("ituning-test-XXXXXX", &error);

  g_assert_no_error (error);
  return path;
}

/**
 * remove_folder:
 * @path: (transfer full): a folder, which goes with all that is in it, but not what
 *   links in it lead to
 */
void
remove_folder (char *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    char *child = g_build_filename (path, name, NULL);
    if (g_file_test (child, G_FILE_TEST_IS_DIR) &&
        !g_file_test (child, G_FILE_TEST_IS_SYMLINK)) {
      remove_folder (child);
    } else {
      g_unlink (child);
      g_free (child);
    }
  }
  g_clear_pointer (&dir, g_dir_close);
  g_rmdir (path);
  g_free (path);
}

static void
copy_file (const char *to, const char *from)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *bytes = NULL;
  gsize size;

  g_file_get_contents (from, &bytes, &size, &error);
  g_assert_no_error (error);
  g_file_set_contents (to, bytes, (gssize) size, &error);
  g_assert_no_error (error);
}

/**
 * copy_bundle:
 * @folder: where to
 * @name: a bundle in tests/data
 *
 * Returns: (transfer full): a writable copy of it in @folder
 */
char *
copy_bundle (const char *folder, const char *name)
{
  static const char *const files[] = { "vision/config.json",
    "vision/preprocessor_config.json", "vision/model.safetensors",
    "language/config.json", "language/model.safetensors", "adapter/config.json",
    "adapter/model.safetensors" };
  char *copy = g_build_filename (folder, name, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *from = g_test_build_filename (G_TEST_DIST, "data", name,
        files[i], NULL);
    g_autofree char *to = g_build_filename (copy, files[i], NULL);
    g_autofree char *parent = g_path_get_dirname (to);

    g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
    copy_file (to, from);
  }
  return copy;
}

/**
 * write_file:
 * @path: a file, which may be there
 * @text: what shall be in it
 */
void
write_file (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

/**
 * replace_text:
 * @path: a file
 * @old: what is in it
 * @new: what shall be there instead
 */
void
replace_text (const char *path, const char *old, const char *new)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *bytes = NULL;
  g_autoptr (GByteArray) out = g_byte_array_new ();
  const char *found;
  gsize size;

  g_file_get_contents (path, &bytes, &size, &error);
  g_assert_no_error (error);
  found = memmem (bytes, size, old, strlen (old));
  g_assert_nonnull (found);
  g_byte_array_append (out, (guint8 *) bytes, (guint) (found - bytes));
  g_byte_array_append (out, (const guint8 *) new, (guint) strlen (new));
  found += strlen (old);
  g_byte_array_append (out, (const guint8 *) found,
      (guint) (bytes + size - found));
  g_file_set_contents (path, (char *) out->data, out->len, &error);
  g_assert_no_error (error);
}

/**
 * replace_bytes:
 * @path: a file
 * @offset: where in it
 * @bytes: [@size] what shall be there
 * @size: bytes
 */
void
replace_bytes (const char *path, gsize offset, const void *bytes, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *contents = NULL;
  gsize length;

  g_file_get_contents (path, &contents, &length, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (offset + size, <=, length);
  memcpy (contents + offset, bytes, size);
  g_file_set_contents (path, contents, (gssize) length, &error);
  g_assert_no_error (error);
}

/**
 * get_header_size:
 * @path: a safetensors file
 *
 * Returns: bytes of its header; the tensors follow
 */
gsize
get_header_size (const char *path)
{
  g_autofree char *contents = NULL;
  guint64 size;
  gsize length;

  g_assert_true (g_file_get_contents (path, &contents, &length, NULL));
  memcpy (&size, contents, sizeof size);
  return sizeof size + (gsize) GUINT64_FROM_LE (size);
}

/**
 * replace_header:
 * @path: a safetensors file
 * @old: what is in its header
 * @new: what shall be there instead, of any length
 */
void
replace_header (const char *path, const char *old, const char *new)
{
  const gsize change = strlen (new) - strlen (old);
  const guint64 size = GUINT64_TO_LE (get_header_size (path) - 8 + change);

  replace_text (path, old, new);
  replace_bytes (path, 0, &size, sizeof size);
}

/**
 * write_tokenizer:
 * @folder: where to
 *
 * Writes the vocabulary of a GPT-2 that knows single bytes only, each as the
 * character that GPT-2 has for it: itself when it is visible, else one from
 * U+0100 on. A byte is its own id, and `<|endoftext|>` is 256.
 */
void
write_tokenizer (const char *folder)
{
  g_autofree char *vocab = g_build_filename (folder, "vocab.json", NULL);
  g_autofree char *merges = g_build_filename (folder, "merges.txt", NULL);
  g_autoptr (GString) json = g_string_new ("{");
  guint next = 0x100;

  for (guint byte = 0; byte < 256; byte++) {
    const gboolean visible = (byte > 0x20 && byte < 0x7f) ||
        (byte > 0xa0 && byte != 0xad);
    g_string_append_printf (json, "\"\\u%04x\": %u, ", visible ? byte : next++,
        byte);
  }
  g_string_append (json, "\"<|endoftext|>\": 256}");
  write_file (vocab, json->str);
  write_file (merges, "#version: 0.2\n");
}
