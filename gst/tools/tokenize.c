/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning tokenize`: a line of stdin in, a line of stdout out. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "gst/tools/command.h"
#include "gst/tools/json.h"
#include "gst/tools/options.h"
#include "gst/tools/output.h"

/* Kept from line to line. */
typedef struct
{
  const ItuningTokenizer *tokenizer; /* borrowed */
  gboolean decode;
  GArray *ids; /* owned */
  GString *text; /* owned */
  GString *out; /* owned */
} Converter;

static gboolean
convert_line (Converter *self, const char *line, gsize length, GError **error)
{
  ToolOutput output = { .path = NULL };

  g_array_set_size (self->ids, 0);
  g_string_truncate (self->text, 0);
  g_string_truncate (self->out, 0);
  if (self->decode) {
    if (!tool_json_parse_ids (line, length, self->ids, error) ||
        !ituning_tokenizer_decode (self->tokenizer,
            (const guint32 *) (const void *) self->ids->data, self->ids->len,
            self->text, error))
      return FALSE;
    tool_json_append_string (self->out, self->text->str, self->text->len);
  } else {
    if (!tool_json_parse_string (line, length, self->text, error) ||
        !ituning_tokenizer_encode (self->tokenizer, self->text->str,
            (gssize) self->text->len, self->ids, error))
      return FALSE;
    tool_json_append_ids (self->out,
        (const guint32 *) (const void *) self->ids->data, self->ids->len);
  }
  g_string_append_c (self->out, '\n');
  return tool_output_write (&output, self->out->str, self->out->len, error);
}

static gboolean
convert_lines (Converter *self, FILE *in, GError **error)
{
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  gboolean done = TRUE;

  for (gsize number = 1; done && (length = getline (&line, &room, in)) >= 0;
       number++) {
    if (length > 0 && line[length - 1] == '\n')
      length--;
    done = convert_line (self, line, (gsize) length, error);
    if (!done && !g_error_matches (*error, ITUNING_ERROR, ITUNING_ERROR_WRITE))
      g_prefix_error (error, "standard input: line %zu: ", number);
  }
  free (line);
  if (done && ferror (in)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_OPEN,
        "standard input: cannot be read: %s", g_strerror (errno));
    return FALSE;
  }
  return done;
}

gboolean
tool_tokenize_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_autofree char *language = NULL;
  gboolean decode = FALSE;
  const GOptionEntry entries[] = {
    { "language", 0, 0, G_OPTION_ARG_FILENAME, &language,
        "GPT-2 folder, with vocab.json and merges.txt or tokenizer.json; or a "
        ".gguf model",
        "PATH" },
    { "decode", 'd', 0, G_OPTION_ARG_NONE, &decode, "Ids in, texts out", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new (NULL,
      "Reads a JSON string a line and prints a JSON array of ids a line;\n"
      "with --decode the reverse, bytes that are no UTF-8 as U+FFFD.",
      entries);
  g_auto (GStrv) arguments = NULL;
  g_autoptr (ItuningTokenizer) tokenizer = NULL;
  Converter converter;
  gboolean done;

  if (!tool_options_parse (context, argv, &arguments, error) ||
      !tool_options_check_none (arguments, error))
    return FALSE;
  if (language == NULL)
    return tool_options_usage_error (error, "--language is missing");
  tokenizer = ituning_tokenizer_open (language, error);
  if (tokenizer == NULL)
    return FALSE;
  converter = (Converter){
    .tokenizer = tokenizer,
    .decode = decode,
    .ids = g_array_new (FALSE, FALSE, sizeof (guint32)),
    .text = g_string_new (NULL),
    .out = g_string_new (NULL),
  };
  done = convert_lines (&converter, stdin, error);
  g_array_unref (converter.ids);
  g_string_free (converter.text, TRUE);
  g_string_free (converter.out, TRUE);
  return done;
}
