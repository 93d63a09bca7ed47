#include "agent/script/source/page/page_recorder.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/card/brand_table.h"
#include "agent/script/judge/script_version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kCanary[] = "4000001234567899";
constexpr char kPage[] = "https://shop.example/checkout";

// The recorder is told what a browser says; what it answers is read from the other end.
class PageRecorderTest : public ::testing::Test {
 protected:
  PageRecorderTest() : finder_(kCanary, {}, card::BrandTable::Default()) {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()), 0);
    const int room = 1 << 22;
    setsockopt(ends_[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    options_.check.set_url(kPage);
    options_.limits.set_scripts_max(16);
    options_.limits.set_script_kib_max(64);
    options_.limits.set_requests_max(32);
    options_.limits.set_body_kib_max(16);
    options_.finder = &finder_;
    options_.is_site_host = [](std::string_view host) { return host == "shop.example"; };
    options_.is_approved = [](std::string_view host) { return host == "shop.example"; };
  }
  ~PageRecorderTest() override {
    for (const int fd : ends_) close(fd);
  }

  void Begin() {
    devtools_ = std::make_unique<DevTools>(ends_[0], ends_[0], DevTools::Options{});
    recorder_ = std::make_unique<PageRecorder>(options_, *devtools_, run_);
    // As the page would be attached; its target is not known to the recorder, its frames are.
    Tell("", "Target.attachedToTarget",
         {{"sessionId", "S"},
          {"targetInfo", {{"targetId", "T"}, {"type", "iframe"}, {"url", kPage}}}});
    run_.pages.push_back({.address = kPage});
  }
  void Tell(const std::string& session, const std::string& method, const Json& params) {
    devtools_->on_event(session, method, params);
  }
  std::string Answers() {
    std::string all;
    std::string piece(65536, 0);
    while (true) {
      const ssize_t got = read(ends_[1], piece.data(), piece.size());
      if (got <= 0) return all;
      all.append(piece, 0, static_cast<size_t>(got));
    }
  }
  static Json Script(const std::string& id, const std::string& address, const std::string& text,
                     Json more = Json::object()) {
    Json params = {{"scriptId", id},
                   {"embedderName", address},
                   {"url", address},
                   {"length", text.size()},
                   {"hash", absl::BytesToHexString(Sha256(text))}};
    params.update(more);
    return params;
  }
  static Json Paused(const std::string& address, const std::string& body = "") {
    Json request = {{"url", address}, {"method", body.empty() ? "GET" : "POST"}};
    if (!body.empty()) {
      request["hasPostData"] = true;
      request["postDataEntries"] = Json::array({{{"bytes", absl::Base64Escape(body)}}});
    }
    return {{"requestId", "R"}, {"networkId", "N"}, {"request", request}};
  }

  std::array<int, 2> ends_{-1, -1};
  CanaryFinder finder_;
  PageRecorder::Options options_;
  PageRun run_;
  std::unique_ptr<DevTools> devtools_;
  std::unique_ptr<PageRecorder> recorder_;
};

TEST_F(PageRecorderTest, TellsHowAScriptCameToRun) {
  Begin();
  Tell("S", "Page.frameNavigated", {{"frame", {{"id", "F"}, {"url", kPage}}}});
  const Json context = {{"executionContextAuxData", {{"frameId", "F"}, {"type", "default"}}}};
  struct Case {
    const char* address;
    const char* seen_as;
    const char* recorded;
  };
  const Case cases[] = {
      {kPage, "inline", ""},
      {"https://vendor.example/a.js", "external", "https://vendor.example/a.js"},
      {"blob:https://shop.example/1", "blob", ""},
      {"data:text/javascript,1", "data", ""},
      {"javascript:void(0)", "inline", ""},
      {"", "eval", ""},
  };
  int id = 0;
  for (const Case& one : cases) {
    ++id;
    Tell("S", "Debugger.scriptParsed",
         Script(absl::StrCat(id), one.address, absl::StrCat("text ", id), context));
    ASSERT_THAT(run_.scripts, SizeIs(id)) << one.address;
    EXPECT_EQ(run_.scripts.back().seen_as, one.seen_as) << one.address;
    EXPECT_EQ(run_.scripts.back().address, one.recorded);
    EXPECT_EQ(run_.scripts.back().text_sha256, Sha256(absl::StrCat("text ", id)));
  }
}

// A script can call itself anything by `sourceURL`.
TEST_F(PageRecorderTest, DoesNotBelieveWhatAScriptCallsItself) {
  Begin();
  Tell("S", "Debugger.scriptParsed",
       {{"scriptId", "1"},
        {"url", "https://shop.example/js/known.js"},
        {"hasSourceURL", true},
        {"embedderName", ""},
        {"hash", absl::BytesToHexString(Sha256("evil"))},
        {"length", 4}});
  ASSERT_THAT(run_.scripts, SizeIs(1));
  EXPECT_EQ(run_.scripts[0].seen_as, "eval");
  EXPECT_EQ(run_.scripts[0].address, "");
}

