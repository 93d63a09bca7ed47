#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_REQUEST_QUEUE_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_REQUEST_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/traffic/protocol/http_request.h"

namespace skimwatch::traffic {

// Requests in the order in which they came, until they are answered. Those that only a client's
// side is seen of are never answered; so the oldest goes without the others being moved. What
// leaves is overwritten. Thread-compatible.
class RequestQueue {
 public:
  // No more than these are kept, the oldest go.
  static constexpr size_t kMax = 64;

  RequestQueue() = default;
  ~RequestQueue() { Clear(); }
  RequestQueue(const RequestQueue&) = delete;
  RequestQueue& operator=(const RequestQueue&) = delete;

  bool empty() const { return first_ == requests_.size(); }
  // The oldest; not of an empty queue.
  HttpRequest& front() { return requests_[first_]; }
  void Push(HttpRequest request) {
    if (requests_.size() - first_ == kMax) Pop();
    if (first_ >= kMax) {
      requests_.erase(requests_.begin(), requests_.begin() + static_cast<ptrdiff_t>(first_));
      first_ = 0;
    }
    requests_.push_back(std::move(request));
  }
  void Pop() {
    Wipe(front());
    if (++first_ == requests_.size()) Clear();
  }
  void Clear() {
    for (HttpRequest& request : requests_) Wipe(request);
    requests_.clear();
    first_ = 0;
  }
  bool HasMethod(std::string_view method) const {
    return std::any_of(requests_.begin() + static_cast<ptrdiff_t>(first_), requests_.end(),
                       [method](const HttpRequest& request) { return request.method == method; });
  }
  // Places held for requests, used up or not.
  size_t held() const { return requests_.size(); }

 private:
  std::vector<HttpRequest> requests_;
  size_t first_ = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_REQUEST_QUEUE_H_
