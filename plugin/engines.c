/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/engine-private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

/* What a video's threads get of a processor that inference wants too: ten times
 * as much. */
#define INFERENCE_NICE 10

/**
 * gst_ituning_yield_to_video:
 *
 * From now on the calling thread, and the threads that it will start, leave the
 * processors to whoever else wants them, first of all to live video, for which
 * a few milliseconds matter. Where this is not allowed, nothing changes.
 */
void
gst_ituning_yield_to_video (void)
{
  const id_t this_thread = 0; /* on Linux, where threads have priorities */
  const int own = getpriority (PRIO_PROCESS, this_thread);

  if (setpriority (PRIO_PROCESS, this_thread, MAX (own, INFERENCE_NICE)) != 0)
    g_debug ("inference runs at the priority of all else: %s",
        g_strerror (errno));
}

/* A table of engines by the files that their backbones come from. It holds no
 * reference to them: an engine leaves the table when its last user goes. */
struct _GstItuningEngines
{
  gatomicrefcount refs;
  GMutex lock; /* held while a model loads, so that it loads once */
  GHashTable *engines; /* owned: key (owned by the engine) -> engine */
};

GType
gst_ituning_engines_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_boxed_type_register_static ("GstItuningEngines",
            (GBoxedCopyFunc) gst_ituning_engines_ref,
            (GBoxedFreeFunc) gst_ituning_engines_unref));
  return (GType) type;
}

/**
 * gst_ituning_engines_new:
 *
 * Returns: (transfer full): an empty table
 */
GstItuningEngines *
gst_ituning_engines_new (void)
{
  GstItuningEngines *self = g_new0 (GstItuningEngines, 1);

  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->lock);
  self->engines = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

/**
 * gst_ituning_engines_get_default:
 *
 * Returns: (transfer full): the table that the process's elements share when
 *   no GstContext brings another
 */
GstItuningEngines *
gst_ituning_engines_get_default (void)
{
  static gsize table = 0;

  if (g_once_init_enter (&table))
    g_once_init_leave (&table, (gsize) gst_ituning_engines_new ());
  return gst_ituning_engines_ref ((GstItuningEngines *) table);
}

/**
 * gst_ituning_engines_ref:
 *
 * Returns: (transfer full): @engines
 */
GstItuningEngines *
gst_ituning_engines_ref (GstItuningEngines *engines)
{
  g_atomic_ref_count_inc (&engines->refs);
  return engines;
}

/**
 * gst_ituning_engines_unref:
 * @engines: (nullable) (transfer full): a table
 */
void
gst_ituning_engines_unref (GstItuningEngines *engines)
{
  if (engines == NULL || !g_atomic_ref_count_dec (&engines->refs))
    return;
  g_hash_table_unref (engines->engines);
  g_mutex_clear (&engines->lock);
  g_free (engines);
}

/* --- engines ------------------------------------------------------------ */

static char *
real_path (const char *folder, const char *part)
{
  g_autofree char *path = part != NULL ? g_build_filename (folder, part, NULL)
                                       : g_strdup (folder);
  char *real = realpath (path, NULL);
  char *copy = g_strdup (real != NULL ? real : path);

  free (real);
  return copy;
}

/* A packed model is all of its parts; the built-in one has no path. */
static char *
find_part (const GstItuningModelSpec *spec, const char *given, const char *part)
{
  if (given != NULL)
    return real_path (given, NULL);
  if (spec->model == NULL)
    return g_strdup ("");
  return real_path (spec->model,
      g_file_test (spec->model, G_FILE_TEST_IS_REGULAR) ? NULL : part);
}

/* Engines are shared by those who name the same files and threads. */
static char *
make_key (const GstItuningModelSpec *spec)
{
  g_autofree char *vision = find_part (spec, spec->vision, "vision");
  g_autofree char *language = find_part (spec, spec->language, "language");

  return g_strdup_printf ("%s\n%s\n%u", vision, language, spec->threads);
}

