#include "agent/script/source/page/page_fetch.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/script/judge/inline_scripts.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/judge/web_address.h"
#include "agent/script/source/page/page_headers.h"
#include "curl/curl.h"

namespace skimwatch::script {
namespace {

constexpr size_t kPageBytesMax = size_t{8} << 20;
constexpr size_t kHeadersMax = 256;
constexpr size_t kHeaderBytesMax = 16384;
constexpr long kRedirectsMax = 5;
constexpr long kHttpErrorMin = 400;
constexpr long kNotFound = 404;
constexpr long kGone = 410;
constexpr uint64_t kTextBytesMax = uint64_t{96} << 20;

struct CurlCloser {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
struct UrlCloser {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

struct Fetched {
  CURLcode code = CURLE_OK;
  long status = 0;
  std::string address;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  size_t body_bytes_max = 0;
  bool cut = false;
  const std::function<bool()>* stopping = nullptr;
};

size_t OnBody(char* bytes, size_t size, size_t count, void* target) {
  Fetched& fetched = *static_cast<Fetched*>(target);
  const size_t given = size * count;
  if (fetched.body.size() + given > fetched.body_bytes_max) {
    fetched.cut = true;
    return 0;
  }
  fetched.body.append(bytes, given);
  return given;
}

size_t OnHeader(char* bytes, size_t size, size_t count, void* target) {
  Fetched& fetched = *static_cast<Fetched*>(target);
  const size_t given = size * count;
  const std::string_view line(bytes, std::min(given, kHeaderBytesMax));
  // Of redirects only the last answer counts.
  if (line.starts_with("HTTP/")) fetched.headers.clear();
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos && fetched.headers.size() < kHeadersMax) {
    fetched.headers.emplace_back(
        absl::AsciiStrToLower(std::string(line.substr(0, colon))),
        std::string(absl::StripAsciiWhitespace(std::string(line.substr(colon + 1)))));
  }
  return given;
}

int OnProgress(void* target, curl_off_t /*unused*/, curl_off_t /*unused*/, curl_off_t /*unused*/,
               curl_off_t /*unused*/) {
  const Fetched& fetched = *static_cast<const Fetched*>(target);
  return *fetched.stopping != nullptr && (*fetched.stopping)() ? 1 : 0;
}

Fetched Fetch(const std::string& address, const PageRun& run, const std::string& referrer,
              size_t bytes_max, absl::Time deadline, const std::function<bool()>& stopping) {
  Fetched fetched{.body_bytes_max = bytes_max, .stopping = &stopping};
  const std::unique_ptr<CURL, CurlCloser> curl(curl_easy_init());
  if (curl == nullptr) {
    fetched.code = CURLE_OUT_OF_MEMORY;
    return fetched;
  }
  const auto milliseconds =
      static_cast<long>(std::max<int64_t>(1, absl::ToInt64Milliseconds(deadline - absl::Now())));
  curl_slist* const language =
      curl_slist_append(nullptr, absl::StrCat("Accept-Language: ", run.language).c_str());
  curl_easy_setopt(curl.get(), CURLOPT_URL, address.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, language);
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_MAXREDIRS, kRedirectsMax);
  curl_easy_setopt(curl.get(), CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, run.user_agent.c_str());
  if (!referrer.empty()) curl_easy_setopt(curl.get(), CURLOPT_REFERER, referrer.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, milliseconds);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &fetched);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERDATA, &fetched);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &fetched);
  fetched.code = curl_easy_perform(curl.get());
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &fetched.status);
  char* last = nullptr;
  curl_easy_getinfo(curl.get(), CURLINFO_EFFECTIVE_URL, &last);
  fetched.address = last == nullptr ? address : last;
  curl_slist_free_all(language);
  return fetched;
}

// A relative address as the page's browser would resolve it (RFC 3986, 5); empty when it can't be.
std::string Resolve(const std::string& base, const std::string& address) {
  const std::unique_ptr<CURLU, UrlCloser> url(curl_url());
  if (url == nullptr || curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK ||
      curl_url_set(url.get(), CURLUPART_URL, address.c_str(), CURLU_URLENCODE) != CURLUE_OK) {
    return "";
  }
  char* whole = nullptr;
  if (curl_url_get(url.get(), CURLUPART_URL, &whole, 0) != CURLUE_OK) return "";
  std::string resolved = whole;
  curl_free(whole);
  return resolved.substr(0, resolved.find('#'));
}

// With its query: what a reference is known by has none, but its text does.
std::string AddressOf(const ScriptReference& reference) {
  for (const std::string_view mark : {"  src=\"", "  href=\""}) {
    const size_t at = reference.text.find(mark);
    if (at == std::string::npos) continue;
    const size_t begin = at + mark.size();
    return reference.text.substr(begin, reference.text.find("\"\n", begin) - begin);
  }
  return reference.address;
}

}  // namespace

