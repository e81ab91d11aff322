/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct _ItuningPool ItuningPool;

/**
 * ItuningPoolFunc:
 * @task: which part of the work, 0 to the number of tasks - 1
 * @worker: who runs it, 0 to the number of threads - 1: the index of scratch
 *   memory that no other task uses at the same time
 * @data: what ituning_pool_run () was given
 */
typedef void (*ItuningPoolFunc) (gsize task, guint worker, gpointer data);

ItuningPool *ituning_pool_new (guint n_threads);
void ituning_pool_free (ItuningPool *pool);
guint ituning_pool_get_n_threads (const ItuningPool *pool);
void ituning_pool_run (ItuningPool *pool, gsize n_tasks, ItuningPoolFunc func,
    gpointer data);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningPool, ituning_pool_free)
