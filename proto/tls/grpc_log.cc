#include "proto/tls/grpc_log.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpc/support/log.h"
#include "spdlog/spdlog.h"

namespace skimwatch::tls {
namespace {

constexpr absl::Duration kToldAgainAfter = absl::Minutes(1);
// Texts that are remembered; they may quote what a peer sent.
constexpr size_t kTextsMax = 256;

// What may be told of an event that repeats. Thread-safe.
class Repetitions {
 public:
  // Whether to tell the text now; then `left_out` is how often it was not told since.
  bool Take(const std::string& text, uint64_t& left_out) {
    const absl::Time now = absl::Now();
    absl::MutexLock lock(&mutex_);
    if (texts_.size() >= kTextsMax && !texts_.contains(text)) texts_.clear();
    Told& told = texts_[text];
    if (now < told.at + kToldAgainAfter && now >= told.at) {
      ++told.left_out;
      return false;
    }
    left_out = told.left_out;
    told = {.at = now, .left_out = 0};
    return true;
  }

 private:
  struct Told {
    absl::Time at = absl::InfinitePast();
    uint64_t left_out = 0;
  };
  absl::Mutex mutex_;
  std::map<std::string, Told> texts_ ABSL_GUARDED_BY(mutex_);
};

// What OpenSSL's reasons of a handshake that failed say about the other side.
std::string_view MeaningOf(std::string_view reason) {
  const std::string text = absl::AsciiStrToLower(std::string(reason));
  const auto has = [&](const char* sign) { return absl::StrContains(text, sign); };
  if (has("wrong version number") || has("http request") || has("unknown protocol")) {
    return "it speaks no TLS: an agent or operator with `plaintext`, or no client of ours";
  }
  if (has("did not return a certificate")) return "it showed no certificate";
  if (has("alert unknown ca") || has("alert bad certificate")) {
    return "it does not trust this side's certificate; look at its ca_file";
  }
  if (has("certificate verify failed")) {
    return "its certificate has expired, or no authority of this side's tls.ca_file signed it";
  }
  return "";
}

void Log(const gpr_log_func_args& event, Handshakes handshakes) {
  constexpr std::string_view kHandshake = "Handshake failed with fatal error";
  std::string text(event.message);
  auto level =
      event.severity == GPR_LOG_SEVERITY_ERROR ? spdlog::level::warn : spdlog::level::debug;
  if (text.starts_with(kHandshake)) {
    if (handshakes == Handshakes::kKnown) level = spdlog::level::debug;
    // `...: error:0A00010B:SSL routines::wrong version number.`
    const size_t last = text.rfind("::");
    std::string_view reason =
        last == std::string::npos ? text : std::string_view(text).substr(last + 2);
    if (reason.ends_with('.')) reason.remove_suffix(1);
    const std::string_view meaning = MeaningOf(reason);
    text = absl::StrCat("a connection was turned away in its TLS handshake: ", std::string(reason),
                        meaning.empty() ? "" : absl::StrCat("; ", std::string(meaning)));
  } else {
    text = absl::StrCat("gRPC: ", text);
  }
  if (!spdlog::should_log(level)) return;
  // gRPC takes a plain function, so what it remembers can be nobody's; never destroyed, since
  // gRPC's threads may outlive main().
  static Repetitions& repetitions = *new Repetitions();
  uint64_t left_out = 0;
  if (!repetitions.Take(text, left_out)) return;
  if (left_out > 0) absl::StrAppend(&text, " (and ", left_out, " times more since it was told)");
  spdlog::log(level, "{}", text);
}

}  // namespace

void RouteGrpcLog(Handshakes handshakes) {
  if (handshakes == Handshakes::kTold) {
    gpr_set_log_function([](gpr_log_func_args* event) { Log(*event, Handshakes::kTold); });
  } else {
    gpr_set_log_function([](gpr_log_func_args* event) { Log(*event, Handshakes::kKnown); });
  }
}

}  // namespace skimwatch::tls
