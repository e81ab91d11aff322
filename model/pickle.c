/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/pickle.h"

#include <string.h>

#include "model/ituning.h"

/* A pickle is a program for a stack machine. This one has the instructions
 * that describe data (protocols 2 to 5, see Python's pickletools.py). Where
 * Python would import a name, it asks whether the name is expected; where
 * Python would call it, it notes the call. All values live until the pickle is
 * freed, so that shared ones, and those that contain themselves, need no care.
 *
 * The way: operands -> the stack -> instructions -> the loop over them. */

/* An instruction makes at most one value, so this bounds memory and time: about
 * 100 MB for the worst file, and 10000 tensors for a good one. */
#define MAX_STEPS (1u << 19)

#define ORDERED_DICT "collections.OrderedDict"

/* As a number of values: those above the last mark. */
#define MARKED G_MAXUINT

/* Immutable once read. */
struct _ItuningPickle
{
  GPtrArray *values; /* owned: ItuningPickleValue, owned */
  GStringChunk *texts; /* owned: what the values point into */
  const ItuningPickleValue *root; /* borrowed from @values */
};

typedef struct
{
  const char *path; /* borrowed */
  const guint8 *bytes; /* borrowed: the instructions that are left */
  gsize size; /* of @bytes */
  ItuningPickleFilter may_name;
  ItuningPickle *pickle; /* borrowed */
  GPtrArray *stack; /* owned: ItuningPickleValue, borrowed from @pickle */
  GArray *marks; /* owned: guint, length of the stack at each open mark */
  GHashTable *memo; /* owned: index -> ItuningPickleValue */
} Reader;

/* Runs one instruction. @n is what the table of operations says: how wide its
 * operand is, how many values it takes or which kind it makes. */
typedef gboolean (*Operation) (Reader *self, guint n, GError **error);

static gboolean
format_error (GError **error, const Reader *self, const char *what)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
      "%s: is not a valid pickle: %s", self->path, what);
  return FALSE;
}

/* --- operands ----------------------------------------------------------- */

static const guint8 *
take (Reader *self, guint64 size, GError **error)
{
  const guint8 *bytes = self->bytes;

  if (size > self->size) {
    format_error (error, self, "it ends within an instruction");
    return NULL;
  }
  self->bytes += size;
  self->size -= (gsize) size;
  return bytes;
}

static gboolean
take_unsigned (Reader *self, guint width, guint64 *number, GError **error)
{
  const guint8 *bytes = take (self, width, error);

  if (bytes == NULL)
    return FALSE;
  *number = 0;
  for (guint i = width; i-- > 0;)
    *number = *number << 8 | bytes[i];
  return TRUE;
}

static const char *
take_text (Reader *self, guint64 length, GError **error)
{
  const char *text = (const char *) take (self, length, error);

  if (text == NULL)
    return NULL;
  if (!g_utf8_validate_len (text, (gsize) length, NULL)) {
    format_error (error, self, "a text is not UTF-8");
    return NULL;
  }
  return g_string_chunk_insert_len (self->pickle->texts, text, (gssize) length);
}

static const char *
take_line (Reader *self, GError **error)
{
  const guint8 *end = memchr (self->bytes, '\n', self->size);
  const char *text;

  if (end == NULL) {
    format_error (error, self, "it ends within a name");
    return NULL;
  }
  text = take_text (self, (guint64) (end - self->bytes), error);
  if (text != NULL)
    take (self, 1, NULL);
  return text;
}

/* --- the stack ---------------------------------------------------------- */

static void
free_value (gpointer value)
{
  g_clear_pointer (&((ItuningPickleValue *) value)->items, g_ptr_array_unref);
  g_free (value);
}

/* Makes a value and pushes it. @items, if any, is taken. */
static ItuningPickleValue *
push_new (Reader *self, ItuningPickleKind kind, GPtrArray *items)
{
  ItuningPickleValue *value = g_new0 (ItuningPickleValue, 1);

  value->kind = kind;
  value->items = items;
  g_ptr_array_add (self->pickle->values, value);
  g_ptr_array_add (self->stack, value);
  return value;
}

static guint
count_above_mark (const Reader *self)
{
  const guint n_marks = self->marks->len;

  return self->stack->len -
      (n_marks > 0 ? g_array_index (self->marks, guint, n_marks - 1) : 0);
}

static ItuningPickleValue *
peek (Reader *self, GError **error)
{
  if (count_above_mark (self) == 0) {
    format_error (error, self, "it takes a value that it has not made");
    return NULL;
  }
  return g_ptr_array_index (self->stack, self->stack->len - 1);
}

static ItuningPickleValue *
peek_kind (Reader *self, ItuningPickleKind kind, GError **error)
{
  ItuningPickleValue *value = peek (self, error);

  if (value != NULL && value->kind != kind) {
    format_error (error, self, "it uses a value of the wrong type");
    return NULL;
  }
  return value;
}