TEST_F(PageRecorderTest, NamesTheScriptThatInsertedAnother) {
  Begin();
  Tell("S", "Debugger.scriptParsed", Script("1", "https://vendor.example/a.js", "a"));
  Tell("S", "Debugger.scriptParsed",
       Script("2", "", "b",
              {{"stackTrace",
                {{"callFrames", Json::array({{{"scriptId", "1"}, {"url", "spoofed"}}})}}}}));
  ASSERT_THAT(run_.scripts, SizeIs(2));
  EXPECT_EQ(run_.scripts[1].initiator, "https://vendor.example/a.js");
}

TEST_F(PageRecorderTest, ReadsNoTextThatIsKnownOrTooLong) {
  options_.known_texts = {Sha256("known")};
  Begin();
  Answers();
  Tell("S", "Debugger.scriptParsed", Script("1", "https://a.example/a.js", "known"));
  EXPECT_THAT(Answers(), Not(HasSubstr("getScriptSource")));
  Json large = Script("2", "https://a.example/b.js", "large");
  large["length"] = 65 << 10;
  Tell("S", "Debugger.scriptParsed", large);
  EXPECT_THAT(Answers(), Not(HasSubstr("getScriptSource")));
  EXPECT_EQ(run_.omissions.script_texts, 1);
  Tell("S", "Debugger.scriptParsed", Script("3", "https://a.example/c.js", "other"));
  EXPECT_THAT(Answers(), HasSubstr("getScriptSource"));
}

TEST_F(PageRecorderTest, StopsWhatCarriesTheCanary) {
  Begin();
  Answers();
  Tell("S", "Fetch.requestPaused",
       Paused(absl::StrCat("https://evil.example/i?d=", absl::Base64Escape(kCanary))));
  EXPECT_THAT(Answers(), HasSubstr("Fetch.failRequest"));
  Tell("S", "Fetch.requestPaused",
       Paused("https://evil.example/p", absl::StrCat("{\"card\":\"", kCanary, "\"}")));
  EXPECT_THAT(Answers(), HasSubstr("Fetch.failRequest"));
  Tell("S", "Fetch.requestPaused", Paused("https://evil.example/other", "nothing"));
  EXPECT_THAT(Answers(), HasSubstr("Fetch.continueRequest"));
  ASSERT_THAT(run_.departures, SizeIs(2));
  EXPECT_EQ(run_.departures[0].address, "https://evil.example/i");
  EXPECT_EQ(run_.departures[0].part, "request_target");
  EXPECT_THAT(run_.departures[0].encodings, ElementsAre("base64"));
  EXPECT_EQ(run_.departures[1].part, "request_body");
  for (const SeenDeparture& one : run_.departures) {
    EXPECT_TRUE(one.has_canary && one.stopped && !one.approved);
    EXPECT_THAT(one.address, Not(HasSubstr(kCanary)));
  }
}

TEST_F(PageRecorderTest, LetsTheCanaryOutWhereTheConfigurationSaysSo) {
  options_.check.mutable_canary()->set_let_out(true);
  Begin();
  Answers();
  Tell("S", "Fetch.requestPaused", Paused("https://shop.example/pay", kCanary));
  EXPECT_THAT(Answers(), HasSubstr("Fetch.continueRequest"));
  ASSERT_THAT(run_.departures, SizeIs(1));
  EXPECT_TRUE(run_.departures[0].approved);
  EXPECT_FALSE(run_.departures[0].stopped);
}

TEST_F(PageRecorderTest, NotesWhatGoesToNobodyKnownOnceTheCanaryIsTyped) {
  Begin();
  Tell("S", "Fetch.requestPaused", Paused("https://unknown.example/a", "before"));
  EXPECT_THAT(run_.departures, IsEmpty());
  run_.canary_typed = true;
  Tell("S", "Fetch.requestPaused", Paused("https://shop.example/own", "body"));
  Tell("S", "Fetch.requestPaused", Paused("https://unknown.example/a", "\x01\x02\x03"));
  Tell("S", "Fetch.requestPaused", Paused("https://unknown.example/pixel.gif"));
  ASSERT_THAT(run_.departures, SizeIs(2));
  EXPECT_FALSE(run_.departures[0].has_canary);
  EXPECT_EQ(run_.departures[0].part, "request_body");
  EXPECT_EQ(run_.departures[1].part, "");
}

