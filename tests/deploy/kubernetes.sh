#!/usr/bin/env bash
# Renders the manifests of deploy/kubernetes, checks them against the Kubernetes API's schema, and runs
# a collector and an agent with what they say: their configurations, users and capabilities, volumes as
# the kubelet mounts them, and the names of the cluster.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/deploy/kubernetes.sh --bin-dir DIR --packages DIR [--help]

--bin-dir holds the three programs; --packages is a folder to install the checkers of
tests/deploy/kubernetes/package-lock.json into. Needs root, npm and kubectl (for `kubectl kustomize`;
no cluster); exits 77 (skipped) where it has not got them.
TEXT
}

fail() {
  printf 'kubernetes.sh: %s\n' "$*" >&2
  exit 1
}
skip() {
  printf 'kubernetes.sh: skipped: %s\n' "$*"
  exit 77
}

bin_dir=
packages=
while [[ $# -gt 0 ]]; do
  case $1 in
    --bin-dir) bin_dir=$(realpath "${2:?--bin-dir needs a folder}"); shift ;;
    --packages) packages=$(realpath -m "${2:?--packages needs a folder}"); shift ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[[ -n $bin_dir && -n $packages ]] || { usage >&2; exit 2; }
[[ $(id -u) == 0 ]] || skip 'needs root'
command -v npm >/dev/null || skip 'needs npm'
kubectl version --client >/dev/null 2>&1 || skip 'needs kubectl'

