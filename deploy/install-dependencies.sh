#!/usr/bin/env bash
# Installs what Skimwatch needs to be built, run and tested from Debian's packages.
set -euo pipefail

# group | package | why
packages='
build|build-essential|C++ compiler and make
build|cmake|build system (3.25 or newer)
build|ninja-build|generator of the presets
build|ccache|second builds in seconds
build|pkg-config|finds libraries without a CMake package
build|git|the revision that --version names
build|protobuf-compiler|compiles proto/
build|protobuf-compiler-grpc|service stubs of proto/
build|libprotobuf-dev|messages of the contract
build|libgrpc++-dev|the stream between agents and collector
build|libabsl-dev|status values, time, hashing, synchronization
build|prometheus-cpp-dev|/metrics
build|libssl-dev|HMAC fingerprints, hashes, certificates
build|libsqlite3-dev|the embedded store
build|libpq-dev|the store that several collectors share (PostgreSQL)
build|zlib1g-dev|CRC of spool segments; what WebSocket compresses
build|libisal-dev|gzip and deflate bodies
build|libbrotli-dev|br bodies
build|libzstd-dev|zstd bodies
build|libarchive-dev|zip, tar, 7z and cpio in the offline scanner
build|libbz2-dev|bzip2 files
build|liblzma-dev|xz and lzip files
build|libhtp-dev|HTTP/1 parser made for traffic that is watched
build|libnghttp2-dev|HTTP/2 of request copies; header compression of captured HTTP/2
build|libsystemd-dev|reads the journal
build|libpsl-dev|registered domains, by the public suffix list
build|libboost-dev|sockets and HTTP of the servers that take request copies and browser reports (Asio, Beast)
build|libbpf-dev|loads the probes of TLS libraries into the kernel
build|clang|compiles those probes for the kernel
build|bpftool|makes the header that carries them
build|libpcap-dev|capture files and packet filters
build|libyaml-cpp-dev|configuration files
build|libspdlog-dev|logging
build|libcli11-dev|command lines
build|libgumbo-dev|HTML of watched pages
build|libgit2-dev|differences between versions of a script
build|libhwy-dev|vector instructions of every processor, chosen at run time
build|libre2-dev|patterns over scripts, with linear time
build|npm|fetches tree-sitter and its grammar of JavaScript
build|libyara-dev|rules for scripts, ours and those of users
build|libtlsh-dev|similarity of scripts (TLSH)
build|libfuzzy-dev|similarity of scripts (ssdeep)
build|nlohmann-json3-dev|JSON of browser reports and of the browser that looks at pages, and output of the programs and its tests
build|libmicrohttpd-dev|HTTPS of the web console
build|libgnutls28-dev|its client certificates; calls of GnuTLS that its client does not make, in tests
build|libctemplate-dev|its pages, escaped for where each value stands
build|libcurl4-openssl-dev|pages that are looked at without a browser; webhooks; keys of identity providers
build|libnats-dev|streams of findings to NATS JetStream
build|libcjose-dev|signatures of the tokens of identity providers (JWT)
build|libjansson-dev|JSON of those tokens and keys
run|nginx-light|web server of the quickstart and of the tests
run|openssl|throw-away certificates of the quickstart
run|curl|shoppers of the quickstart
run|jq|reads JSON of the programs in the quickstart
test|libgtest-dev|unit tests
test|libgmock-dev|matchers of the unit tests
test|libbenchmark-dev|micro-benchmarks
test|libvectorscan-dev|peer that the scanner is measured beside
test|ripgrep|peer that the offline scanner is measured beside
test|clang|compiles the fuzz targets
test|libclang-rt-dev|libFuzzer and the sanitizers of clang
test|postgresql|servers that tests and benchmarks make for themselves
test|prometheus|scrapes the collector; promtool checks rules
test|prometheus-alertmanager|tells a webhook of alerts
test|jsonnet|makes rules and dashboards of the mixin
test|chromium|the browser of shoppers
test|nats-server|a JetStream that findings are streamed to
test|rsyslog|a receiver of syslog
test|rsyslog-openssl|the same over TLS
test|squid|an egress proxy that hands over requests by ICAP
test|python3|a web server under test that is not nginx; a writer of samples
test|systemd-journal-remote|makes journal files
test|haproxy|a proxy that tells of requests by SPOE
test|nghttp2-client|HTTP/2 as its reference client speaks it
test|nghttp2-proxy|takes an upgrade to HTTP/2
test|node-ws|WebSockets as Node.js programs speak them
test|nghttp2-server|HTTP/2 as its reference server speaks it
test|tcpdump|makes capture files to compare with
test|cmark-gfm|Markdown as GitHub reads it, which reports are checked with
test|faketime|steps the clock of a program under test
test|nodejs|a TLS client with a library of its own; drives the browser of the test of the web console
test|gnutls-bin|a client of GnuTLS
test|libcap2-bin|takes rights away from a program under test
test|wrk|load of the TLS benchmark
test|iproute2|network namespaces of capture tests
test|umoci|makes container images
test|debootstrap|a fresh Debian that the packages are installed into
test|ethtool|turns offloads off in the traffic benchmark
test|tshark|peer that replay of captures is measured beside
test|tcpflow|the same
test|aide|peer that web roots are measured beside
'

