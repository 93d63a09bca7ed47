#include "agent/script/source/page/page_recorder.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/judge/web_address.h"
#include "agent/script/source/page/page_headers.h"

namespace skimwatch::script {
namespace {

// Nothing of a page is waited for longer than this once it has loaded.
constexpr absl::Duration kSettleMax = absl::Seconds(15);
// Nor a request that is open for longer, as those that are kept open to be told of something are.
constexpr absl::Duration kOpenMax = absl::Seconds(3);
constexpr absl::Duration kScriptOpenMax = absl::Seconds(10);
// For what the page does when it is left.
constexpr absl::Duration kLeaveTime = absl::Milliseconds(400);
constexpr absl::Duration kPoll = absl::Milliseconds(100);
constexpr absl::Duration kLookTime = absl::Seconds(10);
// Texts of one look together.
constexpr uint64_t kTextBytesMax = uint64_t{96} << 20;
constexpr size_t kFramesMax = 256;
// Chromium's own limit is 2 MiB.
constexpr size_t kAddressBytesMax = 4096;
constexpr size_t kDeparturesMax = 256;
constexpr size_t kDocumentsMax = 64;
constexpr size_t kHostsMax = 1024;
constexpr size_t kListenersMax = 64;
constexpr size_t kDocumentBytesMax = size_t{8} << 20;
constexpr int kStackDepthMax = 8;
constexpr size_t kHashHexBytes = 64;
constexpr uint64_t kHttpErrorMin = 400;
// A canary is typed like a shopper's card, not faster than any hand but fast.
constexpr int kTabKey = 9;

// The world that elements are looked for in has the DOM of the page and none of its JavaScript.
constexpr std::string_view kFind =
    "(function(s){const look=r=>{const e=r.querySelector(s);if(e)return e;"
    "for(const n of r.querySelectorAll('*')){if(n.shadowRoot){const f=look(n.shadowRoot);"
    "if(f)return f}}return null};return look(document)})(";

// Fields that hold card data by the names that shops and browsers give them, with their forms.
constexpr std::string_view kCardFields =
    "(function(more){const q='input[autocomplete^=cc-],input[name*=card i],input[id*=card i],"
    "input[name*=cvv i],input[name*=cvc i],input[id*=cvc i],input[name=pan i],"
    "input[data-card]';const found=new Set(document.querySelectorAll(q));"
    "for(const s of more){try{const e=document.querySelector(s);if(e)found.add(e)}catch(e){}}"
    "if(!found.size)return [];for(const e of [...found])if(e.form)found.add(e.form);"
    "return [...[...found].slice(0,30),document,window]})(";

constexpr std::string_view kNamesLookedUp =
    "[...document.querySelectorAll('link[rel~=dns-prefetch i],link[rel~=preconnect i]')]"
    ".slice(0,200).map(l=>l.href)";

constexpr std::string_view kFocus =
    "function(){this.scrollIntoView({block:'center'});this.focus();"
    "if(this.select)this.select();return this.tagName}";
constexpr std::string_view kValue =
    "function(){return String(this.value===undefined?'':this.value)}";
constexpr std::string_view kChoose =
    "function(t){this.value=t;for(const n of ['input','change'])"
    "this.dispatchEvent(new Event(n,{bubbles:true}))}";
constexpr std::string_view kMiddle =
    "function(){this.scrollIntoView({block:'center'});const b=this.getBoundingClientRect();"
    "return {x:b.x+b.width/2,y:b.y+b.height/2,shown:b.width>0&&b.height>0}}";

bool IsWeb(std::string_view address) {
  return address.starts_with("http://") || address.starts_with("https://");
}

// As it is kept: of a longer one its beginning and what tells it from others.
std::string Kept(std::string_view address) {
  if (address.size() <= kAddressBytesMax) return std::string(address);
  return absl::StrCat(std::string(address.substr(0, kAddressBytesMax)), "~",
                      absl::BytesToHexString(Sha256(address)));
}

std::string WithoutFragment(std::string_view address) {
  return Kept(address.substr(0, address.find('#')));
}

std::string HostOf(std::string_view address) { return ParseWebAddress(address).host; }

// What this recorder has a page's own world evaluate: it is no script of the page, and does
// nothing.
constexpr std::string_view kWindow = "window";

// Scheme, host, port and path.
std::string BaseOf(std::string_view address) { return Kept(ParseWebAddress(address).base); }

bool IsOfCardField(std::string_view event) {
  for (const std::string_view name : {"input", "change", "keydown", "keyup", "keypress", "blur",
                                      "focusout", "submit", "paste", "beforeinput"}) {
    if (event == name) return true;
  }
  return false;
}

std::string KeyOf(const std::string& session, const std::string& id) {
  return absl::StrCat(session, "/", id);
}

// A header's value, where names are compared without case.
std::string HeaderOf(const Json& headers, std::string_view name) {
  for (const Json& header : headers) {
    if (absl::EqualsIgnoreCase(TextOf(header, "name"), absl::string_view(name.data(), name.size())))
      return TextOf(header, "value");
  }
  return "";
}

// A method can be any word, and so hold what must not be written down.
std::string KnownMethod(std::string_view method) {
  for (const std::string_view known :
       {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
    if (method == known) return std::string(method);
  }
  return method.empty() ? "" : "other";
}

bool IsDocumentType(std::string_view type) { return type == "page" || type == "iframe"; }

}  // namespace

std::string WithoutHeadless(std::string user_agent) {
  constexpr std::string_view kMark = "HeadlessChrome";
  if (const size_t at = user_agent.find(kMark); at != std::string::npos) {
    user_agent.replace(at, kMark.size(), "Chrome");
  }
  return user_agent;
}

PageRecorder::PageRecorder(Options options, DevTools& devtools, PageRun& run)
    : options_(std::move(options)),
      devtools_(devtools),
      run_(run),
      world_name_(absl::StrCat("w", run.id)) {
  devtools_.on_event = [this](const std::string& session, const std::string& method,
                              const Json& params) { OnEvent(session, method, params); };
}

void PageRecorder::Record(absl::Time deadline) {
  const absl::Status status = Run(deadline);
  run_.user_agent = options_.user_agent.empty() ? default_user_agent_ : options_.user_agent;
  // What is asked for ahead (CORS) is made by whoever makes the request, which it holds back.
  absl::flat_hash_set<std::string> stopped = stopped_;
  for (const auto& [preflight, request] : preflights_) {
    if (stopped_.contains(preflight)) stopped.insert(request);
  }
  for (const auto& [index, request] : unresolved_departures_) {
    if (stopped.contains(request)) run_.departures[index].stopped = true;
    const auto preflight = preflights_.find(request);
    const auto by = initiators_.find(preflight == preflights_.end() ? request : preflight->second);
    if (by != initiators_.end()) run_.departures[index].initiator = by->second;
  }
  // Of a destination that the canary was seen on its way to, nothing vaguer needs saying.
  absl::flat_hash_set<std::string> seen;
  for (const SeenDeparture& one : run_.departures) {
    if (one.has_canary) seen.insert(HostOf(one.address));
  }
  std::erase_if(run_.departures, [&](const SeenDeparture& one) {
    return !one.has_canary && seen.contains(HostOf(one.address));
  });
  if (status.ok()) {
    if (run_.omissions.targets == 0) return;
    run_.outcome = PageOutcome::kIncomplete;
    run_.reason = absl::StrCat("the page has more than ", kFramesMax, " frames and workers");
    return;
  }
  run_.reason = std::string(status.message());
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      run_.outcome = PageOutcome::kTimeout;
      break;
    case absl::StatusCode::kUnavailable:
      run_.outcome = PageOutcome::kCrashed;
      break;
    case absl::StatusCode::kResourceExhausted:
      run_.outcome = PageOutcome::kMemory;
      break;
    case absl::StatusCode::kFailedPrecondition:
      run_.outcome = PageOutcome::kNotLoaded;
      break;
    default:
      run_.outcome = PageOutcome::kStepFailed;
  }
}

absl::Status PageRecorder::Run(absl::Time deadline) {
  if (absl::Status s = OpenPage(deadline); !s.ok()) return s;
  if (absl::Status s = Load(deadline); !s.ok()) return s;
  int number = 0;
  for (const config::v1::PageStep& step : options_.check.steps()) {
    ++number;
    const absl::Time until = std::min(
        deadline, absl::Now() + absl::Seconds(std::max<uint32_t>(1, step.timeout_seconds())));
    absl::Status status = DoStep(step, until);
    if (!status.ok()) {
      const bool is_over = absl::Now() >= deadline;
      const bool is_gone = absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
      return absl::Status(is_gone   ? status.code()
                          : is_over ? absl::StatusCode::kDeadlineExceeded
                                    : absl::StatusCode::kAborted,
                          absl::StrCat("step ", number, ": ", status.message()));
    }
    if (absl::Status s = Settle(deadline); !s.ok()) return s;
  }
  LookAround(std::min(deadline, absl::Now() + kLookTime));
  // What skimmers keep until the shopper leaves.
  devtools_.Send("Page.navigate", {{"url", "about:blank"}}, page_session_);
  const absl::Time until = absl::Now() + kLeaveTime;
  if (absl::Status s = devtools_.Wait([] { return false; }, std::min(until, deadline)); !s.ok()) {
    return s;
  }
  return absl::Now() >= deadline
             ? absl::DeadlineExceededError("the page was not at rest in the time that it has")
             : absl::OkStatus();
}

absl::Status PageRecorder::OpenPage(absl::Time deadline) {
  absl::StatusOr<Json> version = devtools_.Call("Browser.getVersion", {}, "", deadline);
  if (!version.ok()) return version.status();
  default_user_agent_ = WithoutHeadless(TextOf(*version, "userAgent"));
  const std::string& product = TextOf(*version, "product");
  const std::string full = product.substr(std::min(product.find('/'), product.size() - 1) + 1);
  const std::string major = full.substr(0, full.find('.'));
  const Json brands = {{{"brand", "Chromium"}, {"version", major}},
                       {{"brand", "Google Chrome"}, {"version", major}},
                       {{"brand", "Not_A Brand"}, {"version", "24"}}};
  user_agent_metadata_ = {
      {"brands", brands},      {"platform", "Linux"}, {"platformVersion", "6.6"},
      {"architecture", "x86"}, {"model", ""},         {"mobile", false}};
  devtools_.Send("Browser.setDownloadBehavior", {{"behavior", "deny"}}, "");
  absl::StatusOr<Json> target =
      devtools_.Call("Target.createTarget", {{"url", "about:blank"}}, "", deadline);
  if (!target.ok()) return target.status();
  page_target_ = TextOf(*target, "targetId");
  absl::StatusOr<Json> attached = devtools_.Call(
      "Target.attachToTarget", {{"targetId", page_target_}, {"flatten", true}}, "", deadline);
  if (!attached.ok()) return attached.status();
  if (page_session_.empty()) return absl::UnavailableError("the browser opened no page");
  // Not before the page's process did all that it was told when it was attached: what is not on yet
  // when a page takes the place of this one comes too late for its beginning.
  absl::StatusOr<Json> ready =
      devtools_.Call("Page.getFrameTree", Json::object(), page_session_, deadline);
  if (!ready.ok()) return ready.status();
  // Workers that outlive a page, and windows that it opens.
  devtools_.Send("Target.setAutoAttach",
                 {{"autoAttach", true},
                  {"waitForDebuggerOnStart", true},
                  {"flatten", true},
                  {"filter", Json::array({{{"type", "service_worker"}},
                                          {{"type", "shared_worker"}},
                                          {{"type", "page"}}})}},
                 "");
  return absl::OkStatus();
}

absl::Status PageRecorder::Load(absl::Time deadline) {
  Json navigate = {{"url", options_.check.url()}};
  if (!options_.referrer.empty()) navigate["referrer"] = options_.referrer;
  absl::StatusOr<Json> answer =
      devtools_.Call("Page.navigate", std::move(navigate), page_session_, deadline);
  if (!answer.ok()) return answer.status();
  if (const std::string& error = TextOf(*answer, "errorText"); !error.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("the page could not be loaded: ", error));
  }
  const auto is_there = [&] { return loaded_ && !run_.pages.empty(); };
  if (absl::Status s = devtools_.Wait(is_there, deadline); !s.ok()) return s;
  if (!is_there()) return absl::DeadlineExceededError("the page did not finish loading in time");
  run_.load_time = absl::Now() - std::min(first_request_, absl::Now());
  if (absl::Status s = Settle(deadline); !s.ok()) return s;
  if (!run_.pages.empty() && run_.pages.front().status >= kHttpErrorMin) {
    return absl::FailedPreconditionError(
        absl::StrCat("the server answered ", run_.pages.front().status));
  }
  return absl::OkStatus();
}

