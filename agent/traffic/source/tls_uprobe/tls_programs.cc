#include "agent/traffic/source/tls_uprobe/tls_programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/traffic/source/tls_uprobe/return_probe_check.h"
#include "agent/traffic/source/tls_uprobe/tls_probe.skel.h"
#include "agent/traffic/source/tls_uprobe/tls_probes.h"
#include "spdlog/spdlog.h"

namespace skimwatch::traffic {
namespace {

struct TlsFunction {
  std::string_view name;
  enum class Use : uint8_t {
    // Passes plain text on to TLS, or gets it from there.
    kSends,
    kReceives,
    // Tells something of a connection.
    kTells,
  } use;
  // Programs of tls_probe.bpf.c; null for none.
  const char* at_entry;
  const char* at_return;
};
using Use = TlsFunction::Use;

// OpenSSL 1.1 and 3, BoringSSL; GnuTLS.
constexpr std::array<TlsFunction, 23> kFunctions = {{
    {"SSL_write", Use::kSends, "ssl_write", "tls_return"},
    {"SSL_write_ex", Use::kSends, "ssl_write_ex", "tls_return"},
    {"SSL_write_ex2", Use::kSends, "ssl_write_ex2", "tls_return"},
    {"SSL_write_early_data", Use::kSends, "ssl_write_ex", "tls_return"},
    {"SSL_sendfile", Use::kSends, "ssl_sendfile", "tls_return"},
    {"SSL_read", Use::kReceives, "ssl_read", "tls_return"},
    {"SSL_read_ex", Use::kReceives, "ssl_read_ex", "tls_return"},
    {"SSL_read_early_data", Use::kReceives, "ssl_read_ex", "tls_return"},
    {"SSL_ctrl", Use::kTells, "ssl_ctrl", nullptr},
    {"SSL_set_tlsext_host_name", Use::kTells, "ssl_set_host_name", nullptr},
    {"SSL_set_connect_state", Use::kTells, "ssl_set_connect_state", nullptr},
    {"SSL_set_accept_state", Use::kTells, "ssl_set_accept_state", nullptr},
    {"SSL_new", Use::kTells, nullptr, "ssl_new"},
    {"SSL_free", Use::kTells, "tls_free", nullptr},
    {"gnutls_record_send", Use::kSends, "gnutls_send", "tls_return"},
    {"gnutls_record_send2", Use::kSends, "gnutls_send", "tls_return"},
    {"gnutls_record_send_range", Use::kSends, "gnutls_send", "tls_return"},
    {"gnutls_record_uncork", Use::kTells, "gnutls_uncork", "tls_return"},
    {"gnutls_record_recv", Use::kReceives, "gnutls_receive", "tls_return"},
    {"gnutls_record_recv_seq", Use::kReceives, "gnutls_receive", "tls_return"},
    {"gnutls_init", Use::kTells, "gnutls_begin", "tls_return"},
    {"gnutls_server_name_set", Use::kTells, "gnutls_set_name", nullptr},
    {"gnutls_deinit", Use::kTells, "tls_free", nullptr},
}};

struct Right {
  int number;
  std::string_view name;
  std::string_view reason;
  bool needed;
};

// Numbers of linux/capability.h, of which Debian 12's has all.
constexpr std::array<Right, 5> kRights = {{
    {CAP_BPF, "CAP_BPF", "to load the programs", true},
    {CAP_PERFMON, "CAP_PERFMON", "to notice new programs and to set probes", true},
    {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "to look up other users' processes", true},
    {CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "to read libraries in other users' folders",
     false},
    {CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE",
     "to open libraries that were replaced on disk under a running program", false},
}};

// The effective capabilities of this thread, by number.
uint64_t EffectiveRights() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  if (syscall(SYS_capget, &header, data.data()) != 0) return 0;
  return uint64_t{data[1].effective} << 32 | data[0].effective;
}

bool Has(uint64_t rights, int number) {
  // What it was divided into is not asked for where it is there.
  const bool of_admin =
      number == CAP_BPF || number == CAP_PERFMON || number == CAP_CHECKPOINT_RESTORE;
  return (rights >> number & 1) != 0 || (of_admin && (rights >> CAP_SYS_ADMIN & 1) != 0);
}

// Whether this kernel lets this process set probes in programs. Linux 6.16, and stable versions of
// others since then, ask for CAP_SYS_ADMIN again where CAP_PERFMON was enough.
bool MaySetProbes() {
  std::ifstream file("/sys/bus/event_source/devices/uprobe/type");
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  if (!(file >> attributes.type)) return true;
  // Rights are looked at before the file, which is not there.
  attributes.uprobe_path = reinterpret_cast<uint64_t>("/proc/self/none");
  const auto fd =
      static_cast<int>(syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd >= 0) close(fd);
  return fd >= 0 || (errno != EACCES && errno != EPERM);
}

bool Exists(const char* path) {
  struct stat info = {};
  return stat(path, &info) == 0;
}

// Fixed by the kernel: PROC_PID_INIT_INO.
constexpr ino_t kInitialProcessIds = 0xeffffffc;

// libbpf's own text, which says what its error codes do not.
int LogLibbpf(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  std::array<char, 1024> line{};
  const int size = vsnprintf(line.data(), line.size(), format, arguments);
  std::string_view text(line.data());
  while (text.ends_with('\n')) text.remove_suffix(1);
  spdlog::debug("libbpf: {}", text);
  return size;
}

absl::Status ErrorOf(int code, std::string_view what) {
  return absl::ErrnoToStatus(code < 0 ? -code : code,
                             absl::StrCat("TLS probes: ", std::string(what)));
}

}  // namespace

