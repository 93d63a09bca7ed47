#!/usr/bin/env bash
# Gathers the update histories of browser libraries, to measure the judge of scripts with.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/data/gather-histories.sh [--out DIR] [--libraries N] [--versions N] [--help]

Brings every published version of the libraries in tests/data/corpus/histories.txt, in order and
without pre-releases, to DIR (default: build/corpus/histories), a folder for each library with a file
for each version: what a browser loads of it. Versions without that file are left out.

  --libraries N  only the first N of the list
  --versions N   at most N versions of each library, the last ones (default: all)

What is there is not fetched again. Nothing of the packages is run. At most 64 MiB of one package are
fetched, and 6 GiB of all. Needs npm and a registry that it can reach; all libraries take about an
hour and 2 GiB.

Then: build/release/bin/judge_histories build/corpus/histories

Exits 0 when every library is there, 1 when not, 2 on a wrong option.
TEXT
}

# As `node` has it everywhere: no order by who runs it.
export LC_ALL=C
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$source_dir/../../build/corpus/histories
libraries=1000
versions=100000
while [[ $# -gt 0 ]]; do
  case $1 in
    --out | --libraries | --versions)
      [[ $# -ge 2 && -n $2 ]] || { echo "gather-histories.sh: $1 needs a value" >&2; exit 2; }
      case $1 in
        --out) out=$2 ;;
        --libraries) libraries=$2 ;;
        --versions) versions=$2 ;;
      esac
      shift
      ;;
    --help | -h) usage; exit 0 ;;
    *) echo "gather-histories.sh: unknown option $1 (try --help)" >&2; exit 2 ;;
  esac
  shift
done
[[ $libraries =~ ^[1-9][0-9]*$ && $versions =~ ^[1-9][0-9]*$ ]] ||
  { echo "gather-histories.sh: expected a number" >&2; exit 2; }
command -v npm >/dev/null ||
  { echo "gather-histories.sh: npm is not installed; run deploy/install-dependencies.sh" >&2; exit 1; }

readonly package_bytes_max=$((64 << 20)) total_bytes_max=$((6 << 30))
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetched=0

# Versions in their order, without pre-releases.
versions_of() {
  npm view "$1" versions --json --cache "$work/npm" 2>"$work/view.log" |
    jq -r 'if type == "array" then .[] else . end' |
    grep -E '^[0-9]+\.[0-9]+\.[0-9]+$' | sort -t . -k1,1n -k2,2n -k3,3n | tail -n "$versions"
}

# The name that `npm pack` gives to the file of package@version.
archive_of() {
  local name=${1#@}
  printf '%s/pack/%s-%s.tgz' "$work" "${name//\//-}" "$2"
}

# Takes one version's file out of its archive. What has none leaves an empty mark, so that it is not
# asked for again.
unpack() {
  local library=$1 files=$2 version=$3 target=$4 archive size name
  archive=$(archive_of "$library" "$version")
  [[ -f $archive ]] || return 1
  size=$(stat -c %s "$archive")
  fetched=$((fetched + size))
  if [[ $size -le $package_bytes_max ]]; then
    tar -tzf "$archive" >"$work/names"
    for name in ${files//,/ }; do
      name=$(grep -x "[^/]*/$name" "$work/names" | head -n 1 || true)
      [[ -n $name ]] || continue
      tar -xzOf "$archive" "$name" >"$work/file"
      mv "$work/file" "$target"
      rm -f "$archive"
      return 0
    done
  fi
  rm -f "$archive"
  : >"$out/$library/.none-$version"
}

# Fetches what is not there of a library, ten versions a call.
bring() {
  local library=$1 files=$2 version target
  local -a wanted=() specs=()
  while read -r version; do
    # Names that sort as versions do.
    target=$out/$library/$(printf '%06d.%06d.%06d' ${version//./ }).js
    [[ -e $target || -e $out/$library/.none-$version ]] || wanted+=("$version|$target")
  done <"$work/versions"
  while [[ ${#wanted[@]} -gt 0 ]]; do
    if [[ $fetched -gt $total_bytes_max ]]; then
      echo "gather-histories.sh: $library: stopped at $total_bytes_max bytes" >&2
      return 1
    fi
    local -a some=("${wanted[@]:0:10}")
    wanted=("${wanted[@]:10}")
    specs=()
    for entry in "${some[@]}"; do specs+=("$library@${entry%%|*}"); done
    rm -rf "$work/pack"
    mkdir "$work/pack"
    # One that is gone fails them all; then each is asked for alone.
    npm pack "${specs[@]}" --ignore-scripts --silent --cache "$work/npm" \
      --pack-destination "$work/pack" >/dev/null 2>"$work/pack.log" </dev/null || true
    for entry in "${some[@]}"; do
      version=${entry%%|*}
      [[ -f $(archive_of "$library" "$version") ]] ||
        npm pack "$library@$version" --ignore-scripts --silent --cache "$work/npm" \
          --pack-destination "$work/pack" >/dev/null 2>"$work/pack.log" </dev/null || true
      unpack "$library" "$files" "$version" "${entry#*|}" || {
        echo "gather-histories.sh: $library@$version: not fetched: $(tail -n 1 "$work/pack.log")" >&2
        failed=1
      }
    done
  done
}

failed=0
count=0
while IFS='|' read -r library files; do
  [[ $library != \#* && -n $library ]] || continue
  count=$((count + 1))
  [[ $count -le $libraries ]] || break
  mkdir -p "$out/$library"
  if ! versions_of "$library" >"$work/versions" || [[ ! -s $work/versions ]]; then
    echo "gather-histories.sh: $library: no list of versions: $(tail -n 1 "$work/view.log")" >&2
    failed=1
    continue
  fi
  bring "$library" "$files" || failed=1
  printf '%s: %d versions\n' "$library" "$(find "$out/$library" -name '*.js' | wc -l)"
  rm -rf "$work/npm"
done <"$source_dir/corpus/histories.txt"
exit "$failed"