static ItuningPickleValue *
pop_kind (Reader *self, ItuningPickleKind kind, GError **error)
{
  ItuningPickleValue *value = peek_kind (self, kind, error);

  if (value != NULL)
    g_ptr_array_set_size (self->stack, (int) self->stack->len - 1);
  return value;
}

/* Takes the last @n values, or all above the last mark, in the order they were
 * pushed. */
static GPtrArray *
pop_items (Reader *self, guint n, GError **error)
{
  const guint n_above = count_above_mark (self);
  GPtrArray *items;
  guint first;

  if (n == MARKED ? self->marks->len == 0 : n > n_above) {
    format_error (error, self, "it takes values that it has not made");
    return NULL;
  }
  if (n == MARKED) {
    g_array_set_size (self->marks, self->marks->len - 1);
    n = n_above;
  }
  first = self->stack->len - n;
  items = g_ptr_array_sized_new (n);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (items, g_ptr_array_index (self->stack, first + i));
  g_ptr_array_set_size (self->stack, (int) first);
  return items;
}

/* --- instructions: values ----------------------------------------------- */

/* PROTO, FRAME: how the pickle was written, which its reader need not know */
static gboolean
skip (Reader *self, guint width, GError **error)
{
  return take (self, width, error) != NULL;
}

/* NONE, NEWTRUE, NEWFALSE, BINFLOAT */
static gboolean
push_atom (Reader *self, guint width, GError **error)
{
  push_new (self, ITUNING_PICKLE_ATOM, NULL);
  return take (self, width, error) != NULL;
}

/* BININT1, BININT2 */
static gboolean
push_unsigned (Reader *self, guint width, GError **error)
{
  guint64 number;

  if (!take_unsigned (self, width, &number, error))
    return FALSE;
  push_new (self, ITUNING_PICKLE_INTEGER, NULL)->integer = (gint64) number;
  return TRUE;
}

/* BININT: two's complement */
static gboolean
push_signed (Reader *self, guint width, GError **error)
{
  const guint64 sign = G_GUINT64_CONSTANT (1) << (8 * width - 1);
  guint64 number;

  if (!take_unsigned (self, width, &number, error))
    return FALSE;
  push_new (self, ITUNING_PICKLE_INTEGER, NULL)->integer =
      (gint64) ((number ^ sign) - sign);
  return TRUE;
}

/* LONG1: a byte says how wide the number is; zero has no bytes */
static gboolean
push_long (Reader *self, guint width, GError **error)
{
  guint64 size;

  if (!take_unsigned (self, width, &size, error))
    return FALSE;
  if (size > sizeof (gint64))
    return format_error (error, self, "an integer has more than 64 bits");
  return size == 0 ? push_unsigned (self, 0, error)
                   : push_signed (self, (guint) size, error);
}

/* SHORT_BINUNICODE, BINUNICODE, BINUNICODE8 */
static gboolean
push_text (Reader *self, guint width, GError **error)
{
  guint64 length;
  const char *text;

  if (!take_unsigned (self, width, &length, error))
    return FALSE;
  text = take_text (self, length, error);
  if (text == NULL)
    return FALSE;
  push_new (self, ITUNING_PICKLE_TEXT, NULL)->text = text;
  return TRUE;
}

static gboolean
push_global (Reader *self, const char *module, const char *name, GError **error)
{
  g_autofree char *text = g_strdup_printf ("%s.%s", module, name);
  g_autofree char *shown = NULL;

  if (g_str_equal (text, ORDERED_DICT) || self->may_name (text)) {
    push_new (self, ITUNING_PICKLE_GLOBAL, NULL)->text =
        g_string_chunk_insert_const (self->pickle->texts, text);
    return TRUE;
  }
  shown = g_strescape (text, NULL);
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      "%s: pickle asks for %.100s, which a tensor file has no use for",
      self->path, shown);
  return FALSE;
}

/* GLOBAL */
static gboolean
push_named_global (Reader *self, guint n, GError **error)
{
  const char *module = take_line (self, error);
  const char *name = module != NULL ? take_line (self, error) : NULL;

  return name != NULL && push_global (self, module, name, error);
}

/* STACK_GLOBAL */
static gboolean
push_stack_global (Reader *self, guint n, GError **error)
{
  const ItuningPickleValue *name, *module;

  name = pop_kind (self, ITUNING_PICKLE_TEXT, error);
  if (name == NULL)
    return FALSE;
  module = pop_kind (self, ITUNING_PICKLE_TEXT, error);
  return module != NULL && push_global (self, module->text, name->text, error);
}

/* --- instructions: containers ------------------------------------------- */

/* MARK */
static gboolean
set_mark (Reader *self, guint n, GError **error)
{
  g_array_append_val (self->marks, self->stack->len);
  return TRUE;
}

