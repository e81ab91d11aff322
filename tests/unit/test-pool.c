/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/pool.h"

#define N_TASKS 100

typedef struct
{
  guint n_threads;
  int counts[N_TASKS];
  int in_use[16];
} Job;

static void
count (gsize task, guint worker, gpointer data)
{
  Job *job = data;

  g_assert_cmpuint (worker, <, job->n_threads);
  g_assert_cmpint (g_atomic_int_add (&job->in_use[worker], 1), ==, 0);
  g_atomic_int_inc (&job->counts[task]);
  g_atomic_int_add (&job->in_use[worker], -1);
}

static void
run_jobs (ItuningPool *pool, guint n_jobs)
{
  for (guint i = 0; i < n_jobs; i++) {
    Job job = { .n_threads = ituning_pool_get_n_threads (pool) };
    const gsize n_tasks = i % (N_TASKS + 1);
    ituning_pool_run (pool, n_tasks, count, &job);
    for (gsize task = 0; task < N_TASKS; task++)
      g_assert_cmpint (job.counts[task], ==, task < n_tasks ? 1 : 0);
    if (i % 500 == 0)
      g_usleep (2000); /* long enough for the workers to fall asleep */
  }
}

static void
test_every_task_runs_once (void)
{
  for (guint n_threads = 1; n_threads <= 5; n_threads++) {
    g_autoptr (ItuningPool) pool = ituning_pool_new (n_threads);
    run_jobs (pool, 2000);
  }
}

static gpointer
call (gpointer pool)
{
  run_jobs (pool, 1000);
  return NULL;
}

static void
test_many_callers_share_a_pool (void)
{
  g_autoptr (ItuningPool) pool = ituning_pool_new (3);
  GThread *callers[8];

  for (gsize i = 0; i < G_N_ELEMENTS (callers); i++)
    callers[i] = g_thread_new ("caller", call, pool);
  for (gsize i = 0; i < G_N_ELEMENTS (callers); i++)
    g_thread_join (callers[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pool/every-task-runs-once", test_every_task_runs_once);
  g_test_add_func ("/pool/many-callers-share-a-pool",
      test_many_callers_share_a_pool);
  return g_test_run ();
}
