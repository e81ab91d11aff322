/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/tools/interrupt.h"

#include <glib-unix.h>
#include <signal.h>
#include <unistd.h>

/* Shared by the main thread and the one that waits for signals. */
struct _ToolInterrupt
{
  int pipe_fd; /* immutable: the end to read numbers of signals from */
  GCancellable *cancellable; /* owned; has a lock of its own */
  int signal; /* atomic: the one that came, or 0 */
  GMutex lock; /* guards `running` */
  GCond started;
  gboolean running; /* whether the thread is */
};

/* Set once before the handler is: all that a handler can reach. */
static int handler_fd = -1;

/* Any thread may run this, OpenBLAS's from before main () included: the
 * reason that blocking the signals and sigwait () are not enough. */
static void
handle_signal (int number)
{
  const guint8 byte = (guint8) number;
  const ssize_t written = write (handler_fd, &byte, 1);

  (void) written; /* a full pipe holds signals enough */
}

static gpointer
wait_for_signals (gpointer data)
{
  ToolInterrupt *self = data;
  guint8 number;

  g_mutex_lock (&self->lock);
  self->running = TRUE;
  g_cond_signal (&self->started);
  g_mutex_unlock (&self->lock);
  while (read (self->pipe_fd, &number, 1) == 1) {
    /* Asked twice: whoever it is does not want to wait for a clean end. */
    if (g_atomic_int_get (&self->signal) != 0)
      _exit (128 + number);
    g_atomic_int_set (&self->signal, number);
    g_cancellable_cancel (self->cancellable);
  }
  return NULL;
}

/**
 * tool_interrupt_catch:
 *
 * From now on SIGINT, SIGTERM and SIGHUP cancel a cancellable, and a second one ends
 * the process. To be called once.
 *
 * Returns: (transfer none) (nullable): lives as long as the process; %NULL when
 *   signals go on ending the process at once, for want of a pipe
 */
ToolInterrupt *
tool_interrupt_catch (void)
{
  const struct sigaction action = { .sa_handler = handle_signal,
    .sa_flags = SA_RESTART };
  struct sigaction hangup;
  ToolInterrupt *self;
  int fds[2];

  if (!g_unix_open_pipe (fds, FD_CLOEXEC, NULL))
    return NULL;
  self = g_new0 (ToolInterrupt, 1);
  self->cancellable = g_cancellable_new ();
  self->pipe_fd = fds[0];
  handler_fd = fds[1];
  g_mutex_init (&self->lock);
  g_cond_init (&self->started);
  g_thread_unref (g_thread_new ("interrupt", wait_for_signals, self));
  /* A process that ended while the thread is being made would seem to leak what
   * the C library makes it with. */
  g_mutex_lock (&self->lock);
  while (!self->running)
    g_cond_wait (&self->started, &self->lock);
  g_mutex_unlock (&self->lock);
  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  /* A terminal that is closed; nohup has it ignored. */
  if (sigaction (SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
    sigaction (SIGHUP, &action, NULL);
  return self;
}

/**
 * tool_interrupt_get_cancellable:
 * @interrupt: (nullable): what was caught
 *
 * Returns: (transfer none) (nullable): the cancellable; %NULL without
 *   @interrupt
 */
GCancellable *
tool_interrupt_get_cancellable (ToolInterrupt *interrupt)
{
  return interrupt != NULL ? interrupt->cancellable : NULL;
}

/**
 * tool_interrupt_get_signal:
 * @interrupt: (nullable): what was caught
 *
 * Returns: the number of the signal that came first, 0 if none did
 */
int
tool_interrupt_get_signal (ToolInterrupt *interrupt)
{
  return interrupt != NULL ? g_atomic_int_get (&interrupt->signal) : 0;
}
