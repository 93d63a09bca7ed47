#!/usr/bin/env bash
# Brings tree-sitter and its JavaScript grammar, as npm has them, to where CMake compiles them from.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: deploy/javascript-grammar/install.sh [--out DIR] [--help]

Installs the versions of tree-sitter and tree-sitter-javascript (MIT licence) that package-lock.json
beside this script names, with their digests, into DIR (default: build/javascript-grammar). Nothing of
the packages is run; their C sources are compiled. CMake calls this when they are missing; where there
is no registry, copy DIR from a machine that has it.

Debian's libtree-sitter 0.20.7 is not used: a node of 65,536 parts or more, which a hostile script
easily has, makes it write beyond its memory.

Needs npm. Exits 0 when the grammar is there, 1 when not, 2 on a wrong option.
TEXT
}

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$source_dir/../../build/javascript-grammar
while [[ $# -gt 0 ]]; do
  case $1 in
    --out)
      [[ $# -ge 2 && -n $2 ]] || { echo "install.sh: --out needs a folder" >&2; exit 2; }
      out=$2
      shift
      ;;
    --help | -h) usage; exit 0 ;;
    *) echo "install.sh: unknown option $1 (try --help)" >&2; exit 2 ;;
  esac
  shift
done

mkdir -p "$out"
# Two builds may want it at once.
exec 9>"$out/.lock"
flock 9
if cmp -s "$source_dir/package-lock.json" "$out/installed.json" &&
  [[ -f $out/node_modules/tree-sitter-javascript/src/parser.c ]] &&
  [[ -f $out/node_modules/tree-sitter/vendor/tree-sitter/lib/src/lib.c ]]; then
  exit 0
fi
command -v npm >/dev/null || {
  echo "install.sh: npm is not installed; run deploy/install-dependencies.sh" >&2
  exit 1
}
cp "$source_dir/package.json" "$source_dir/package-lock.json" "$out"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! (cd "$out" && npm ci --ignore-scripts --omit=optional --omit=peer --no-audit --no-fund) \
  >"$log" 2>&1; then
  tail -n 10 "$log" >&2
  echo "install.sh: npm could not install the JavaScript grammar (above); check that npm reaches its
  registry (npm ping), or copy $out from a machine that has it" >&2
  exit 1
fi
cp "$source_dir/package-lock.json" "$out/installed.json"
