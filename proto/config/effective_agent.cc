#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "proto/config/checker.h"
#include "proto/config/effective.h"
#include "proto/config/error_list.h"
#include "proto/config/read_file.h"
#include "proto/config/shared_fields.h"
#include "proto/config/source_map.h"
#include "proto/config/syntax.h"
#include "proto/config/yaml_reader.h"

namespace skimwatch::config {
namespace {

using IsSite = std::function<bool(std::string_view)>;

// A service of a site names the addresses that packets carry.
bool IsService(std::string_view text) {
  const std::optional<HostPort> service = ParseHostPort(text);
  return service && service->port != 0 && (service->host.empty() || IsIpAddress(service->host));
}

// Names, hosts and services belong to one site each: a finding must not depend on which is asked
// first.
void CheckSites(const Checker& root, const v1::AgentConfig& config) {
  if (config.sites().empty()) root.Error("sites", "none", "at least one");
  std::map<std::string, std::string> names;
  std::map<std::string, std::string> hosts;
  std::map<std::string, std::string> services;
  root.Each("sites", [&](const Checker& site) {
    site.Required("name", "a name for the site");
    site.Valid("name", IsSiteName,
               "lower-case letters, digits, `-`, `_`, `.`; at most 63 characters");
    site.LowerCase("hosts");
    site.EachValid("hosts", IsHostPattern, "a host, exact or `*.example.com`");
    site.EachValid("services", IsService,
                   "`address:port`, `[v6]:port` or `:port` with an IP address and a port from 1");
    site.Unique("name", names);
    site.Unique("hosts", hosts);
    site.Unique("services", services);
  });
}

// The site of a source: one that was declared, and the only one where that is clear.
void CheckSite(const Checker& source, const v1::AgentConfig& config, const IsSite& is_site) {
  if (config.sites_size() == 1 && !source.Given("site")) {
    source.Text("site", config.sites(0).name());
    return;
  }
  if (source.Required("site", "the name of one of `sites`")) {
    source.Valid("site", is_site, "the name of one of `sites`");
  }
}

// What takes copies of requests.
void CheckCopyServer(const Checker& server, const v1::AgentConfig& config, const IsSite& is_site,
                     std::map<std::string, std::string>& listens) {
  server.Required("listen", "where to listen, `address:port` or `unix:/path`");
  server.Valid("listen", IsListenAddress, "`address:port` or `unix:/path`");
  server.Unique("listen", listens);
  CheckSite(server, config, is_site);
  server.Number("connections_max", 256, 1, 65536);
  server.Number("queue_mib", 16, 1, 4096);
}

void CheckJournals(const Checker& sources, const v1::AgentConfig& config, const IsSite& is_site) {
  const auto is_text = [](std::string_view text) {
    return !text.empty() && text.find('\0') == std::string_view::npos;
  };
  sources.Each("journals", [&](const Checker& journal) {
    journal.Valid("directory", IsPath, "the path of a folder");
    journal.EachValid("units", is_text, "the name of a unit");
    journal.EachValid("identifiers", is_text, "a name that programs log under");
    journal.EachValid("matches", IsJournalMatch, "`FIELD=value`");
    CheckSite(journal, config, is_site);
    journal.OneOf("from", "end", {"end", "start"});
    journal.Number("field_bytes_max", 1048576, 1024, 16777216);
  });
}

// `0660`: three digits in octal, with or without zeros before them.
bool IsSocketMode(std::string_view text) {
  constexpr size_t kDigits = 3;
  if (text.size() < kDigits || text.size() > kDigits + 1) return false;
  return (text.size() == kDigits || text[0] == '0') &&
         text.find_first_not_of("01234567") == std::string_view::npos;
}

void CheckSamples(const Checker& sources, const v1::AgentConfig& config, const IsSite& is_site) {
  const auto is_account = [](std::string_view text) {
    using std::string_view_literals::operator""sv;
    return !text.empty() && text.find_first_of(" :/\0"sv) == std::string_view::npos;
  };
  std::map<std::string, std::string> paths;
  sources.Each("sample_sockets", [&](const Checker& socket) {
    socket.Required("path", "where to listen, the path of a socket");
    socket.Valid(
        "path",
        [](std::string_view path) {
          return IsUnixAddress(absl::StrCat("unix:", std::string(path)));
        },
        "an absolute path of at most 107 bytes");
    socket.Unique("path", paths);
    socket.Text("mode", "0660");
    socket.Valid("mode", IsSocketMode, "an access mode in octal, such as \"0660\"");
    socket.Valid("group", is_account, "the name or number of a group");
    socket.EachValid("allowed_users", is_account, "the name or number of a user");
    CheckSite(socket, config, is_site);
    socket.Number("connections_max", 32, 1, 1024);
    socket.Number("sample_kib_max", 1024, 1, 65536);
    socket.Number("stall_seconds", 30, 1, 86400);
  });
  sources.Each("sample_folders", [&](const Checker& folder) {
    folder.Required("path", "the path of a folder");
    folder.Valid("path", IsPath, "the path of a folder");
    folder.Unique("path", paths);
    folder.OneOf("after", "remove", {"remove", "move"});
    CheckSite(folder, config, is_site);
    folder.Number("sample_kib_max", 1024, 1, 65536);
  });
}

// A name that a header of HTTP can have (RFC 9110, 5.6.2), as far as any has it.
bool IsHeaderName(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

void CheckBrowserReports(const Checker& reports, const v1::AgentConfig& config,
                         const IsSite& is_site, std::map<std::string, std::string>& listens) {
  reports.Required("listen", "where to listen, `address:port` or `unix:/path`");
  reports.Valid("listen", IsListenAddress, "`address:port` or `unix:/path`");
  reports.Unique("listen", listens);
  CheckSite(reports, config, is_site);
  const bool has_hosts = std::any_of(config.sites().begin(), config.sites().end(),
                                     [](const v1::Site& site) { return !site.hosts().empty(); });
  if (!has_hosts) {
    reports.Error("", "no site with hosts",
                  "`hosts` in `sites`: only reports of pages on these are taken");
  }
  reports.Text("client_header", "X-Real-IP");
  reports.Valid("client_header", IsHeaderName, "the name of a header, or `none`");
  reports.Number("browsers_min", 3, 1, 200);
  reports.Number("learn_hours", 24, 0, 8760);
  reports.LowerCase("noise_hosts");
  reports.Texts("noise_hosts", {"*.kaspersky-labs.com", "*.bitdefender.net", "*.bitdefender.com",
                                "local.adguard.org", "local.adguard.com", "*.avast.com"});
  reports.EachValid("noise_hosts", IsHostPattern, "a host, exact or `*.example.com`");
  reports.EachValid("pages", IsGlob, "a glob of paths");
  reports.Number("client_requests_per_minute", 600, 1, 1000000);
  reports.Number("requests_per_second", 2000, 1, 1000000);
  reports.Number("body_bytes_max", 65536, 1024, 1048576);
  reports.Number("fold_window_seconds", 300, 1, 86400);
  reports.Number("restore_after_seconds", 3600, 1, 604800);
  reports.Number("connections_max", 256, 1, 65536);
  reports.Number("queue_mib", 8, 1, 1024);
}

void CheckSources(const Checker& root, const v1::AgentConfig& config, const IsSite& is_site) {
  const Checker sources = root.Message("sources");
  const v1::Sources& given = config.sources();
  if (given.packet_captures().empty() && given.log_files().empty() && given.web_roots().empty() &&
      given.http_mirrors().empty() && given.icap_servers().empty() && given.tls_probes().empty() &&
      given.journals().empty() && given.sample_sockets().empty() &&
      given.sample_folders().empty() && given.browser_reports().empty() &&
      config.pages().checks().empty()) {
    sources.Error("", "none",
                  "at least one of packet_captures, log_files, web_roots, http_mirrors, "
                  "icap_servers, tls_probes, journals, sample_sockets, sample_folders, "
                  "browser_reports, or of pages.checks");
  }
  sources.Each("packet_captures", [&](const Checker& capture) {
    // IFNAMSIZ, less the zero byte.
    capture.Required("interface", "a network interface, such as eth0");
    capture.Valid(
        "interface",
        [](std::string_view text) {
          return text.size() <= 15 && text.find_first_of("/ ") == std::string_view::npos;
        },
        "the name of a network interface, at most 15 characters");
    capture.Text("filter", "tcp or udp");
    CheckSite(capture, config, is_site);
    capture.Number("threads", 1, 1, 64);
    capture.Number("ring_mib", 16, 1, 1024);
    capture.Number("snapshot_bytes", 65535, 96, 262144);
  });
  sources.Each("log_files", [&](const Checker& logs) {
    logs.NotEmpty("paths", "at least one glob of files");
    logs.EachValid("paths", IsGlob, "a glob of files");
    CheckSite(logs, config, is_site);
    logs.OneOf("from", "end", {"end", "start"});
    logs.Number("line_bytes_max", 1048576, 1024, 67108864);
  });
  std::map<std::string, std::string> listens;
  sources.Each("http_mirrors", [&](const Checker& mirror) {
    CheckCopyServer(mirror, config, is_site, listens);
    mirror.OneOf("direction", "outbound", {"outbound", "inbound"});
  });
  sources.Each("icap_servers",
               [&](const Checker& icap) { CheckCopyServer(icap, config, is_site, listens); });
  std::map<std::string, std::string> report_sites;
  sources.Each("browser_reports", [&](const Checker& reports) {
    CheckBrowserReports(reports, config, is_site, listens);
    reports.Unique("site", report_sites);
  });
  std::map<std::string, std::string> paths;
  int web_roots = 0;
  sources.Each("web_roots", [&](const Checker& web_root) {
    const uint32_t read_interval = config.sources().web_roots(web_roots++).read_interval_seconds();
    web_root.Required("path", "the folder of a web root");
    web_root.Valid("path", IsPath, "the path of a folder");
    web_root.Unique("path", paths);
    CheckSite(web_root, config, is_site);
    web_root.Texts("scripts", {"*.js", "*.mjs", "*.cjs"});
    web_root.EachValid("scripts", IsGlob, "a glob");
    web_root.Texts("pages", {"*.html", "*.htm", "*.xhtml"});
    web_root.EachValid("pages", IsGlob, "a glob");
    web_root.EachValid("exclude", IsGlob, "a glob");
    web_root.Number("file_bytes_max", 16777216, 1024, 1073741824);
    web_root.Number("rescan_interval_seconds", 300, 1, 604800);
    if (read_interval > 0) {
      web_root.Number("read_interval_seconds", 10, 10, 604800);
    }
  });
  sources.Each("tls_probes", [&](const Checker& probe) {
    probe.EachValid("processes", IsGlob, "a glob of programs");
    probe.EachValid("exclude_processes", IsGlob, "a glob of programs");
    probe.EachValid("libraries", IsGlob, "a glob of files");
    CheckSite(probe, config, is_site);
    probe.Number("ring_mib", 16, 1, 1024);
    probe.Number("call_kib_max", 1024, 16, 4096);
    probe.Number("rescan_interval_seconds", 600, 1, 604800);
  });
  CheckJournals(sources, config, is_site);
  CheckSamples(sources, config, is_site);
}

bool IsWebPage(std::string_view text) {
  return (text.starts_with("https://") || text.starts_with("http://")) && text.size() <= 2048 &&
         text.find("://") + 3 < text.size() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// What may stand in a header of a request (RFC 9110, 5.5).
bool IsHeaderValue(std::string_view text) {
  return !text.empty() && text.size() <= 1024 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

void CheckPageStep(const Checker& step, const v1::PageStep& given) {
  const int actions = (given.wait_for().empty() ? 0 : 1) + (given.fill().empty() ? 0 : 1) +
                      (given.click().empty() ? 0 : 1) + (given.pause_milliseconds() == 0 ? 0 : 1);
  if (actions != 1) {
    step.Error("", actions == 0 ? "nothing to do" : "several things to do",
               "one of wait_for, fill, click, pause_milliseconds");
  }
  if (given.fill().empty() != given.text().empty()) {
    step.Error("text", given.text().empty() ? "none" : "a text without a field",
               "`fill` and `text` together");
  }
  if (step.Given("pause_milliseconds")) step.Number("pause_milliseconds", 1, 1, 60000);
  step.Number("timeout_seconds", 15, 1, 300);
}

void CheckPages(const Checker& root, const v1::AgentConfig& config, const IsSite& is_site) {
  const Checker pages = root.Message("pages");
  std::map<std::string, std::string> names;
  int number = 0;
  pages.Each("checks", [&](const Checker& check) {
    const v1::PageCheck& given = config.pages().checks(number++);
    check.Required("name", "a name for the check");
    check.Valid("name", IsSiteName,
                "lower-case letters, digits, `-`, `_`, `.`; at most 63 characters");
    check.Unique("name", names);
    CheckSite(check, config, is_site);
    check.Required("url", "the address of the page");
    check.Valid("url", IsWebPage, "an address with http:// or https://");
    check.Number("interval_seconds", 86400, 60, 86400);
    int step_number = 0;
    check.Each("steps",
               [&](const Checker& step) { CheckPageStep(step, given.steps(step_number++)); });
    const Checker canary = check.Message("canary");
    canary.Valid("number_file", IsPath, "the path of a file");
    canary.Text("issuer", "400000");
    canary.Valid(
        "issuer",
        [](std::string_view digits) {
          return digits.size() >= 6 && digits.size() <= 12 &&
                 digits.find_first_not_of("0123456789") == std::string_view::npos;
        },
        "6 to 12 digits");
    canary.LowerCase("destinations");
    canary.EachValid("destinations", IsHostPattern, "a host, exact or `*.example.com`");
    check.EachValid("user_agents", IsHeaderValue, "printable ASCII, at most 1024 bytes");
    check.EachValid("languages", IsHeaderValue, "printable ASCII, at most 1024 bytes");
    check.EachValid("referrers", IsWebPage, "an address with http:// or https://");
    check.Number("settle_milliseconds", 1000, 100, 60000);
    check.Number("gone_after_checks", 3, 1, 100);
  });
  const Checker browser = pages.Message("browser");
  browser.Valid("path", IsPath, "the path of a program, or `none`");
  browser.Number("seconds_max", 60, 5, 600);
  browser.Number("memory_mib", 1024, 128, 65536);
  browser.EachValid(
      "arguments", [](std::string_view text) { return text.starts_with("--"); },
      "an argument with `--`");
  browser.Number("scripts_max", 2048, 16, 65536);
  browser.Number("script_kib_max", 16384, 64, 65536);
  browser.Number("requests_max", 8192, 16, 1048576);
  browser.Number("body_kib_max", 1024, 16, 16384);
}

void CheckDestinations(const Checker& root) {
  const Checker destinations = root.Message("destinations");
  destinations.OneOf("mode", "learn", {"off", "learn", "enforce"});
  destinations.Number("learn_days", 14, 0, 365);
  destinations.EachValid("checkout_processes", IsGlob, "a glob of executables");
  destinations.Texts("checkout_paths", {"/checkout", "/cart", "/basket", "/payment", "/pay",
                                        "/order", "/onepage", "/onestepcheckout"});
  destinations.EachValid(
      "checkout_paths", [](std::string_view path) { return !path.empty() && path[0] == '/'; },
      "the beginning of a path, with a `/`");
  destinations.Number("entropy_min_bytes", 4096, 4096, 1073741824);
  destinations.Number("encrypted_min_bytes", 65536, 0, 1099511627776);
  destinations.Number("entries_max", 8192, 16, 1048576);
}

void CheckSampling(const Checker& root, v1::AgentConfig& config) {
  const Checker sampling = root.Message("sampling");
  v1::Sampling& given = *config.mutable_sampling();
  if (!sampling.Given("flow_ratio")) given.set_flow_ratio(1);
  if (!(given.flow_ratio() > 0 && given.flow_ratio() <= 1)) {
    sampling.Error("flow_ratio", absl::StrCat(given.flow_ratio()),
                   "a number above 0 and at most 1");
  }
  if (!sampling.Given("flow_ratio_min")) {
    given.set_flow_ratio_min(std::min(0.001, given.flow_ratio()));
  } else if (!(given.flow_ratio_min() > 0 && given.flow_ratio_min() <= given.flow_ratio())) {
    sampling.Error(
        "flow_ratio_min", absl::StrCat(given.flow_ratio_min()),
        absl::StrCat("a number above 0 and at most sampling.flow_ratio, ", given.flow_ratio()));
  }
  std::map<std::string, std::string> names;
  sampling.Each("classes", [&](const Checker& one) {
    one.Required("name", "a name for the class");
    one.Unique("name", names);
    one.OneOf("priority", "normal", {"low", "normal", "high"});
    for (const std::string_view field :
         {"sites", "hosts", "paths", "destinations", "content_types"}) {
      one.EachValid(field, IsGlob, "a glob");
    }
    one.Valid(
        "direction",
        [](std::string_view direction) {
          return direction == "outbound" || direction == "inbound";
        },
        "`outbound` or `inbound`");
  });
  sampling.Switch("built_in_classes", true);
}

// What the agent takes of memory beside what the configuration gives it: programs, tables, streams
// of the scan.
constexpr uint64_t kBaseMib = 64;

void CheckBudget(const Checker& root, const v1::AgentConfig& config) {
  const Checker budget = root.Message("budget");
  const double percent = config.budget().cpu_percent();
  if (!(percent >= 0 && percent <= 6400)) {
    budget.Error("cpu_percent", absl::StrCat(percent), "a number from 0 to 6400");
  }
  if (budget.Given("memory_mib") && config.budget().memory_mib() != 0) {
    budget.Number("memory_mib", 0, 64, UINT32_MAX);
    uint64_t mib = kBaseMib + config.limits().reassembly_mib();
    for (const v1::PacketCapture& capture : config.sources().packet_captures()) {
      mib += uint64_t{capture.threads()} * capture.ring_mib();
    }
    for (const v1::HttpMirror& mirror : config.sources().http_mirrors()) mib += mirror.queue_mib();
    for (const v1::IcapServer& icap : config.sources().icap_servers()) mib += icap.queue_mib();
    uint64_t probes_mib = 0;
    for (const v1::TlsProbe& probe : config.sources().tls_probes()) {
      probes_mib = std::max<uint64_t>(probes_mib, probe.ring_mib());
    }
    mib += probes_mib;
    if (mib > config.budget().memory_mib()) {
      budget.Error("memory_mib", absl::StrCat(config.budget().memory_mib()),
                   absl::StrCat("at least ", mib, ": ", kBaseMib,
                                " for the program, limits.reassembly_mib, and ring_mib and "
                                "queue_mib of all sources; raise it or lower those"));
    }
  }
  if (budget.Given("disk_mib") && config.budget().disk_mib() != 0) {
    budget.Number("disk_mib", 0, 16, UINT32_MAX);
    if (config.spool().size_mib() > config.budget().disk_mib()) {
      budget.Error("disk_mib", absl::StrCat(config.budget().disk_mib()),
                   absl::StrCat("at least the room of the spool, ", config.spool().size_mib(),
                                " (spool.size_mib)"));
    }
  }
}

void CheckLimits(const Checker& root, v1::AgentConfig& config) {
  const Checker limits = root.Message("limits");
  limits.Number("reassembly_mib", 64, 1, 65536);
  limits.Number("flow_reassembly_kib", 1024, 16, 1048576);
  limits.Number("flows_max", 65536, 16, 16777216);
  limits.Number("body_bytes_max", 67108864, 0, UINT64_MAX);
  limits.Number("decompression_ratio_max", 200, 2, 100000);
  limits.Number("flow_idle_seconds", 300, 1, 86400);
  const uint64_t in_all_kib = uint64_t{config.limits().reassembly_mib()} * 1024;
  if (config.limits().flow_reassembly_kib() > in_all_kib) {
    limits.Error(
        "flow_reassembly_kib", absl::StrCat(config.limits().flow_reassembly_kib()),
        absl::StrCat("at most the memory for all flows, ", in_all_kib, " (limits.reassembly_mib)"));
  }

  const Checker spool = root.Message("spool");
  spool.Text("directory", absl::StrCat(config.state_directory(), "/spool"));
  spool.Valid("directory", IsPath, "the path of a folder");
  // With a budget for the disk, half of that at most.
  const uint64_t disk_mib = config.budget().disk_mib();
  spool.Number("size_mib", disk_mib == 0 ? 256 : std::clamp<uint64_t>(disk_mib / 2, 1, 256), 1,
               1048576);
  spool.Number("segment_mib", std::min<uint64_t>(8, std::max(1u, config.spool().size_mib())), 1,
               1024);
  if (config.spool().segment_mib() > config.spool().size_mib()) {
    spool.Error("segment_mib", absl::StrCat(config.spool().segment_mib()),
                absl::StrCat("at most the room of all segments, ", config.spool().size_mib(),
                             " (spool.size_mib)"));
  }
}

void CheckCollector(const Checker& root, const v1::AgentConfig& config) {
  constexpr std::string_view kAddress = "`host:port`, `dns:///host:port` or `unix:/path`";
  const Checker collector = root.Message("collector");
  const v1::Collector& given = config.collector();
  if (given.addresses().empty()) {
    collector.Required("address", "where the collector listens, `host:port` or `unix:/path`");
    collector.Valid("address", IsCollectorAddress, kAddress);
    CheckTls(collector, given.address());
  } else {
    if (!given.address().empty()) {
      collector.Error("address", "it beside `addresses`", "one of the two");
    }
    collector.EachValid("addresses", IsCollectorAddress, kAddress);
    // Of all, the one that least can go without TLS.
    const auto remote =
        std::find_if_not(given.addresses().begin(), given.addresses().end(),
                         [](const std::string& address) { return IsLocalAddress(address); });
    CheckTls(collector, remote == given.addresses().end() ? given.addresses(0) : *remote);
  }
  collector.Number("reconnect_max_seconds", 60, 1, 86400);
  collector.Number("rebalance_minutes", 30, 0, 1440);
}

absl::StatusOr<v1::AgentConfig> Effective(std::string_view text, std::string_view file) {
  v1::AgentConfig config;
  SourceMap positions;
  if (absl::Status read = ReadYaml(text, file, config, positions); !read.ok()) return read;

  ErrorList errors(file);
  const Checker root(config, "", positions, errors);
  const IsSite is_site = [&](std::string_view name) {
    return std::any_of(config.sites().begin(), config.sites().end(),
                       [&](const v1::Site& site) { return site.name() == name; });
  };
  CheckSites(root, config);

  CheckCollector(root, config);

  CheckSources(root, config, is_site);
  CheckPages(root, config, is_site);
  CheckSampling(root, config);
  root.Text("state_directory", "/var/lib/skimwatch-agent");
  root.Valid("state_directory", IsPath, "the path of a folder");
  CheckLimits(root, config);
  CheckBudget(root, config);

  const Checker scan = root.Message("scan");
  scan.Number("decode_depth", 3, 0, 4);
  scan.OneOf("min_confidence", "low", {"low", "medium", "high"});
  scan.OneOf("mask", "first6last4", {"first6last4", "first8last4", "last4", "none"});
  scan.Switch("report_test_cards", true);
  scan.Number("fold_window_seconds", 10, 1, 86400);
  scan.Text("brand_table", "built-in");
  scan.Valid(
      "brand_table", [](std::string_view path) { return path == "built-in" || IsPath(path); },
      "the path of a file with brands, or `built-in`");
  scan.Switch("fingerprint", true);

  CheckDestinations(root);
  const Checker judge = root.Message("judge");
  judge.Valid("yara_folder", IsPath, "the path of a folder with YARA rules");
  judge.Number("parse_bytes_max", 4194304, 65536, 16777216);
  judge.Number("parse_seconds_max", 20, 1, 300);

  CheckMetricsEndpoint(root, "127.0.0.1:9465");
  CheckLogging(root);
  CheckExpectedFlows(root, is_site, "the name of one of `sites`, or none for all");

  if (absl::Status status = errors.status(); !status.ok()) return status;
  return config;
}

}  // namespace

absl::StatusOr<v1::AgentConfig> ParseAgentConfig(std::string_view text, std::string_view file) {
  return Effective(text, file);
}

absl::StatusOr<v1::AgentConfig> LoadAgentConfig(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  return Effective(*text, path);
}

}  // namespace skimwatch::config