absl::Status PageRecorder::Settle(absl::Time deadline) {
  const absl::Duration quiet =
      absl::Milliseconds(std::max<uint32_t>(100, options_.check.settle_milliseconds()));
  const absl::Time until = std::min(deadline, absl::Now() + std::max(kSettleMax, 2 * quiet));
  last_activity_ = absl::Now();
  return devtools_.Wait(
      [&] {
        const absl::Time now = absl::Now();
        absl::erase_if(in_flight_, [&](const auto& open) { return now >= open.second; });
        return in_flight_.empty() && texts_open_ == 0 && now - last_activity_ >= quiet;
      },
      until);
}

absl::Status PageRecorder::DoStep(const config::v1::PageStep& step, absl::Time deadline) {
  if (step.pause_milliseconds() > 0) {
    const absl::Time until = absl::Now() + absl::Milliseconds(step.pause_milliseconds());
    return devtools_.Wait([] { return false; }, until);
  }
  const std::string& selector = !step.fill().empty()    ? step.fill()
                                : !step.click().empty() ? step.click()
                                                        : step.wait_for();
  while (true) {
    absl::StatusOr<std::optional<Element>> element = FindElement(selector, deadline);
    if (!element.ok()) return element.status();
    if (element->has_value()) {
      if (!step.click().empty()) return Click(**element, deadline);
      if (step.fill().empty()) return absl::OkStatus();
      const bool is_card = AsksForCard(step.text());
      if (is_card && !options_.canary.has_value()) {
        return absl::InternalError("there is no card to type");
      }
      run_.canary_typed = run_.canary_typed || is_card;
      return Type(**element,
                  options_.canary.has_value() ? FillIn(step.text(), *options_.canary) : step.text(),
                  deadline);
    }
    if (absl::Now() + kPoll >= deadline) {
      return absl::NotFoundError(absl::StrCat("there is no element ", selector));
    }
    if (absl::Status s = devtools_.Wait([] { return false; }, absl::Now() + kPoll); !s.ok()) {
      return s;
    }
  }
}

