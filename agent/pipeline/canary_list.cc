#include "agent/pipeline/canary_list.h"

#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/storage/checked_file.h"
#include "proto/fingerprint/fingerprint.h"
#include "spdlog/spdlog.h"

namespace skimwatch::pipeline {
namespace {

constexpr size_t kStateBytesMax = size_t{32} << 20;
constexpr size_t kKeyBytes = 32;

}  // namespace

absl::StatusOr<std::unique_ptr<CanaryList>> CanaryList::Open(std::string path) {
  std::unique_ptr<CanaryList> list(new CanaryList(std::move(path)));
  CanaryState state;
  if (!list->path_.empty()) {
    absl::StatusOr<std::string> bytes = storage::ReadChecked(list->path_, kStateBytesMax);
    const bool is_good = bytes.ok() && state.ParseFromString(*bytes);
    if (!bytes.ok() && !absl::IsNotFound(bytes.status()) && !absl::IsDataLoss(bytes.status())) {
      return bytes.status();
    }
    if (!is_good && !absl::IsNotFound(bytes.status())) {
      spdlog::error("{}: is damaged; canaries that were typed before are not known any more",
                    list->path_);
      state.Clear();
    }
  }
  std::string key = state.key();
  if (key.size() != kKeyBytes) {
    state.clear_canaries();
    key.clear();
    std::random_device device;
    while (key.size() < kKeyBytes) key.push_back(static_cast<char>(device() & 0xff));
  }
  list->key_.set_key(std::move(key));
  absl::MutexLock lock(&list->mutex_);
  for (TypedCanary& canary : *state.mutable_canaries()) {
    list->by_fingerprint_[canary.fingerprint()] = canary;
    list->canaries_.push_back(std::move(canary));
  }
  return list;
}

absl::Status CanaryList::Add(std::string_view number, std::string_view site, std::string_view page,
                             std::string_view run_id) {
  std::vector<uint8_t> digits;
  for (const char c : number) digits.push_back(static_cast<uint8_t>(c - '0'));
  absl::StatusOr<std::string> fingerprint = fingerprint::Fingerprint(key_, digits);
  if (!fingerprint.ok()) return fingerprint.status();
  TypedCanary canary;
  canary.set_fingerprint(*std::move(fingerprint));
  canary.set_site(site.data(), site.size());
  canary.set_page(page.data(), page.size());
  canary.set_run_id(run_id.data(), run_id.size());
  absl::MutexLock lock(&mutex_);
  by_fingerprint_[canary.fingerprint()] = canary;
  canaries_.push_back(std::move(canary));
  while (canaries_.size() > kCanariesMax) {
    const auto known = by_fingerprint_.find(canaries_.front().fingerprint());
    // A number of the configuration is typed again and again.
    if (known != by_fingerprint_.end() && known->second.run_id() == canaries_.front().run_id()) {
      by_fingerprint_.erase(known);
    }
    canaries_.pop_front();
  }
  if (path_.empty()) return absl::OkStatus();
  CanaryState state;
  state.set_key(key_.key());
  for (const TypedCanary& one : canaries_) *state.add_canaries() = one;
  return storage::WriteChecked(path_, state.SerializeAsString(), /*durable=*/true);
}

std::optional<v1::Canary> CanaryList::Find(absl::Span<const uint8_t> digits) const {
  {
    absl::MutexLock lock(&mutex_);
    if (by_fingerprint_.empty()) return std::nullopt;
  }
  const absl::StatusOr<std::string> fingerprint = fingerprint::Fingerprint(key_, digits);
  if (!fingerprint.ok()) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  const auto known = by_fingerprint_.find(*fingerprint);
  if (known == by_fingerprint_.end()) return std::nullopt;
  v1::Canary canary;
  canary.set_page(known->second.page());
  canary.set_run_id(known->second.run_id());
  return canary;
}

size_t CanaryList::size() const {
  absl::MutexLock lock(&mutex_);
  return canaries_.size();
}

}  // namespace skimwatch::pipeline
