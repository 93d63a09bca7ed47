#include "collector/ctl/bearer_token.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/tls/certificate_files.h"

namespace skimwatch::ctl {
namespace {

constexpr size_t kTokenBytesMax = 16 << 10;

class Plugin final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit Plugin(BearerToken token) : token_(std::move(token)) {}

  // It reads a file.
  bool IsBlocking() const override { return true; }
  const char* GetType() const override { return "bearer-token"; }

  grpc::Status GetMetadata(grpc::string_ref /*service_url*/, grpc::string_ref /*method_name*/,
                           const grpc::AuthContext& /*channel*/,
                           std::multimap<grpc::string, grpc::string>* metadata) override {
    const absl::StatusOr<std::string> token = token_.Read();
    if (!token.ok()) {
      return grpc::Status(static_cast<grpc::StatusCode>(token.status().code()),
                          std::string(token.status().message()));
    }
    metadata->emplace("authorization", absl::StrCat("Bearer ", *token));
    return grpc::Status::OK;
  }

 private:
  const BearerToken token_;
};

}  // namespace

BearerToken::BearerToken(std::string file) : file_(std::move(file)) {
  const char* const variable = std::getenv("SKIMWATCH_TOKEN");
  if (variable != nullptr) variable_ = variable;
}

absl::StatusOr<std::string> BearerToken::Read() const {
  const bool is_variable = !variable_.empty();
  absl::StatusOr<std::string> text =
      is_variable ? variable_ : tls::ReadSecretFile(file_, "a token");
  if (!text.ok()) return text;
  std::string token(absl::StripAsciiWhitespace(*text));
  const bool is_plain = std::all_of(token.begin(), token.end(),
                                    [](unsigned char c) { return absl::ascii_isgraph(c); });
  if (token.empty() || !is_plain || token.size() > kTokenBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(is_variable ? "SKIMWATCH_TOKEN" : file_,
                                                   ": holds no token (one word of at most ",
                                                   kTokenBytesMax, " characters)"));
  }
  return token;
}

std::shared_ptr<grpc::CallCredentials> BearerToken::CallCredentials() const {
  return grpc::MetadataCredentialsFromPlugin(std::make_unique<Plugin>(*this));
}

}  // namespace skimwatch::ctl