here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
manifests=$here/../../deploy/kubernetes
work=$(mktemp -d)
chmod 755 "$work"
pids=()
cleanup() {
  [[ ${#pids[@]} == 0 ]] || kill "${pids[@]}" 2>/dev/null || true
  wait
  umount -q "$work/net" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

mkdir -p "$packages"
if ! cmp -s "$here/kubernetes/package-lock.json" "$packages/installed.json"; then
  cp "$here/kubernetes/package.json" "$here/kubernetes/package-lock.json" "$packages"
  (cd "$packages" && npm ci --ignore-scripts --no-audit --no-fund) >"$work/npm.log" 2>&1 ||
    { tail -n 5 "$work/npm.log" >&2; fail 'npm could not install the checkers'; }
  cp "$here/kubernetes/package-lock.json" "$packages/installed.json"
fi
cp "$here/kubernetes/"*.mjs "$packages"

# As they are, and with each component as a user adds it.
cp -r "$manifests" "$work/manifests"
rendered=()
render() {
  kubectl kustomize "$work/manifests/$1" >"$work/$2.yaml" || fail "$1 can't be rendered"
  rendered+=("$work/$2.yaml")
}
render base base
render overlays/postgresql postgresql
for component in "$work"/manifests/components/*/; do
  name=$(basename "$component")
  mkdir -p "$work/manifests/with/$name"
  printf '%s\n' 'apiVersion: kustomize.config.k8s.io/v1beta1' 'kind: Kustomization' \
    'resources: [../../base]' "components: [../../components/$name]" \
    >"$work/manifests/with/$name/kustomization.yaml"
  render "with/$name" "$name"
done
(cd "$packages" && node check.mjs "${rendered[@]}") || fail 'the manifests are wrong (above)'

# A mistake of each kind is found.
sed -e 's/readOnlyRootFilesystem/readOnlyRoot/' "$work/base.yaml" >"$work/unknown.yaml"
sed -e '/ configMap:/{n;s/name: .*/name: nowhere/}' "$work/base.yaml" >"$work/dangling.yaml"
for wrong in unknown dangling; do
  ! (cd "$packages" && node check.mjs "$work/$wrong.yaml") >/dev/null 2>&1 || fail "$wrong.yaml was taken for right"
done

# config FILE NAME KEY OUT: of a rendered ConfigMap.
config() { (cd "$packages" && node config.mjs "$@"); }

# Secrets and certificates as docs/kubernetes.md makes them.
cd "$work"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=Test CA' \
  -keyout ca.key -out ca.crt 2>/dev/null
certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" \
    -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -out "$1.pem" \
    -extfile <(printf 'subjectAltName=%s' "$2") 2>/dev/null
}
certificate collector DNS:skimwatch-collector.skimwatch.svc
certificate agent URI:spiffe://cluster.local/node/node-1
certificate alice URI:spiffe://cluster.local/operator/alice

# secret FOLDER GROUP KEY=FILE...: as the kubelet mounts one, with `fsGroup` and mode 0440.
secret() {
  local folder=$1 group=$2 entry
  shift 2
  mkdir -p "$folder/..data_1"
  for entry in "$@"; do
    install -o root -g "$group" -m 0440 "${entry#*=}" "$folder/..data_1/${entry%%=*}"
    ln -s "..data/${entry%%=*}" "$folder/${entry%%=*}"
  done
  ln -s ..data_1 "$folder/..data"
}
printf 'first %s\n' "$(openssl rand -hex 32)" >first.key
mkdir -p collector.etc agent.etc agent.state pod-logs/shop_web-1_0a1b/web
chmod 755 collector.etc agent.etc
secret collector.etc/tls 65532 tls.crt=collector.pem tls.key=collector.key ca.crt=ca.crt
secret collector.etc/keys 65532 first.key=first.key
config "$work/base.yaml" skimwatch-collector collector.yaml "$work/collector.etc/collector.yaml"
# A new volume after `fsGroup`.
install -d -o root -g 65532 -m 2775 collector.state
mkdir agent.etc/tls
install -m 0644 agent.pem ca.crt agent.etc/tls
mv agent.etc/tls/ca.crt agent.etc/tls/ca.pem
install -m 0600 agent.key agent.etc/tls
config "$work/base.yaml" skimwatch-agent agent.yaml "$work/agent.etc/agent.yaml"
printf '127.0.0.1 localhost skimwatch-collector.skimwatch.svc.cluster.local\n' >hosts

touch net
unshare --net="$work/net" ip link set lo up

# contain PROGRAM ARGUMENT...: with /etc/skimwatch, what it keeps, the pods' logs and the cluster's names
# at their places, and the user and capabilities of its manifest.
cat >contain <<'TEXT'
#!/bin/sh
set -e
work=$1 bin=$2 program=$3
shift 3
mkdir -p "$work/$program.empty"
mount -t tmpfs none /var/lib && mkdir -p "/var/lib/skimwatch-$program"
[ ! -d "$work/$program.state" ] || mount --bind "$work/$program.state" "/var/lib/skimwatch-$program"
mkdir -p "$work/root-etc/$program" && cp /etc/nsswitch.conf /etc/passwd /etc/group "$work/root-etc/$program"
[ ! -f /etc/localtime ] || cp -L /etc/localtime "$work/root-etc/$program"
cp "$work/hosts" "$work/root-etc/$program" && mkdir -p "$work/root-etc/$program/skimwatch"
mount --bind -o ro "$work/root-etc/$program" /etc
mount --bind -o ro "$work/$program.etc" /etc/skimwatch
mount -t tmpfs none /var/log && mkdir -p /var/log/pods
mount --bind -o ro "$work/pod-logs" /var/log/pods
user='--reuid 65532 --regid 65532 --clear-groups'
[ "$program" != agent ] || user=
exec setpriv $user --bounding-set -all --inh-caps -all --no-new-privs "$bin/skimwatch-$program" "$@"
TEXT
chmod +x contain
contain() { exec nsenter --net="$work/net" unshare --mount env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$work/contain" "$work" "$bin_dir" "$@"; }
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
inside() { nsenter --net="$work/net" "$@"; }
contain collector --config /etc/skimwatch/collector.yaml >collector.log 2>&1 &
pids+=($!)
await 'the collector is not ready' inside curl -sf http://127.0.0.1:9464/readyz
contain agent --config /etc/skimwatch/agent.yaml >agent.log 2>&1 &
pids+=($!)
await 'the agent is not alive' inside curl -sf http://127.0.0.1:9465/healthz
# As containerd writes what a container prints.
log=pod-logs/shop_web-1_0a1b/web/0.log
say() { printf '2026-01-01T00:00:00.000000000Z stdout F %s\n' "$1" >>"$log"; }
(umask 027 && say 'starting')
found() {
  say 'paid with card 4111 1111 1111 1111'
  inside "$bin_dir/skimwatchctl" --collector 127.0.0.1:9463 --server-name skimwatch-collector.skimwatch.svc \
    --ca "$work/ca.crt" --certificate "$work/alice.pem" --key "$work/alice.key" findings list >"$work/findings"
  grep -q '411111\*\*\*\*\*\*1111' "$work/findings"
}
await 'what the agent found does not come to the collector' found
! grep -q 4111111111111111 collector.log agent.log findings || fail 'a full number was shown'
kill -TERM "${pids[@]}"
for pid in "${pids[@]}"; do
  wait "$pid" || { cat collector.log agent.log >&2; fail "a program ended with $? when it was told to"; }
done
pids=()
echo 'kubernetes.sh: ok'