absl::Status CheckTlsProbeSupport() {
  std::vector<std::string> kernel;
  if (!Exists("/sys/kernel/btf/vmlinux")) {
    kernel.emplace_back("BTF (/sys/kernel/btf/vmlinux; CONFIG_DEBUG_INFO_BTF)");
  }
  if (!Exists("/sys/bus/event_source/devices/uprobe")) {
    kernel.emplace_back("uprobes (/sys/bus/event_source/devices/uprobe; CONFIG_UPROBE_EVENTS)");
  }
  if (!kernel.empty()) {
    return absl::UnimplementedError(
        absl::StrCat("TLS probes: this kernel lacks ", absl::StrJoin(kernel, " and ")));
  }
  std::vector<std::string> missing;
  const uint64_t rights = EffectiveRights();
  for (const Right& right : kRights) {
    if (right.needed && !Has(rights, right.number)) {
      missing.push_back(
          absl::StrCat(std::string(right.name), " (", std::string(right.reason), ")"));
    }
  }
  if (Has(rights, CAP_PERFMON) && !MaySetProbes()) {
    missing.emplace_back("CAP_SYS_ADMIN (to set probes, as this kernel asks)");
  }
  struct stat info = {};
  if (stat("/proc/self/ns/pid", &info) != 0 || info.st_ino != kInitialProcessIds) {
    missing.emplace_back(
        "the host's process ids (in a container, `hostPID: true` or `--pid=host`)");
  }
  if (!missing.empty()) {
    return absl::PermissionDeniedError(
        absl::StrCat("TLS probes: missing ", absl::StrJoin(missing, ", ")));
  }
  return absl::OkStatus();
}

void BpfLinkDeleter::operator()(bpf_link* link) const { bpf_link__destroy(link); }

absl::StatusOr<std::unique_ptr<TlsPrograms>> TlsPrograms::Load(const Options& options) {
  libbpf_set_print(LogLibbpf);
  if (absl::Status s = CheckTlsProbeSupport(); !s.ok()) return s;
  const uint64_t rights = EffectiveRights();
  for (const Right& right : kRights) {
    if (right.needed || Has(rights, right.number)) continue;
    spdlog::warn("TLS probes: without {} ({}) some programs are not seen", right.name,
                 right.reason);
  }
  std::unique_ptr<TlsPrograms> programs(new TlsPrograms());
  programs->skeleton_ = tls_probe__open();
  if (programs->skeleton_ == nullptr) return ErrorOf(errno, "opening the programs");
  tls_probe& skeleton = *programs->skeleton_;
  skeleton.rodata->agent_tgid = static_cast<uint32_t>(getpid());
  skeleton.rodata->call_bytes_max = options.call_bytes_max;
  skeleton.rodata->wake_bytes = options.ring_bytes / 8;
  if (int error = bpf_map__set_max_entries(skeleton.maps.ring, options.ring_bytes); error != 0) {
    return ErrorOf(error, "setting the size of the ring");
  }
  if (int error = tls_probe__load(&skeleton); error != 0) {
    return ErrorOf(error, "the kernel refused the programs; see the log at level debug");
  }
  if (absl::Status s = CheckReturnProbes([&](int fd, uint64_t offset) -> absl::StatusOr<BpfLink> {
        BpfLink link(bpf_program__attach_uprobe(skeleton.progs.tls_return, true, /*pid=*/-1,
                                                absl::StrCat("/proc/self/fd/", fd).c_str(),
                                                offset));
        if (link == nullptr) return ErrorOf(errno, "trying a probe on this program");
        return link;
      });
      !s.ok()) {
    return s;
  }
  programs->sends_.reset(
      bpf_program__attach_raw_tracepoint(skeleton.progs.socket_sent, "sock_send_length"));
  if (programs->sends_ != nullptr) {
    programs->address_source_ = "sock_send_length";
  } else {
    programs->sends_.reset(
        bpf_program__attach_kprobe(skeleton.progs.tcp_send, false, "tcp_sendmsg"));
    if (programs->sends_ != nullptr) programs->address_source_ = "tcp_sendmsg";
  }
  if (options.reads) {
    // Where it can't be had, programs that only receive have no address.
    programs->receives_.reset(
        bpf_program__attach_raw_tracepoint(skeleton.progs.socket_received, "sock_recv_length"));
  }
  if (programs->sends_ == nullptr) {
    spdlog::warn(
        "TLS probes: this kernel has neither the tracepoint sock_send_length (Linux 6.3) nor "
        "kprobes; connections are reported without their addresses");
  }
  for (const TlsFunction& function : kFunctions) {
    // Names keep their index, so what is not wanted has a name that no file has.
    programs->names_.push_back(
        function.use == Use::kReceives && !options.reads ? std::string_view(" ") : function.name);
  }
  return programs;
}

