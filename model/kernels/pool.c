/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/kernels/pool.h"

#include <stdatomic.h>

/* A job is a number of tasks, handed out one by one. The word `claims` holds
 * the job's number in its upper half and the next task in its lower one, so
 * that a worker claims a task and learns that its job is still the current one
 * by a single compare-and-swap: nobody waits for a worker that wakes late.
 *
 * Who goes to sleep says so and looks once more; who has news for it writes the
 * news and looks whether it sleeps. Such a write is an exchange, which no later
 * read overtakes on any machine: qemu lets one overtake a plain atomic store of
 * 64-bit ARM.
 *
 * A token passes about a hundred jobs, some tens of microseconds apart, so
 * workers look for the next job for a moment before they sleep. */

#define SPINS 2000
#define NO_TASK 0xffffffffu /* lower half of `claims` between jobs */

struct _ItuningPool
{
  GMutex busy; /* held by the caller whose job runs */
  guint n_threads;
  GThread **threads; /* owned: [n_threads - 1] */

  _Atomic (guint64) claims;
  _Atomic (ItuningPoolFunc) func;
  _Atomic (gpointer) data;
  _Atomic (guint) n_tasks;
  _Atomic (guint) n_done;

  GMutex lock; /* for sleeping and waking alone */
  GCond wake;
  GCond done;
  _Atomic (guint) n_sleeping;
  _Atomic (gboolean) caller_sleeps;
  _Atomic (gboolean) stop;
};

typedef struct
{
  ItuningPool *pool;
  guint worker;
} WorkerStart;