/* EMPTY_LIST, EMPTY_DICT */
static gboolean
push_empty (Reader *self, guint kind, GError **error)
{
  push_new (self, (ItuningPickleKind) kind, g_ptr_array_new ());
  return TRUE;
}

/* EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE */
static gboolean
push_tuple (Reader *self, guint n, GError **error)
{
  GPtrArray *items = pop_items (self, n, error);

  if (items == NULL)
    return FALSE;
  push_new (self, ITUNING_PICKLE_TUPLE, items);
  return TRUE;
}

/* Adds @n values to what lies below them. */
static gboolean
add_items (Reader *self, ItuningPickleKind kind, guint n, GError **error)
{
  g_autoptr (GPtrArray) items = pop_items (self, n, error);
  ItuningPickleValue *value;

  if (items == NULL)
    return FALSE;
  value = peek_kind (self, kind, error);
  if (value == NULL)
    return FALSE;
  if (kind == ITUNING_PICKLE_DICT && items->len % 2 != 0)
    return format_error (error, self, "it sets a key without a value");
  g_ptr_array_extend (value->items, items, NULL, NULL);
  return TRUE;
}

/* APPEND, APPENDS */
static gboolean
add_to_list (Reader *self, guint n, GError **error)
{
  return add_items (self, ITUNING_PICKLE_LIST, n, error);
}

/* SETITEM, SETITEMS */
static gboolean
add_to_dict (Reader *self, guint n, GError **error)
{
  return add_items (self, ITUNING_PICKLE_DICT, n, error);
}

/* --- instructions: objects ---------------------------------------------- */

/* REDUCE: an OrderedDict is made as every dict is here; other calls are noted */
static gboolean
note_call (Reader *self, guint n, GError **error)
{
  const ItuningPickleValue *arguments, *callee;

  arguments = pop_kind (self, ITUNING_PICKLE_TUPLE, error);
  if (arguments == NULL)
    return FALSE;
  callee = pop_kind (self, ITUNING_PICKLE_GLOBAL, error);
  if (callee == NULL)
    return FALSE;
  if (!g_str_equal (callee->text, ORDERED_DICT)) {
    push_new (self, ITUNING_PICKLE_CALL, g_ptr_array_ref (arguments->items))
        ->text = callee->text;
    return TRUE;
  }
  if (arguments->items->len > 0)
    return format_error (error, self, "an OrderedDict is not made empty");
  return push_empty (self, ITUNING_PICKLE_DICT, error);
}

/* BINPERSID */
static gboolean
note_persistent (Reader *self, guint n, GError **error)
{
  const ItuningPickleValue *id;

  id = pop_kind (self, ITUNING_PICKLE_TUPLE, error);
  if (id == NULL)
    return FALSE;
  push_new (self, ITUNING_PICKLE_PERSISTENT, g_ptr_array_ref (id->items));
  return TRUE;
}

/* BUILD: gives an object attributes. Those of a dict (an OrderedDict's
 * _metadata) are not among its members, and nothing else may have any. */
static gboolean
drop_attributes (Reader *self, guint n, GError **error)
{
  g_autoptr (GPtrArray) state = pop_items (self, n, error);

  return state != NULL && peek_kind (self, ITUNING_PICKLE_DICT, error) != NULL;
}

/* BINPUT, LONG_BINPUT; MEMOIZE has no operand, and takes the next index */
static gboolean
memo_put (Reader *self, guint width, GError **error)
{
  guint64 index = g_hash_table_size (self->memo);
  ItuningPickleValue *value;

  if (width > 0 && !take_unsigned (self, width, &index, error))
    return FALSE;
  value = peek (self, error);
  if (value == NULL)
    return FALSE;
  g_hash_table_insert (self->memo, GUINT_TO_POINTER (index), value);
  return TRUE;
}

/* BINGET, LONG_BINGET */
static gboolean
memo_get (Reader *self, guint width, GError **error)
{
  ItuningPickleValue *value;
  guint64 index;

  if (!take_unsigned (self, width, &index, error))
    return FALSE;
  value = g_hash_table_lookup (self->memo, GUINT_TO_POINTER (index));
  if (value == NULL)
    return format_error (error, self, "it recalls what it has not stored");
  g_ptr_array_add (self->stack, value);
  return TRUE;
}

/* --- the machine -------------------------------------------------------- */

#define STOP '.'