void FetchPage(const config::v1::PageCheck& check, const config::v1::PageBrowser& limits,
               absl::Time deadline, const std::function<bool()>& stopping,
               const std::function<bool(std::string_view host)>& is_site_host, PageRun& run) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  run.is_static = true;
  run.unseen = {"scripts that scripts insert, eval, workers", "what the page sends, and where to",
                "listeners on card fields", "steps and the canary, which need a browser"};
  if (run.user_agent.empty()) {
    run.user_agent =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/140.0.0.0 Safari/537.36";
  }
  if (run.language.empty()) run.language = "en-US,en";
  const absl::Time started = absl::Now();
  Fetched page = Fetch(check.url(), run, run.referrer, kPageBytesMax, deadline, stopping);
  run.load_time = absl::Now() - started;
  const auto stops = [&] {
    if (stopping == nullptr || !stopping()) return false;
    run.outcome = PageOutcome::kTimeout;
    run.reason = "the agent stops";
    return true;
  };
  if (stops()) return;
  if (initialised != CURLE_OK || page.code != CURLE_OK || page.status >= kHttpErrorMin) {
    run.outcome =
        page.code == CURLE_OPERATION_TIMEDOUT ? PageOutcome::kTimeout : PageOutcome::kNotLoaded;
    run.reason = page.cut ? absl::StrCat("the page is larger than ", kPageBytesMax, " bytes")
                 : page.code != CURLE_OK
                     ? absl::StrCat("the page could not be loaded: ", curl_easy_strerror(page.code))
                     : absl::StrCat("the server answered ", page.status);
    return;
  }
  ++run.requests;
  const std::string address = page.address.substr(0, page.address.find('#'));
  run.pages.push_back({.address = address,
                       .status = static_cast<uint32_t>(page.status),
                       .headers = std::move(page.headers),
                       .meta_policies = MetaPolicies(page.body)});
  const std::string host = ParseWebAddress(address).host;
  const PageScripts found = ExtractPageScripts(page.body);
  for (const InlineScript& script : found.inline_scripts) {
    if (run.scripts.size() >= limits.scripts_max()) {
      ++run.omissions.scripts;
      continue;
    }
    run.scripts.push_back({.page = address,
                           .seen_as = "inline",
                           .text_sha256 = Sha256(script.text),
                           .text = script.text,
                           .size_bytes = script.text.size(),
                           .initiator = address});
  }
  uint64_t text_bytes = 0;
  for (const ScriptReference& reference : found.references) {
    if (reference.is_opaque || reference.kind == ScriptReference::Kind::kBase) continue;
    const std::string where = Resolve(address, AddressOf(reference));
    if (where.empty()) continue;
    const std::string to = ParseWebAddress(where).host;
    if (reference.kind == ScriptReference::Kind::kFrame) {
      if (to != host && !is_site_host(to)) {
        run.frames.push_back({.page = address, .address = ParseWebAddress(where).base});
      }
      continue;
    }
    if (run.scripts.size() >= limits.scripts_max()) {
      ++run.omissions.scripts;
      continue;
    }
    if (run.requests >= limits.requests_max()) {
      ++run.omissions.requests;
      continue;
    }
    const uint64_t bytes_max =
        std::min<uint64_t>(uint64_t{limits.script_kib_max()} << 10, kTextBytesMax - text_bytes);
    Fetched script = Fetch(where, run, address, bytes_max, deadline, stopping);
    if (stops()) return;
    ++run.requests;
    ++run.hosts[to];
    if (script.code != CURLE_OK || script.status >= kHttpErrorMin) {
      if (script.code == CURLE_OPERATION_TIMEDOUT && absl::Now() >= deadline) {
        run.outcome = PageOutcome::kTimeout;
        run.reason = "the page's scripts were not fetched in the time that it has";
        return;
      }
      ++run.omissions.script_texts;
      run.unseen.push_back(absl::StrCat("a script of ", to, " that could not be fetched"));
      // One that is not there does not run; of any other it is not known what it is.
      if (!script.cut && script.status != kNotFound && script.status != kGone) {
        run.outcome = PageOutcome::kIncomplete;
        run.reason = absl::StrCat("a script of ", to, " could not be fetched");
      }
      continue;
    }
    text_bytes += script.body.size();
    const v1::ScriptVersion version = VersionOf(script.body);
    run.scripts.push_back({.page = address,
                           .seen_as = "external",
                           .address = where,
                           .text_sha256 = version.sha256(),
                           .raw_sha256 = version.sha256(),
                           .raw_integrity = version.integrity(),
                           .text = std::move(script.body),
                           .size_bytes = version.size_bytes(),
                           .initiator = address});
  }
}

}  // namespace skimwatch::script