usage() {
  cat <<'TEXT'
usage: deploy/install-dependencies.sh [--build|--run|--test] [--list] [--help]

Installs the Debian packages that are missing; prints nothing when none is. Needs root (or sudo)
only when something is missing.

  --build  only what the programs are built with
  --run    that, and what deploy/quickstart.sh runs beside them
  --test   everything (default)
  --list   print the packages that are missing, install nothing

What is installed, and why:

TEXT
  printf '%s\n' "$packages" | awk -F'|' 'NF == 3 { printf "  %-6s %-24s %s\n", $1, $2, $3 }'
}

groups='build|run|test'
list_only=no
for argument in "$@"; do
  case "$argument" in
    --build) groups='build' ;;
    --run) groups='build|run' ;;
    --test) groups='build|run|test' ;;
    --list) list_only=yes ;;
    --help | -h) usage; exit 0 ;;
    *) echo "install-dependencies.sh: unknown option $argument (try --help)" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install-dependencies.sh: this is no Debian system; install the equivalents of --help by hand" >&2
  exit 1
fi

missing=()
while IFS='|' read -r group package _; do
  [[ -n $package && $group =~ ^($groups)$ ]] || continue
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  # Other packages of Node.js bring npm along, and can't stand beside Debian's.
  [[ $package == npm ]] && command -v npm >/dev/null && continue
  [[ $state == installed ]] || missing+=("$package")
done <<<"$packages"

[[ ${#missing[@]} -gt 0 ]] || exit 0
if [[ $list_only == yes ]]; then
  printf '%s\n' "${missing[@]}"
  exit 0
fi

as_root=()
if [[ $(id -u) != 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "install-dependencies.sh: run as root to install: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Services that a package would start (nginx, prometheus) are not wanted: tests start their own.
policy=/usr/sbin/policy-rc.d
own_policy=no
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  own_policy=yes
fi
# Nor is the database cluster that PostgreSQL's package would make.
cluster_conf=/etc/postgresql-common/createcluster.d/skimwatch-no-cluster.conf
own_conf=no
if [[ " ${missing[*]} " == *" postgresql "* && ! -e $cluster_conf ]]; then
  "${as_root[@]}" mkdir -p "${cluster_conf%/*}"
  echo 'create_main_cluster = false' | "${as_root[@]}" tee "$cluster_conf" >/dev/null
  own_conf=yes
fi
install_packages() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -q -y --no-install-recommends "${missing[@]}"
}
status=0
install_packages >"$log" 2>&1 || status=$?
[[ $own_policy == no ]] || "${as_root[@]}" rm -f "$policy"
[[ $own_conf == no ]] || "${as_root[@]}" rm -f "$cluster_conf"
if [[ $status != 0 ]]; then
  tail -n 30 "$log" >&2
  echo "install-dependencies.sh: apt-get failed (above); mend it and run this again" >&2
  exit 1
fi