static const struct
{
  Operation run;
  guint n;
} operations[256] = {
  [0x80] = { skip, 1 }, /* PROTO */
  [0x95] = { skip, 8 }, /* FRAME */
  ['N'] = { push_atom, 0 },
  [0x88] = { push_atom, 0 }, /* NEWTRUE */
  [0x89] = { push_atom, 0 }, /* NEWFALSE */
  ['G'] = { push_atom, 8 }, /* BINFLOAT */
  ['K'] = { push_unsigned, 1 }, /* BININT1 */
  ['M'] = { push_unsigned, 2 }, /* BININT2 */
  ['J'] = { push_signed, 4 }, /* BININT */
  [0x8a] = { push_long, 1 }, /* LONG1 */
  [0x8c] = { push_text, 1 }, /* SHORT_BINUNICODE */
  ['X'] = { push_text, 4 }, /* BINUNICODE */
  [0x8d] = { push_text, 8 }, /* BINUNICODE8 */
  ['c'] = { push_named_global, 0 }, /* GLOBAL */
  [0x93] = { push_stack_global, 0 }, /* STACK_GLOBAL */
  ['('] = { set_mark, 0 },
  [']'] = { push_empty, ITUNING_PICKLE_LIST },
  ['}'] = { push_empty, ITUNING_PICKLE_DICT },
  [')'] = { push_tuple, 0 },
  [0x85] = { push_tuple, 1 },
  [0x86] = { push_tuple, 2 },
  [0x87] = { push_tuple, 3 },
  ['t'] = { push_tuple, MARKED },
  ['a'] = { add_to_list, 1 }, /* APPEND */
  ['e'] = { add_to_list, MARKED }, /* APPENDS */
  ['s'] = { add_to_dict, 2 }, /* SETITEM */
  ['u'] = { add_to_dict, MARKED }, /* SETITEMS */
  ['R'] = { note_call, 0 }, /* REDUCE */
  ['Q'] = { note_persistent, 0 }, /* BINPERSID */
  ['b'] = { drop_attributes, 1 }, /* BUILD */
  [0x94] = { memo_put, 0 }, /* MEMOIZE */
  ['q'] = { memo_put, 1 }, /* BINPUT */
  ['r'] = { memo_put, 4 }, /* LONG_BINPUT */
  ['h'] = { memo_get, 1 }, /* BINGET */
  ['j'] = { memo_get, 4 }, /* LONG_BINGET */
};

static gboolean
finish (Reader *self, GError **error)
{
  if (self->marks->len > 0 || self->stack->len != 1)
    return format_error (error, self, "it does not end with one value");
  self->pickle->root = g_ptr_array_index (self->stack, 0);
  return TRUE;
}

static gboolean
run (Reader *self, GError **error)
{
  for (guint step = 0; step < MAX_STEPS; step++) {
    const guint8 *opcode = take (self, 1, error);
    if (opcode == NULL)
      return FALSE;
    if (*opcode == STOP)
      return finish (self, error);
    if (operations[*opcode].run == NULL) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
          "%s: pickle has the instruction 0x%02x, which a tensor file has no "
          "use for",
          self->path, *opcode);
      return FALSE;
    }
    if (!operations[*opcode].run (self, operations[*opcode].n, error))
      return FALSE;
  }
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
      "%s: pickle has more than %u instructions", self->path, MAX_STEPS);
  return FALSE;
}

/**
 * ituning_pickle_read:
 * @path: the file's name, for messages
 * @bytes: [@size] a pickle; what follows its end is ignored
 * @size: bytes of it
 * @may_name: says what classes and functions may occur in it; those of plain
 *   data always may
 *
 * Returns: (transfer full): what the pickle describes; or %NULL with
 *   %ITUNING_ERROR_UNSUPPORTED when it names another global, is too long or has
 *   an instruction that plain data does not need, and with
 *   %ITUNING_ERROR_FORMAT when it is damaged
 */
ItuningPickle *
ituning_pickle_read (const char *path, const guint8 *bytes, gsize size,
    ItuningPickleFilter may_name, GError **error)
{
  g_autoptr (GPtrArray) stack = g_ptr_array_new ();
  g_autoptr (GArray) marks = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GHashTable) memo = g_hash_table_new (NULL, NULL);
  ItuningPickle *pickle = g_new0 (ItuningPickle, 1);
  Reader reader = { path, bytes, size, may_name, pickle, stack, marks, memo };

  pickle->values = g_ptr_array_new_with_free_func (free_value);
  pickle->texts = g_string_chunk_new (4096);
  if (!run (&reader, error))
    g_clear_pointer (&pickle, ituning_pickle_free);
  return pickle;
}

/**
 * ituning_pickle_free:
 * @pickle: (nullable) (transfer full): a pickle; its values go with it
 */
void
ituning_pickle_free (ItuningPickle *pickle)
{
  if (pickle == NULL)
    return;
  g_ptr_array_unref (pickle->values);
  g_string_chunk_free (pickle->texts);
  g_free (pickle);
}

/**
 * ituning_pickle_get_root:
 *
 * Returns: the value that @pickle stands for
 */
const ItuningPickleValue *
ituning_pickle_get_root (const ItuningPickle *pickle)
{
  return pickle->root;
}