std::vector<std::pair<std::string, uint64_t>> PageRecorder::Worlds(absl::Time deadline) {
  // The page first, then its frames.
  std::vector<std::string> sessions = {page_session_};
  for (const auto& [id, session] : sessions_) {
    if (id != page_session_ && session.type == "iframe") sessions.push_back(id);
  }
  std::vector<std::pair<std::string, uint64_t>> worlds;
  for (const std::string& session : sessions) {
    const absl::StatusOr<Json> tree =
        devtools_.Call("Page.getFrameTree", Json::object(), session, deadline);
    if (!tree.ok()) continue;
    std::vector<const Json*> open = {&MemberOf(*tree, "frameTree")};
    for (size_t i = 0; i < open.size() && i < kFramesMax; ++i) {
      const std::string frame = TextOf(MemberOf(*open[i], "frame"), "id");
      for (const Json& child : ListOf(*open[i], "childFrames")) open.push_back(&child);
      const absl::StatusOr<Json> world =
          devtools_.Call("Page.createIsolatedWorld",
                         {{"frameId", frame}, {"worldName", world_name_}}, session, deadline);
      if (world.ok()) worlds.emplace_back(session, NumberOf(*world, "executionContextId"));
    }
  }
  return worlds;
}

absl::StatusOr<std::optional<PageRecorder::Element>> PageRecorder::FindElement(
    const std::string& selector, absl::Time deadline) {
  const std::string expression = absl::StrCat(std::string(kFind), WriteJson(Json(selector)), ")");
  bool is_first = true;
  for (const auto& [session, world] : Worlds(deadline)) {
    const absl::StatusOr<Json> answer = devtools_.Call(
        "Runtime.evaluate", {{"expression", expression}, {"contextId", world}}, session, deadline);
    // The frame may be gone meanwhile.
    if (!answer.ok()) {
      if (absl::IsInternal(answer.status())) continue;
      return answer.status();
    }
    if (answer->contains("exceptionDetails")) {
      return absl::InvalidArgumentError(absl::StrCat(selector, " is no selector of CSS"));
    }
    const std::string& object = TextOf(MemberOf(*answer, "result"), "objectId");
    if (!object.empty()) {
      return Element{.session = session, .object = object, .in_top_frame = is_first};
    }
    is_first = false;
  }
  return std::nullopt;
}

absl::StatusOr<Json> PageRecorder::CallOn(const Element& element, std::string_view function,
                                          absl::Time deadline) {
  absl::StatusOr<Json> answer = devtools_.Call(
      "Runtime.callFunctionOn",
      {{"functionDeclaration", function}, {"objectId", element.object}, {"returnByValue", true}},
      element.session, deadline);
  if (!answer.ok()) return answer.status();
  return MemberOf(MemberOf(*answer, "result"), "value");
}

absl::Status PageRecorder::Type(const Element& element, const std::string& text,
                                absl::Time deadline) {
  const absl::StatusOr<Json> tag = CallOn(element, kFocus, deadline);
  if (!tag.ok()) return tag.status();
  const auto choose = [&] {
    return devtools_
        .Call("Runtime.callFunctionOn",
              {{"functionDeclaration", kChoose},
               {"objectId", element.object},
               {"arguments", Json::array({{{"value", text}}})}},
              element.session, deadline)
        .status();
  };
  if (*tag == "SELECT") return choose();
  const auto key = [&](Json event) {
    return devtools_.Call("Input.dispatchKeyEvent", std::move(event), page_session_, deadline)
        .status();
  };
  for (const char c : text) {
    const std::string one(1, c);
    const bool is_digit = absl::ascii_isdigit(static_cast<unsigned char>(c));
    const std::string code = is_digit ? absl::StrCat("Digit", one) : "";
    const int number = absl::ascii_toupper(static_cast<unsigned char>(c));
    Json down = {{"type", "keyDown"},     {"key", one},
                 {"code", code},          {"text", one},
                 {"unmodifiedText", one}, {"windowsVirtualKeyCode", number}};
    if (absl::Status s = key(std::move(down)); !s.ok()) return s;
    if (absl::Status s = key(
            {{"type", "keyUp"}, {"key", one}, {"code", code}, {"windowsVirtualKeyCode", number}});
        !s.ok()) {
      return s;
    }
  }
  // A field that keys did not reach still gets its text.
  const absl::StatusOr<Json> value = CallOn(element, kValue, deadline);
  if (value.ok() && value->is_string() && value->get_ref<const std::string&>().empty()) {
    if (absl::Status s = choose(); !s.ok()) return s;
  }
  for (const std::string_view type : {"rawKeyDown", "keyUp"}) {
    if (absl::Status s = key(
            {{"type", type}, {"key", "Tab"}, {"code", "Tab"}, {"windowsVirtualKeyCode", kTabKey}});
        !s.ok()) {
      return s;
    }
  }
  return absl::OkStatus();
}