static GstItuningEngine *
engine_new (GstItuningEngines *table, const char *key, const char *adapter,
    ItuningModel *model)
{
  GstItuningEngine *self = g_new0 (GstItuningEngine, 1);

  g_atomic_ref_count_init (&self->refs);
  self->table = gst_ituning_engines_ref (table);
  self->key = g_strdup (key);
  self->adapter = g_strdup (adapter);
  self->model = ituning_model_ref (model);
  g_mutex_init (&self->lock);
  g_cond_init (&self->work);
  g_cond_init (&self->done);
  g_queue_init (&self->streams);
  self->worker = g_thread_new ("ituning-engine", gst_ituning_engine_work, self);
  g_hash_table_insert (table->engines, self->key, self);
  return self;
}

static void
engine_free (GstItuningEngine *self)
{
  g_mutex_lock (&self->lock);
  self->stop = TRUE;
  g_cond_signal (&self->work);
  g_mutex_unlock (&self->lock);
  g_thread_join (self->worker);
  g_queue_clear (&self->streams);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->work);
  g_cond_clear (&self->done);
  ituning_model_unref (self->model);
  gst_ituning_engines_unref (self->table);
  g_free (self->adapter);
  g_free (self->key);
  g_free (self);
}

/**
 * gst_ituning_engine_unref:
 * @engine: (nullable) (transfer full): an engine; the last reference joins its
 *   thread, so it must not be dropped on that thread
 */
void
gst_ituning_engine_unref (GstItuningEngine *engine)
{
  GstItuningEngines *table;
  gboolean last;

  if (engine == NULL)
    return;
  table = engine->table;
  g_mutex_lock (&table->lock);
  last = g_atomic_ref_count_dec (&engine->refs);
  if (last)
    g_hash_table_remove (table->engines, engine->key);
  g_mutex_unlock (&table->lock);
  if (last)
    engine_free (engine);
}

/* A model for this adapter on the backbone of an engine that runs already. */
static ItuningModel *
share_model (GstItuningEngine *engine, const char *adapter, GError **error)
{
  if (g_strcmp0 (engine->adapter, adapter) == 0 ||
      (*adapter == '\0' && !ituning_model_is_built_in ()))
    return ituning_model_ref (engine->model);
  return ituning_model_with_adapter (engine->model,
      *adapter != '\0' ? adapter : NULL, error);
}

static ItuningModel *
load_model (const GstItuningModelSpec *spec, GError **error)
{
  const ItuningModelOptions options = { spec->vision, spec->language,
    spec->adapter, spec->threads };

  return ituning_model_open (spec->model, &options, error);
}

/**
 * gst_ituning_engines_open:
 * @engines: a table
 * @spec: the model
 * @model: (out) (transfer full): the model, with its own adapter
 *
 * Finds the engine that has the model's backbone in memory, or loads it. Other
 * callers wait meanwhile, so that nothing is loaded twice.
 *
 * Returns: (transfer full): the engine; or %NULL with any %ITUNING_ERROR
 */
GstItuningEngine *
gst_ituning_engines_open (GstItuningEngines *engines,
    const GstItuningModelSpec *spec, ItuningModel **model, GError **error)
{
  g_autofree char *key = make_key (spec);
  g_autofree char *adapter = find_part (spec, spec->adapter, "adapter");
  GstItuningEngine *engine;

  g_mutex_lock (&engines->lock);
  engine = g_hash_table_lookup (engines->engines, key);
  if (engine != NULL) {
    *model = share_model (engine, adapter, error);
    if (*model != NULL)
      g_atomic_ref_count_inc (&engine->refs);
  } else {
    *model = load_model (spec, error);
    if (*model != NULL)
      engine = engine_new (engines, key, adapter, *model);
  }
  g_mutex_unlock (&engines->lock);
  return *model != NULL ? engine : NULL;
}
