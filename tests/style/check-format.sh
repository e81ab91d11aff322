#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fails if clang-format would change a C file; skips without clang-format.
# Usage: check-format.sh ROOT
cd "$1" || exit 1
command -v clang-format > /dev/null || exit 77
for folder in gst plugin model examples tests; do
  [ -d "$folder" ] || continue
  find "$folder" -name '*.[ch]' -print0
done | xargs -0 clang-format --dry-run -Werror