absl::Status PageRecorder::Click(const Element& element, absl::Time deadline) {
  if (element.in_top_frame) {
    const absl::StatusOr<Json> middle = CallOn(element, kMiddle, deadline);
    if (!middle.ok()) return middle.status();
    if (FlagOf(*middle, "shown")) {
      for (const std::string_view type : {"mouseMoved", "mousePressed", "mouseReleased"}) {
        // A click may take the page away before it is answered.
        devtools_.Send("Input.dispatchMouseEvent",
                       {{"type", type},
                        {"x", MemberOf(*middle, "x")},
                        {"y", MemberOf(*middle, "y")},
                        {"button", type == "mouseMoved" ? "none" : "left"},
                        {"clickCount", type == "mouseMoved" ? 0 : 1}},
                       page_session_);
      }
      return absl::OkStatus();
    }
  }
  devtools_.Send("Runtime.callFunctionOn",
                 {{"functionDeclaration", "function(){this.click()}"},
                  {"objectId", element.object},
                  {"userGesture", true}},
                 element.session);
  return absl::OkStatus();
}

void PageRecorder::LookAround(absl::Time deadline) {
  FindListeners(deadline);
  FindNamesLookedUp(deadline);
  const absl::StatusOr<Json> cookies =
      devtools_.Call("Network.getCookies", Json::object(), page_session_, deadline);
  if (!cookies.ok()) {
    run_.unseen.emplace_back("cookies");
    return;
  }
  for (const Json& cookie : ListOf(*cookies, "cookies")) {
    if (run_.cookies.size() >= kDeparturesMax) break;
    run_.cookies.push_back(absl::StrCat(
        TextOf(cookie, "name"), "; ", TextOf(cookie, "domain"),
        FlagOf(cookie, "secure") ? "; Secure" : "", FlagOf(cookie, "httpOnly") ? "; HttpOnly" : "",
        TextOf(cookie, "sameSite").empty() ? "" : "; SameSite=", TextOf(cookie, "sameSite")));
  }
}

void PageRecorder::FindListeners(absl::Time deadline) {
  Json fields = Json::array();
  for (const config::v1::PageStep& step : options_.check.steps()) {
    if (!step.fill().empty()) fields.push_back(step.fill());
  }
  const std::string expression = absl::StrCat(std::string(kCardFields), WriteJson(fields), ")");
  for (const auto& [session, world] : Worlds(deadline)) {
    const absl::StatusOr<Json> found = devtools_.Call(
        "Runtime.evaluate", {{"expression", expression}, {"contextId", world}}, session, deadline);
    if (!found.ok()) continue;
    const absl::StatusOr<Json> items = devtools_.Call(
        "Runtime.getProperties",
        {{"objectId", TextOf(MemberOf(*found, "result"), "objectId")}, {"ownProperties", true}},
        session, deadline);
    if (!items.ok()) continue;
    for (const Json& item : ListOf(*items, "result")) {
      const Json& value = MemberOf(item, "value");
      const std::string object = InPagesWorld(session, value, deadline);
      if (object.empty() || TextOf(item, "name") == "length") continue;
      const absl::StatusOr<Json> listeners = devtools_.Call(
          "DOMDebugger.getEventListeners", {{"objectId", object}}, session, deadline);
      if (!listeners.ok()) continue;
      for (const Json& listener : ListOf(*listeners, "listeners")) {
        const auto parsed = parsed_.find(KeyOf(session, TextOf(listener, "scriptId")));
        if (parsed == parsed_.end() || parsed->second.index < 0) continue;
        if (!IsOfCardField(TextOf(listener, "type"))) continue;
        std::vector<std::string>& known = run_.scripts[parsed->second.index].listeners;
        std::string what =
            absl::StrCat(TextOf(listener, "type"), " on ", TextOf(value, "description"));
        if (known.size() < kListenersMax &&
            std::find(known.begin(), known.end(), what) == known.end()) {
          known.push_back(std::move(what));
        }
      }
    }
  }
}

// Listeners are told of an object in the world that they belong to.
std::string PageRecorder::InPagesWorld(const std::string& session, const Json& value,
                                       absl::Time deadline) {
  const std::string& object = TextOf(value, "objectId");
  if (object.empty()) return "";
  if (TextOf(value, "className") == "Window") {
    const absl::StatusOr<Json> window =
        devtools_.Call("Runtime.evaluate", {{"expression", kWindow}}, session, deadline);
    return window.ok() ? TextOf(MemberOf(*window, "result"), "objectId") : "";
  }
  const absl::StatusOr<Json> node =
      devtools_.Call("DOM.describeNode", {{"objectId", object}}, session, deadline);
  if (!node.ok()) return "";
  const absl::StatusOr<Json> resolved = devtools_.Call(
      "DOM.resolveNode", {{"backendNodeId", NumberOf(MemberOf(*node, "node"), "backendNodeId")}},
      session, deadline);
  return resolved.ok() ? TextOf(MemberOf(*resolved, "object"), "objectId") : "";
}

void PageRecorder::FindNamesLookedUp(absl::Time deadline) {
  for (const auto& [session, world] : Worlds(deadline)) {
    const absl::StatusOr<Json> found = devtools_.Call(
        "Runtime.evaluate",
        {{"expression", kNamesLookedUp}, {"contextId", world}, {"returnByValue", true}}, session,
        deadline);
    if (!found.ok()) continue;
    for (const Json& link : ListOf(MemberOf(*found, "result"), "value")) {
      const std::string* const address = link.get_ptr<const std::string*>();
      if (address == nullptr) continue;
      bool has_canary = false;
      Look(*address, "", "name", *address, "", "", Via::kPage, has_canary);
    }
  }
}

