#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Gets a folder ready for building the captioning library and its tests for
# 64-bit ARM, and for running them under qemu. Usage: setup.sh FOLDER
#   FOLDER/root       Debian's libraries for arm64, unpacked
#   FOLDER/cross.txt  what Meson has to know about them
# The libraries are unpacked there and not installed: Debian installs those of a
# second architecture only in the very versions that the first has, so it would
# change the host's own. This needs no root and changes nothing outside. apt
# still finds, checks and downloads them, with lists and a record of what is
# installed (nothing) of its own.
set -eu -o pipefail
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
root=$folder/root
libs=usr/lib/aarch64-linux-gnu

# apt adds what the libraries depend on, down to the C library. Of the packages
# of headers it would add far too much (Python), so all that pkg-config asks for
# are named.
libraries=(libglib2.0-0 libjson-glib-1.0-0 libopenblas0-pthread)
headers=(libglib2.0-dev libjson-glib-dev libopenblas-pthread-dev libblkid-dev libffi-dev
  libmount-dev libpcre2-dev libselinux1-dev libsepol-dev zlib1g-dev)

wanted="${libraries[*]} ${headers[*]}"

unpack_root() {
  local apt=$folder/apt package
  local options=(-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64
    -o Dir::State::Lists="$apt/lists" -o Dir::State::Status=/dev/null -o Dir::Cache="$apt"
    -o APT::Sandbox::User= -o Debug::NoLocking=true -o Acquire::Retries=3)
  rm -rf "$apt" "$root" "$root.part"
  mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$root.part"
  apt-get "${options[@]}" update
  apt-get "${options[@]}" install -y --no-install-recommends --download-only "${libraries[@]}" > /dev/null
  (cd "$apt/archives" && apt-get "${options[@]}" download "${headers[@]}")
  for package in "$apt"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" |
      tar -x -C "$root.part" --exclude='*.a' --exclude=./usr/share/doc --exclude=./usr/share/locale
  done
  rm -rf "$apt"
  echo "$wanted" > "$root.part/packages"
  mv "$root.part" "$root"
}

# OpenBLAS lies where Debian's alternatives would point to.
print_cross() {
  cat << EOF
[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
exe_wrapper = ['qemu-aarch64', '-L', '$root']

[built-in options]
c_link_args = ['-Wl,-rpath-link,$root/$libs:$root/lib/aarch64-linux-gnu', '-Wl,-rpath,/$libs/openblas-pthread']

[properties]
sys_root = '$root'
pkg_config_libdir = ['$root/$libs/pkgconfig', '$root/$libs/openblas-pthread/pkgconfig', '$root/usr/share/pkgconfig']

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
EOF
}

[ "$(cat "$root/packages" 2> /dev/null)" = "$wanted" ] || unpack_root
# Left as it is when it is right: Meson sets everything up again when it is new.
print_cross | cmp -s - "$folder/cross.txt" || print_cross > "$folder/cross.txt"
