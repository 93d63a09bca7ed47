#!/usr/bin/env bash
# Installs the Debian packages into a fresh Debian of its own, starts what they install as the users
# that they make, upgrades, removes and purges them, and looks at what is left each time.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/deploy/packages.sh --build FOLDER [--help]

FOLDER is a build folder with the three programs. Needs root and debootstrap, and this host's
package sources; exits 77 (skipped) where it has not got them.
TEXT
}

fail() {
  printf 'packages.sh: %s\n' "$*" >&2
  exit 1
}
skip() {
  printf 'packages.sh: skipped: %s\n' "$*"
  exit 77
}

build=
while [[ $# -gt 0 ]]; do
  case $1 in
    --build) build=$(realpath "${2:?--build needs a folder}"); shift ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[[ -n $build ]] || { usage >&2; exit 2; }
[[ $(id -u) == 0 ]] || skip 'needs root'
command -v debootstrap >/dev/null || skip 'needs debootstrap'
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
[[ -n $mirror ]] || skip 'no package sources on this host'

work=$(mktemp -d)
root=$work/debian
pids=()
cleanup() {
  [[ ${#pids[@]} == 0 ]] || kill "${pids[@]}" 2>/dev/null || true
  wait
  umount -q "$work/net" 2>/dev/null || true
  umount -q "$root/proc" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
# What stands before a command that runs as the unit has it: in a network of its own, so that the
# ports of the default configuration are free, as a user and a group. A command and no function, so
# that it is the background process itself.
as_unit() {
  local user=$1 group=$2
  unit=(nsenter --net="$work/net" chroot "$root" setpriv --reuid "$user" --regid "$group"
    --init-groups --inh-caps=-all env -i PATH=/usr/bin)
}
# make_packages VERSION: the same programs under another version.
make_packages() {
  cpack -G DEB --config "$build/CPackConfig.cmake" -R "$1" \
    -D CPACK_OUTPUT_FILE_PREFIX="$work/packages-$1" -B "$work/cpack" >"$work/cpack.log" 2>&1 ||
    { cat "$work/cpack.log" >&2; fail "cpack failed"; }
  mkdir -p "$root/packages"
  rm -f "$root"/packages/*
  cp "$work/packages-$1"/*.deb "$root/packages/"
}
install_packages() {
  in_root sh -c 'apt-get install -q -y --no-install-recommends /packages/*.deb' \
    >"$work/install.log" 2>&1 || { cat "$work/install.log" >&2; fail "apt could not install"; }
}
# await WHAT COMMAND...
await() {
  local what=$1 i
  shift
  for ((i = 0; i < 100; ++i)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  cat "$work"/answer "$work"/agent.log "$work"/collector.log >&2 2>/dev/null || true
  fail "waited 10 s for $what"
}
expect() {
  local what=$1
  shift
  "$@" >/dev/null 2>&1 || fail "$what: $* failed"
}

echo 'a fresh Debian'
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
  { tail -n 20 "$work/debootstrap.log" >&2; fail 'debootstrap failed'; }
rm -rf "$root/etc/apt/sources.list" "$root/etc/apt/sources.list.d"
cp -a /etc/apt/sources.list "$root/etc/apt/" 2>/dev/null || true
cp -a /etc/apt/sources.list.d "$root/etc/apt/" 2>/dev/null || true
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
in_root apt-get update -q >"$work/update.log" 2>&1 || { cat "$work/update.log" >&2; fail 'apt-get update'; }
mount -t proc proc "$root/proc"

echo 'install'
make_packages 0.1.0
install_packages
for program in skimwatch-agent skimwatch-collector skimwatchctl; do
  expect "$program runs" in_root "$program" --version
done
for program in agent collector; do
  expect "the $program has a user" in_root id "skimwatch-$program"
  [[ $(in_root stat -c '%U %a' "/var/lib/skimwatch-$program") == "skimwatch-$program 700" ]] ||
    fail "/var/lib/skimwatch-$program is not the program's own"
  expect "the unit of the $program is enabled" \
    test -L "$root/etc/systemd/system/multi-user.target.wants/skimwatch-$program.service"
done

echo 'start as the units do'
touch "$work/net"
unshare --net="$work/net" ip link set lo up || skip 'needs network namespaces'
# As systemd makes it for RuntimeDirectory=.
in_root install -d -m 0750 -o skimwatch-collector -g skimwatch /run/skimwatch-collector
in_root install -d -m 0755 /var/log/nginx
# start PROGRAM GROUP UMASK
start() {
  as_unit "skimwatch-$1" "$2"
  expect "the default configuration of the $1 passes" \
    "${unit[@]}" "skimwatch-$1" --config "/etc/skimwatch/$1.yaml" --check-config
  "${unit[@]}" sh -c "umask $3; exec skimwatch-$1 --config /etc/skimwatch/$1.yaml" \
    >"$work/$1.log" 2>&1 &
  pids+=($!)
}
socket=unix:/var/lib/skimwatch-collector/operator.sock
start collector skimwatch 0007
await "the collector's socket" test -S "$root/run/skimwatch-collector/collector.sock"
start agent skimwatch-agent 0077
ask() { in_root skimwatchctl --plaintext --collector "$socket" --output json "$@" >"$work/answer" 2>&1; }
answers() {
  local pattern=$1
  shift
  ask "$@" && grep -q -e "$pattern" "$work/answer"
}
await 'the agent at the collector' answers '"local"' agents list
# A number that a payment company published for tests, in a log that the agent follows.
echo 'GET /?card=4111111111111111 HTTP/1.1' >"$root/var/log/nginx/access.log"
chmod 644 "$root/var/log/nginx/access.log"
await 'the finding' answers '411111\*\*\*\*\*\*1111' findings list
answers 4111111111111111 findings list && fail 'a full number left the agent'
# The agent can reach the socket for agents, and ask nothing there.
as_unit skimwatch-agent skimwatch-agent
answer=$("${unit[@]}" skimwatchctl --plaintext \
  --collector unix:/run/skimwatch-collector/collector.sock agents list 2>&1) && fail 'an agent may ask'
[[ $answer == *"'local' has no role"* ]] || fail "an agent that asks is told: $answer"
"${unit[@]}" skimwatchctl --plaintext --collector "$socket" agents list >/dev/null 2>&1 &&
  fail 'an agent can open the socket of operators'
kill "${pids[@]}"
wait "${pids[@]}" || true
pids=()
for example in browser-reports/nginx.conf browser-reports/headers.conf mirror/nginx.conf; do
  expect "the package has the example $example" \
    test -s "$root/usr/share/doc/skimwatch-agent/examples/$example"
done

echo 'upgrade'
echo '# kept' >>"$root/etc/skimwatch/agent.yaml"
make_packages 0.2.0
install_packages
[[ $(in_root dpkg-query -W -f '${Version}' skimwatch-agent) == 0.2.0 ]] || fail 'not upgraded'
expect 'an upgrade keeps the configuration' grep -q '# kept' "$root/etc/skimwatch/agent.yaml"
expect 'an upgrade keeps the store' test -s "$root/var/lib/skimwatch-collector/skimwatch.db"

echo 'remove'
in_root apt-get remove -q -y skimwatch-agent skimwatch-collector skimwatchctl >"$work/remove.log" 2>&1 ||
  { cat "$work/remove.log" >&2; fail 'apt could not remove'; }
[[ ! -e $root/usr/bin/skimwatch-agent ]] || fail 'the agent is still there'
expect 'a removal keeps the store' test -s "$root/var/lib/skimwatch-collector/skimwatch.db"
expect 'a removal keeps the configuration' grep -q '# kept' "$root/etc/skimwatch/agent.yaml"

echo 'purge'
in_root apt-get purge -q -y skimwatch-agent skimwatch-collector skimwatchctl >"$work/purge.log" 2>&1 ||
  { cat "$work/purge.log" >&2; fail 'apt could not purge'; }
for path in /var/lib/skimwatch-agent /var/lib/skimwatch-collector /etc/skimwatch; do
  [[ ! -e $root$path ]] || fail "$path is left after a purge"
done
find "$root/usr" -newer "$work/install.log" -name '*skimwatch*' | grep . && fail 'files are left after a purge'
echo 'passed'
