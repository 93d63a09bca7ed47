#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/traffic/flow_sampler.h"
#include "tests/agent/traffic/protocol/decoder_harness.h"
#include "tests/agent/traffic/support/http2_builder.h"

// What of a flow is scanned, and what is said of the rest.
namespace skimwatch::traffic::testing {
namespace {

using Shares = FlowSampler::Shares;

struct Sampled {
  explicit Sampled(const Shares& shares)
      : sampler(std::make_shared<FlowSampler>(SipKey{1, 2}, shares)), harness(Options()) {
    sampler->SetClasses(SamplingClasses::Create({}, {}));
  }
  TrafficDecoderOptions Options() const {
    TrafficDecoderOptions options = DecoderHarness::AllTraffic();
    options.sampler = sampler;
    return options;
  }
  uint64_t sampled_out() const {
    return harness.covered(Reason::kSampledOutFlow) + harness.covered(Reason::kSampledOutLow) +
           harness.covered(Reason::kSampledOutNormal) + harness.covered(Reason::kSampledOutHigh);
  }

  std::shared_ptr<FlowSampler> sampler;
  DecoderHarness harness;
};

TcpConversation Conversation(int number) {
  TcpConversation tcp(At("203.0.113.7:" + std::to_string(10'000 + number)), At(kShop));
  tcp.Open();
  return tcp;
}

std::string Request(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: shop.example\r\n\r\n";
}

std::string Answer(const std::string& type, const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(Sampling, ScansCheckoutsOfFlowsThatItLeavesOutOtherwise) {
  Sampled sampled({0.01, 0.1, 1});
  constexpr int kFlows = 300;
  uint64_t sent = 0;
  for (int i = 0; i < kFlows; ++i) {
    TcpConversation tcp = Conversation(i);
    for (const char* path : {"/shoes", "/checkout/pay", "/hats"}) {
      tcp.Client(Request(path));
      tcp.Server(Answer("text/html", std::string("body of ") + path));
    }
    tcp.Close();
    sent += tcp.payload_bytes();
    sampled.harness.Feed(tcp.packets());
  }
  sampled.harness.decoder.Flush();
  std::map<std::string, std::set<uint16_t>> requests, answers;
  for (const RecordedPart& part : sampled.harness.sink.parts()) {
    const Provenance& p = part.provenance;
    EXPECT_EQ(p.sampling_probability, p.path == "/checkout/pay" ? 1 : 0.1) << p.path;
    EXPECT_EQ(p.sampling_unit, sampled.sampler->UnitOf(
                                   At("203.0.113.7:" + std::to_string(p.client.port)), At(kShop)));
    if (part.part == Part::kRequestTarget) requests[p.path].insert(p.client.port);
    if (part.part == Part::kResponseBody) answers[p.path].insert(p.client.port);
  }
  EXPECT_EQ(requests["/checkout/pay"].size(), static_cast<size_t>(kFlows));
  EXPECT_NEAR(static_cast<double>(requests["/shoes"].size()), 30, 5 * std::sqrt(27));
  // Both ends agree, and so do the messages of one priority: whole flows.
  EXPECT_EQ(requests, answers);
  EXPECT_EQ(requests["/shoes"], requests["/hats"]);
  EXPECT_EQ(sampled.harness.coverage.seen_bytes(), sent);
  EXPECT_GT(sampled.harness.covered(Reason::kSampledOutNormal), sent / 3);
}

TEST(Sampling, ScansCheckoutsOfHttp2FlowsThatItLeavesOutOtherwise) {
  Sampled sampled({0.01, 0.1, 1});
  constexpr int kFlows = 300;
  // More fields than wait for the end of their block.
  const std::string cookie(20'000, 'c');
  uint64_t sent = 0;
  for (int i = 0; i < kFlows; ++i) {
    TcpConversation tcp = Conversation(i);
    Http2Sender client;
    Http2Sender server;
    tcp.Client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Http2Sender::Settings());
    tcp.Server(Http2Sender::Settings());
    uint32_t stream = 1;
    for (const char* path : {"/shoes", "/checkout/pay", "/checkout/basket", "/hats"}) {
      const std::string extra = std::string_view(path) == "/checkout/pay" ? cookie : "small";
      tcp.Client(client.Headers(stream, RequestFields("POST", path, {{"cookie", extra}})) +
                 Http2Sender::Data(stream, "body", true));
      tcp.Server(server.Headers(stream, ResponseFields("200", {{"set-cookie", extra}})) +
                 Http2Sender::Data(stream, "answer", true));
      stream += 2;
    }
    tcp.Close();
    sent += tcp.payload_bytes();
    sampled.harness.Feed(tcp.packets());
  }
  sampled.harness.decoder.Flush();
  // By path and part, which flows.
  std::map<std::pair<std::string, Part>, std::set<uint16_t>> seen;
  std::map<std::pair<std::string, Part>, size_t> bytes;
  for (const RecordedPart& part : sampled.harness.sink.parts()) {
    const Provenance& p = part.provenance;
    EXPECT_EQ(p.sampling_probability, p.path.starts_with("/checkout") ? 1 : 0.1)
        << p.path << " " << PartName(part.part);
    seen[{p.path, part.part}].insert(p.client.port);
    bytes[{p.path, part.part}] += part.bytes.size();
  }
  for (const Part part : {Part::kRequestTarget, Part::kRequestHeaders, Part::kRequestBody,
                          Part::kResponseHeaders, Part::kResponseBody}) {
    for (const char* path : {"/checkout/pay", "/checkout/basket"}) {
      EXPECT_EQ((seen[{path, part}].size()), size_t{kFlows}) << path << " " << PartName(part);
    }
    EXPECT_NEAR(static_cast<double>(seen[{"/shoes", part}].size()), 30, 5 * std::sqrt(27))
        << PartName(part);
    EXPECT_EQ((seen[{"/shoes", part}]), (seen[{"/hats", Part::kRequestTarget}]));
  }
  for (const Part part : {Part::kRequestHeaders, Part::kResponseHeaders}) {
    EXPECT_GT((bytes[{"/checkout/pay", part}]), kFlows * cookie.size());
  }
  EXPECT_EQ(sampled.harness.coverage.seen_bytes(), sent);
}

TEST(Sampling, LeavesOutLargePicturesFirst) {
  Sampled sampled({1e-9, 1, 1});
  TcpConversation tcp = Conversation(1);
  const std::string picture(100'000, 'p');
  for (const auto& [type, body] : {std::pair<std::string, std::string>{"image/png", picture},
                                   {"text/html", "<p>text</p>"},
                                   {"image/png", "small"}}) {
    tcp.Client(Request("/a"));
    tcp.Server(Answer(type, body));
  }
  tcp.Close();
  sampled.harness.Run(tcp);
  EXPECT_EQ(sampled.harness.covered(Reason::kSampledOutLow), picture.size());
  EXPECT_EQ(sampled.harness.covered(Reason::kScanned), tcp.payload_bytes() - picture.size());
  const std::vector<RecordedPart> bodies = sampled.harness.sink.parts(Part::kResponseBody);
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_EQ(bodies[0].bytes, "<p>text</p>");
  EXPECT_EQ(bodies[1].bytes, "small");
}

TEST(Sampling, DoesNotFollowFlowsBeyondEveryShare) {
  Sampled sampled({1e-9, 1e-9, 1e-9});
  TcpConversation tcp = Conversation(1);
  tcp.Client(Request("/checkout"));
  tcp.Server(Answer("text/html", "text"));
  tcp.Close();
  sampled.harness.Run(tcp);
  EXPECT_EQ(sampled.harness.covered(Reason::kSampledOutFlow), tcp.payload_bytes());
  EXPECT_EQ(sampled.harness.decoder.stats().flows_sampled_out, 1U);
  EXPECT_EQ(sampled.harness.decoder.stats().requests, 0U);
}

// One connection that carries everything: 200 MiB, of which a quarter is to be scanned.
void ExpectAQuarter(const Sampled& sampled, Part part, uint64_t sent) {
  constexpr double kWindows = 200;
  EXPECT_EQ(sampled.harness.coverage.seen_bytes(), sent);
  EXPECT_EQ(sampled.harness.covered(Reason::kScanned) + sampled.sampled_out(), sent);
  const double scanned =
      static_cast<double>(sampled.harness.covered(Reason::kScanned)) / FlowSampler::kWindowBytes;
  EXPECT_NEAR(scanned, 0.25 * kWindows, 5 * std::sqrt(kWindows * 0.25 * 0.75));
  std::set<uint64_t> units;
  size_t begun = 0;
  for (const RecordedPart& one : sampled.harness.sink.parts(part)) {
    begun += one.provenance.continues ? 0 : 1;
    EXPECT_EQ(one.provenance.sampling_probability, 0.25);
    EXPECT_TRUE(units.insert(one.provenance.sampling_unit).second);
    EXPECT_TRUE(one.ended);
  }
  EXPECT_GT(units.size(), 20U);
  // However many windows it has, it is one.
  EXPECT_LE(begun, 1U);
}

TEST(Sampling, ScansWindowsOfALongStream) {
  // So that its first window is followed.
  Sampled sampled({0.25, 0.25, 1});
  const std::string piece(1 << 20, 'x');
  TcpConversation tcp = Conversation(1);
  tcp.set_segment_bytes(60'000);
  uint64_t sent = 0;
  sampled.harness.Feed(tcp.packets());
  for (int i = 0; i < 200; ++i) {
    tcp.packets().clear();
    tcp.Client(piece);
    sent += piece.size();
    sampled.harness.Feed(tcp.packets());
  }
  sampled.harness.decoder.Flush();
  ExpectAQuarter(sampled, Part::kStream, sent);
}

TEST(Sampling, ScansWindowsOfALongBody) {
  Sampled sampled({0.25, 0.25, 1});
  const std::string piece(1 << 20, 'x');
  TcpConversation tcp = Conversation(1);
  tcp.set_segment_bytes(60'000);
  const std::string request = Request("/dump");
  const std::string head =
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(piece.size() * 200) + "\r\n\r\n";
  tcp.Client(request);
  tcp.Server(head);
  sampled.harness.Feed(tcp.packets());
  uint64_t sent = request.size() + head.size();
  for (int i = 0; i < 200; ++i) {
    tcp.packets().clear();
    tcp.Server(piece);
    sent += piece.size();
    sampled.harness.Feed(tcp.packets());
  }
  sampled.harness.decoder.Flush();
  ExpectAQuarter(sampled, Part::kResponseBody, sent);
}

// Whatever the shares do meanwhile: every byte is counted once, and the bytes that were scanned,
// each weighed by the inverse of its probability, are those that were sent but for chance.
TEST(Sampling, CountsEveryByteAndWeighsItRightWhileSharesChange) {
  double estimate = 0, truth = 0;
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    Sampled sampled({1, 1, 1});
    std::vector<TcpConversation> conversations;
    std::vector<size_t> fed;
    uint64_t sent = 0, bodies = 0;
    for (int i = 0; i < 40; ++i) {
      TcpConversation tcp(
          At("203.0.113." + std::to_string(seed) + ":" + std::to_string(10'000 + i)), At(kShop));
      tcp.Open();
      for (int message = 0; message < 4; ++message) {
        const char* const paths[] = {"/shoes", "/checkout", "/a.png"};
        const size_t kind = random() % 3;
        const std::string body(kind == 2 ? 70'000 : random() % 5000 + 1, 'b');
        tcp.Client(Request(paths[kind]));
        tcp.Server(Answer(kind == 2 ? "image/png" : "text/html", body));
        bodies += body.size();
      }
      tcp.Close();
      sent += tcp.payload_bytes();
      conversations.push_back(std::move(tcp));
      fed.push_back(0);
    }
    // In turn, so that all of them are open while the shares change.
    for (bool more = true; more;) {
      more = false;
      const double share = static_cast<double>(random() % 5 + 4) / 8;
      sampled.sampler->SetShares({share * share, share, std::sqrt(share)});
      for (size_t i = 0; i < conversations.size(); ++i) {
        for (int n = 0; n < 3 && fed[i] < conversations[i].packets().size(); ++n) {
          sampled.harness.decoder.OnPacket(conversations[i].packets()[fed[i]++].view());
          more = true;
        }
      }
    }
    sampled.harness.decoder.Flush();
    EXPECT_EQ(sampled.harness.coverage.seen_bytes(), sent) << seed;
    EXPECT_EQ(sampled.harness.covered(Reason::kScanned) + sampled.sampled_out(), sent) << seed;
    truth += static_cast<double>(bodies);
    for (const RecordedPart& part : sampled.harness.sink.parts(Part::kResponseBody)) {
      estimate += static_cast<double>(part.bytes.size()) / part.provenance.sampling_probability;
    }
  }
  // Four standard errors.
  EXPECT_NEAR(estimate / truth, 1, 0.1);
}

}  // namespace
}  // namespace skimwatch::traffic::testing
