#include "proto/tls/certificate_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/proto/tls/certificates.h"

namespace skimwatch::tls {
namespace {

using ::skimwatch::testing::CertificateAuthority;
using ::skimwatch::testing::CertifiedKey;
using ::skimwatch::testing::LeafOptions;
using ::skimwatch::testing::ReplaceFile;
using ::skimwatch::testing::ServerLeaf;
using ::skimwatch::testing::SpiffeLeaf;
using ::skimwatch::testing::WriteTlsFiles;
using ::testing::HasSubstr;

class CertificateFiles : public ::testing::Test {
 protected:
  CertificateFiles()
      : directory_(absl::StrCat(::testing::TempDir(), "/certificate_files.", getpid())),
        ca_("test CA"),
        tls_(WriteTlsFiles(directory_, ca_.Issue(ServerLeaf()), ca_)) {}
  ~CertificateFiles() override { std::filesystem::remove_all(directory_); }

  absl::Status Check() const { return CheckCertificateFiles(tls_, absl::Now()); }

  void ExpectFault(absl::StatusCode code, const std::string& file, std::string_view why) const {
    const absl::Status status = Check();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(file));
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(why)));
  }

  const std::string directory_;
  const CertificateAuthority ca_;
  config::v1::Tls tls_;
};

TEST_F(CertificateFiles, AcceptsAMatchingSet) { EXPECT_TRUE(Check().ok()) << Check(); }

TEST_F(CertificateFiles, NamesTheFileThatIsMissing) {
  for (const std::string& file : {tls_.certificate_file(), tls_.key_file(), tls_.ca_file()}) {
    std::filesystem::rename(file, file + ".away");
    ExpectFault(absl::StatusCode::kNotFound, file, "can't open");
    std::filesystem::rename(file + ".away", file);
  }
}

TEST_F(CertificateFiles, NamesTheFileThatIsNotPem) {
  for (const std::string& file : {tls_.certificate_file(), tls_.key_file(), tls_.ca_file()}) {
    std::filesystem::copy(file, file + ".kept");
    ReplaceFile(file, "not a certificate\n");
    ExpectFault(absl::StatusCode::kInvalidArgument, file, "holds no PEM");
    std::filesystem::rename(file + ".kept", file);
  }
}

TEST_F(CertificateFiles, RefusesACertificateCutShort) {
  const std::string pem = ca_.Issue(ServerLeaf()).certificate_pem;
  ReplaceFile(tls_.certificate_file(), pem.substr(0, pem.size() / 2));
  ExpectFault(absl::StatusCode::kInvalidArgument, tls_.certificate_file(), "not valid PEM");
}

TEST_F(CertificateFiles, SaysSinceWhenACertificateIsOver) {
  LeafOptions leaf = ServerLeaf();
  leaf.not_before = absl::FromUnixSeconds(1577836800);
  leaf.not_after = absl::FromUnixSeconds(1609459200);
  tls_ = WriteTlsFiles(directory_, ca_.Issue(leaf), ca_);
  ExpectFault(absl::StatusCode::kFailedPrecondition, tls_.certificate_file(),
              "expired at 2021-01-01T00:00:00Z");
}

TEST_F(CertificateFiles, BlamesTheClockForACertificateOfTheFuture) {
  LeafOptions leaf = ServerLeaf();
  leaf.not_before = absl::Now() + absl::Hours(1);
  tls_ = WriteTlsFiles(directory_, ca_.Issue(leaf), ca_);
  ExpectFault(absl::StatusCode::kFailedPrecondition, tls_.certificate_file(), "clock");
}

TEST_F(CertificateFiles, RefusesTheKeyOfAnotherCertificate) {
  ReplaceFile(tls_.key_file(), ca_.Issue(ServerLeaf()).key_pem);
  ExpectFault(absl::StatusCode::kFailedPrecondition, tls_.key_file(), tls_.certificate_file());
}

TEST_F(CertificateFiles, RefusesAKeyThatOthersCanRead) {
  chmod(tls_.key_file().c_str(), 0644);
  ExpectFault(absl::StatusCode::kPermissionDenied, tls_.key_file(), "mode is 0644");
  chmod(tls_.key_file().c_str(), 0660);
  ExpectFault(absl::StatusCode::kPermissionDenied, tls_.key_file(), "mode is 0660");
}

TEST_F(CertificateFiles, AcceptsAKeyThatItsGroupCanRead) {
  chmod(tls_.key_file().c_str(), 0640);
  EXPECT_TRUE(Check().ok()) << Check();
}

TEST_F(CertificateFiles, RefusesADirectory) {
  tls_.set_ca_file(directory_);
  ExpectFault(absl::StatusCode::kInvalidArgument, directory_, "not a regular file");
}

TEST_F(CertificateFiles, KnowsWhetherItsAuthorityIssuedTheCertificate) {
  EXPECT_TRUE(CheckIssuer(tls_).ok()) << CheckIssuer(tls_);
  // Of the same name, so only the signature tells.
  for (const std::string name : {"another CA", "test CA"}) {
    const CertificateAuthority another(name);
    WriteTlsFiles(directory_, another.Issue(ServerLeaf()), ca_);
    EXPECT_TRUE(Check().ok()) << Check();
    const absl::Status status = CheckIssuer(tls_);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    for (const std::string& part : {tls_.certificate_file(), tls_.ca_file(), name}) {
      EXPECT_THAT(std::string(status.message()), HasSubstr(part));
    }
  }
}

