#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_RECORDER_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_RECORDER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/card/scanner.h"
#include "agent/script/source/page/canary.h"
#include "agent/script/source/page/devtools.h"
#include "agent/script/source/page/page_run.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::script {

// Where something that a page sends is going, for the card numbers in it.
struct DeparturePlace {
  // Address of the document at the top, and where to; both as they are.
  std::string page;
  std::string address;
  std::string method;
  std::string_view part;
};

// Loads one page in a browser that was just started, does what a shopper does, and writes down what
// runs and what is sent (docs/pages.md says what that covers). Thread-compatible.
//
// What the browser says is material and no instruction: whatever is missing or odd in it is passed
// over, and everything is bounded by the configuration's limits.
class PageRecorder {
 public:
  struct Options {
    config::v1::PageCheck check;
    config::v1::PageBrowser limits;
    // Empty for the browser's own, and none.
    std::string user_agent;
    std::string language;
    std::string referrer;
    // To be typed; nullopt for none.
    std::optional<CanaryCard> canary;
    // Looks for it, or for any card number where there is none.
    CanaryFinder* finder = nullptr;
    // Card numbers that are not the canary's; null to leave them.
    std::function<void(const DeparturePlace&, const card::CardMatch&)> on_card;
    // Whether a host belongs to the site, and whether what is typed may go to it.
    std::function<bool(std::string_view host)> is_site_host;
    std::function<bool(std::string_view host)> is_approved;
    // Texts that need not be read again, by SHA-256.
    absl::flat_hash_set<std::string> known_texts;
  };

  // `devtools` and `run` must outlive it.
  PageRecorder(Options options, DevTools& devtools, PageRun& run);

  // Does all of it until `deadline`. Sets outcome and reason in the run.
  void Record(absl::Time deadline);

 private:
  struct Session {
    std::string type;
    std::string target;
    std::string url;
  };
  struct Frame {
    std::string url;
    std::string parent;
    std::string session;
  };
  // A script that was parsed, by session and id.
  struct Parsed {
    std::string address;
    // Of run_.scripts, or -1 for one that is not recorded.
    int index = -1;
  };
  struct Raw {
    std::string sha256;
    std::string integrity;
    uint64_t size_bytes = 0;
    // Different bytes came from the address, so that none of them stand for a text.
    bool is_ambiguous = false;
  };

  absl::Status Run(absl::Time deadline);
  absl::Status OpenPage(absl::Time deadline);
  absl::Status Load(absl::Time deadline);
  absl::Status DoStep(const config::v1::PageStep& step, absl::Time deadline);
  absl::Status Settle(absl::Time deadline);
  // What can be asked for once the page is at rest.
  void LookAround(absl::Time deadline);

  void OnEvent(const std::string& session, const std::string& method, const Json& params);
  void OnAttached(const Json& params);
  void InitSession(const std::string& session, const std::string& type);
  void OnScript(const std::string& session, const Json& params);
  void OnPaused(const std::string& session, const Json& params);
  void OnResponsePaused(const std::string& session, const Json& params);
  void OnRequest(const std::string& session, const Json& params);
  void OnWebSocketFrame(const Json& params);
  void OnFrameNavigated(const std::string& session, const Json& frame);

  // How something that is sent came to be known: on its way and waiting, as an event of its own, or
  // by a look at the page.
  enum class Via : uint8_t { kPaused, kEvent, kPage };
  // Looks at one part of what is sent.
  void Look(std::string_view text, std::string_view content_type, std::string_view part,
            const std::string& address, const std::string& method, const std::string& request,
            Via via, bool& has_canary);
  void AddDeparture(SeenDeparture departure, const std::string& request);
  // The address of the innermost script of a stack that has one.
  std::string ScriptOf(const std::string& session, const Json& stack) const;
  bool IsThirdParty(const std::string& frame) const;
  const std::string& TopAddress() const;

  // An element in the page or one of its frames.
  struct Element {
    std::string session;
    std::string object;
    bool in_top_frame = false;
  };
  absl::StatusOr<std::optional<Element>> FindElement(const std::string& selector,
                                                     absl::Time deadline);
  // The contexts to look for elements in: worlds of our own, which the page can't reach.
  std::vector<std::pair<std::string, uint64_t>> Worlds(absl::Time deadline);
  absl::StatusOr<Json> CallOn(const Element& element, std::string_view function,
                              absl::Time deadline);
  absl::Status Type(const Element& element, const std::string& text, absl::Time deadline);
  absl::Status Click(const Element& element, absl::Time deadline);
  void FindListeners(absl::Time deadline);
  // The object that stands for a value's node or window in the page's own world; empty for none.
  std::string InPagesWorld(const std::string& session, const Json& value, absl::Time deadline);
  void FindNamesLookedUp(absl::Time deadline);

  const Options options_;
  DevTools& devtools_;
  PageRun& run_;
  std::string page_session_;
  std::string page_target_;
  std::string default_user_agent_;
  Json user_agent_metadata_;
  absl::flat_hash_map<std::string, Session> sessions_;
  absl::flat_hash_map<std::string, Frame> frames_;
  absl::flat_hash_map<std::string, Parsed> parsed_;
  // By address.
  absl::flat_hash_map<std::string, Raw> raw_;
  absl::flat_hash_map<std::string, std::string> fetched_by_;
  // By request: the script that made it, and where it goes.
  absl::flat_hash_map<std::string, std::string> initiators_;
  absl::flat_hash_map<std::string, std::string> sockets_;
  // By request that asks whether another may be made (CORS): that one.
  absl::flat_hash_map<std::string, std::string> preflights_;
  // Requests that were stopped since they carry the canary or may.
  absl::flat_hash_set<std::string> stopped_;
  std::vector<std::pair<size_t, std::string>> unresolved_departures_;
  // By request: until when it is waited for.
  absl::flat_hash_map<std::string, absl::Time> in_flight_;
  std::string world_name_;
  // Headers of documents by request, until the document is there.
  absl::flat_hash_map<std::string, SeenPage> documents_;
  absl::flat_hash_set<std::string> document_addresses_;
  uint64_t text_bytes_ = 0;
  uint64_t texts_open_ = 0;
  absl::Time last_activity_ = absl::InfinitePast();
  absl::Time first_request_ = absl::InfiniteFuture();
  bool loaded_ = false;
};

// What `--user-agent` of a browser that is driven gives away, taken out.
std::string WithoutHeadless(std::string user_agent);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_RECORDER_H_
