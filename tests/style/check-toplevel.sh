#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fails if the top level holds anything but the agreed names and build folders.
# Usage: check-toplevel.sh ROOT
cd "$1" || exit 1
bad=0
for name in *; do
  case "$name" in
    README.md | COPYING | meson.build | meson_options.txt) ;;
    model | gst | plugin | examples | tests | docs) ;;
    build* | asan | tsan) ;; # as .gitignore has it
    *)
      echo "top level: $name is not one of the agreed names"
      bad=1
      ;;
  esac
done
exit $bad
