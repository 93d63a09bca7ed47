#include "agent/traffic/source/packet_filter.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::traffic {
namespace {

bool HasWord(const std::string& text, const std::string& word) {
  const auto in_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
  };
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !in_word(text[at - 1])) && (end == text.size() || !in_word(text[end]))) {
      return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<PacketFilter> CompilePacketFilter(const std::string& expression, LinkType link,
                                                 uint32_t snapshot_bytes) {
  const std::string what = absl::StrCat("filter `", expression, "`");
  if (expression.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("the filter has a NUL byte");
  }
  if (HasWord(expression, "vlan")) {
    return absl::InvalidArgumentError(absl::StrCat(
        what,
        ": leave out `vlan`; tags are taken off before the filter sees a frame, so that "
        "`tcp` matches tagged frames as well"));
  }
  std::unique_ptr<pcap_t, void (*)(pcap_t*)> pcap(
      pcap_open_dead(link == LinkType::kEthernet ? DLT_EN10MB : DLT_RAW,
                     static_cast<int>(snapshot_bytes)),
      pcap_close);
  if (pcap == nullptr) return absl::ResourceExhaustedError("out of memory");
  bpf_program program{};
  if (pcap_compile(pcap.get(), &program, expression.c_str(), /*optimize=*/1,
                   PCAP_NETMASK_UNKNOWN) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", pcap_geterr(pcap.get())));
  }
  const auto free_program = absl::MakeCleanup([&program] { pcap_freecode(&program); });
  if (program.bf_len > BPF_MAXINSNS) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": takes ", program.bf_len,
                                                   " instructions; the kernel takes at most ",
                                                   BPF_MAXINSNS));
  }
  PacketFilter filter;
  filter.reserve(program.bf_len);
  for (u_int i = 0; i < program.bf_len; ++i) {
    const bpf_insn& instruction = program.bf_insns[i];
    filter.push_back({instruction.code, instruction.jt, instruction.jf, instruction.k});
  }
  return filter;
}

PacketFilter DropAllFilter() { return {BPF_STMT(BPF_RET | BPF_K, 0)}; }

}  // namespace skimwatch::traffic
