/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Reads Python pickles as data: objects are described, never made, and nothing
 * is executed. */

/**
 * ItuningPickleKind:
 * @ITUNING_PICKLE_ATOM: None, a truth value or a real number: not looked into
 * @ITUNING_PICKLE_INTEGER: in `integer`
 * @ITUNING_PICKLE_TEXT: in `text`
 * @ITUNING_PICKLE_TUPLE: of `items`
 * @ITUNING_PICKLE_LIST: of `items`
 * @ITUNING_PICKLE_DICT: key, value, key, value ... in `items`, as they were
 *   set: a later one of the same key replaces the former
 * @ITUNING_PICKLE_GLOBAL: a class or function, its full name in `text`
 * @ITUNING_PICKLE_CALL: what calling `text` with `items` would return
 * @ITUNING_PICKLE_PERSISTENT: what lies outside of the pickle, as described by
 *   the tuple of `items`
 */
typedef enum
{
  ITUNING_PICKLE_ATOM,
  ITUNING_PICKLE_INTEGER,
  ITUNING_PICKLE_TEXT,
  ITUNING_PICKLE_TUPLE,
  ITUNING_PICKLE_LIST,
  ITUNING_PICKLE_DICT,
  ITUNING_PICKLE_GLOBAL,
  ITUNING_PICKLE_CALL,
  ITUNING_PICKLE_PERSISTENT,
} ItuningPickleKind;

/* Values may be shared and may contain themselves: walk them to a fixed depth
 * only. */
typedef struct
{
  ItuningPickleKind kind;
  gint64 integer;
  const char *text; /* borrowed from the pickle */
  GPtrArray *items; /* owned: ItuningPickleValue, borrowed from the pickle;
                     * %NULL in kinds that have none */
} ItuningPickleValue;

typedef struct _ItuningPickle ItuningPickle;

/* Whether a pickle may name the class or function @global, its module and name
 * joined by a dot. */
typedef gboolean (*ItuningPickleFilter) (const char *global);

ItuningPickle *ituning_pickle_read (const char *path, const guint8 *bytes,
    gsize size, ItuningPickleFilter may_name, GError **error);
void ituning_pickle_free (ItuningPickle *pickle);
const ItuningPickleValue *ituning_pickle_get_root (const ItuningPickle *pickle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItuningPickle, ituning_pickle_free)