void PageRecorder::OnEvent(const std::string& session, const std::string& method,
                           const Json& params) {
  if (method == "Fetch.requestPaused") return OnPaused(session, params);
  if (method == "Debugger.scriptParsed") return OnScript(session, params);
  if (method == "Network.requestWillBeSent") return OnRequest(session, params);
  if (method == "Network.loadingFinished" || method == "Network.loadingFailed") {
    in_flight_.erase(TextOf(params, "requestId"));
    last_activity_ = absl::Now();
    return;
  }
  if (method == "Network.responseReceivedExtraInfo" || method == "Network.responseReceived") {
    const auto document = documents_.find(TextOf(params, "requestId"));
    if (document == documents_.end()) return;
    const bool is_extra = method == "Network.responseReceivedExtraInfo";
    const Json& response = is_extra ? params : MemberOf(params, "response");
    SeenPage& page = document->second;
    if (!is_extra && !page.headers.empty()) return;
    page.status = static_cast<uint32_t>(NumberOf(response, is_extra ? "statusCode" : "status"));
    page.headers.clear();
    const Json& headers = MemberOf(response, "headers");
    if (!headers.is_object()) return;
    for (const auto& [name, value] : headers.items()) {
      const std::string* const text = value.get_ptr<const std::string*>();
      if (text == nullptr || page.headers.size() >= kDeparturesMax) continue;
      // Headers of one name come as lines of one value.
      for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
        page.headers.emplace_back(absl::AsciiStrToLower(name), std::string(line));
      }
    }
    // It may be told before or after the page is there.
    for (SeenPage& shown : run_.pages) {
      if (shown.address != WithoutFragment(page.address)) continue;
      shown.status = page.status;
      shown.headers = page.headers;
    }
    return;
  }
  if (method == "Network.webSocketCreated") {
    const std::string& request = TextOf(params, "requestId");
    if (sockets_.size() >= options_.limits.requests_max()) {
      ++run_.omissions.requests;
      return;
    }
    const std::string& address = TextOf(params, "url");
    sockets_[request] = Kept(address);
    initiators_[request] = ScriptOf(session, MemberOf(MemberOf(params, "initiator"), "stack"));
    ++run_.requests;
    bool has_canary = false;
    Look(address, "", "request_target", address, "WEBSOCKET", request, Via::kEvent, has_canary);
    return;
  }
  if (method == "Network.webSocketFrameSent") return OnWebSocketFrame(params);
  if (method == "Target.attachedToTarget") return OnAttached(params);
  if (method == "Target.detachedFromTarget") {
    sessions_.erase(TextOf(params, "sessionId"));
    return;
  }
  if (method == "Page.frameNavigated") return OnFrameNavigated(session, MemberOf(params, "frame"));
  if (method == "Page.loadEventFired") {
    if (session == page_session_) loaded_ = true;
    return;
  }
  if (method == "Page.javascriptDialogOpening") {
    devtools_.Send("Page.handleJavaScriptDialog", {{"accept", true}}, session);
    return;
  }
  if (method == "Inspector.targetCrashed" && session == page_session_) {
    devtools_.Break(absl::UnavailableError("the page's process crashed"));
  }
  if (method == "Target.targetCrashed" && TextOf(params, "targetId") == page_target_) {
    devtools_.Break(absl::UnavailableError("the page's process crashed"));
  }
}

void PageRecorder::OnAttached(const Json& params) {
  const std::string& session = TextOf(params, "sessionId");
  const Json& info = MemberOf(params, "targetInfo");
  const std::string& target = TextOf(info, "targetId");
  const std::string& type = TextOf(info, "type");
  const bool is_known = std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& known) {
    return known.second.target == target;
  });
  const bool is_stray =
      type == "page" && target != page_target_ && TextOf(info, "openerId").empty();
  if (is_known || is_stray) {
    devtools_.Send("Runtime.runIfWaitingForDebugger", Json::object(), session);
    devtools_.Send("Target.detachFromTarget", {{"sessionId", session}}, "");
    return;
  }
  // Nothing of it is seen or stopped: it stays as it is, before its first instruction.
  if (sessions_.size() >= kFramesMax) {
    ++run_.omissions.targets;
    return;
  }
  sessions_[session] = {
      .type = type, .target = target, .url = WithoutFragment(TextOf(info, "url"))};
  if (target == page_target_) page_session_ = session;
  InitSession(session, type);
}

void PageRecorder::InitSession(const std::string& session, const std::string& type) {
  const uint64_t body_bytes = uint64_t{options_.limits.body_kib_max()} << 10;
  const auto send = [&](std::string_view method, Json params) {
    devtools_.Send(method, std::move(params), session);
  };
  send("Network.enable", {{"maxPostDataSize", body_bytes}});
  if (IsDocumentType(type)) {
    send("Page.enable", Json::object());
    send("Inspector.enable", Json::object());
  }
  Json identity = {
      {"userAgent", options_.user_agent.empty() ? default_user_agent_ : options_.user_agent},
      {"acceptLanguage", options_.language.empty() ? "en-US,en" : options_.language}};
  if (options_.user_agent.empty()) identity["userAgentMetadata"] = user_agent_metadata_;
  send("Emulation.setUserAgentOverride", std::move(identity));
  send("Runtime.enable", Json::object());
  send("Debugger.enable", {{"maxScriptsCacheSize", kTextBytesMax}});
  send("Debugger.setSkipAllPauses", {{"skip", true}});
  send("Debugger.setAsyncCallStackDepth", {{"maxDepth", kStackDepthMax}});
  send("Target.setAutoAttach",
       {{"autoAttach", true}, {"waitForDebuggerOnStart", true}, {"flatten", true}});
  Json patterns = Json::array();
  patterns.push_back({{"urlPattern", "*"}, {"requestStage", "Request"}});
  for (const std::string_view resource : {"Script", "Document"}) {
    patterns.push_back(
        {{"urlPattern", "*"}, {"resourceType", resource}, {"requestStage", "Response"}});
  }
  send("Fetch.enable", {{"patterns", std::move(patterns)}});
  send("Runtime.runIfWaitingForDebugger", Json::object());
}

const std::string& PageRecorder::TopAddress() const {
  static const std::string& none = *new std::string;
  return run_.pages.empty() ? none : run_.pages.back().address;
}

bool PageRecorder::IsThirdParty(const std::string& frame) const {
  const auto known = frames_.find(frame);
  if (known == frames_.end() || known->second.parent.empty()) return false;
  if (!IsWeb(known->second.url)) return IsThirdParty(known->second.parent);
  const std::string host = HostOf(known->second.url);
  return host != HostOf(TopAddress()) && !options_.is_site_host(host);
}

