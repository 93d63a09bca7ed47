#include "agent/offline/progress.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/text/columns.h"
#include "proto/text/units.h"

namespace skimwatch::offline {
namespace {

constexpr double kSmoothingSeconds = 5;
constexpr size_t kBarMin = 10;
constexpr size_t kBarMax = 40;

// `0:05`, `12:34`, `1:02:03`.
std::string TimeLeft(double seconds) {
  constexpr double kDaysShown = 99;
  const auto whole = static_cast<int64_t>(std::min(seconds, kDaysShown * 86400));
  const int64_t hours = whole / 3600;
  const int64_t minutes = whole / 60 % 60;
  return hours > 0 ? absl::StrFormat("%d:%02d:%02d", hours, minutes, whole % 60)
                   : absl::StrFormat("%d:%02d", minutes, whole % 60);
}

std::string Bar(double share, size_t width) {
  const auto filled = static_cast<size_t>(share * static_cast<double>(width));
  std::string bar(filled, '=');
  if (filled < width) bar.push_back('>');
  bar.resize(width, ' ');
  return absl::StrCat("[", bar, "] ");
}

}  // namespace

void ProgressMeter::UpdateRate(uint64_t bytes_done, absl::Time now) {
  const double seconds = absl::ToDoubleSeconds(now - updated_);
  if (seconds <= 0 || bytes_done < bytes_) return;
  const double rate = static_cast<double>(bytes_done - bytes_) / seconds;
  const double keep = rate_.has_value() ? std::exp(-seconds / kSmoothingSeconds) : 0;
  rate_ = keep * rate_.value_or(0) + (1 - keep) * rate;
  updated_ = now;
  bytes_ = bytes_done;
}

std::string ProgressMeter::Line(const ProgressState& state, absl::Time now, size_t columns) {
  UpdateRate(state.bytes_done, now);
  const double rate = rate_.value_or(0);
  // Files may grow while they are scanned.
  const uint64_t total = std::max(state.bytes_total.value_or(0), state.bytes_done);
  const bool known = state.bytes_total.has_value() && total > 0;
  const double share =
      known ? static_cast<double>(state.bytes_done) / static_cast<double>(total) : 0;

  std::string text = text::Bytes(state.bytes_done);
  if (known) absl::StrAppend(&text, " of ", text::Bytes(total));
  absl::StrAppend(&text, ", ", text::Bytes(static_cast<uint64_t>(rate)), "/s");
  if (known && rate >= 1) {
    absl::StrAppend(&text, ", ", TimeLeft(static_cast<double>(total - state.bytes_done) / rate),
                    " left");
  }
  absl::StrAppend(&text, ", ", state.findings, state.findings == 1 ? " finding" : " findings");
  if (!known) return text::Cut(text, columns);

  const std::string percent = absl::StrFormat("%3d%% ", static_cast<int>(share * 100));
  const size_t used = percent.size() + text.size() + 3;
  const size_t room = columns > used ? columns - used : 0;
  const std::string bar = room < kBarMin ? "" : Bar(share, std::min(room, kBarMax));
  return text::Cut(absl::StrCat(percent, bar, text), columns);
}

}  // namespace skimwatch::offline
