#include "agent/uplink/connection_hint.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::uplink {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Texts of gRPC 1.51 on OpenSSL 3.0.
const char* const kUntrusted =
    "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:9463: Ssl handshake "
    "failed: SSL_ERROR_SSL: error:0A000086:SSL routines::certificate verify failed";
const char* const kNoTls =
    "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:9464: Ssl handshake "
    "failed: SSL_ERROR_SSL: error:0A00010B:SSL routines::wrong version number";

config::v1::Collector Tls() {
  config::v1::Collector collector;
  collector.set_address("collector.example:9463");
  collector.mutable_tls()->set_ca_file("/etc/skimwatch/ca.crt");
  collector.mutable_tls()->set_certificate_file("/etc/skimwatch/own.crt");
  return collector;
}

config::v1::Collector Plaintext() {
  config::v1::Collector collector;
  collector.set_address("127.0.0.1:9463");
  collector.mutable_tls()->set_plaintext(true);
  return collector;
}

std::string HintOf(const char* message, const config::v1::Collector& collector,
                   const absl::Status& own_fault = absl::OkStatus()) {
  return ConnectionHint(absl::UnavailableError(message), own_fault, collector,
                        /*was_connected=*/false);
}

// Its own certificate is of another authority than the wrong one, too, and is not to blame.
TEST(ConnectionHint, NamesTheAuthorityThatIsWrongRatherThanTheOwnCertificate) {
  EXPECT_THAT(HintOf(kUntrusted, Tls(), absl::FailedPreconditionError("own.crt: issued by x")),
              AllOf(HasSubstr("collector.tls.ca_file: /etc/skimwatch/ca.crt: holds no authority"),
                    Not(HasSubstr("own.crt"))));
}

TEST(ConnectionHint, NamesThePortThatSpeaksNoTls) {
  EXPECT_THAT(HintOf(kNoTls, Tls(), absl::FailedPreconditionError("own.crt: issued by x")),
              HasSubstr("look at the port of collector.address"));
}

TEST(ConnectionHint, SaysThatTheCollectorTakesTls) {
  EXPECT_THAT(HintOf("Socket closed", Plaintext()),
              HasSubstr("do not set collector.tls.plaintext"));
}

TEST(ConnectionHint, NamesTheOwnCertificateWhereTheCollectorDoesNotTakeIt) {
  const char* const ended = "failed to connect to all addresses; last error: Socket closed";
  EXPECT_EQ(HintOf(ended, Tls(), absl::FailedPreconditionError("own.crt: expired")),
            "on this side: own.crt: expired");
  EXPECT_THAT(HintOf(ended, Tls()), HasSubstr("look at collector.tls.certificate_file"));
}

TEST(ConnectionHint, TakesNoAnswerOfTheCollectorForAFailedConnection) {
  EXPECT_EQ(HintOf("postgres: No such file or directory", Tls()), "");
  EXPECT_EQ(ConnectionHint(absl::UnavailableError("Connection refused"), absl::OkStatus(), Tls(),
                           /*was_connected=*/true),
            "");
}

TEST(ConnectionHint, SaysThatTwoAgentsUseOneCertificate) {
  EXPECT_THAT(ConnectionHint(absl::AbortedError("a newer stream of this agent took over"),
                             absl::OkStatus(), Tls(), /*was_connected=*/true),
              HasSubstr("give each agent a certificate of its own"));
}

}  // namespace
}  // namespace skimwatch::uplink
