#include "collector/console/form_guard.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/tls/certificate_files.h"

namespace skimwatch::console {
namespace {

constexpr size_t kSecretBytes = 32;

absl::Status Refused(std::string_view why) {
  return absl::PermissionDeniedError(absl::StrCat(
      std::string(why), " Nothing was changed. Open the page again and send its form from there."));
}

}  // namespace

FormGuard::FormGuard(Options options) : options_(std::move(options)) {
  if (options_.secret.empty()) {
    options_.secret.resize(kSecretBytes);
    const int made =
        RAND_bytes(reinterpret_cast<unsigned char*>(options_.secret.data()), kSecretBytes);
    // A guess would be worse than no console.
    if (made != 1) abort();
  }
  for (std::string& origin : options_.origins) absl::AsciiStrToLower(&origin);
}

std::string FormGuard::Seal(std::string_view identity, std::string_view expiry) const {
  // The lengths keep one pair from being taken for another.
  const std::string text =
      absl::StrCat(identity.size(), ":", std::string(identity), ":", std::string(expiry));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), options_.secret.data(), static_cast<int>(options_.secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

std::string FormGuard::TokenFor(std::string_view identity, absl::Time now) const {
  const std::string expiry = absl::StrCat(absl::ToUnixSeconds(now + kTokenAge));
  return absl::StrCat(expiry, ".", Seal(identity, expiry));
}

absl::Status FormGuard::CheckHost(const Request& request) const {
  if (!options_.plaintext) return absl::OkStatus();
  const std::string host = absl::AsciiStrToLower(request.Header("host"));
  const auto& origins = options_.origins;
  if (std::find_if(origins.begin(), origins.end(), [&](const std::string& origin) {
        return origin == absl::StrCat("http://", host) || origin == absl::StrCat("https://", host);
      }) != origins.end()) {
    return absl::OkStatus();
  }
  const bool has_port = host.find(':') != std::string::npos && host.back() != ']';
  if (tls::IsLocalAddress(has_port ? host : absl::StrCat(host, ":80")) &&
      !host.starts_with("unix:")) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      "This console is reached by a name that it does not know. It answers to names of this "
      "machine "
      "(localhost, 127.0.0.1), and to those of `console.origins` in the collector's "
      "configuration.");
}

absl::Status FormGuard::CheckPost(const Request& request, std::string_view identity,
                                  absl::Time now) const {
  const std::string& site = request.Header("sec-fetch-site");
  const std::string origin = absl::AsciiStrToLower(request.Header("origin"));
  if (site.empty() && origin.empty()) {
    return Refused("The request does not say which page it comes from.");
  }
  if (!site.empty() && site != "same-origin") {
    return Refused("The request comes from a page of another site.");
  }
  if (!origin.empty()) {
    const std::string own = absl::StrCat(options_.plaintext ? "http://" : "https://",
                                         absl::AsciiStrToLower(request.Header("host")));
    const auto& known = options_.origins;
    if (origin != own && std::find(known.begin(), known.end(), origin) == known.end()) {
      return Refused("The request comes from a page of another site.");
    }
  }
  const std::string& token = request.Form("token");
  const size_t dot = token.find('.');
  if (dot == std::string::npos) return Refused("The form has no token.");
  const std::string expiry = token.substr(0, dot);
  const std::string seal = token.substr(dot + 1);
  const std::string expected = Seal(identity, expiry);
  if (seal.size() != expected.size() ||
      CRYPTO_memcmp(seal.data(), expected.data(), expected.size()) != 0) {
    return Refused("The form was made for somebody else, or by a collector that has ended.");
  }
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(expiry, &seconds) || absl::FromUnixSeconds(seconds) < now) {
    return Refused("The form is more than twelve hours old.");
  }
  return absl::OkStatus();
}

}  // namespace skimwatch::console
