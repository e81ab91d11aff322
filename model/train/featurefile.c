/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/train/featurefile.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "model/ituning.h"

/* A file of features on its way to the disk, so that a run that broke off goes
 * on where it was:
 *
 *   PATH.part    room for the header, then the images' rows so far
 *   PATH.images  a line for each image so far: its captions' ids, or nothing
 *                for one that was skipped; its first line says what it is of
 *
 * When all are there the captions go behind the rows, the header goes into
 * its room, and PATH.part becomes PATH. The header tells by a digest of the
 * list's first line what PATH is of. */

/* Room for the header: JSON may have spaces behind it. */
#define HEADER_SIZE 1024

/* Of the header's metadata: what the file is of. */
#define SOURCE "ituning.source"

static gboolean
fail (const char *path, GError **error)
{
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s", path,
      g_strerror (errno));
  return FALSE;
}

/**
 * ituning_feature_file_new:
 * @path: the file to write
 * @rows: what a row is; its shape is copied
 * @head: (transfer full): a line that tells what the rows are of, with its end
 *
 * Returns: (transfer full): the file, with nothing on the disk yet
 */
ItuningFeatureFile *
ituning_feature_file_new (const char *path, const ItuningFeatureRows *rows,
    char *head)
{
  ItuningFeatureFile *self = g_new0 (ItuningFeatureFile, 1);

  self->path = g_strdup (path);
  self->part = g_strconcat (path, ".part", NULL);
  self->list = g_strconcat (path, ".images", NULL);
  self->head = head;
  self->rows = *rows;
  self->rows.shape = g_strdup (rows->shape);
  self->ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->lengths = g_array_new (FALSE, FALSE, sizeof (gint64));
  self->image = g_array_new (FALSE, FALSE, sizeof (gint64));
  return self;
}

/**
 * ituning_feature_file_free:
 * @file: (nullable) (transfer full): a file; what it has so far stays on the disk
 */
void
ituning_feature_file_free (ItuningFeatureFile *file)
{
  if (file == NULL)
    return;
  g_clear_pointer (&file->data, fclose);
  g_clear_pointer (&file->images, fclose);
  g_array_unref (file->ids);
  g_array_unref (file->lengths);
  g_array_unref (file->image);
  g_free ((char *) file->rows.shape);
  g_free (file->head);
  g_free (file->path);
  g_free (file->part);
  g_free (file->list);
  g_free (file);
}

/* --- what was written before -------------------------------------------- */

static char *
digest_head (const ItuningFeatureFile *self)
{
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, self->head, -1);
}

/**
 * ituning_feature_file_check:
 * @file: a file that was not opened
 *
 * Returns: FALSE with %ITUNING_ERROR_MISMATCH when what lies at its path was
 *   written for another head; TRUE also for one that does not say
 */
gboolean
ituning_feature_file_check (const ItuningFeatureFile *file, GError **error)
{
  g_autofree char *digest = digest_head (file), *wanted = NULL;
  char header[HEADER_SIZE + 1] = { 0 };
  FILE *stream = fopen (file->path, "rbe");
  const char *found;

  if (stream == NULL ||
      fread (header, 1, HEADER_SIZE, stream) < sizeof (guint64))
    header[sizeof (guint64)] = '\0'; /* opening it will say why */
  if (stream != NULL)
    fclose (stream);
  found = strstr (header + sizeof (guint64), "\"" SOURCE "\"");
  wanted = g_strconcat ("\"" SOURCE "\":\"", digest, "\"", NULL);
  if (found == NULL || g_str_has_prefix (found, wanted))
    return TRUE;
  g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
      "%s: is of another model, or of other captions or options; delete it to "
      "write it anew",
      file->path);
  return FALSE;
}

static void
note_caption (ItuningFeatureFile *self, const GArray *ids)
{
  const gint64 length = ids->len, image = (gint64) self->n_images;

  g_array_append_vals (self->ids, ids->data, ids->len);
  g_array_append_val (self->lengths, length);
  g_array_append_val (self->image, image);
}

/* Reads a caption's ids, parted by spaces. */
static gboolean
read_ids (const char *text, GArray *ids)
{
  g_array_set_size (ids, 0);
  while (g_ascii_isdigit (*text)) {
    char *end;
    const guint32 id = (guint32) g_ascii_strtoull (text, &end, 10);
    g_array_append_val (ids, id);
    text = end + strspn (end, " ");
  }
  return *text == '\0' && ids->len > 0;
}

