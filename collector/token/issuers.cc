#include "collector/token/issuers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "collector/token/https_get.h"
#include "collector/token/token_reader.h"
#include "proto/config/read_file.h"
#include "proto/text/printable.h"
#include "proto/tls/certificate_files.h"

namespace skimwatch::token {
namespace {

// How often a file is looked at.
constexpr absl::Duration kFileRefresh = absl::Seconds(10);
constexpr size_t kShownBytesMax = 128;

KeySource::Options SourceOf(const config::v1::TokenIssuer& issuer,
                            const std::function<absl::Time()>& now) {
  KeySource::Options options;
  options.now = now;
  if (!issuer.jwks_file().empty()) {
    options.name = issuer.jwks_file();
    options.load = [file = issuer.jwks_file()] { return config::ReadFile(file); };
    options.refresh = options.retry = kFileRefresh;
    options.wanted_min = absl::Seconds(1);
    return options;
  }
  options.name = issuer.jwks_url();
  options.load = [issuer] {
    return HttpsGet({.url = issuer.jwks_url(),
                     .ca_file = issuer.jwks_ca_file(),
                     .bytes_max = KeySet::kBytesMax});
  };
  options.refresh = absl::Seconds(issuer.jwks_refresh_seconds());
  return options;
}

}  // namespace

Issuers::Issuers(const config::v1::CollectorConfig& config, std::function<absl::Time()> now)
    : now_(std::move(now)) {
  for (const config::v1::TokenIssuer& issuer : config.token_issuers()) {
    issuers_.push_back({issuer, std::make_unique<KeySource>(SourceOf(issuer, now_))});
  }
}

Issuers::~Issuers() = default;

absl::StatusOr<Token> Issuers::Check(std::string_view compact) {
  absl::StatusOr<UncheckedToken> unchecked = ReadToken(compact);
  if (!unchecked.ok()) return unchecked.status();
  const auto issuer = std::find_if(issuers_.begin(), issuers_.end(), [&](const Issuer& known) {
    return known.config.issuer() == unchecked->issuer;
  });
  if (issuer == issuers_.end()) {
    return absl::UnauthenticatedError(
        absl::StrCat("the token is refused: its issuer '",
                     text::Printable(std::string_view(unchecked->issuer).substr(0, kShownBytesMax)),
                     "' is none of the collector's `token_issuers`"));
  }
  const std::shared_ptr<const KeySet> keys = issuer->keys->Get();
  if (keys == nullptr) {
    issuer->keys->Want();
    return absl::UnavailableError(
        absl::StrCat("the keys of ", issuer->config.issuer(), " are not there yet; try again"));
  }
  const absl::Status verified = keys->Verify(unchecked->signature, compact);
  if (absl::IsNotFound(verified)) {
    if (issuer->keys->Want()) {
      return absl::UnavailableError(
          absl::StrCat(verified.message(), "; its keys are being loaded anew, try again"));
    }
    return absl::UnauthenticatedError(absl::StrCat("the token is refused: ", verified.message()));
  }
  if (!verified.ok()) {
    return absl::UnauthenticatedError(absl::StrCat("the token is refused: ", verified.message()));
  }
  return CheckClaims(*unchecked->claims, issuer->config, now_());
}

absl::Status CheckIssuerFiles(const config::v1::CollectorConfig& config) {
  for (const config::v1::TokenIssuer& issuer : config.token_issuers()) {
    if (!issuer.jwks_file().empty()) {
      const absl::StatusOr<std::string> text = config::ReadFile(issuer.jwks_file());
      const absl::Status status = text.ok() ? KeySet::Parse(*text).status() : text.status();
      if (!status.ok()) {
        return absl::Status(
            status.code(),
            absl::StrCat("token_issuers.jwks_file: ", issuer.jwks_file(), ": ", status.message()));
      }
    }
    if (!issuer.jwks_ca_file().empty()) {
      const absl::Status status = tls::CertificateExpiry(issuer.jwks_ca_file()).status();
      if (!status.ok()) {
        return absl::Status(status.code(),
                            absl::StrCat("token_issuers.jwks_ca_file: ", status.message()));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace skimwatch::token
