#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs clang-tidy on a file and says "ok FILE", or what it found and "bad FILE".
# Usage: tidy.sh BUILD-FOLDER FILE
# Without its search for leaks: clang-tidy 14 does not know the cleanup attribute
# that g_autofree is made of. The address sanitizer finds those that are.
found=$(clang-tidy --quiet --checks=-clang-analyzer-unix.Malloc -p "$1" "$2" 2>&1) &&
  echo "ok $2" && exit 0
printf '%s\nbad %s\n' "$found" "$2"
