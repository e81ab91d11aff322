/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/optimizer.h"

#include <math.h>

#include "tests/testutil.h"

/* AdamW (Loshchilov and Hutter 2019, algorithm 2, as PyTorch has it) in plain
 * loops of doubles, and the learning rates of a run. */

#define N ((gsize) 37) /* no multiple of a register */
#define STEPS 25

typedef struct
{
  ItuningPool *pool;
  ItuningParameters *parameters;
  ItuningParameter *decayed, *spared; /* of @parameters */
  GRand *rand;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  const gsize dims[] = { N };

  fixture->pool = ituning_pool_new (2);
  fixture->rand = g_rand_new_with_seed (7);
  fixture->parameters = ituning_parameters_new ();
  ituning_parameters_add (fixture->parameters, "decayed", dims, 1);
  ituning_parameters_add (fixture->parameters, "spared", dims, 1);
  fixture->decayed = ituning_parameters_lookup (fixture->parameters, "decayed");
  fixture->spared = ituning_parameters_lookup (fixture->parameters, "spared");
  fixture->spared->decay = FALSE;
  fill_random (fixture->rand, fixture->decayed->values, N);
  fill_random (fixture->rand, fixture->spared->values, N);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  ituning_parameters_free (fixture->parameters);
  ituning_pool_free (fixture->pool);
  g_rand_free (fixture->rand);
}

/* --- AdamW -------------------------------------------------------------- */

typedef struct
{
  double values[N], average[N], square[N];
} Plain;

static void
plain_step (Plain *self, const float *gradient, double scale, double rate,
    double weight_decay, guint t)
{
  for (gsize i = 0; i < N; i++) {
    const double g = (double) gradient[i] * scale;
    double average, square;
    self->values[i] -= rate * weight_decay * self->values[i];
    self->average[i] = 0.9 * self->average[i] + 0.1 * g;
    self->square[i] = 0.999 * self->square[i] + 0.001 * g * g;
    average = self->average[i] / (1.0 - pow (0.9, t));
    square = self->square[i] / (1.0 - pow (0.999, t));
    self->values[i] -= rate * average / (sqrt (square) + 1e-8);
  }
}

static void
begin (Plain *self, const ItuningParameter *parameter)
{
  *self = (Plain){ 0 };
  for (gsize i = 0; i < N; i++)
    self->values[i] = (double) parameter->values[i];
}

static double
measure_norm (const Fixture *fixture)
{
  double sum = 0.0;

  for (gsize i = 0; i < N; i++)
    sum += (double) fixture->decayed->gradient[i] *
            (double) fixture->decayed->gradient[i] +
        (double) fixture->spared->gradient[i] *
            (double) fixture->spared->gradient[i];
  return sqrt (sum);
}

/* Seen: 0.23 of the limit. */
static void
assert_values (const ItuningParameter *parameter, const Plain *plain)
{
  float wanted[N];

  for (gsize i = 0; i < N; i++)
    wanted[i] = (float) plain->values[i];
  assert_close (parameter->values, wanted, N, 1e-5, 1e-6);
}

/* Steps with gradients of very different sizes, some of which are clipped. */
static void
check_steps (Fixture *fixture, const ItuningTrainOptions *options)
{
  Plain decayed, spared;
  guint n_clipped = 0;

  begin (&decayed, fixture->decayed);
  begin (&spared, fixture->spared);
  for (guint t = 1; t <= STEPS; t++) {
    const double limit = options->max_grad_norm;
    const double rate = ituning_schedule_get_rate (options, t);
    double norm, scale;

    fill_random (fixture->rand, fixture->decayed->gradient, N);
    fill_random (fixture->rand, fixture->spared->gradient, N);
    for (gsize i = 0; i < N; i++)
      fixture->spared->gradient[i] *= t % 3 == 0 ? 1e-4f : 1.0f;
    norm = ituning_parameters_gradient_norm (fixture->parameters,
        fixture->pool);
    g_assert_cmpfloat_with_epsilon (norm, measure_norm (fixture), 1e-5);
    scale = limit > 0.0 && norm > limit ? limit / norm : 1.0;
    n_clipped += scale < 1.0;
    plain_step (&decayed, fixture->decayed->gradient, scale, rate,
        options->weight_decay, t);
    plain_step (&spared, fixture->spared->gradient, scale, rate, 0.0, t);
    ituning_optimizer_step (fixture->parameters, fixture->pool, options, t,
        norm);
    assert_values (fixture->decayed, &decayed);
    assert_values (fixture->spared, &spared);
  }
  g_assert_true (options->max_grad_norm > 0.0
          ? n_clipped > 0 && n_clipped < STEPS
          : n_clipped == 0);
}

static void
test_adamw_is_plain_loops (Fixture *fixture, gconstpointer data)
{
  ItuningTrainOptions options = ITUNING_TRAIN_OPTIONS_INIT;

  options.steps = STEPS;
  options.learning_rate = 0.01;
  options.weight_decay = 0.1;
  options.max_grad_norm = 0.0;
  check_steps (fixture, &options);
}

