#!/usr/bin/env bash
# Makes the container images, looks into them, and runs a collector and an agent from them as a
# container engine would: as the user that they name, without any right, on a root that can't be
# written to, in a network of their own.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/deploy/containers.sh --bin-dir DIR [--help]

DIR holds the three programs. Needs root and umoci; exits 77 (skipped) where it has not got them.
TEXT
}

fail() {
  printf 'containers.sh: %s\n' "$*" >&2
  exit 1
}
skip() {
  printf 'containers.sh: skipped: %s\n' "$*"
  exit 77
}

bin_dir=
while [[ $# -gt 0 ]]; do
  case $1 in
    --bin-dir) bin_dir=$(realpath "${2:?--bin-dir needs a folder}"); shift ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[[ -n $bin_dir ]] || { usage >&2; exit 2; }
[[ $(id -u) == 0 ]] || skip 'needs root'
command -v umoci >/dev/null || skip 'needs umoci'

build=$(dirname "${BASH_SOURCE[0]}")/../../deploy/containers/build.sh
work=$(mktemp -d)
pids=()
cleanup() {
  [[ ${#pids[@]} == 0 ]] || kill "${pids[@]}" 2>/dev/null || true
  wait
  umount -q "$work/net" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

"$build" --bin-dir "$bin_dir" --out "$work/images" >/dev/null

# The same programs make the same bytes, also for a user who is not root.
install -d -o nobody -g nogroup "$work/again"
chmod 755 "$work"
setpriv --reuid nobody --regid nogroup --clear-groups env HOME=/nonexistent \
  SOURCE_DATE_EPOCH="$(git -C "$(dirname "$build")" log -1 --format=%ct 2>/dev/null || echo 0)" \
  "$build" --bin-dir "$bin_dir" --out "$work/again" >/dev/null
for program in skimwatch-agent skimwatch-collector skimwatchctl; do
  cmp "$work/images/$program.tar" "$work/again/$program.tar" || fail "$program is not the same twice"
  mkdir -p "$work/$program.oci"
  tar -xf "$work/images/$program.tar" -C "$work/$program.oci"
  umoci unpack --image "$work/$program.oci:latest" "$work/$program" >/dev/null 2>&1 ||
    fail "the image of $program can't be unpacked"
  root=$work/$program/rootfs
  [[ $(jq '.process.user.uid' "$work/$program/config.json") == 65532 ]] ||
    fail "$program does not run as its own user"
  [[ $(jq -r '.process.args[0]' "$work/$program/config.json") == "/usr/bin/$program" ]] ||
    fail "the image of $program starts something else"
  executables=$(find "$root" -type f -perm /111 -not -name '*.so*' -not -name 'ld-linux*' -printf '%P\n')
  [[ $executables == "usr/bin/$program" ]] || fail "$program is not alone: $executables"
  [[ -z $(find "$root" -perm /6000) ]] || fail "the image of $program has set-user-ID files"
  grep -q '^Package: libc6$' "$root/var/lib/dpkg/status.d/libc6" ||
    fail "the image of $program does not say which packages it holds"
done

# A network of their own, kept by a file so that each may enter it.
touch "$work/net"
unshare --net="$work/net" ip link set lo up

# contain PROGRAM ARGUMENT...: as an engine does with `--read-only --cap-drop=all`; /var/lib/<program>
# is $work/<program>.state, /etc/skimwatch is $work/<program>.etc and /logs is $work/logs. It takes the
# place of the shell that calls it, so that in the background the program is told to end itself.
cat >"$work/contain" <<'TEXT'
#!/bin/sh
set -e
work=$1 program=$2
shift 2
root=$work/$program/rootfs
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$work/$program.state" "$root/var/lib/$program"
mount --bind -o ro "$work/$program.etc" "$root/etc/skimwatch"
[ ! -d "$root/logs" ] || mount --bind -o ro "$work/logs" "$root/logs"
exec setpriv --no-new-privs chroot --userspec=65532:65532 "$root" "/usr/bin/$program" "$@"
TEXT
chmod +x "$work/contain"
mkdir -p "$work/logs" "$work/skimwatch-agent/rootfs/logs"
contain() { exec nsenter --net="$work/net" unshare --mount env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$work/contain" "$work" "$@"; }
for program in skimwatch-agent skimwatch-collector skimwatchctl; do
  mkdir -p "$work/$program.etc"
  install -d -m 700 -o 65532 -g 65532 "$work/$program.state"
  [[ $program == skimwatchctl ]] || [[ $(stat -c %u "$work/$program/rootfs/var/lib/$program") == 65532 ]] ||
    fail "what $program keeps is not its own"
done

cat >"$work/skimwatch-collector.etc/collector.yaml" <<'TEXT'
listen: 127.0.0.1:9463
tls: { plaintext: true }
fingerprint_keys: { files: [/var/lib/skimwatch-collector/first.key] }
roles: [{ identity: local, role: viewer }]
agents: [local]
metrics: { listen: 127.0.0.1:9464 }
TEXT
cat >"$work/skimwatch-agent.etc/agent.yaml" <<'TEXT'
sites: [{ name: shop }]
collector: { address: 127.0.0.1:9463, tls: { plaintext: true } }
sources: { log_files: [{ paths: [/logs/*.log], from: start }] }
TEXT
echo 'paid with card 4111 1111 1111 1111' >"$work/logs/shop.log"

# await WHAT COMMAND...
await() {
  local what=$1 i
  shift
  for ((i = 0; i < 300; ++i)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  cat "$work"/*.log >&2
  fail "$what"
}
contain skimwatch-collector --config /etc/skimwatch/collector.yaml >"$work/collector.log" 2>&1 &
pids+=($!)
await 'the collector does not answer' nsenter --net="$work/net" curl -sf http://127.0.0.1:9464/metrics
contain skimwatch-agent --config /etc/skimwatch/agent.yaml >"$work/agent.log" 2>&1 &
pids+=($!)
found() {
  (contain skimwatchctl --plaintext --collector 127.0.0.1:9463 findings list) >"$work/findings"
  grep -q '411111\*\*\*\*\*\*1111' "$work/findings"
}
await 'what the agent found does not come to the collector' found
! grep -q 4111111111111111 "$work"/*.log "$work/findings" || fail 'a full number was shown'

# Told to end, as engines do it.
kill -TERM "${pids[@]}"
for pid in "${pids[@]}"; do
  wait "$pid" || fail "a program ended with $? when it was told to"
done
pids=()
echo 'containers.sh: ok'