static inline void
relax (void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause ();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static inline guint
job_of (guint64 claims)
{
  return (guint) (claims >> 32);
}

static void
finish_task (ItuningPool *self, guint n_tasks)
{
  if (atomic_fetch_add (&self->n_done, 1) + 1 < n_tasks)
    return;
  if (atomic_load (&self->caller_sleeps)) {
    g_mutex_lock (&self->lock);
    g_cond_signal (&self->done);
    g_mutex_unlock (&self->lock);
  }
}

/* Runs tasks of the current job until none is left to claim. What is read of
 * the job counts only if the claim succeeds after it. */
static void
run_tasks (ItuningPool *self, guint worker)
{
  for (;;) {
    guint64 claims = atomic_load (&self->claims);
    const guint task = (guint) claims;
    const ItuningPoolFunc func = atomic_load (&self->func);
    const gpointer data = atomic_load (&self->data);
    const guint n_tasks = atomic_load (&self->n_tasks);

    if (task >= n_tasks)
      return;
    if (!atomic_compare_exchange_weak (&self->claims, &claims, claims + 1))
      continue;
    func (task, worker, data);
    finish_task (self, n_tasks);
  }
}

static void
wait_for_job (ItuningPool *self, guint seen)
{
  for (guint spin = 0; spin < SPINS; spin++) {
    if (job_of (atomic_load (&self->claims)) != seen ||
        atomic_load (&self->stop))
      return;
    relax ();
  }
  g_mutex_lock (&self->lock);
  atomic_fetch_add (&self->n_sleeping, 1);
  while (job_of (atomic_load (&self->claims)) == seen &&
      !atomic_load (&self->stop))
    g_cond_wait (&self->wake, &self->lock);
  atomic_fetch_sub (&self->n_sleeping, 1);
  g_mutex_unlock (&self->lock);
}

static gpointer
work (gpointer start)
{
  g_autofree WorkerStart *own = start;
  ItuningPool *self = own->pool;
  guint seen = 0;

  for (;;) {
    wait_for_job (self, seen);
    if (atomic_load (&self->stop))
      return NULL;
    seen = job_of (atomic_load (&self->claims));
    run_tasks (self, own->worker);
  }
}

static void
wait_until_done (ItuningPool *self, guint n_tasks)
{
  for (guint spin = 0; spin < SPINS; spin++) {
    if (atomic_load (&self->n_done) == n_tasks)
      return;
    relax ();
  }
  g_mutex_lock (&self->lock);
  atomic_exchange (&self->caller_sleeps, TRUE);
  while (atomic_load (&self->n_done) < n_tasks)
    g_cond_wait (&self->done, &self->lock);
  atomic_store (&self->caller_sleeps, FALSE);
  g_mutex_unlock (&self->lock);
}

static void
publish_job (ItuningPool *self, guint n_tasks, ItuningPoolFunc func,
    gpointer data)
{
  const guint next = job_of (atomic_load (&self->claims)) + 1;

  atomic_store (&self->func, func);
  atomic_store (&self->data, data);
  atomic_store (&self->n_tasks, n_tasks);
  atomic_store (&self->n_done, 0);
  atomic_exchange (&self->claims, (guint64) next << 32);
  if (atomic_load (&self->n_sleeping) > 0) {
    g_mutex_lock (&self->lock);
    g_cond_broadcast (&self->wake);
    g_mutex_unlock (&self->lock);
  }
}

/**
 * ituning_pool_run:
 * @pool: a pool
 * @n_tasks: how many calls, less than 2^32 - 1
 * @func: the work; must not call ituning_pool_run () itself
 * @data: handed to @func
 *
 * Calls @func for each task, on the caller's thread and the pool's, in any
 * order, and returns when all have returned. While another caller's job runs,
 * all tasks run on the calling thread alone, as worker 0: with many callers
 * each processor has work already.
 */
void
ituning_pool_run (ItuningPool *pool, gsize n_tasks, ItuningPoolFunc func,
    gpointer data)
{
  if (pool->n_threads == 1 || n_tasks <= 1 || !g_mutex_trylock (&pool->busy)) {
    for (gsize task = 0; task < n_tasks; task++)
      func (task, 0, data);
    return;
  }
  publish_job (pool, (guint) n_tasks, func, data);
  run_tasks (pool, 0);
  wait_until_done (pool, (guint) n_tasks);
  /* Before the next job's fields are written, none of this one can be claimed
   * with them. */
  atomic_fetch_or (&pool->claims, NO_TASK);
  g_mutex_unlock (&pool->busy);
}

/**
 * ituning_pool_new:
 * @n_threads: how many work together, the calling thread included; at least 1
 *
 * Returns: (transfer full): a pool of @n_threads - 1 threads that sleep when
 *   there is nothing to do; any thread may use it
 */
ItuningPool *
ituning_pool_new (guint n_threads)
{
  ItuningPool *self = g_new0 (ItuningPool, 1);

  g_assert (n_threads >= 1);
  g_mutex_init (&self->busy);
  g_mutex_init (&self->lock);
  g_cond_init (&self->wake);
  g_cond_init (&self->done);
  atomic_store (&self->claims, NO_TASK);
  self->n_threads = n_threads;
  self->threads = g_new (GThread *, n_threads);
  for (guint worker = 1; worker < n_threads; worker++) {
    WorkerStart *start = g_new (WorkerStart, 1);
    start->pool = self;
    start->worker = worker;
    self->threads[worker - 1] = g_thread_new ("ituning-pool", work, start);
  }
  return self;
}

/**
 * ituning_pool_free:
 * @pool: (nullable) (transfer full): a pool that nobody uses any more
 */
void
ituning_pool_free (ItuningPool *pool)
{
  if (pool == NULL)
    return;
  g_mutex_lock (&pool->lock);
  atomic_store (&pool->stop, TRUE);
  g_cond_broadcast (&pool->wake);
  g_mutex_unlock (&pool->lock);
  for (guint i = 0; i + 1 < pool->n_threads; i++)
    g_thread_join (pool->threads[i]);
  g_free (pool->threads);
  g_cond_clear (&pool->done);
  g_cond_clear (&pool->wake);
  g_mutex_clear (&pool->lock);
  g_mutex_clear (&pool->busy);
  g_free (pool);
}

/**
 * ituning_pool_get_n_threads:
 *
 * Returns: how many threads work together, the caller's included
 */
guint
ituning_pool_get_n_threads (const ItuningPool *pool)
{
  return pool->n_threads;
}
