#include "proto/tls/grpc_log.h"

#include <memory>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "grpc/grpc.h"
#include "grpc/support/log.h"
#include "gtest/gtest.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"

namespace skimwatch::tls {
namespace {

using ::testing::HasSubstr;

class GrpcLog : public ::testing::Test {
 protected:
  GrpcLog() : before_(spdlog::default_logger()) {
    auto logger = std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_, true));
    logger->set_pattern("%l %v");
    spdlog::set_default_logger(logger);
    // Says what is grave enough to be told.
    grpc_init();
  }
  ~GrpcLog() override {
    grpc_shutdown();
    spdlog::set_default_logger(before_);
  }

  std::string Taken() {
    std::string text = text_.str();
    text_.str("");
    return text;
  }

  std::shared_ptr<spdlog::logger> before_;
  std::ostringstream text_;
};

constexpr char kNoTls[] =
    "Handshake failed with fatal error SSL_ERROR_SSL: error:0A00010B:SSL routines::wrong version "
    "number.";

TEST_F(GrpcLog, TellsOfAFailedHandshakeOnceInWords) {
  RouteGrpcLog(Handshakes::kTold);
  for (int i = 0; i < 3; ++i) gpr_log(GPR_ERROR, "%s", kNoTls);
  EXPECT_EQ(Taken(),
            "warning a connection was turned away in its TLS handshake: wrong version number; it "
            "speaks no TLS: an agent or operator with `plaintext`, or no client of ours\n");
  // Another reason is another event.
  gpr_log(GPR_ERROR,
          "Handshake failed with fatal error SSL_ERROR_SSL: error:0A0000C7:SSL routines::peer did "
          "not return a certificate.");
  EXPECT_THAT(Taken(), HasSubstr("it showed no certificate"));
}

TEST_F(GrpcLog, LeavesHandshakesOfAClientToItsErrors) {
  RouteGrpcLog(Handshakes::kKnown);
  gpr_log(GPR_ERROR, "%s", kNoTls);
  EXPECT_EQ(Taken(), "");
}

TEST_F(GrpcLog, TellsErrorsOfEveryOtherKind) {
  RouteGrpcLog(Handshakes::kKnown);
  gpr_log(GPR_ERROR, "out of file descriptors");
  EXPECT_EQ(Taken(), "warning gRPC: out of file descriptors\n");
}

}  // namespace
}  // namespace skimwatch::tls
