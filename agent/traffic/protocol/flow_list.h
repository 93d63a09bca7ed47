#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_LIST_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_LIST_H_

namespace skimwatch::traffic {

class Flow;

// A place in a FlowList, inside of the flow, so that moving costs no allocation.
struct FlowLink {
  explicit FlowLink(Flow* owner) : flow(owner) {}
  ~FlowLink() { Unlink(); }
  FlowLink(const FlowLink&) = delete;
  FlowLink& operator=(const FlowLink&) = delete;

  bool linked() const { return next != nullptr; }
  void Unlink() {
    if (!linked()) return;
    previous->next = next;
    next->previous = previous;
    next = previous = nullptr;
  }

  Flow* flow;
  FlowLink* next = nullptr;
  FlowLink* previous = nullptr;
};

// Flows in the order in which they were appended. Does not own them; a flow leaves when its link is
// destroyed.
class FlowList {
 public:
  FlowList() { head_.next = head_.previous = &head_; }
  ~FlowList() {
    while (!empty()) head_.next->Unlink();
    head_.next = head_.previous = nullptr;
  }
  FlowList(const FlowList&) = delete;
  FlowList& operator=(const FlowList&) = delete;

  bool empty() const { return head_.next == &head_; }
  // Null when empty.
  Flow* front() const { return head_.next->flow; }
  // Moves `link` here, from wherever it is.
  void Append(FlowLink& link) {
    link.Unlink();
    link.previous = head_.previous;
    link.next = &head_;
    head_.previous->next = &link;
    head_.previous = &link;
  }

 private:
  FlowLink head_{nullptr};
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_LIST_H_
