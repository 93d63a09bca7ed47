#!/usr/bin/env bash
# Makes OCI images of the three programs that hold nothing else: no shell, no package manager.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: deploy/containers/build.sh [--bin-dir DIR] [--out DIR] [--help]

Makes an image each of skimwatch-agent, skimwatch-collector and skimwatchctl, as OCI archives
DIR/<program>.tar (default: build/containers), without a registry, a daemon or root. Without
--bin-dir it first installs what the build needs and builds the programs.

An image holds the program, the libraries that it loads, certificates of public authorities, the
public suffix list, and what dpkg says of the packages that those come from
(/var/lib/dpkg/status.d, where scanners for known faults look). It runs as user 65532. The same
programs and libraries make the same image.

  podman load -i build/containers/skimwatch-collector.tar
  skopeo copy oci-archive:build/containers/skimwatch-agent.tar docker://registry.example/skimwatch-agent

Exits 0 when all are made, 1 when not, 2 on a wrong option.
TEXT
}

fail() {
  printf 'build.sh: %s\n' "$*" >&2
  exit 1
}

root_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin_dir=
out=$root_dir/build/containers
while [[ $# -gt 0 ]]; do
  case $1 in
    --bin-dir) bin_dir=$(realpath "${2:?--bin-dir needs a folder}"); shift ;;
    --out) out=${2:?--out needs a folder}; shift ;;
    --help | -h) usage; exit 0 ;;
    *) echo "build.sh: unknown option $1 (try --help)" >&2; exit 2 ;;
  esac
  shift
done

if [[ -z $bin_dir ]]; then
  "$root_dir/deploy/install-dependencies.sh" --build
  log=$root_dir/build/containers.log
  mkdir -p "$root_dir/build"
  (cd "$root_dir" && cmake --preset release &&
    ninja -C build/release skimwatch-agent skimwatch-collector skimwatchctl) >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    fail "the build failed; all of it is in $log"
  }
  bin_dir=$root_dir/build/release/bin
fi
command -v umoci >/dev/null || fail 'umoci is not installed; run deploy/install-dependencies.sh'

# Of the last commit, so that the time of the build is in no file.
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root_dir" log -1 --format=%ct 2>/dev/null || echo 0)}
created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)
readonly user=65532
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# add_file ROOT PATH: a file of this system at its place, links followed, and its package noted.
add_file() {
  local root=$1 path=$2 package
  install -D -m "$(stat -Lc %a "$path")" "$path" "$root$path"
  # /lib is /usr/lib, and dpkg knows a file by one of the two names.
  package=$(dpkg-query -S "$path" 2>/dev/null || dpkg-query -S "/usr$path" 2>/dev/null ||
    dpkg-query -S "${path#/usr}" 2>/dev/null || true)
  [[ -n $package ]] && printf '%s\n' "${package%%: *}" >>"$work/packages"
  return 0
}

# make_root PROGRAM ROOT
make_root() {
  local program=$1 root=$2 library package name
  : >"$work/packages"
  install -D "$bin_dir/$program" "$root/usr/bin/$program"
  strip "$root/usr/bin/$program"
  while read -r library; do
    add_file "$root" "$library"
  done < <(ldd "$bin_dir/$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }')
  add_file "$root" /etc/ssl/certs/ca-certificates.crt
  printf 'ca-certificates\n' >>"$work/packages"
  [[ ! -e /usr/share/publicsuffix/public_suffix_list.dafsa ]] ||
    add_file "$root" /usr/share/publicsuffix/public_suffix_list.dafsa
  mkdir -p "$root/etc/skimwatch" "$root/var/lib/dpkg/status.d"
  mkdir -m 1777 "$root/tmp"
  printf 'root:x:0:0:root:/:/sbin/nologin\nskimwatch:x:%s:%s::/:/sbin/nologin\n' $user $user \
    >"$root/etc/passwd"
  printf 'root:x:0:\nskimwatch:x:%s:\n' $user >"$root/etc/group"
  printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
  install -D -m 644 "$root_dir/LICENSE" "$root/usr/share/doc/$program/copyright"
  while read -r package; do
    name=${package%%:*}
    dpkg-query -s "$package" | grep -v '^Conffiles:\|^ /' >"$root/var/lib/dpkg/status.d/$name"
    [[ ! -e /usr/share/doc/$name/copyright ]] ||
      install -D -m 644 "/usr/share/doc/$name/copyright" "$root/usr/share/doc/$name/copyright"
  done < <(sort -u "$work/packages")
  find "$root" -exec touch -h -d "@$epoch" {} +
}

# make_image PROGRAM ARGUMENT...: the arguments are those of a container without any.
make_image() {
  local program=$1 argument folder arguments=() image=$work/$1.oci root=$work/$1.root
  shift
  for argument in "$@"; do arguments+=(--config.cmd "$argument"); done
  mkdir -p "$root"
  make_root "$program" "$root"
  umoci init --layout "$image"
  umoci new --image "$image:latest"
  # What it keeps and its sockets are its own; everything else is root's.
  umoci insert --image "$image:latest" --history.created "$created" \
    --uid-map "0:$(id -u):1" --gid-map "0:$(id -g):1" "$root" /
  for folder in "/var/lib/$program" "/run/$program"; do
    rm -rf "$work/own"
    mkdir -m 0700 "$work/own"
    touch -d "@$epoch" "$work/own"
    umoci insert --image "$image:latest" --history.created "$created" \
      --uid-map "$user:$(id -u):1" --gid-map "$user:$(id -g):1" "$work/own" "$folder"
  done
  umoci config --image "$image:latest" --created "$created" --history.created "$created" \
    --author 'Skimwatch maintainers' --config.user "$user:$user" \
    --config.entrypoint "/usr/bin/$program" "${arguments[@]}" \
    --config.stopsignal SIGTERM --config.workingdir / \
    --config.label "org.opencontainers.image.title=$program" \
    --config.label "org.opencontainers.image.licenses=Apache-2.0" \
    --config.label "org.opencontainers.image.created=$created" \
    --config.label "org.opencontainers.image.version=$("$bin_dir/$program" --version | cut -d' ' -f2)"
  umoci gc --layout "$image"
  tar --create --file "$out/$program.tar" --directory "$image" --sort=name --owner=0 --group=0 \
    --numeric-owner --mtime="@$epoch" .
  printf '%s\n' "$out/$program.tar"
}

make_image skimwatch-agent --config /etc/skimwatch/agent.yaml
make_image skimwatch-collector --config /etc/skimwatch/collector.yaml
make_image skimwatchctl --help