void PageRecorder::OnFrameNavigated(const std::string& session, const Json& frame) {
  const std::string& id = TextOf(frame, "id");
  const std::string& parent = TextOf(frame, "parentId");
  const std::string& url = TextOf(frame, "url");
  if (!frames_.contains(id) && frames_.size() >= 4 * kFramesMax) return;
  frames_[id] = {.url = WithoutFragment(url), .parent = parent, .session = session};
  if (session == page_session_ && parent.empty()) {
    if (!IsWeb(url)) return;
    // What was told before is of the empty page that the browser begins with, or of the last one.
    loaded_ = false;
    SeenPage page;
    const auto document = documents_.find(TextOf(frame, "loaderId"));
    if (document != documents_.end()) page = document->second;
    page.address = WithoutFragment(url);
    // Once a look: a page that is loaded again counts as it came last.
    std::erase_if(run_.pages, [&](const SeenPage& one) { return one.address == page.address; });
    if (run_.pages.size() < kDocumentsMax) run_.pages.push_back(std::move(page));
    return;
  }
  if (!IsWeb(url) || !IsThirdParty(id)) return;
  const std::string address = BaseOf(url);
  const bool is_known = std::any_of(
      run_.frames.begin(), run_.frames.end(),
      [&](const SeenFrame& one) { return one.address == address && one.page == TopAddress(); });
  if (!is_known && run_.frames.size() < kFramesMax) {
    run_.frames.push_back({.page = TopAddress(), .address = address});
  }
}

std::string PageRecorder::ScriptOf(const std::string& session, const Json& stack) const {
  const Json* at = &stack;
  for (int depth = 0; depth < kStackDepthMax && at->is_object(); ++depth) {
    for (const Json& call : ListOf(*at, "callFrames")) {
      // What a script calls itself (`sourceURL`) does not count where it is known what it is.
      const auto parsed = parsed_.find(KeyOf(session, TextOf(call, "scriptId")));
      const std::string& url =
          parsed == parsed_.end() ? TextOf(call, "url") : parsed->second.address;
      if (!url.empty()) return WithoutFragment(url);
    }
    at = &MemberOf(*at, "parent");
  }
  return "";
}

void PageRecorder::OnScript(const std::string& session, const Json& params) {
  last_activity_ = absl::Now();
  const Json& context = MemberOf(params, "executionContextAuxData");
  // Only this recorder makes such worlds.
  if (TextOf(context, "type") == "isolated") return;
  // What the embedder calls it: unlike `url`, a script can't choose it by `sourceURL`.
  std::string address = TextOf(params, "embedderName");
  if (address.empty() && !FlagOf(params, "hasSourceURL")) address = TextOf(params, "url");
  if (absl::StartsWith(address, "chrome-error:") || absl::StartsWith(address, "chrome:")) return;
  address = WithoutFragment(address);
  const std::string key = KeyOf(session, TextOf(params, "scriptId"));
  const auto owner = sessions_.find(session);
  const std::string type = owner == sessions_.end() ? "" : owner->second.type;
  const std::string& frame = TextOf(context, "frameId");
  const auto frame_entry = frames_.find(frame);
  const std::string document = frame_entry == frames_.end()
                                   ? (IsDocumentType(type) ? TopAddress() : "")
                                   : frame_entry->second.url;
  const Json& stack = MemberOf(params, "stackTrace");
  SeenScript script{.page = TopAddress(), .third_party_frame = IsThirdParty(frame)};
  script.initiator = ScriptOf(session, stack);
  const bool is_worker = type == "worker" || type == "shared_worker" || type == "service_worker";
  if (is_worker && owner != sessions_.end() && address == owner->second.url) {
    script.seen_as = type == "service_worker" ? "service_worker" : "worker";
    if (IsWeb(address)) script.address = address;
  } else if (absl::StartsWith(address, "blob:")) {
    script.seen_as = "blob";
  } else if (absl::StartsWith(address, "data:")) {
    script.seen_as = "data";
  } else if (IsWeb(address) && address != document && !document_addresses_.contains(address)) {
    script.seen_as = "external";
    script.address = address;
  } else if (IsWeb(address) || absl::StartsWith(address, "javascript:") ||
             absl::StartsWith(address, "about:")) {
    script.seen_as = stack.is_object() ? "inserted" : "inline";
  } else {
    script.seen_as = "eval";
  }
  if (script.initiator.empty()) {
    const auto by = fetched_by_.find(script.address);
    script.initiator = !script.address.empty() && by != fetched_by_.end() ? by->second : document;
  }
  if (script.page.empty()) script.page = WithoutFragment(options_.check.url());
  if (const auto raw = raw_.find(script.address);
      !script.address.empty() && raw != raw_.end() && !raw->second.is_ambiguous) {
    script.raw_sha256 = raw->second.sha256;
    script.raw_integrity = raw->second.integrity;
    script.size_bytes = raw->second.size_bytes;
  }
  const uint64_t length = NumberOf(params, "length");
  if (script.size_bytes == 0) script.size_bytes = length;
  if (const std::string& hash = TextOf(params, "hash"); hash.size() == kHashHexBytes) {
    script.text_sha256 = absl::HexStringToBytes(hash);
    if (length == kWindow.size() && script.text_sha256 == Sha256(kWindow)) return;
  }
  const auto same =
      std::find_if(run_.scripts.begin(), run_.scripts.end(), [&](const SeenScript& known) {
        return !script.text_sha256.empty() && known.text_sha256 == script.text_sha256 &&
               known.address == script.address && known.page == script.page &&
               known.seen_as == script.seen_as;
      });
  if (same != run_.scripts.end()) {
    if (parsed_.size() < 4 * size_t{options_.limits.scripts_max()}) {
      parsed_[key] = {.address = address, .index = static_cast<int>(same - run_.scripts.begin())};
    }
    return;
  }
  if (run_.scripts.size() >= options_.limits.scripts_max()) {
    ++run_.omissions.scripts;
    return;
  }
  const auto index = run_.scripts.size();
  parsed_[key] = {.address = address, .index = static_cast<int>(index)};
  const bool is_known = options_.known_texts.contains(script.text_sha256);
  const bool is_code = TextOf(params, "scriptLanguage") != "WebAssembly";
  run_.scripts.push_back(std::move(script));
  if (is_known || !is_code) return;
  // Three bytes of UTF-8 for one of UTF-16, at most.
  if (length > uint64_t{options_.limits.script_kib_max()} << 10 ||
      text_bytes_ + length > kTextBytesMax) {
    ++run_.omissions.script_texts;
    return;
  }
  text_bytes_ += length;
  ++texts_open_;
  devtools_.Send("Debugger.getScriptSource", {{"scriptId", TextOf(params, "scriptId")}}, session,
                 [this, index](const Json& result, bool ok) {
                   --texts_open_;
                   last_activity_ = absl::Now();
                   if (!ok) {
                     ++run_.omissions.script_texts;
                     return;
                   }
                   SeenScript& seen = run_.scripts[index];
                   seen.text = TextOf(result, "scriptSource");
                   if (seen.text_sha256.empty()) seen.text_sha256 = Sha256(*seen.text);
                   if (seen.raw_sha256.empty()) seen.size_bytes = seen.text->size();
                 });
}