TEST_F(PageRecorderTest, SeesWhatAWebSocketSends) {
  Begin();
  Tell("S", "Network.webSocketCreated", {{"requestId", "W"}, {"url", "wss://evil.example/s"}});
  Tell("S", "Network.webSocketFrameSent",
       {{"requestId", "W"},
        {"response", {{"opcode", 2}, {"payloadData", absl::Base64Escape(kCanary)}}}});
  ASSERT_THAT(run_.departures, SizeIs(1));
  EXPECT_EQ(run_.departures[0].address, "wss://evil.example/s");
  EXPECT_EQ(run_.departures[0].part, "message");
  EXPECT_FALSE(run_.departures[0].stopped);
}

TEST_F(PageRecorderTest, CountsAndStopsRequestsAboveTheLimit) {
  Begin();
  for (int i = 0; i < 40; ++i) {
    Tell("S", "Fetch.requestPaused", Paused(absl::StrCat("https://shop.example/", i)));
  }
  EXPECT_EQ(run_.requests, 40);
  EXPECT_EQ(run_.omissions.requests, 8);
  EXPECT_EQ(run_.stopped_requests, 8);
}

TEST_F(PageRecorderTest, CountsScriptsAboveTheLimit) {
  Begin();
  for (int i = 0; i < 20; ++i) {
    Tell("S", "Debugger.scriptParsed",
         Script(absl::StrCat(i), absl::StrCat("https://a.example/", i), absl::StrCat(i)));
  }
  EXPECT_THAT(run_.scripts, SizeIs(16));
  EXPECT_EQ(run_.omissions.scripts, 4);
}

TEST_F(PageRecorderTest, LooksAtABodyUpToItsLimitAndCountsTheRest) {
  Begin();
  Tell("S", "Fetch.requestPaused",
       Paused("https://evil.example/", std::string(20 << 10, 'x') + kCanary));
  EXPECT_THAT(run_.departures, IsEmpty());
  EXPECT_EQ(run_.omissions.body_bytes, (4 << 10) + 16);
}

// The canary may be in what was not looked at.
TEST_F(PageRecorderTest, StopsWhatItCannotLookAtOnceTheCanaryIsTyped) {
  Json of_blob = Paused("https://evil.example/blob");
  of_blob["request"]["hasPostData"] = true;
  Json with_file = Paused("https://evil.example/form", "x");
  with_file["request"]["postDataEntries"].push_back(Json::object());
  Json with_headers = Paused("https://evil.example/headers");
  with_headers["request"]["headers"] = {{"X-Much", std::string(20 << 10, 'x') + kCanary}};
  Begin();
  Answers();
  for (const Json& request :
       {Paused("https://evil.example/long", std::string(20 << 10, 'x') + kCanary), of_blob,
        with_file, with_headers}) {
    const std::string address = TextOf(MemberOf(request, "request"), "url");
    run_.canary_typed = false;
    Tell("S", "Fetch.requestPaused", request);
    EXPECT_THAT(Answers(), HasSubstr("Fetch.continueRequest")) << address;
    run_.canary_typed = true;
    Tell("S", "Fetch.requestPaused", request);
    EXPECT_THAT(Answers(), HasSubstr("Fetch.failRequest")) << address;
    ASSERT_FALSE(run_.departures.empty());
    EXPECT_EQ(run_.departures.back().address, address);
    EXPECT_EQ(run_.departures.back().part, "request_body");
    EXPECT_TRUE(run_.departures.back().stopped);
  }
  EXPECT_EQ(run_.stopped_requests, 4);
}

TEST_F(PageRecorderTest, FindsTheCanaryInTheMethodAndKeepsItOutOfWhatIsTold) {
  Begin();
  Answers();
  Json request = Paused("https://evil.example/m");
  request["request"]["method"] = kCanary;
  Tell("S", "Fetch.requestPaused", request);
  EXPECT_THAT(Answers(), HasSubstr("Fetch.failRequest"));
  ASSERT_THAT(run_.departures, SizeIs(1));
  EXPECT_TRUE(run_.departures[0].has_canary && run_.departures[0].stopped);
  EXPECT_EQ(run_.departures[0].method, "other");
  run_.departures.clear();
  run_.canary_typed = true;
  request["type"] = "Fetch";
  Tell("S", "Network.requestWillBeSent", request);
  ASSERT_THAT(run_.departures, SizeIs(1));
  EXPECT_TRUE(run_.departures[0].has_canary);
  EXPECT_EQ(run_.departures[0].method, "other");
}

