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

/* --- what a vision tower looks at first ---------------------------------- */

/* A wave across a patch, in one of three mixtures of red, green and blue. */
typedef struct
{
  guint color, u, v; /* half periods down and across */
  double frequency;
} Wave;

static const double colors[3][3] = { { 0.57735027, 0.57735027, 0.57735027 },
  { 0.70710678, 0.0, -0.70710678 }, { 0.40824829, -0.81649658, 0.40824829 } };

/* Brightness varies twice as much as the other two mixtures. */
static double
wave_rank (const Wave *wave)
{
  return (0.2 + wave->frequency) * (wave->color == 0 ? 1.0 : 2.0);
}

static int
compare_waves (gconstpointer a, gconstpointer b)
{
  const double difference = wave_rank (a) - wave_rank (b);

  return (difference > 0.0) - (difference < 0.0);
}

/* All waves of a patch of @p pixels, those that pictures have most of first. */
static Wave *
list_waves (gsize p)
{
  Wave *waves = g_new (Wave, 3 * p * p), *wave = waves;

  for (guint color = 0; color < 3; color++)
    for (guint u = 0; u < p; u++)
      for (guint v = 0; v < p; v++)
        *wave++ = (Wave){ color, u, v, hypot (u, v) };
  g_qsort_with_data (waves, (gint) (3 * p * p), sizeof (Wave),
      (GCompareDataFunc) (void (*) (void)) compare_waves, NULL);
  return waves;
}

/* Row d of the patch embedding [D, 3, p, p] takes the d-th strongest wave (a
 * discrete cosine transform's), and as much more of it as pictures have less:
 * their spectrum falls with the frequency. Numbers drawn by chance give nearly
 * nothing but the mean colour of a patch, and shapes are in what is left. */
static void
initialise_patches (float *weight, gsize D, gsize p)
{
  g_autofree Wave *waves = list_waves (p);

  for (gsize d = 0; d < MIN (D, 3 * p * p); d++) {
    const Wave *wave = &waves[d];
    const double gain = (0.03 + 0.15 * wave->frequency) *
        (wave->color == 0 ? 1.0 : 2.0) * sqrt (wave->u == 0 ? 1.0 : 2.0) *
        sqrt (wave->v == 0 ? 1.0 : 2.0) / (double) p;
    float *row = weight + d * 3 * p * p;
    for (gsize i = 0; i < 3 * p * p; i++) {
      const double y = (double) (i / p % p) + 0.5, x = (double) (i % p) + 0.5;
      row[i] = (float) (gain * colors[wave->color][i / (p * p)] *
          cos (G_PI * wave->u * y / (double) p) *
          cos (G_PI * wave->v * x / (double) p));
    }
  }
}

/* Places of a grid of @side patches a side as waves across the picture, half
 * of the D numbers for each direction (Vaswani et al. 2017, section 3.5, in two
 * dimensions), from half a period upwards. The class token is nowhere. */
static void
initialise_positions (float *positions, gsize D, gsize side)
{
  const double amplitude = 0.3;
  const gsize n = D / 4;

  for (gsize i = 0; i < side * side; i++) {
    float *row = positions + (i + 1) * D;
    for (gsize k = 0; k < 4 * n; k++) {
      const gsize place = k < 2 * n ? i / side : i % side;
      const double angle = G_PI * (double) (k / 2 % n + 1) / (double) n *
          (double) place;
      row[k] = (float) (amplitude * (k % 2 == 0 ? sin (angle) : cos (angle)));
    }
  }
}

/* Keys begin half as queries do, so that a token first looks at what is like
 * it and near it (Trockman and Kolter 2023, section 3). */
static void
liken_keys (const ItuningParameters *parameters, gsize n_layers)
{
  for (gsize layer = 0; layer < n_layers; layer++) {
    g_autofree char *q_name = g_strdup_printf (
        "vision_model.encoder.layers.%zu.self_attn.q_proj.weight", layer);
    g_autofree char *k_name = g_strdup_printf (
        "vision_model.encoder.layers.%zu.self_attn.k_proj.weight", layer);
    const ItuningParameter *q = ituning_parameters_lookup (parameters, q_name);
    const ItuningParameter *k = ituning_parameters_lookup (parameters, k_name);
    for (gsize i = 0; i < q->n; i++)
      k->values[i] = 0.7f * (q->values[i] + k->values[i]);
  }
}

/**
 * ituning_initialise_vision:
 * @parameters: those of a vision tower alone
 *
 * As CLIP begins (the code of Radford et al. 2021, `initialize_parameters`):
 * deviations by the width D and the depth L. But patches, places and keys begin
 * with what small sets of pictures would need long to teach.
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
  initialise_patches (ituning_parameters_lookup (parameters,
                          "vision_model.embeddings.patch_embedding.weight")
                          ->values,
      config->hidden_size, config->patch_size);
  initialise_positions (ituning_parameters_lookup (parameters,
                            "vision_model.embeddings.position_embedding.weight")
                            ->values,
      config->hidden_size, config->image_size / config->patch_size);
  liken_keys (parameters, config->num_hidden_layers);
}
