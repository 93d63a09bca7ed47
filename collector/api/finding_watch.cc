#include "collector/api/finding_watch.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "collector/api/caller.h"
#include "collector/api/handlers.h"
#include "grpcpp/alarm.h"

namespace skimwatch::api {
namespace {

constexpr int kWatchesMax = 64;
// Findings that wait for a slow watcher; what is over is counted as skipped.
constexpr size_t kFindingsMax = 10'000;

using Reactor = grpc::ServerWriteReactor<v1::WatchFindingsResponse>;

// Answers with an error and is done.
class Refusal final : public Reactor {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

// At most one write is in flight, and Finish is called once, when none is. The publisher only wakes
// the work queue: a write can end within the call that starts it, and the end of a watch
// unsubscribes, which must not happen on the publisher's thread.
class FindingWatch final : public Reactor, public std::enable_shared_from_this<FindingWatch> {
 public:
  FindingWatch(WorkQueue* work, std::atomic<int>* watches, bool shows_fingerprints)
      : work_(work), watches_(watches), shows_fingerprints_(shows_fingerprints) {}
  ~FindingWatch() override { watches_->fetch_sub(1); }

  void Start(const v1::WatchFindingsRequest& request, store::FindingFeed* feed,
             absl::Duration longest) {
    self_ = shared_from_this();
    const std::weak_ptr<FindingWatch> weak = self_;
    auto subscription = feed->Subscribe(request, kFindingsMax, [weak, work = work_] {
      work->Add([weak] {
        if (const std::shared_ptr<FindingWatch> watch = weak.lock()) watch->Pump();
      });
    });
    {
      absl::MutexLock lock(&mutex_);
      subscription_ = std::move(subscription);
    }
    if (longest < absl::InfiniteDuration()) {
      alarm_.Set(
          gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                       gpr_time_from_millis(absl::ToInt64Milliseconds(longest), GPR_TIMESPAN)),
          [weak](bool is_over) {
            const std::shared_ptr<FindingWatch> watch = weak.lock();
            if (is_over && watch != nullptr) watch->Expire();
          });
    }
    // The first message is empty and says that the watch stands.
    StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      if (!ok) cancelled_ = true;
    }
    Pump();
  }

  void OnCancel() override {
    {
      absl::MutexLock lock(&mutex_);
      cancelled_ = true;
    }
    Pump();
  }

  void OnDone() override {
    alarm_.Cancel();
    std::unique_ptr<store::FindingFeed::Subscription> subscription;
    {
      absl::MutexLock lock(&mutex_);
      subscription = std::move(subscription_);
    }
    subscription.reset();
    const std::shared_ptr<FindingWatch> self = std::move(self_);
  }

 private:
  void Expire() {
    {
      absl::MutexLock lock(&mutex_);
      cancelled_ = expired_ = true;
    }
    Pump();
  }

  // Writes the next finding, or finishes a watch that was cancelled.
  void Pump() {
    bool finish = false;
    bool expired = false;
    {
      absl::MutexLock lock(&mutex_);
      if (writing_ || finished_) return;
      if (cancelled_) {
        finished_ = finish = true;
        expired = expired_;
      } else {
        std::optional<store::FindingFeed::Item> item = subscription_->Next();
        if (!item) return;
        response_.Clear();
        if (item->finding != nullptr) {
          *response_.mutable_finding() = *item->finding;
          if (!shows_fingerprints_) HideFingerprint(*response_.mutable_finding());
        }
        response_.set_skipped(item->skipped);
        writing_ = true;
      }
    }
    // Neither can be called twice: the flags are set.
    if (finish) {
      Finish(expired ? grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                                    "the token expired; get a new one, and watch anew")
                     : grpc::Status::CANCELLED);
    } else {
      StartWrite(&response_);
    }
  }

  WorkQueue* const work_;
  std::atomic<int>* const watches_;
  const bool shows_fingerprints_;
  // Alive until gRPC is done with it.
  std::shared_ptr<FindingWatch> self_;
  absl::Mutex mutex_;
  std::unique_ptr<store::FindingFeed::Subscription> subscription_ ABSL_GUARDED_BY(mutex_);
  // True from the start, for the first message: nobody else writes before it.
  bool writing_ ABSL_GUARDED_BY(mutex_) = true;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool expired_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Alarm alarm_;
  // Belongs to the write in flight.
  v1::WatchFindingsResponse response_;
};

}  // namespace

Reactor* StartFindingWatch(const absl::Status& status, const v1::WatchFindingsRequest& request,
                           store::FindingFeed* feed, WorkQueue* work, std::atomic<int>* watches,
                           absl::Duration longest, bool shows_fingerprints) {
  if (!status.ok()) return new Refusal(ToGrpc(status));
  if (watches->fetch_add(1) >= kWatchesMax) {
    watches->fetch_sub(1);
    return new Refusal(ToGrpc(absl::ResourceExhaustedError(absl::StrCat(
        "the collector has ", kWatchesMax, " watches already; end one, or try again later"))));
  }
  const auto watch = std::make_shared<FindingWatch>(work, watches, shows_fingerprints);
  watch->Start(request, feed, longest);
  return watch.get();
}

}  // namespace skimwatch::api