/* A line of PATH.images: captions parted by ";". */
static gboolean
take_line (ItuningFeatureFile *self, const char *line, GError **error)
{
  g_auto (GStrv) captions = g_strsplit (line, ";", -1);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (gsize i = 0; captions[i] != NULL; i++) {
    if (!read_ids (captions[i], ids)) {
      g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_FORMAT,
          "%s: line %zu is broken; delete the file to begin anew", self->list,
          self->n_done + 2);
      return FALSE;
    }
    note_caption (self, ids);
  }
  self->n_images += line[0] != '\0';
  self->n_skipped += line[0] == '\0';
  self->n_done++;
  return TRUE;
}

/* What a run that broke off left, as far as both files have it. */
static gboolean
read_progress (ItuningFeatureFile *self, GError **error)
{
  const goffset row = (goffset) self->rows.size;
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  goffset size;

  if (!g_file_get_contents (self->list, &text, NULL, NULL) ||
      g_str_has_prefix (self->head, text))
    return TRUE; /* broken off before the first image */
  if (!g_str_has_prefix (text, self->head)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_MISMATCH,
        "%s: is of a run with another model or other options; delete it to "
        "begin anew",
        self->list);
    return FALSE;
  }
  if (fseeko (self->data, 0, SEEK_END) != 0)
    return fail (self->part, error);
  size = ftello (self->data) - HEADER_SIZE;
  lines = g_strsplit (text + strlen (self->head), "\n", -1);
  for (gsize i = 0; lines[i] != NULL && lines[i + 1] != NULL; i++) {
    if (lines[i][0] != '\0' && (goffset) (self->n_images + 1) * row > size)
      break;
    if (!take_line (self, lines[i], error))
      return FALSE;
  }
  return TRUE;
}

/* Leaves in PATH.images what was taken, all or nothing of it, and goes on behind
 * it. */
static gboolean
restart_list (ItuningFeatureFile *self, GError **error)
{
  g_autoptr (GString) kept = g_string_new (self->head);
  g_autoptr (GError) reason = NULL;
  g_autofree char *old = NULL;
  const char *line;

  g_file_get_contents (self->list, &old, NULL, NULL);
  line = self->n_done > 0 ? old + strlen (self->head) : "";
  for (gsize i = 0; i < self->n_done; i++) {
    const gsize length = strcspn (line, "\n") + 1;
    g_string_append_len (kept, line, (gssize) length);
    line += length;
  }
  if (!g_file_set_contents (self->list, kept->str, (gssize) kept->len,
          &reason)) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_WRITE, "%s: %s",
        self->list, reason->message);
    return FALSE;
  }
  self->images = fopen (self->list, "ae");
  return self->images != NULL || fail (self->list, error);
}

/**
 * ituning_feature_file_open:
 * @file: a file of no rows
 *
 * Goes on with what a run for the same head that broke off has left.
 *
 * Returns: FALSE with %ITUNING_ERROR_UNSUPPORTED, %ITUNING_ERROR_FORMAT,
 *   %ITUNING_ERROR_MISMATCH or %ITUNING_ERROR_WRITE
 */
gboolean
ituning_feature_file_open (ItuningFeatureFile *file, GError **error)
{
  const goffset row = (goffset) file->rows.size;
  goffset end;

  if (file->rows.size % sizeof (gint64) != 0) {
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_UNSUPPORTED,
        "%s: rows of %s elements would leave the captions behind them "
        "unaligned",
        file->path, file->rows.shape);
    return FALSE;
  }
  file->data = fopen (file->part, "r+be");
  if (file->data == NULL)
    file->data = fopen (file->part, "w+be");
  if (file->data == NULL)
    return fail (file->part, error);
  if (!read_progress (file, error) || !restart_list (file, error))
    return FALSE;
  end = HEADER_SIZE + (goffset) file->n_images * row;
  if (ftruncate (fileno (file->data), end) != 0 ||
      fseeko (file->data, end, SEEK_SET) != 0)
    return fail (file->part, error);
  return TRUE;
}

/* --- an image ----------------------------------------------------------- */

static gboolean
write_list (ItuningFeatureFile *self, GString *line, GError **error)
{
  g_string_append_c (line, '\n');
  if (fwrite (line->str, 1, line->len, self->images) != line->len ||
      fflush (self->images) != 0)
    return fail (self->list, error);
  self->n_done++;
  return TRUE;
}

