/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/context.h"

#define FIELD "engines"

/**
 * gst_ituning_context_get_engines:
 * @context: a context of type %GST_ITUNING_ENGINES_CONTEXT
 *
 * Returns: (transfer full) (nullable): the table in it
 */
GstItuningEngines *
gst_ituning_context_get_engines (GstContext *context)
{
  GstItuningEngines *engines = NULL;

  gst_structure_get (gst_context_get_structure (context), FIELD,
      GST_TYPE_ITUNING_ENGINES, &engines, NULL);
  return engines;
}

static GstContext *
make_context (GstItuningEngines *engines)
{
  GstContext *context = gst_context_new (GST_ITUNING_ENGINES_CONTEXT, TRUE);

  gst_structure_set (gst_context_writable_structure (context), FIELD,
      GST_TYPE_ITUNING_ENGINES, engines, NULL);
  return context;
}

static gboolean
ask_neighbour (GstElement *element, GstPad *pad, gpointer query)
{
  if (!gst_pad_peer_query (pad, query))
    return TRUE;
  return FALSE; /* stop: it answered */
}

static GstItuningEngines *
ask_neighbours (GstElement *element)
{
  g_autoptr (GstQuery) query = gst_query_new_context (
      GST_ITUNING_ENGINES_CONTEXT);
  GstContext *context = NULL;

  gst_element_foreach_pad (element, ask_neighbour, query);
  gst_query_parse_context (query, &context);
  return context != NULL ? gst_ituning_context_get_engines (context) : NULL;
}

static GstItuningEngines *
ask_application (GstElement *element)
{
  g_autoptr (GstContext) context = NULL;

  gst_element_post_message (element,
      gst_message_new_need_context (GST_OBJECT (element),
          GST_ITUNING_ENGINES_CONTEXT));
  context = gst_element_get_context (element, GST_ITUNING_ENGINES_CONTEXT);
  return context != NULL ? gst_ituning_context_get_engines (context) : NULL;
}

/**
 * gst_ituning_context_find_engines:
 * @element: an element without a context
 *
 * Asks the neighbours, then the application; failing both, takes the process's
 * own table and tells of it.
 *
 * Returns: (transfer full): the table to use
 */
GstItuningEngines *
gst_ituning_context_find_engines (GstElement *element)
{
  GstItuningEngines *engines = ask_neighbours (element);
  g_autoptr (GstContext) context = NULL;

  if (engines == NULL)
    engines = ask_application (element);
  if (engines != NULL)
    return engines;
  engines = gst_ituning_engines_get_default ();
  context = make_context (engines);
  gst_element_set_context (element, context);
  gst_element_post_message (element,
      gst_message_new_have_context (GST_OBJECT (element),
          gst_context_ref (context)));
  return engines;
}

/**
 * gst_ituning_context_answer:
 * @query: a query
 * @engines: (nullable): the element's table
 *
 * Returns: whether @query asked for a table and now has it
 */
gboolean
gst_ituning_context_answer (GstQuery *query, GstItuningEngines *engines)
{
  g_autoptr (GstContext) context = NULL;
  const char *type;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CONTEXT || engines == NULL)
    return FALSE;
  gst_query_parse_context_type (query, &type);
  if (g_strcmp0 (type, GST_ITUNING_ENGINES_CONTEXT) != 0)
    return FALSE;
  context = make_context (engines);
  gst_query_set_context (query, context);
  return TRUE;
}
