# shellcheck shell=bash
# Throw-away certificates in $run/skimwatch/tls: an authority, the collector's, one agent's and two
# operators'. Identities are SPIFFE URIs, as docs/configuration.md has them.

trust_domain=spiffe://demo.skimwatch.example

make_certificates() {
  local tls=$run/skimwatch/tls
  openssl_quietly req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 7 \
    -subj '/CN=Skimwatch demo authority' -keyout "$tls/ca.key" -out "$tls/ca.pem"
  issue collector serverAuth 'DNS:localhost,IP:127.0.0.1'
  issue agent clientAuth "URI:$trust_domain/agent/web-1"
  issue alice clientAuth "URI:$trust_domain/operator/alice"
  issue viewer clientAuth "URI:$trust_domain/viewer/victor"
  rm "$tls/ca.key"
}

# issue NAME USAGE ALTERNATIVE_NAMES
issue() {
  local tls=$run/skimwatch/tls
  printf '%s\n' "basicConstraints=CA:FALSE" "keyUsage=digitalSignature" "extendedKeyUsage=$2" \
    "subjectAltName=$3" >"$tls/$1.ext"
  openssl_quietly req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -subj "/CN=$1" -keyout "$tls/$1.key" -out "$tls/$1.csr"
  openssl_quietly x509 -req -in "$tls/$1.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -days 7 \
    -set_serial "0x$(openssl rand -hex 16)" -extfile "$tls/$1.ext" -out "$tls/$1.pem"
  rm "$tls/$1.csr" "$tls/$1.ext"
}

openssl_quietly() {
  local output
  output=$(openssl "$@" 2>&1) || die "openssl $1 failed: $output"
}
