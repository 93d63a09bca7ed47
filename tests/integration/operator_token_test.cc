// An operator with a token of an identity provider and no certificate: the real collector, which
// fetches the provider's keys by HTTPS from a real nginx, and the real skimwatchctl.

#include <signal.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/store/store.h"
#include "collector/token/https_get.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/collector_process.h"
#include "tests/collector/support/test_authority.h"
#include "tests/collector/support/test_ca.h"
#include "tests/collector/token/token_key.h"
#include "tests/integration/support/web_server.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"
#include "tests/support/nginx.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::integration {
namespace {

using testing::ChildProcess;
using testing::ClaimsOfAlice;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Result;
using testing::TokenKey;

// An identity provider: its keys at https://127.0.0.1:port/jwks.json, and pages that are none.
class Provider {
 public:
  Provider(std::string folder, testing::TestCa& ca)
      : folder_(std::move(folder)), tls_(ca.Issue("provider")), nginx_(folder_) {}

  void Publish(const std::string& jwks) const {
    std::filesystem::create_directories(folder_ + "/html");
    std::ofstream(folder_ + "/html/jwks.json") << jwks;
  }

  bool Start() {
    for (int attempt = 0; attempt < 5; ++attempt) {
      port_ = FreePort();
      const std::string servers = absl::StrCat(
          "access_log off; server { listen 127.0.0.1:", port_, " ssl; listen 127.0.0.2:", port_,
          " ssl; root html; ssl_certificate ", tls_.certificate_file(), "; ssl_certificate_key ",
          tls_.key_file(), "; location = /moved { return 302 https://127.0.0.1:", port_,
          "/jwks.json; } }");
      if (nginx_.Start(servers, [this] { return Get("/jwks.json").ok(); })) return true;
    }
    return false;
  }
  void Stop() { nginx_.Stop(); }

  std::string url(const std::string& path) const {
    return absl::StrCat("https://127.0.0.1:", port_, path);
  }
  absl::StatusOr<std::string> Get(const std::string& path, size_t bytes_max = 1 << 20) const {
    return token::HttpsGet({.url = url(path), .ca_file = tls_.ca_file(), .bytes_max = bytes_max});
  }
  std::string ca_file() const { return tls_.ca_file(); }

 private:
  const std::string folder_;
  const config::v1::Tls tls_;
  testing::Nginx nginx_;
  int port_ = 0;
};

class OperatorTokenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // What stands between this machine and others has no business here.
    setenv("no_proxy", "*", /*overwrite=*/1);
    provider_.Publish(testing::Jwks({key_.Jwk(R"("use":"sig","alg":"RS256")")}));
    ASSERT_TRUE(provider_.Start());
  }

  config::v1::CollectorConfig Config() {
    config::v1::CollectorConfig config = testing::TestConfig(folder_.path());
    *config.mutable_tls() = tls_;
    config.clear_roles();
    config::v1::RoleRule& rule = *config.add_roles();
    rule.set_claim("realm_access.roles=payments-oncall");
    rule.set_role("approver");
    config::v1::TokenIssuer& issuer = *config.add_token_issuers();
    issuer.set_issuer("https://login.example.com");
    issuer.set_audience("skimwatch");
    issuer.set_jwks_url(provider_.url("/jwks.json"));
    issuer.set_jwks_ca_file(provider_.ca_file());
    issuer.set_jwks_refresh_seconds(60);
    issuer.set_name_claim("email");
    return config;
  }

  std::string TokenOfAlice(absl::Time issued = absl::Now()) const {
    return key_.Token(
        "RS256",
        ClaimsOfAlice(
            issued,
            R"("email":"alice@example.com","realm_access":{"roles":["staff","payments-oncall"]})"));
  }

  std::string WriteToken(const std::string& token, const std::string& name = "token") const {
    std::string path = folder_.File(name);
    std::ofstream(path) << token << "\n";
    std::filesystem::permissions(
        path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  }

  Result Ctl(const std::vector<std::string>& arguments,
             const std::vector<std::string>& environment = {}) const {
    ChildProcess::Options options;
    options.command = {SKIMWATCH_BIN_DIR "/skimwatchctl", "--collector",
                       absl::StrCat("127.0.0.1:", collector_->port())};
    options.command.insert(options.command.end(), arguments.begin(), arguments.end());
    options.environment = testing::SanitizerEnvironment();
    options.environment.push_back("HOME=" + folder_.path());
    for (const std::string& variable : environment) options.environment.push_back(variable);
    return testing::RunProgram(options);
  }

  std::string Log() const { return testing::ReadFile(folder_.File("skimwatch-collector.log")); }

  testing::TempFolder folder_;
  testing::TestCa ca_{folder_.File("ca")};
  const config::v1::Tls tls_ = ca_.Issue("collector");
  const TokenKey key_{"RSA", "2026-11"};
  Provider provider_{folder_.File("provider"), ca_};
  std::unique_ptr<testing::CollectorProcess> collector_;
};