TEST_F(CertificateFiles, TellsExpiry) {
  LeafOptions leaf = ServerLeaf();
  leaf.not_after = absl::FromUnixSeconds(4102444800);
  tls_ = WriteTlsFiles(directory_, ca_.Issue(leaf), ca_);
  const absl::StatusOr<absl::Time> expiry = CertificateExpiry(tls_.certificate_file());
  ASSERT_TRUE(expiry.ok()) << expiry.status();
  EXPECT_EQ(*expiry, absl::FromUnixSeconds(4102444800));
}

std::string IdentityOf(const CertificateAuthority& ca, const LeafOptions& leaf) {
  const absl::StatusOr<std::string> name = CertificateIdentityOfPem(ca.Issue(leaf).certificate_pem);
  return name.ok() ? *name : std::string(name.status().message());
}

TEST(CertificateIdentity, IsTheSpiffeUriBeforeTheCommonName) {
  const CertificateAuthority ca("test CA");
  LeafOptions leaf = SpiffeLeaf("agent/web-1");
  leaf.common_name = "other";
  leaf.uris.insert(leaf.uris.begin(), "https://example.org/not-an-identity");
  EXPECT_EQ(IdentityOf(ca, leaf), "spiffe://example.org/agent/web-1");
}

TEST(CertificateIdentity, IsTheCommonNameWithoutASpiffeUri) {
  const CertificateAuthority ca("test CA");
  EXPECT_EQ(IdentityOf(ca, {.common_name = "web-1.example.org"}), "web-1.example.org");
}

TEST(CertificateIdentity, RefusesWhatIsAmbiguousOrPoses) {
  const CertificateAuthority ca("test CA");
  EXPECT_THAT(IdentityOf(ca, {.uris = {"spiffe://a/1", "spiffe://a/2"}}), HasSubstr("several"));
  EXPECT_THAT(IdentityOf(ca, {.common_name = "SPIFFE://example.org/web-1"}), HasSubstr("poses"));
  EXPECT_THAT(IdentityOf(ca, {.common_name = "OIDC:login.example.org#ann"}), HasSubstr("poses"));
  EXPECT_THAT(IdentityOf(ca, {.hosts = {"web-1"}}), HasSubstr("neither"));
  EXPECT_THAT(IdentityOf(ca, {.common_name = "web\n1"}), HasSubstr("control character"));
  EXPECT_THAT(IdentityOf(ca, {.common_name = std::string("web\0x", 5)}),
              HasSubstr("control character"));
}

TEST(CertificateIdentity, RefusesWhatIsNoText) {
  const CertificateAuthority ca("test CA");
  for (const char* const name : {"\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80"}) {
    EXPECT_THAT(IdentityOf(ca, {.uris = {absl::StrCat("spiffe://a/", name)}}),
                HasSubstr("not UTF-8"));
  }
}

TEST(CertificateName, LooksForHostsAddressesAndSpiffeUris) {
  const CertificateAuthority ca("test CA");
  LeafOptions leaf = ServerLeaf();
  leaf.uris = {"spiffe://example.org/collector"};
  leaf.hosts = {"collector.example.org", "*.shop.example"};
  const std::string pem = ca.Issue(leaf).certificate_pem;
  for (const char* name : {"collector.example.org", "a.shop.example", "127.0.0.1", "::1",
                           "spiffe://example.org/collector"}) {
    EXPECT_TRUE(CheckCertificateName(pem, name).ok()) << name;
  }
  // A CN is not a host (RFC 6125, 6.4.4).
  for (const char* name : {"collector", "example.org", "a.b.shop.example", "127.0.0.2", "",
                           "spiffe://example.org/other"}) {
    EXPECT_EQ(CheckCertificateName(pem, name).code(), absl::StatusCode::kUnauthenticated) << name;
  }
}

TEST(Transport, AllowsPlaintextOnlyLocally) {
  config::v1::Tls tls;
  tls.set_plaintext(true);
  for (const char* address :
       {"127.0.0.1:9463", "127.255.0.3:1", "[::1]:9463", "localhost:9463", "unix:/run/s.sock"}) {
    EXPECT_TRUE(CheckTransport(tls, address).ok()) << address;
  }
  for (const char* address : {"0.0.0.0:9463", "[::]:9463", "10.0.0.1:9463", "127.evil.example:1",
                              "127.0.0.1.evil.example:1", "localhost.evil.example:1", "127.1:1",
                              "127.0.0.999:1", ":9463", ""}) {
    const absl::Status status = CheckTransport(tls, address);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr("tls.plaintext"));
  }
}

TEST(Transport, NamesTheFieldThatIsNotSet) {
  config::v1::Tls tls;
  tls.set_certificate_file("a");
  tls.set_ca_file("b");
  EXPECT_THAT(std::string(CheckTransport(tls, "localhost:1").message()), HasSubstr("tls.key_file"));
}

}  // namespace
}  // namespace skimwatch::tls