void PageRecorder::OnRequest(const std::string& session, const Json& params) {
  last_activity_ = absl::Now();
  first_request_ = std::min(first_request_, last_activity_);
  const std::string& id = TextOf(params, "requestId");
  const Json& request = MemberOf(params, "request");
  const std::string& address = TextOf(request, "url");
  if (!IsWeb(address)) return;
  if (initiators_.size() < options_.limits.requests_max()) {
    const Json& initiator = MemberOf(params, "initiator");
    std::string by = ScriptOf(session, MemberOf(initiator, "stack"));
    if (by.empty()) by = WithoutFragment(TextOf(initiator, "url"));
    const std::string& type = TextOf(params, "type");
    if (type == "Script") fetched_by_[WithoutFragment(address)] = by;
    if (TextOf(initiator, "type") == "preflight") preflights_[id] = TextOf(initiator, "requestId");
    initiators_[id] = std::move(by);
    if (type != "EventSource") {
      in_flight_.emplace(id, last_activity_ + (type == "Script" ? kScriptOpenMax : kOpenMax));
    }
  }
  // Code that stands in a document is told of by the document's address, at times before it is told
  // that a frame has the document.
  if (TextOf(params, "type") == "Document" &&
      document_addresses_.size() < options_.limits.requests_max()) {
    document_addresses_.insert(WithoutFragment(address));
  }
  // Some of what workers send waits nowhere.
  if (run_.canary_typed) {
    const std::string method = KnownMethod(TextOf(request, "method"));
    bool has_canary = false;
    Look(TextOf(request, "method"), "", "request_target", address, method, id, Via::kEvent,
         has_canary);
    Look(address, "", "request_target", address, method, id, Via::kEvent, has_canary);
    const std::string_view body = TextOf(request, "postData");
    Look(body.substr(0, size_t{options_.limits.body_kib_max()} << 10), "", "request_body", address,
         method, id, Via::kEvent, has_canary);
  }
  if (TextOf(params, "type") == "Document" && TextOf(params, "frameId") == page_target_ &&
      id == TextOf(params, "loaderId") && documents_.size() < kDocumentsMax) {
    documents_[id].address = WithoutFragment(address);
  }
}

void PageRecorder::OnPaused(const std::string& session, const Json& params) {
  if (params.contains("responseStatusCode") || params.contains("responseErrorReason")) {
    return OnResponsePaused(session, params);
  }
  last_activity_ = absl::Now();
  const std::string& id = TextOf(params, "requestId");
  const Json& request = MemberOf(params, "request");
  const std::string& address = TextOf(request, "url");
  const std::string& network = TextOf(params, "networkId");
  if (!IsWeb(address)) {
    devtools_.Send("Fetch.continueRequest", {{"requestId", id}}, session);
    return;
  }
  ++run_.requests;
  const std::string host = HostOf(address);
  if (run_.hosts.size() < kHostsMax || run_.hosts.contains(host)) ++run_.hosts[host];
  const auto stop = [&] {
    ++run_.stopped_requests;
    devtools_.Send("Fetch.failRequest", {{"requestId", id}, {"errorReason", "BlockedByClient"}},
                   session);
  };
  if (run_.requests > options_.limits.requests_max()) {
    ++run_.omissions.requests;
    return stop();
  }
  const std::string method = KnownMethod(TextOf(request, "method"));
  const size_t part_bytes_max = size_t{options_.limits.body_kib_max()} << 10;
  // Some of what is sent could not be looked at.
  bool is_unread = false;
  const auto cut = [&](std::string& part) {
    if (part.size() <= part_bytes_max) return;
    is_unread = true;
    run_.omissions.body_bytes += part.size() - part_bytes_max;
    part.resize(part_bytes_max);
  };
  bool has_canary = false;
  Look(TextOf(request, "method"), "", "request_target", address, method, network, Via::kPaused,
       has_canary);
  Look(address, "", "request_target", address, method, network, Via::kPaused, has_canary);
  std::string headers;
  std::string content_type;
  const Json& fields = MemberOf(request, "headers");
  if (fields.is_object()) {
    for (const auto& [name, value] : fields.items()) {
      const std::string* const text = value.get_ptr<const std::string*>();
      if (text == nullptr) continue;
      absl::StrAppend(&headers, name, ": ", *text, "\n");
      if (absl::EqualsIgnoreCase(name, "content-type")) {
        content_type = absl::AsciiStrToLower(text->substr(0, text->find(';')));
      }
    }
  }
  cut(headers);
  Look(headers, "", "request_headers", address, method, network, Via::kPaused, has_canary);
  std::string body;
  for (const Json& entry : ListOf(request, "postDataEntries")) {
    std::string bytes;
    // Files, blobs and streams have none.
    if (!MemberOf(entry, "bytes").is_string() ||
        !absl::Base64Unescape(TextOf(entry, "bytes"), &bytes)) {
      is_unread = true;
      run_.omissions.body_bytes += 1;
    }
    body += bytes;
  }
  if (body.empty()) body = TextOf(request, "postData");
  cut(body);
  if (body.empty() && !is_unread && FlagOf(request, "hasPostData")) {
    is_unread = true;
    run_.omissions.body_bytes += 1;
  }
  Look(body, content_type, "request_body", address, method, network, Via::kPaused, has_canary);
  // What can't be looked at may carry it.
  const bool is_stopped =
      (has_canary || (is_unread && run_.canary_typed)) && !options_.check.canary().let_out();
  if (!has_canary && run_.canary_typed && !options_.is_approved(host)) {
    const bool has_body = !body.empty() || is_unread;
    const bool carries = has_body || address.find('?') != std::string::npos;
    AddDeparture({.page = TopAddress(),
                  .address = BaseOf(address),
                  .method = method,
                  .part = carries ? (has_body ? "request_body" : "request_target") : "",
                  .stopped = is_stopped},
                 network);
  }
  if (is_stopped) {
    stopped_.insert(network);
    return stop();
  }
  devtools_.Send("Fetch.continueRequest", {{"requestId", id}}, session);
}