TEST_F(PageRecorderTest, StartsNoMoreFramesAndWorkersThanItLooksInto) {
  Begin();
  const auto attach = [&](int i) {
    Tell("", "Target.attachedToTarget",
         {{"sessionId", absl::StrCat("S", i)},
          {"targetInfo",
           {{"targetId", absl::StrCat("T", i)}, {"type", "worker"}, {"url", "blob:x"}}}});
    return Answers();
  };
  for (int i = 1; i < 256; ++i) ASSERT_THAT(attach(i), HasSubstr("runIfWaitingForDebugger"));
  EXPECT_EQ(attach(256), "");
  EXPECT_EQ(attach(257), "");
  EXPECT_EQ(run_.omissions.targets, 2);
}

// A script could be fetched twice from one address, to have the bytes of the one approved and the
// other run.
TEST_F(PageRecorderTest, TakesNoBytesForAScriptWhoseAddressGaveDifferentOnes) {
  Begin();
  const char* const address = "https://vendor.example/a.js";
  const auto receive = [&](const std::string& body) {
    Answers();
    Tell("S", "Fetch.requestPaused",
         {{"requestId", "R"},
          {"networkId", "N"},
          {"responseStatusCode", 200},
          {"resourceType", "Script"},
          {"request", {{"url", address}}}});
    const std::string asked = Answers();
    ASSERT_THAT(asked, HasSubstr("Fetch.getResponseBody"));
    const std::string id = asked.substr(6, asked.find(',') - 6);
    std::string answer = absl::StrCat("{\"id\":", id, ",\"result\":{\"body\":\"", body, "\"}}");
    answer.push_back('\0');
    ASSERT_EQ(write(ends_[1], answer.data(), answer.size()), answer.size());
    std::string heard;
    const auto went_on = [&] {
      heard += Answers();
      return heard.find("Fetch.continueRequest") != std::string::npos;
    };
    ASSERT_TRUE(devtools_->Wait(went_on, absl::Now() + absl::Seconds(20)).ok());
    ASSERT_TRUE(went_on());
  };
  receive("good()");
  receive("good()");
  Tell("S", "Debugger.scriptParsed", Script("1", address, "good()"));
  receive("evil()");
  Tell("S", "Debugger.scriptParsed", Script("2", address, "evil()"));
  receive("good()");
  Tell("S", "Debugger.scriptParsed", Script("3", address, "worse()"));
  ASSERT_THAT(run_.scripts, SizeIs(3));
  EXPECT_EQ(run_.scripts[0].raw_sha256, Sha256("good()"));
  EXPECT_EQ(run_.scripts[1].raw_sha256, "");
  EXPECT_EQ(run_.scripts[2].raw_sha256, "");
}

TEST_F(PageRecorderTest, KeepsTheBeginningOfALongAddress) {
  Begin();
  const std::string longer = "https://vendor.example/" + std::string(1 << 20, 'a');
  Tell("S", "Debugger.scriptParsed", Script("1", longer + "1", "a"));
  Tell("S", "Debugger.scriptParsed", Script("2", longer + "2", "a"));
  ASSERT_THAT(run_.scripts, SizeIs(2));
  EXPECT_LT(run_.scripts[0].address.size(), 5000);
  EXPECT_NE(run_.scripts[0].address, run_.scripts[1].address);
}

// Whatever a page makes a browser say, in every place where something else is expected.
TEST_F(PageRecorderTest, PassesOverWhatMakesNoSense) {
  Begin();
  const Json oddities[] = {Json(),         Json(1),   Json("x"), Json::array({1, "a", nullptr}),
                           Json::object(), Json(true)};
  for (const char* const method :
       {"Fetch.requestPaused", "Debugger.scriptParsed", "Network.requestWillBeSent",
        "Network.responseReceivedExtraInfo", "Network.responseReceived", "Network.loadingFinished",
        "Network.webSocketCreated", "Network.webSocketFrameSent", "Target.attachedToTarget",
        "Target.detachedFromTarget", "Page.frameNavigated", "Page.javascriptDialogOpening",
        "Inspector.targetCrashed", "Target.targetCrashed", "No.such"}) {
    for (const Json& odd : oddities) {
      Tell("S", method, odd);
      for (const char* const key :
           {"request", "requestId", "initiator", "frame", "targetInfo", "response", "stackTrace",
            "executionContextAuxData", "headers", "responseStatusCode", "hash", "url"}) {
        Tell("S", method, {{key, odd}});
        Tell("S", method, {{key, {{"url", odd}, {"headers", odd}, {"postDataEntries", odd}}}});
      }
    }
  }
  EXPECT_LE(run_.scripts.size(), 16);
}

TEST(WithoutHeadless, TakesOutWhatGivesTheBrowserAway) {
  EXPECT_EQ(WithoutHeadless("Mozilla/5.0 HeadlessChrome/156.0.0.0 Safari/537.36"),
            "Mozilla/5.0 Chrome/156.0.0.0 Safari/537.36");
}

}  // namespace
}  // namespace skimwatch::script
