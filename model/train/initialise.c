/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/initialise.h"

#include <math.h>

#include "model/train/random.h"

/* The values that networks trained from nothing begin with: gains are 1,
 * biases 0, all else is normal with a deviation that goes by its place. Weight
 * decay spares what has one dimension. */

typedef struct
{
  const char *ending; /* of a name */
  double deviation;
} Rule;

static double
find_deviation (const char *name, const Rule *rules, gsize n_rules)
{
  for (gsize i = 0; i < n_rules; i++)
    if (g_str_has_suffix (name, rules[i].ending))
      return rules[i].deviation;
  return 0.02;
}

static void
initialise (ItuningParameters *parameters, guint first, const Rule *rules,
    gsize n_rules, guint64 seed)
{
  for (guint i = first; i < parameters->list->len; i++) {
    ItuningParameter *parameter = g_ptr_array_index (parameters->list, i);
    const gboolean class_token = g_str_has_suffix (parameter->name,
        "class_embedding");
    const double deviation = find_deviation (parameter->name, rules, n_rules);
    ItuningRandom random = ituning_random_new (seed, i);

    parameter->decay = parameter->n_dims > 1;
    for (gsize k = 0; k < parameter->n; k++) {
      if (parameter->n_dims > 1 || class_token)
        parameter->values[k] = (float) (deviation *
            ituning_random_normal (&random));
      else
        parameter->values[k] = g_str_has_suffix (parameter->name, ".weight")
            ? 1.0f
            : 0.0f;
    }
  }
}

/**
 * ituning_initialise_language:
 * @parameters: parameters
 * @first: the first of a GPT-2's, which go on to the last
 *
 * As GPT-2 begins (Radford et al. 2019, section 2.3, and the code of Hugging
 * Face): a deviation of 0.02, divided by sqrt (2 n_layer) where a layer is
 * added to the residual stream.
 */
void
ituning_initialise_language (ItuningParameters *parameters, guint first,
    const ItuningLanguageConfig *config, guint64 seed)
{
  const double residual = 0.02 / sqrt (2.0 * (double) config->n_layer);
  const Rule rules[] = { { "c_proj.weight", residual } };

  initialise (parameters, first, rules, G_N_ELEMENTS (rules), seed);
}

/**
 * ituning_initialise_vision:
 * @parameters: those of a vision tower alone
 *
 * As CLIP begins (the code of Radford et al. 2021, `initialize_parameters`):
 * deviations by the width D and the depth L.
 */
void
ituning_initialise_vision (ItuningParameters *parameters,
    const ItuningVisionConfig *config, guint64 seed)
{
  const double D = (double) config->hidden_size;
  const double L = (double) config->num_hidden_layers;
  const double width = 1.0 / sqrt (D), residual = width / sqrt (2.0 * L);
  const Rule rules[] = {
    { "q_proj.weight", width },
    { "k_proj.weight", width },
    { "v_proj.weight", width },
    { "out_proj.weight", residual },
    { "fc1.weight", 1.0 / sqrt (2.0 * D) },
    { "fc2.weight", residual },
    { "class_embedding", width },
    { "position_embedding.weight", width },
    { "visual_projection.weight", width },
  };

  initialise (parameters, 0, rules, G_N_ELEMENTS (rules), seed);
}
