#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fails if a header does not compile alone.
# Usage: check-headers.sh ROOT COMPILER...
cd "$1" || exit 1
shift
flags=$(pkg-config --cflags gio-2.0 json-glib-1.0 gstreamer-video-1.0) || exit 1
for folder in gst plugin model examples tests; do
  [ -d "$folder" ] && find "$folder" -name '*.h'
done | {
  bad=0
  while read -r header; do
    # shellcheck disable=SC2086 # flags are words
    printf '#include "%s"\n' "$header" |
      "$@" -std=gnu17 -fsyntax-only -Wall -Wextra -Werror -Wno-unused-function \
        -I. $flags -x c - || { echo "header: $header does not compile alone"; bad=1; }
  done
  exit $bad
}
