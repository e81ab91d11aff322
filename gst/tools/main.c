/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The `ituning` command: finds the subcommand, runs it, turns its error into
 * one line on stderr and an exit status: 1 for a failure, 2 for a command line
 * that makes no sense, 128 + signal when interrupted. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gst/tools/command.h"
#include "gst/tools/interrupt.h"
#include "gst/tools/output.h"

static const struct
{
  const char *name;
  ToolRun run;
  gboolean interruptible; /* takes a cancellable; else a signal just ends it */
  const char *summary;
} commands[] = {
  { "caption", tool_caption_run, TRUE, "Write what images and videos show" },
  { "subtitle", tool_subtitle_run, TRUE,
      "Copy a video with subtitles of what it shows" },
  { "convert", tool_convert_run, TRUE, "Pack a model into one file" },
  { "scenes", tool_scenes_run, FALSE,
      "Draw captioned pictures to train a small model with" },
  { "features", tool_features_run, TRUE,
      "Write what `train` reads: images' visual tokens and captions" },
  { "train", tool_train_run, TRUE, "Train an adapter" },
  { "pretrain", tool_pretrain_run, TRUE,
      "Train a small vision tower or language model from nothing" },
  { "inspect", tool_inspect_run, FALSE, "Show what a model consists of" },
  { "bench", tool_bench_run, TRUE, "Measure a model's speed on this machine" },
  { "generate", tool_generate_run, TRUE,
      "Caption preprocessed images from a tensor file" },
  { "forward", tool_forward_run, TRUE,
      "Write a model's hidden states and logits to a tensor file" },
  { "preprocess", tool_preprocess_run, TRUE,
      "Write images as the vision encoder gets them to a tensor file" },
  { "tokenize", tool_tokenize_run, FALSE, "Turn texts into token ids or back" },
  { "tokenizer", tool_tokenizer_run, FALSE, "Learn a tokenizer from texts" },
  { "eval", tool_eval_run, TRUE, "Score captions against references" },
};

static void
print_help (void)
{
  fputs (
      "Usage:\n  ituning COMMAND [OPTION...] ARGUMENT...\n\n"
      "Captions images and videos with an I-Tuning model, on the CPU.\n\nCommands:\n",
      stdout);
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    printf ("  %-12s %s\n", commands[i].name, commands[i].summary);
  fputs ("\nOptions:\n  -h, --help   Show this; after a COMMAND, its options\n"
         "  --version    Show the version\n",
      stdout);
}

static int
run_command (gsize command, char **argv)
{
  g_autofree char *name = g_strdup_printf ("ituning %s",
      commands[command].name);
  g_autoptr (GError) error = NULL;
  ToolInterrupt *interrupt = NULL;

  g_set_prgname (name);
  if (commands[command].interruptible)
    interrupt = tool_interrupt_catch ();
  if (commands[command].run (argv, tool_interrupt_get_cancellable (interrupt),
          &error))
    return EXIT_SUCCESS;
  if (error == NULL)
    return EXIT_FAILURE;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return 128 + tool_interrupt_get_signal (interrupt);
  if (error->domain == G_OPTION_ERROR) {
    tool_report ("%s: %s (%s --help shows how)", commands[command].name,
        error->message, name);
    return 2;
  }
  tool_report ("%s", error->message);
  return EXIT_FAILURE;
}

/* No setlocale (): numbers, messages and file names are then the same
 * everywhere, and text goes out as the UTF-8 that it is. */
int
main (int argc, char **argv)
{
  if (argc < 2) {
    tool_report ("no command given (ituning --help lists them)");
    return 2;
  }
  if (g_str_equal (argv[1], "--help") || g_str_equal (argv[1], "-h")) {
    print_help ();
    return EXIT_SUCCESS;
  }
  if (g_str_equal (argv[1], "--version")) {
    puts ("ituning " ITUNING_VERSION);
    return EXIT_SUCCESS;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++) {
    if (g_str_equal (argv[1], commands[i].name))
      return run_command (i, argv + 1);
  }
  tool_report ("%s: no such command (ituning --help lists them)", argv[1]);
  return 2;
}
