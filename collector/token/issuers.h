#ifndef SKIMWATCH_COLLECTOR_TOKEN_ISSUERS_H_
#define SKIMWATCH_COLLECTOR_TOKEN_ISSUERS_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "collector/token/key_source.h"
#include "collector/token/token.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::token {

// The identity providers of a configuration (`token_issuers`), each with its keys. Thread-safe.
//
//   Issuers issuers(config);
//   absl::StatusOr<Token> token = issuers.Check(compact);
class Issuers : public TokenChecker {
 public:
  // Begins to load the keys.
  explicit Issuers(const config::v1::CollectorConfig& config,
                   std::function<absl::Time()> now = absl::Now);
  ~Issuers() override;

  absl::StatusOr<Token> Check(std::string_view compact) override;

 private:
  struct Issuer {
    config::v1::TokenIssuer config;
    std::unique_ptr<KeySource> keys;
  };

  const std::function<absl::Time()> now_;
  std::vector<Issuer> issuers_;
};

// Reads the files that a configuration's issuers name, without asking any server; for
// --check-config. Errors name the setting and the file.
absl::Status CheckIssuerFiles(const config::v1::CollectorConfig& config);

}  // namespace skimwatch::token

#endif  // SKIMWATCH_COLLECTOR_TOKEN_ISSUERS_H_