void PageRecorder::OnResponsePaused(const std::string& session, const Json& params) {
  const std::string id = TextOf(params, "requestId");
  const uint64_t status = NumberOf(params, "responseStatusCode");
  const std::string address = WithoutFragment(TextOf(MemberOf(params, "request"), "url"));
  const std::string& resource = TextOf(params, "resourceType");
  const bool is_page = resource == "Document" && TextOf(params, "frameId") == page_target_;
  const auto go_on = [this, session, id] {
    devtools_.Send("Fetch.continueRequest", {{"requestId", id}}, session);
  };
  const bool is_redirect = status >= 300 && status < kHttpErrorMin;
  if (status == 0 || is_redirect || (resource != "Script" && !is_page)) return go_on();
  // What was kept of an address does not stand for other bytes from there.
  const auto not_had = [this, address] {
    if (const auto raw = raw_.find(address); raw != raw_.end()) raw->second.is_ambiguous = true;
  };
  const size_t bytes_max =
      is_page ? kDocumentBytesMax : size_t{options_.limits.script_kib_max()} << 10;
  uint64_t length = 0;
  if (absl::SimpleAtoi(HeaderOf(ListOf(params, "responseHeaders"), "content-length"), &length) &&
      length > bytes_max) {
    ++run_.omissions.script_texts;
    if (!is_page) not_had();
    return go_on();
  }
  const std::string network = TextOf(params, "networkId");
  devtools_.Send(
      "Fetch.getResponseBody", {{"requestId", id}}, session,
      [this, go_on, not_had, address, network, is_page](const Json& result, bool ok) {
        std::string body = ok ? TextOf(result, "body") : "";
        std::string bytes;
        if (ok && FlagOf(result, "base64Encoded") && absl::Base64Unescape(body, &bytes)) {
          body = std::move(bytes);
        }
        if (ok && is_page) {
          if (const auto document = documents_.find(network); document != documents_.end()) {
            document->second.meta_policies = MetaPolicies(body);
          }
        } else if (!ok) {
          not_had();
        } else if (raw_.contains(address) || raw_.size() < options_.limits.scripts_max()) {
          const v1::ScriptVersion version = VersionOf(body);
          Raw& raw = raw_[address];
          raw.is_ambiguous =
              raw.is_ambiguous || (!raw.sha256.empty() && raw.sha256 != version.sha256());
          raw.sha256 = version.sha256();
          raw.integrity = version.integrity();
          raw.size_bytes = version.size_bytes();
        }
        go_on();
      });
}

void PageRecorder::OnWebSocketFrame(const Json& params) {
  const std::string& request = TextOf(params, "requestId");
  const auto socket = sockets_.find(request);
  const std::string address = socket == sockets_.end() ? "" : socket->second;
  const Json& frame = MemberOf(params, "response");
  std::string payload = TextOf(frame, "payloadData");
  std::string bytes;
  constexpr uint64_t kBinary = 2;
  if (NumberOf(frame, "opcode") == kBinary && absl::Base64Unescape(payload, &bytes)) {
    payload = std::move(bytes);
  }
  const size_t bytes_max = size_t{options_.limits.body_kib_max()} << 10;
  if (payload.size() > bytes_max) {
    run_.omissions.body_bytes += payload.size() - bytes_max;
    payload.resize(bytes_max);
  }
  bool has_canary = false;
  Look(payload, "", "message", address, "WEBSOCKET", request, Via::kEvent, has_canary);
  if (!has_canary && run_.canary_typed && !options_.is_approved(HostOf(address))) {
    AddDeparture({.page = TopAddress(),
                  .address = BaseOf(address),
                  .method = "WEBSOCKET",
                  .part = "message"},
                 request);
  }
}

void PageRecorder::Look(std::string_view text, std::string_view content_type, std::string_view part,
                        const std::string& address, const std::string& method,
                        const std::string& request, Via via, bool& has_canary) {
  if (text.empty() || options_.finder == nullptr) return;
  class Others final : public card::MatchSink {
   public:
    Others(const PageRecorder& recorder, DeparturePlace place)
        : recorder_(recorder), place_(std::move(place)) {}
    void OnMatch(const card::CardMatch& match) override {
      if (recorder_.options_.on_card != nullptr) recorder_.options_.on_card(place_, match);
    }

   private:
    const PageRecorder& recorder_;
    const DeparturePlace place_;
  };
  const std::string base = BaseOf(address);
  Others others(*this, {.page = TopAddress(), .address = base, .method = method, .part = part});
  std::optional<std::vector<std::string>> found = options_.finder->Find(
      text, {.location = base, .content_type = content_type, .is_request = true},
      // Of what waits as well, all cards are found there.
      via == Via::kEvent && method != "WEBSOCKET" ? nullptr : &others);
  if (!found.has_value()) return;
  has_canary = true;
  AddDeparture({.page = TopAddress(),
                .address = base,
                .method = method,
                .part = std::string(part),
                .encodings = *std::move(found),
                .has_canary = true,
                .approved = options_.is_approved(HostOf(address)),
                .stopped = via == Via::kPaused && !options_.check.canary().let_out()},
               request);
}

void PageRecorder::AddDeparture(SeenDeparture departure, const std::string& request) {
  const auto known =
      std::find_if(run_.departures.begin(), run_.departures.end(), [&](const SeenDeparture& one) {
        return one.address == departure.address && one.part == departure.part &&
               one.method == departure.method && one.has_canary == departure.has_canary;
      });
  if (known != run_.departures.end()) {
    known->stopped = known->stopped || departure.stopped;
    return;
  }
  if (run_.departures.size() >= kDeparturesMax) {
    ++run_.omissions.departures;
    return;
  }
  if (!request.empty()) unresolved_departures_.emplace_back(run_.departures.size(), request);
  run_.departures.push_back(std::move(departure));
}

}  // namespace skimwatch::script
