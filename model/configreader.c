/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/configreader.h"

#include "model/ituning.h"
#include "model/json.h"

/* One member at a time, of either kind of file. What members mean, and which
 * there are: config.c. */

static const struct
{
  const char *name;
  ItuningActivation activation;
} activations[] = {
  { "quick_gelu", ITUNING_ACTIVATION_QUICK_GELU },
  { "gelu", ITUNING_ACTIVATION_GELU },
  { "gelu_new", ITUNING_ACTIVATION_GELU_TANH },
  { "gelu_pytorch_tanh", ITUNING_ACTIVATION_GELU_TANH },
  { "relu", ITUNING_ACTIVATION_RELU },
};

/**
 * ituning_activation_get_name:
 *
 * Returns: the first name that configs have for it
 */
const char *
ituning_activation_get_name (ItuningActivation activation)
{
  for (gsize i = 0; i < G_N_ELEMENTS (activations); i++)
    if (activations[i].activation == activation)
      return activations[i].name;
  return "none";
}

/**
 * ituning_config_refuse:
 * @format: what is wrong
 *
 * Fails the reading, unless it has failed before.
 */
void
ituning_config_refuse (ItuningConfigReader *self, ItuningError code,
    const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  if (!self->ok)
    return;
  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (self->error, ITUNING_ERROR, (int) code, "%s: %s", self->path,
      what);
  self->ok = FALSE;
}

/**
 * ituning_config_name:
 * @member: a member
 *
 * Returns: (transfer none) (nullable): what the file calls it; %NULL when it
 *   has no key for it
 */
const char *
ituning_config_name (const ItuningConfigReader *self, const char *member)
{
  return self->packed != NULL ? ituning_key_find (self->keys, member) : member;
}

/**
 * ituning_config_read_size:
 * @value: (inout): left as it is when JSON does not have @member
 */
void
ituning_config_read_size (ItuningConfigReader *self, const char *member,
    gsize min, gsize max, gsize *value)
{
  const char *name = ituning_config_name (self, member);

  if (!self->ok || name == NULL)
    return;
  self->ok = self->packed != NULL
      ? ituning_gguf_get_size (self->packed, name, min, max, value, self->error)
      : ituning_json_get_size (self->object, self->path, name, min, max, value,
            self->error);
}

/**
 * ituning_config_read_double:
 * @value: (inout): left as it is when JSON does not have @member
 */
void
ituning_config_read_double (ItuningConfigReader *self, const char *member,
    double *value)
{
  const char *name = ituning_config_name (self, member);

  if (!self->ok || name == NULL)
    return;
  self->ok = self->packed != NULL
      ? ituning_gguf_get_double (self->packed, name, value, self->error)
      : ituning_json_get_double (self->object, self->path, name, value,
            self->error);
}

/**
 * ituning_config_read_boolean:
 * @value: (inout): left as it is when JSON does not have @member
 */
void
ituning_config_read_boolean (ItuningConfigReader *self, const char *member,
    gboolean *value)
{
  const char *name = ituning_config_name (self, member);

  if (!self->ok || name == NULL)
    return;
  self->ok = self->packed != NULL
      ? ituning_gguf_get_boolean (self->packed, name, value, self->error)
      : ituning_json_get_boolean (self->object, self->path, name, value,
            self->error);
}

/* (transfer full) (nullable): %NULL when it is absent or on failure. */
static char *
read_string (ItuningConfigReader *self, const char *member)
{
  const char *text = NULL;
  char *copy = NULL;

  if (!self->ok)
    return NULL;
  if (self->packed != NULL) {
    self->ok = ituning_gguf_get_string (self->packed,
        ituning_config_name (self, member), &copy, self->error);
    return copy;
  }
  self->ok = ituning_json_get_string (self->object, self->path, member, &text,
      self->error);
  return self->ok ? g_strdup (text) : NULL;
}

/**
 * ituning_config_read_activation:
 * @value: (inout): left as it is when JSON does not have @member; an activation that is not
 *   known fails the reading
 */
void
ituning_config_read_activation (ItuningConfigReader *self, const char *member,
    ItuningActivation *value)
{
  g_autofree char *name = read_string (self, member);

  if (name == NULL)
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (activations); i++) {
    if (g_str_equal (activations[i].name, name)) {
      *value = activations[i].activation;
      return;
    }
  }
  ituning_config_refuse (self, ITUNING_ERROR_UNSUPPORTED,
      "\"%s\" is \"%s\"; known are quick_gelu, gelu, gelu_new, "
      "gelu_pytorch_tanh and relu",
      ituning_config_name (self, member), name);
}

/**
 * ituning_config_check_type:
 * @first: what "model_type" should be, if JSON has it
 * @second: (nullable): what it may be as well
 */
void
ituning_config_check_type (ItuningConfigReader *self, const char *first,
    const char *second)
{
  const char *type = NULL;

  if (!self->ok ||
      !(self->ok = ituning_json_get_string (self->object, self->path,
            "model_type", &type, self->error)) ||
      type == NULL)
    return;
  if (g_strcmp0 (type, first) != 0 && g_strcmp0 (type, second) != 0)
    ituning_config_refuse (self, ITUNING_ERROR_UNSUPPORTED,
        "\"model_type\" is \"%s\", wanted \"%s\"", type, first);
}

/**
 * ituning_config_check_heads:
 * @width_name: the member that @width is of
 *
 * Fails the reading unless @width can be split among @heads.
 */
void
ituning_config_check_heads (ItuningConfigReader *self, const char *width_name,
    gsize width, gsize heads)
{
  if (width % heads != 0)
    ituning_config_refuse (self, ITUNING_ERROR_FORMAT,
        "\"%s\" (%" G_GSIZE_FORMAT
        ") is not a multiple of the number of heads (%" G_GSIZE_FORMAT ")",
        ituning_config_name (self, width_name), width, heads);
}

/**
 * ituning_config_check_epsilon:
 * @value: added to a variance
 *
 * Fails the reading unless it is between 0 and 1.
 */
void
ituning_config_check_epsilon (ItuningConfigReader *self, const char *member,
    double value)
{
  if (!(value > 0.0 && value < 1.0))
    ituning_config_refuse (self, ITUNING_ERROR_FORMAT,
        "\"%s\" is %g, not between 0 and 1", ituning_config_name (self, member),
        value);
}
