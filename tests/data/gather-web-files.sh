#!/usr/bin/env bash
# Makes two folders of real files, one to measure the scanner's speed and one its false alarms.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/data/gather-web-files.sh [--out DIR] [--help]

Unpacks published packages of the npm registry into two folders under DIR (default: build/corpus):

  DIR/web-files  what browsers load: JavaScript, style sheets and HTML pages, 256 MiB or more
  DIR/clean      whole packages that are rich in digits and hold no card numbers but published
                 test numbers, 1 GiB or more: maps, calendars, phone and time-zone data, mathematics,
                 fonts, bundles, source maps, encoding tables, specifications

tests/data/corpus/packages.txt names the packages, their versions and digests, so that everyone has
the same bytes; tests/data/corpus/excluded.txt what is left out, and why. Of files with the same
content one is kept. Nothing in the packages is run. Once gathered, another run checks the folders
and is done.

Needs npm, 3 GiB of disk, of which 2.2 GiB stay, and a registry that npm can reach (as
`npm config get registry` says). Without one, copy DIR from a machine that has it.

Exits 0 when both folders are complete, 1 when not, 2 on a wrong option.
TEXT
}

out=
while [[ $# -gt 0 ]]; do
  case $1 in
    --out)
      [[ $# -ge 2 && -n $2 ]] || { echo "gather-web-files.sh: --out needs a folder" >&2; exit 2; }
      out=$2
      shift
      ;;
    --help | -h) usage; exit 0 ;;
    *) echo "gather-web-files.sh: unknown option $1 (try --help)" >&2; exit 2 ;;
  esac
  shift
done

# Without this, patterns and orders depend on who runs it.
export LC_ALL=C

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
packages=$source_dir/corpus/packages.txt
excluded=$source_dir/corpus/excluded.txt
out=${out:-$source_dir/../../build/corpus}
mkdir -p "$out"
out=$(cd "$out" && pwd)

readonly web_bytes_min=$((256 << 20))
readonly clean_bytes_min=$((1 << 30))

fail() {
  printf 'gather-web-files.sh: %s\n' "$*" >&2
  exit 1
}

# Number of files and bytes below a folder.
totals() {
  find "$1" -type f -printf '%s\n' | awk '{ bytes += $1 } END { printf "%d %.0f\n", NR, bytes }'
}

# What the folders are made from; when it changes they are made again.
recipe() {
  cat "$packages" "$excluded" "${BASH_SOURCE[0]}" | sha256sum | cut -d ' ' -f 1
}

report() {
  local name files bytes
  for name in web-files clean; do
    read -r files bytes < <(totals "$out/$name")
    awk -v name="$out/$name" -v files="$files" -v bytes="$bytes" \
      'BEGIN { printf "%s: %d files, %.1f MiB\n", name, files, bytes / 1048576 }'
  done
}

is_complete() {
  [[ -f $out/.gathered && -d $out/web-files && -d $out/clean ]] || return 1
  [[ $(cat "$out/.gathered") == "$(recipe)
web-files $(totals "$out/web-files")
clean $(totals "$out/clean")" ]]
}

if is_complete; then
  report
  exit 0
fi

command -v npm >/dev/null ||
  fail "npm is not installed (Debian: apt-get install --no-install-recommends npm)"

readonly work=$out/.gathering
rm -rf "$work/trees" "$out/web-files" "$out/clean" "$out/.gathered"
mkdir -p "$work/files" "$work/trees"

# The name that `npm pack` gives to the file of package@version.
file_of() {
  local name=${1%@*}
  name=${name#@}
  printf '%s-%s.tgz' "${name//\//-}" "${1##*@}"
}

digest_is() {
  [[ -f $2 && $(sha512sum "$2" | cut -d ' ' -f 1) == "$1" ]]
}

# Six packages a call, four calls at once; those already here are not asked for again.
wanted=()
while IFS='|' read -r package _ digest; do
  [[ $package != \#* && -n $package ]] || continue
  digest_is "$digest" "$work/files/$(file_of "$package")" || wanted+=("$package")
done <"$packages"
if [[ ${#wanted[@]} -gt 0 ]]; then
  printf 'fetching %d packages\n' "${#wanted[@]}"
  if ! printf '%s\0' "${wanted[@]}" | xargs -0 -P 4 -n 6 \
    npm pack --ignore-scripts --silent --cache "$work/npm" --pack-destination "$work/files" \
    >"$work/npm.log" 2>&1; then
    tail -n 5 "$work/npm.log" >&2
    fail "npm could not fetch every package (above; all of it in $work/npm.log).
  Check that npm reaches its registry (npm ping), then run this again: it goes on where it stopped.
  Where there is no registry, copy $out from a machine that has it."
  fi
fi

unpack() {
  local package=$1 folders=$2 digest=$3
  local name=${package%@*} file tree pattern
  file=$work/files/$(file_of "$package")
  digest_is "$digest" "$file" ||
    fail "$package: not the file that packages.txt has the digest of; delete $file and try again"
  tree=$work/trees/$package
  mkdir -p "$tree"
  tar -xzf "$file" -C "$tree" --strip-components 1 --no-same-owner --no-same-permissions
  find "$tree" ! -type f ! -type d -delete
  while IFS='|' read -r of pattern _; do
    [[ $of == '*' || $of == "$name" ]] || continue
    find "$tree" -type f -path "$tree/$pattern" -delete
  done <"$excluded"
  # A link takes no room on the disk.
  mkdir -p "$out/clean/$package"
  cp -al "$tree/." "$out/clean/$package"
  [[ $folders == both ]] || return 0
  find "$tree" -type f ! -name '*.js' ! -name '*.mjs' ! -name '*.cjs' ! -name '*.css' \
    ! -name '*.html' -delete
  mkdir -p "$out/web-files/$package"
  cp -al "$tree/." "$out/web-files/$package"
}

echo 'unpacking'
while IFS='|' read -r package folders digest; do
  [[ $package != \#* && -n $package ]] || continue
  [[ $folders =~ ^(both|clean)$ ]] || fail "packages.txt: $package: no folder $folders"
  unpack "$package" "$folders" "$digest"
done <"$packages"

# Keeps one of the files with the same content, the first by name.
drop_copies() {
  find "$1" -type f -size +0 -print0 | xargs -0 sha256sum | sort |
    awk 'seen[$1]++ { printf "%s%c", substr($0, 67), 0 }' | xargs -0 -r rm -f
  find "$1" -type f -empty -delete
  find "$1" -type d -empty -delete
}
drop_copies "$out/web-files"
drop_copies "$out/clean"
chmod -R u+rwX,go+rX "$out/web-files" "$out/clean"

report
read -r _ bytes < <(totals "$out/web-files")
[[ $bytes -ge $web_bytes_min ]] || fail "web-files has less than 256 MiB"
read -r _ bytes < <(totals "$out/clean")
[[ $bytes -ge $clean_bytes_min ]] || fail "clean has less than 1 GiB"
printf '%s\nweb-files %s\nclean %s\n' \
  "$(recipe)" "$(totals "$out/web-files")" "$(totals "$out/clean")" >"$out/.gathered"
rm -rf "$work"
