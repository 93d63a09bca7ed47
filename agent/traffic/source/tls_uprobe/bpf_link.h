#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_BPF_LINK_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_BPF_LINK_H_

#include <memory>

// libbpf's type, so that its headers stay in the sources.
struct bpf_link;

namespace skimwatch::traffic {

struct BpfLinkDeleter {
  void operator()(bpf_link* link) const;
};
// A program that runs at some place of the kernel or of a program; taken out with it.
using BpfLink = std::unique_ptr<bpf_link, BpfLinkDeleter>;

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_BPF_LINK_H_
