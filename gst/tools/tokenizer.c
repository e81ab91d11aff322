/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `ituning tokenizer train`: texts in, a GPT-2 tokenizer out. */

#include "gst/tools/command.h"
#include "gst/tools/options.h"
#include "model/train/ituning-bpe.h"

static gboolean
train (char **inputs, gsize vocab_size, const char *output, GError **error)
{
  g_autoptr (ItuningBpeTrainer) trainer = ituning_bpe_trainer_new ();

  for (char **input = inputs; *input != NULL; input++) {
    if (!ituning_bpe_trainer_add_file (trainer, *input, error))
      return FALSE;
  }
  if (!ituning_bpe_trainer_run (trainer, vocab_size, error)) {
    g_prefix_error (error, "%s%s: ", inputs[0],
        inputs[1] != NULL ? " and others" : "");
    return FALSE;
  }
  return ituning_bpe_trainer_save (trainer, output, error);
}

static char **
join (char **first, char **second)
{
  g_autoptr (GStrvBuilder) all = g_strv_builder_new ();

  if (first != NULL)
    g_strv_builder_addv (all, (const char **) first);
  g_strv_builder_addv (all, (const char **) second);
  return g_strv_builder_end (all);
}

gboolean
tool_tokenizer_run (char **argv, GCancellable *cancellable, GError **error)
{
  g_auto (GStrv) inputs = NULL, arguments = NULL, files = NULL;
  g_autofree char *output = NULL;
  gint64 vocab_size = 0;
  guint count;
  const GOptionEntry entries[] = {
    { "input", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &inputs,
        "Texts, one a line, or captions as JSON (.json, .jsonl); more may follow",
        "FILE" },
    { "vocab-size", 0, 0, G_OPTION_ARG_INT64, &vocab_size,
        "Tokens there shall be, at least 257", "N" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
        "Folder for vocab.json and merges.txt", "DIR" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = tool_options_new ("train FILE...",
      "Learns a byte-level BPE tokenizer, in the files of GPT-2's.", entries);

  if (!tool_options_parse (context, argv, &arguments, error))
    return FALSE;
  if (arguments[0] == NULL || !g_str_equal (arguments[0], "train"))
    return tool_options_usage_error (error, "what to do is missing: train");
  files = join (inputs, arguments + 1);
  if (files[0] == NULL || output == NULL || vocab_size == 0)
    return tool_options_usage_error (error, "%s is missing",
        files[0] == NULL      ? "--input"
            : vocab_size == 0 ? "--vocab-size"
                              : "--output");
  return tool_options_get_count ("--vocab-size", vocab_size, 257, 1 << 20,
             &count, error) &&
      train (files, count, output, error);
}
