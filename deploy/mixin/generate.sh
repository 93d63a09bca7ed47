#!/usr/bin/env bash
# Makes alerting rules and dashboards from the mixin.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: deploy/mixin/generate.sh [--mixin FILE] [--into FOLDER] [--check] [--help]

Writes prometheus/alerts.yml, prometheus/recording.yml and grafana/dashboards/*.json.

  --mixin FILE   a jsonnet file with a mixin of your own (default mixin.libsonnet; config.libsonnet
                 says what may be different)
  --into FOLDER  where to (default deploy/ of this repository)
  --check        write nothing; exit 1 and name the files that are not what would be written
TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mixin=$here/mixin.libsonnet
into=$here/..
check=no
while [[ $# -gt 0 ]]; do
  case $1 in
    --mixin | --into)
      [[ $# -ge 2 ]] || { echo "generate.sh: $1 needs a value" >&2; exit 2; }
      if [[ $1 == --mixin ]]; then mixin=$(realpath "$2"); else into=$2; fi
      shift
      ;;
    --check) check=yes ;;
    --help | -h) usage; exit 0 ;;
    *) echo "generate.sh: unknown option $1 (try --help)" >&2; exit 2 ;;
  esac
  shift
done
command -v jsonnet >/dev/null || { echo 'generate.sh: needs jsonnet (Debian package jsonnet)' >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/prometheus" "$work/grafana/dashboards"
jsonnet -S -J "$here" -e "(import 'manifest.libsonnet').rules((import '$mixin').prometheusAlerts)" \
  >"$work/prometheus/alerts.yml"
jsonnet -S -J "$here" -e "(import 'manifest.libsonnet').recorded((import '$mixin').prometheusRules)" \
  >"$work/prometheus/recording.yml"
jsonnet -J "$here" -m "$work/grafana/dashboards" -e "(import '$mixin').grafanaDashboards" >/dev/null
status=0
while IFS= read -r file; do
  cmp -s "$work/$file" "$into/$file" && continue
  if [[ $check == yes ]]; then
    echo "$file is not what deploy/mixin/generate.sh makes"
    status=1
  else
    mkdir -p "$(dirname "$into/$file")"
    cp "$work/$file" "$into/$file"
  fi
done < <(cd "$work" && find . -type f -printf '%P\n' | sort)
exit $status
