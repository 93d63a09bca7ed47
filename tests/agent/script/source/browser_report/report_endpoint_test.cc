#include "agent/script/source/browser_report/report_endpoint.h"

#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/script/judge/script_version.h"
#include "boost/asio/connect.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/read.hpp"
#include "boost/asio/write.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/script/source/browser_report/recording_sink.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::script {
namespace {

using skimwatch::testing::TempFolder;
using ::testing::HasSubstr;
using testing::RecordingSink;
using ::testing::SizeIs;
using ::testing::StartsWith;

class ReportEndpointTest : public ::testing::Test {
 protected:
  ReportEndpointTest() {
    options_.listen = "127.0.0.1:0";
    options_.state_path = folder_.File("state");
    options_.processor.default_site = "shop";
    options_.processor.browsers_min = 2;
    options_.processor.site_of_host = testing::SiteOfHost;
    options_.processor.path_template = testing::PathTemplate;
  }

  void Start() {
    absl::StatusOr<std::unique_ptr<ReportEndpoint>> endpoint =
        ReportEndpoint::Listen(options_, sink_);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = *std::move(endpoint);
    endpoint_->Start();
  }

  std::string Send(const std::string& client, const std::string& body) const {
    boost::asio::io_context context;
    boost::asio::ip::tcp::socket socket(context);
    socket.connect(
        {boost::asio::ip::address_v4::loopback(), static_cast<uint16_t>(endpoint_->port())});
    const std::string request = absl::StrCat(
        "POST /r HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/reports+json"
        "\r\nX-Real-IP: ",
        client, "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
    boost::asio::write(socket, boost::asio::buffer(request));
    std::string answer;
    boost::system::error_code error;
    boost::asio::read(socket, boost::asio::dynamic_buffer(answer), error);
    return answer;
  }

  static std::string Loads(const std::string& text) {
    return absl::StrCat(
        R"([{"type":"csp-hash","url":"https://shop.example/pay","body":{"subresourceURL":)",
        R"("https://chat.example/chat.js","hash":"sha256-)", absl::Base64Escape(Sha256(text)),
        R"("}}])");
  }

  uint64_t Requests(RequestOutcome outcome) const {
    return endpoint_->GetStats().requests[static_cast<size_t>(outcome)];
  }

  TempFolder folder_;
  RecordingSink sink_;
  ReportEndpoint::Options options_;
  std::unique_ptr<ReportEndpoint> endpoint_;
};

TEST_F(ReportEndpointTest, TellsWhatBrowsersAgreeOnAndKeepsIt) {
  Start();
  EXPECT_THAT(Send("198.51.100.1", Loads("v1")), StartsWith("HTTP/1.1 204 "));
  EXPECT_THAT(Send("198.51.100.2", Loads("v1")), StartsWith("HTTP/1.1 204 "));
  endpoint_->Stop();
  ASSERT_THAT(sink_.changes, SizeIs(1));
  EXPECT_EQ(sink_.changes[0].change.change(), v1::ScriptChange::CHANGE_PROPOSED);
  const ReportEndpoint::Stats stats = endpoint_->GetStats();
  EXPECT_EQ(stats.scripts, 1);
  EXPECT_EQ(stats.changes, 1);
  EXPECT_EQ(stats.requests[static_cast<size_t>(RequestOutcome::kAccepted)], 2);
  EXPECT_EQ(stats.reports[static_cast<size_t>(ReportOutcome::kCspHash)], 2);

  // Another run knows the script.
  Start();
  Send("198.51.100.1", Loads("v1"));
  Send("198.51.100.2", Loads("v1"));
  endpoint_->Stop();
  EXPECT_THAT(sink_.changes, SizeIs(1));
}

TEST_F(ReportEndpointTest, CountsAnIpv6CustomerAsOneNetwork) {
  Start();
  for (const char* const client : {"2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:1:ffff::3"}) {
    Send(client, Loads("v1"));
  }
  // What is no address is one network, too.
  for (const char* const client : {"unknown", "garbage"}) Send(client, Loads("v2"));
  Send("2001:db8:1:2::1", "[]");
  endpoint_->Stop();
  EXPECT_THAT(sink_.changes, SizeIs(0));
  Start();
  Send("2001:db8:1:1::1", Loads("v1"));
  Send("2001:db8:1:2::1", Loads("v1"));
  endpoint_->Stop();
  EXPECT_THAT(sink_.changes, SizeIs(1));
}

TEST_F(ReportEndpointTest, KeepsOneClientFromKeepingOthersOut) {
  options_.rate = {.client_rate = 0.001, .client_burst = 5};
  Start();
  for (int i = 0; i < 50; ++i) Send("198.51.100.1", "[]");
  EXPECT_EQ(Requests(RequestOutcome::kClientLimit), 45);
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(Send(absl::StrCat("198.51.100.", 10 + i), "[]"), StartsWith("HTTP/1.1 204 "));
  }
}

TEST_F(ReportEndpointTest, SetsADamagedStateAside) {
  std::ofstream(options_.state_path) << "no state";
  Start();
  EXPECT_EQ(endpoint_->GetStats().states_set_aside, 1);
  EXPECT_TRUE(std::ifstream(options_.state_path + ".damaged").good());
  Send("198.51.100.1", Loads("v1"));
  endpoint_->Stop();
  EXPECT_TRUE(std::ifstream(options_.state_path).good());
}

TEST_F(ReportEndpointTest, RefusesToListenForEverybody) {
  options_.listen = "0.0.0.0:0";
  const auto endpoint = ReportEndpoint::Listen(options_, sink_);
  EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(endpoint.status().message(), HasSubstr("allow_remote"));
}

TEST_F(ReportEndpointTest, RefusesWhatItHasNoRoomFor) {
  options_.queue_bytes_max = 1000;
  Start();
  EXPECT_THAT(Send("198.51.100.1", std::string(1001, ' ')), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(Requests(RequestOutcome::kQueueFull), 1);
}

}  // namespace
}  // namespace skimwatch::script
