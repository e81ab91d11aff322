#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fails if an example does not print captions.
# Usage: examples.sh ROOT PRINT-CAPTIONS FOUR-FILES
set -eu
model=$1/tests/data/tiny
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$2" "$model" 'videotestsrc num-buffers=30' > "$folder/out"
cat "$folder/out"
grep -q '^0:00:00.000000000  0\.[0-9]*  [0-9]' "$folder/out"
if "$2" /nowhere 2> "$folder/error"; then exit 1; fi
grep -q '/nowhere' "$folder/error"

# y4m: GStreamer's core and base plugins alone write it and read it.
gst-launch-1.0 -q videotestsrc num-buffers=30 ! video/x-raw,width=64,height=48 ! y4menc ! \
  filesink "location=$folder/in.y4m" || exit 77
for name in a b c d; do cp "$folder/in.y4m" "$folder/$name.y4m"; done
"$3" "$model" "$folder"/[abcd].y4m > "$folder/out"
cat "$folder/out"
for name in a b c d; do
  grep -q "$name.y4m: 0:00:00.000000000 - 0:00:01.000000000  [0-9]" "$folder/out"
done

gst-inspect-1.0 --exists textoverlay || exit 77
"$1/examples/overlay-camera.sh" --test "$model"
