#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fails if the Python example does not print captions; skips without python3-gi.
# Usage: python.sh ROOT
set -eu
for python in python3 /usr/bin/python3; do # the first may be another's
  "$python" -c 'import gi; gi.require_version ("Gst", "1.0")' 2> /dev/null && break
  [ "$python" = python3 ] || exit 77
done
out=$("$python" "$1/examples/print_captions.py" "$1/tests/data/tiny" 'videotestsrc num-buffers=30')
printf '%s\n' "$out"
printf '%s\n' "$out" | grep -q '^ *0\.000 s  0\.[0-9]*  [0-9]'

# Without the typelib it says what to do.
if out=$(env -u GI_TYPELIB_PATH "$python" "$1/examples/print_captions.py" "$1/tests/data/tiny" 2>&1); then
  exit 0 # it is installed
fi
printf '%s\n' "$out" | grep -q '^print_captions.py: .*GI_TYPELIB_PATH'