TEST_F(OperatorTokenTest, LetsThemDecideUnderTheirName) {
  collector_ = std::make_unique<testing::CollectorProcess>(Config(), folder_.path());
  collector_->Start();
  const std::string token = TokenOfAlice();
  const std::string file = WriteToken(token);
  const std::vector<std::string> with_file = {"--ca", tls_.ca_file(), "--token-file", file};
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), with_file.begin(), with_file.end());
    return Ctl(arguments);
  };
  Result result;
  ASSERT_TRUE(testing::WaitUntil([&] {
    result = run({"agents", "list"});
    return result.code == 0;
  })) << result.err;

  result = run({"destinations", "approve", "pay.example.com", "--site", "shop", "--justification",
                "the processor"});
  ASSERT_EQ(result.code, 0) << result.err;
  {
    store::Options options;
    options.config.set_path(folder_.File("store.db"));
    const auto store = store::OpenSqliteStore(options);
    ASSERT_TRUE(store.ok()) << store.status();
    const auto decisions = (*store)->ListDecisions({});
    ASSERT_TRUE(decisions.ok()) << decisions.status();
    ASSERT_EQ(decisions->decisions_size(), 1);
    EXPECT_EQ(decisions->decisions(0).who(), "oidc:login.example.com#alice@example.com");
  }

  // The provider goes away, and the collector keeps what it knows.
  provider_.Stop();
  EXPECT_EQ(run({"agents", "list"}).code, 0);

  // The variable goes before the file.
  WriteToken("not.a.token");
  EXPECT_EQ(Ctl({"--ca", tls_.ca_file(), "agents", "list", "--token-file", file},
                {"SKIMWATCH_TOKEN=" + token})
                .code,
            0);
  result = run({"agents", "list"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("does not know who is asking"));
  // The file is read anew.
  WriteToken(TokenOfAlice(absl::Now() - absl::Hours(1)));
  result = run({"agents", "list"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("it expired at"));
  WriteToken(TokenOfAlice());
  EXPECT_EQ(run({"agents", "list"}).code, 0);

  EXPECT_THAT(Log(), HasSubstr("1 in force"));
  EXPECT_THAT(Log(), Not(HasSubstr(token.substr(0, 60))));
  EXPECT_THAT(Log(), Not(HasSubstr(token.substr(token.size() - 60))));
}

TEST_F(OperatorTokenTest, IsSentByTheirRulesOnly) {
  collector_ = std::make_unique<testing::CollectorProcess>(Config(), folder_.path());
  collector_->Start();
  const std::string file = WriteToken(TokenOfAlice());
  Result result = Ctl({"--plaintext", "--token-file", file, "agents", "list"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("a token goes over TLS only"));
  result = Ctl({"--plaintext", "agents", "list"}, {"SKIMWATCH_TOKEN=x"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("a token goes over TLS only"));
  // Whom would it be told to?
  result = Ctl({"--token-file", file, "agents", "list"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("missing: --ca"));
  const testing::TestAuthority other(folder_.path(), "other");
  result = Ctl({"--ca", other.ca_file(), "--token-file", file, "agents", "list"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("not signed by an authority of --ca"));

  std::filesystem::permissions(file, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  result = Ctl({"--ca", tls_.ca_file(), "--token-file", file, "agents", "list"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("a token must not be readable by others"));
  result = Ctl({"--ca", tls_.ca_file(), "--token-file", WriteToken("two words"), "agents", "list"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("holds no token"));
  EXPECT_THAT(result.err, Not(HasSubstr("two words")));
  result = Ctl({"--ca", tls_.ca_file(), "--token-file", "/no/such/token", "agents", "list"});
  EXPECT_THAT(result.err, HasSubstr("/no/such/token"));
  // Neither certificate nor token.
  EXPECT_THAT(Ctl({"--ca", tls_.ca_file(), "agents", "list"}).err,
              HasSubstr("missing: --certificate, --key"));
}

TEST_F(OperatorTokenTest, NeedsAProviderThatCanBeTrusted) {
  config::v1::CollectorConfig config = Config();
  const testing::TestAuthority other(folder_.path(), "other");
  config.mutable_token_issuers(0)->set_jwks_ca_file(other.ca_file());
  collector_ = std::make_unique<testing::CollectorProcess>(config, folder_.path());
  collector_->Start();
  const Result result =
      Ctl({"--ca", tls_.ca_file(), "--token-file", WriteToken(TokenOfAlice()), "agents", "list"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("are not there yet"));
  EXPECT_TRUE(
      testing::WaitUntil([&] { return Log().find("can't be loaded") != std::string::npos; }));
  EXPECT_THAT(Log(), HasSubstr("SSL certificate problem"));
}

TEST_F(OperatorTokenTest, ReadsKeysFromNobodyElse) {
  EXPECT_TRUE(provider_.Get("/jwks.json").ok());
  EXPECT_THAT(std::string(provider_.Get("/jwks.json", 10).status().message()),
              HasSubstr("sent more than 10 bytes"));
  EXPECT_THAT(std::string(provider_.Get("/moved").status().message()),
              HasSubstr("answered 302, not 200"));
  EXPECT_THAT(std::string(provider_.Get("/nothing").status().message()),
              HasSubstr("answered 404, not 200"));
  const auto get = [&](const std::string& url, const std::string& ca_file) {
    return std::string(
        token::HttpsGet({.url = url, .ca_file = ca_file, .bytes_max = 1 << 20}).status().message());
  };
  const testing::TestAuthority other(folder_.path(), "other");
  EXPECT_THAT(get(provider_.url("/jwks.json"), other.ca_file()),
              HasSubstr("SSL certificate problem"));
  EXPECT_THAT(get(provider_.url("/jwks.json"), ""), HasSubstr("SSL certificate problem"));
  EXPECT_THAT(get("http://127.0.0.1:1/", provider_.ca_file()), HasSubstr("http"));
  EXPECT_THAT(get("file:///etc/passwd", provider_.ca_file()), HasSubstr("file"));
  // Its certificate is for 127.0.0.1 and localhost.
  std::string elsewhere = provider_.url("/jwks.json");
  elsewhere.replace(elsewhere.find("127.0.0.1"), 9, "127.0.0.2");
  EXPECT_THAT(get(elsewhere, provider_.ca_file()), HasSubstr("subject name"));
  provider_.Stop();
  EXPECT_THAT(std::string(provider_.Get("/jwks.json").status().message()),
              HasSubstr(provider_.url("/jwks.json")));
}

}  // namespace
}  // namespace skimwatch::integration
