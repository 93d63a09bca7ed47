#ifndef SKIMWATCH_TESTS_COLLECTOR_SINK_RECORDER_H_
#define SKIMWATCH_TESTS_COLLECTOR_SINK_RECORDER_H_

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "collector/sink/sink.h"

namespace skimwatch::sink {

// What came to sinks of a test, which several feeders may share.
class Recorder {
 public:
  // Says of a batch how much is taken; all of it by default. Runs on the feeder's thread.
  using Answer = std::function<Outcome(absl::Span<const Event>)>;

  void SetAnswer(Answer answer) {
    absl::MutexLock lock(&mutex_);
    answer_ = std::move(answer);
  }
  std::vector<Event> events() const {
    absl::MutexLock lock(&mutex_);
    return events_;
  }
  size_t count() const { return events().size(); }
  // Ids of what was taken, each once.
  std::set<std::string> ids() const {
    std::set<std::string> ids;
    for (const Event& event : events()) ids.insert(event.id);
    return ids;
  }
  size_t count(Content content) const {
    size_t found = 0;
    for (const Event& event : events()) found += event.content == content ? 1 : 0;
    return found;
  }

  Outcome Take(absl::Span<const Event> events) {
    Answer answer;
    {
      absl::MutexLock lock(&mutex_);
      answer = answer_;
    }
    Outcome outcome = answer ? answer(events) : Outcome{.taken = events.size()};
    absl::MutexLock lock(&mutex_);
    events_.insert(events_.end(), events.begin(), events.begin() + outcome.taken);
    return outcome;
  }

  std::unique_ptr<Sink> MakeSink() {
    class RecordingSink : public Sink {
     public:
      explicit RecordingSink(Recorder* recorder) : recorder_(*recorder) {}
      Outcome Send(absl::Span<const Event> events) override { return recorder_.Take(events); }
      void Interrupt() override {}
      int tries_max() const override { return 3; }

     private:
      Recorder& recorder_;
    };
    return std::make_unique<RecordingSink>(this);
  }

 private:
  mutable absl::Mutex mutex_;
  Answer answer_ ABSL_GUARDED_BY(mutex_);
  std::vector<Event> events_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_TESTS_COLLECTOR_SINK_RECORDER_H_