TlsPrograms::~TlsPrograms() {
  sends_.reset();
  receives_.reset();
  tls_probe__destroy(skeleton_);
}

bool TlsPrograms::CarriesText(size_t function) { return kFunctions[function].use != Use::kTells; }

absl::StatusOr<std::vector<BpfLink>> TlsPrograms::SetProbes(int fd, size_t function,
                                                            uint64_t offset) {
  const TlsFunction& wanted = kFunctions[function];
  // Leads to the file itself, whatever became of its names.
  const std::string path = absl::StrCat("/proc/self/fd/", fd);
  std::vector<BpfLink> links;
  // The return first: a call that is only seen to return is told apart, one that never does is not.
  for (const bool at_return : {true, false}) {
    const char* name = at_return ? wanted.at_return : wanted.at_entry;
    if (name == nullptr) continue;
    const bpf_program* program = bpf_object__find_program_by_name(skeleton_->obj, name);
    if (program == nullptr) return absl::InternalError(absl::StrCat("no program ", name));
    BpfLink link(bpf_program__attach_uprobe(program, at_return, /*pid=*/-1, path.c_str(), offset));
    if (link == nullptr) {
      return ErrorOf(errno, absl::StrCat("setting a probe at ", std::string(wanted.name)));
    }
    links.push_back(std::move(link));
  }
  return links;
}

int TlsPrograms::ring_fd() const { return bpf_map__fd(skeleton_->maps.ring); }

std::optional<skimwatch_connection> TlsPrograms::Find(const skimwatch_connection_key& key,
                                                      uint64_t id) const {
  skimwatch_connection connection;
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.connections), &key, &connection) == 0 &&
      connection.id == id) {
    return connection;
  }
  // It was closed before its records were read.
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.closed), &id, &connection) == 0) {
    return connection;
  }
  return std::nullopt;
}

void TlsPrograms::Ignore(pid_t pid, uint64_t start_ns) {
  const auto tgid = static_cast<uint32_t>(pid);
  // Where it fails, what comes of the process is thrown away after it came.
  bpf_map_update_elem(bpf_map__fd(skeleton_->maps.ignored), &tgid, &start_ns, BPF_ANY);
}

skimwatch_probe_counters TlsPrograms::Counters() const {
  skimwatch_probe_counters sum{};
  std::vector<skimwatch_probe_counters> each(
      static_cast<size_t>(std::max(libbpf_num_possible_cpus(), 1)));
  const uint32_t zero = 0;
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counters), &zero, each.data()) != 0) {
    return sum;
  }
  for (const skimwatch_probe_counters& one : each) {
    sum.records += one.records;
    sum.dropped_records += one.dropped_records;
    sum.dropped_bytes += one.dropped_bytes;
    sum.unmatched_returns += one.unmatched_returns;
    sum.addresses += one.addresses;
  }
  return sum;
}

bool TlsPrograms::WipePiece() {
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  const int error = bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.wipe_piece), &options);
  return error == 0 && options.retval == 1;
}

}  // namespace skimwatch::traffic