/**
 * ituning_feature_file_add:
 * @file: an open file
 * @row: of the next image
 * @captions: (element-type GArray): their ids, guint32, one caption or more
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
ituning_feature_file_add (ItuningFeatureFile *file, const void *row,
    const GPtrArray *captions, GError **error)
{
  const gsize size = file->rows.size;
  g_autoptr (GString) line = g_string_new (NULL);

  for (guint i = 0; i < captions->len; i++) {
    const GArray *ids = captions->pdata[i];
    for (guint k = 0; k < ids->len; k++)
      g_string_append_printf (line, "%s%u", k > 0 ? " " : (i > 0 ? ";" : ""),
          g_array_index (ids, guint32, k));
    note_caption (file, ids);
  }
  if (fwrite (row, 1, size, file->data) != size || fflush (file->data) != 0)
    return fail (file->part, error);
  file->n_images++;
  return write_list (file, line, error);
}

/**
 * ituning_feature_file_skip:
 * @file: an open file; its next image is left out
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE
 */
gboolean
ituning_feature_file_skip (ItuningFeatureFile *file, GError **error)
{
  g_autoptr (GString) line = g_string_new (NULL);

  file->n_skipped++;
  return write_list (file, line, error);
}

/* --- the end ------------------------------------------------------------ */

/* input_ids [M, T] with zeros behind each caption, then lengths, then image */
static gboolean
write_captions (ItuningFeatureFile *self, gsize T)
{
  g_autofree gint64 *row = g_new (gint64, T);
  const guint32 *ids = (const guint32 *) self->ids->data;
  const gsize M = self->lengths->len;

  for (gsize i = 0; i < M; i++) {
    const gsize n = (gsize) g_array_index (self->lengths, gint64, i);
    memset (row, 0, T * sizeof (gint64));
    for (gsize t = 0; t < n; t++)
      row[t] = *ids++;
    if (fwrite (row, sizeof (gint64), T, self->data) != T)
      return FALSE;
  }
  return fwrite (self->lengths->data, sizeof (gint64), M, self->data) == M &&
      fwrite (self->image->data, sizeof (gint64), M, self->data) == M;
}

static void
append_entry (GString *header, const char *name, const char *type,
    const char *shape, guint64 *offset, guint64 size)
{
  g_string_append_printf (header,
      ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":"
      "[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}",
      name, type, shape, *offset, *offset + size);
  *offset += size;
}

static gboolean
write_header (ItuningFeatureFile *self, gsize T)
{
  const gsize M = self->lengths->len, N = self->n_images;
  const guint64 length = GUINT64_TO_LE (HEADER_SIZE - sizeof (guint64));
  g_autofree char *images = g_strdup_printf ("%zu,%s", N, self->rows.shape);
  g_autofree char *ids = g_strdup_printf ("%zu,%zu", M, T);
  g_autofree char *rows = g_strdup_printf ("%zu", M);
  g_autofree char *digest = digest_head (self);
  g_autoptr (GString) header = g_string_new (NULL);
  guint64 offset = 0;

  g_string_append_printf (header, "{\"__metadata__\":{\"" SOURCE "\":\"%s\"}",
      digest);
  append_entry (header, self->rows.name, self->rows.type, images, &offset,
      N * self->rows.size);
  append_entry (header, "input_ids", "I64", ids, &offset,
      M * T * sizeof (gint64));
  append_entry (header, "lengths", "I64", rows, &offset, M * sizeof (gint64));
  append_entry (header, "image", "I64", rows, &offset, M * sizeof (gint64));
  g_string_append_c (header, '}');
  while (header->len < HEADER_SIZE - sizeof (guint64))
    g_string_append_c (header, ' ');
  return fseeko (self->data, 0, SEEK_SET) == 0 &&
      fwrite (&length, sizeof (length), 1, self->data) == 1 &&
      fwrite (header->str, 1, header->len, self->data) == header->len;
}

/**
 * ituning_feature_file_finish:
 * @file: an open file that has all images
 *
 * Makes the file whole and puts it in its place.
 *
 * Returns: FALSE with %ITUNING_ERROR_WRITE, or %ITUNING_ERROR_INPUT when all
 *   images were skipped: then nothing is left on the disk
 */
gboolean
ituning_feature_file_finish (ItuningFeatureFile *file, GError **error)
{
  gsize T = 0;

  if (file->n_images == 0) {
    unlink (file->list);
    unlink (file->part);
    g_set_error (error, ITUNING_ERROR, ITUNING_ERROR_INPUT,
        "%s: there is no image to write features of", file->path);
    return FALSE;
  }
  for (guint i = 0; i < file->lengths->len; i++)
    T = MAX (T, (gsize) g_array_index (file->lengths, gint64, i));
  if (!write_captions (file, T) || !write_header (file, T) ||
      fflush (file->data) != 0 || fsync (fileno (file->data)) != 0)
    return fail (file->part, error);
  if (rename (file->part, file->path) != 0)
    return fail (file->path, error);
  unlink (file->list);
  return TRUE;
}