static void
test_clipped_adamw_is_plain_loops (Fixture *fixture, gconstpointer data)
{
  ItuningTrainOptions options = ITUNING_TRAIN_OPTIONS_INIT;

  options.steps = STEPS;
  options.learning_rate = 0.01;
  options.weight_decay = 0.1;
  options.warmup_steps = 5;
  options.max_grad_norm = 4.5; /* whole gradients are larger, two thirds not */
  check_steps (fixture, &options);
}

/* The moments of one step show what the gradient was scaled by. */
static double
find_scale (Fixture *fixture, double max_grad_norm, double norm)
{
  ItuningTrainOptions options = ITUNING_TRAIN_OPTIONS_INIT;
  ItuningParameter *parameter = fixture->decayed;

  options.max_grad_norm = max_grad_norm;
  parameter->gradient[0] = 3.0f;
  parameter->exp_avg[0] = 0.0f;
  ituning_optimizer_step (fixture->parameters, fixture->pool, &options, 1,
      norm);
  return (double) parameter->exp_avg[0] / 0.3;
}

static void
test_clipping_is_to_the_norm (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpfloat_with_epsilon (find_scale (fixture, 1.0, 4.0), 0.25, 1e-6);
  g_assert_cmpfloat_with_epsilon (find_scale (fixture, 4.0, 4.0), 1.0, 1e-6);
  g_assert_cmpfloat_with_epsilon (find_scale (fixture, 8.0, 4.0), 1.0, 1e-6);
  g_assert_cmpfloat_with_epsilon (find_scale (fixture, 0.0, 1e6), 1.0, 1e-6);
}

static void
test_norm_of_what_is_not_finite_is_not (Fixture *fixture, gconstpointer data)
{
  fixture->spared->gradient[N - 1] = INFINITY;
  g_assert_false (isfinite (
      ituning_parameters_gradient_norm (fixture->parameters, fixture->pool)));
  fixture->spared->gradient[N - 1] = NAN;
  g_assert_false (isfinite (
      ituning_parameters_gradient_norm (fixture->parameters, fixture->pool)));
}

/* --- learning rates ----------------------------------------------------- */

static void
assert_rate (ItuningSchedule schedule, guint64 warmup_steps, guint64 step,
    double wanted)
{
  ItuningTrainOptions options = ITUNING_TRAIN_OPTIONS_INIT;

  options.schedule = schedule;
  options.learning_rate = 2.0;
  options.steps = 10;
  options.warmup_steps = warmup_steps;
  g_assert_cmpfloat_with_epsilon (ituning_schedule_get_rate (&options, step),
      wanted, 1e-12);
}

static void
test_warm_up_ends_at_the_whole_rate (Fixture *fixture, gconstpointer data)
{
  for (guint i = ITUNING_SCHEDULE_CONSTANT; i <= ITUNING_SCHEDULE_COSINE; i++) {
    const ItuningSchedule schedule = (ItuningSchedule) i;
    assert_rate (schedule, 4, 1, 0.5);
    assert_rate (schedule, 4, 3, 1.5);
    assert_rate (schedule, 4, 4, 2.0);
    assert_rate (schedule, 4, 5, 2.0); /* the schedule begins with it, too */
    assert_rate (schedule, 0, 1, 2.0);
    assert_rate (schedule, 20, 10, 1.0); /* a warm-up longer than the run */
  }
}

/* Down to 0 behind the last step, which still learns. */
static void
test_schedules_end (Fixture *fixture, gconstpointer data)
{
  assert_rate (ITUNING_SCHEDULE_CONSTANT, 0, 10, 2.0);
  assert_rate (ITUNING_SCHEDULE_CONSTANT, 0, 11, 2.0);
  assert_rate (ITUNING_SCHEDULE_LINEAR, 0, 6, 1.0);
  assert_rate (ITUNING_SCHEDULE_LINEAR, 0, 10, 0.2);
  assert_rate (ITUNING_SCHEDULE_LINEAR, 0, 11, 0.0);
  assert_rate (ITUNING_SCHEDULE_LINEAR, 5, 10, 0.4);
  assert_rate (ITUNING_SCHEDULE_COSINE, 0, 6, 1.0);
  assert_rate (ITUNING_SCHEDULE_COSINE, 0, 10, 1.0 + cos (0.9 * G_PI));
  assert_rate (ITUNING_SCHEDULE_COSINE, 0, 11, 0.0);
  assert_rate (ITUNING_SCHEDULE_LINEAR, 10, 11, 0.0); /* all was warm-up */
}

#define ADD(name, test) \
  g_test_add ("/optimizer/" name, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("adamw-is-plain-loops", test_adamw_is_plain_loops);
  ADD ("clipped-adamw-is-plain-loops", test_clipped_adamw_is_plain_loops);
  ADD ("clipping-is-to-the-norm", test_clipping_is_to_the_norm);
  ADD ("norm-of-what-is-not-finite-is-not",
      test_norm_of_what_is_not_finite_is_not);
  ADD ("warm-up-ends-at-the-whole-rate", test_warm_up_ends_at_the_whole_rate);
  ADD ("schedules-end", test_schedules_end);
  return g_test_run ();
}
