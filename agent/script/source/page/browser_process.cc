#include "agent/script/source/page/browser_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace skimwatch::script {
namespace {

// Where --remote-debugging-pipe looks for its pipes.
constexpr int kBrowserReads = 3;
constexpr int kBrowserWrites = 4;
// Descriptors that are moved out of the way of these.
constexpr int kFreeFrom = 20;
// What one file of the profile may grow to.
constexpr rlim_t kFileBytesMax = rlim_t{256} << 20;
// Names of profiles: this, the agent's process and when it started, something at random.
constexpr std::string_view kProfilePrefix = "skimwatch-page-";
// Before all else, where memory runs out.
constexpr std::string_view kOomScore = "900";
constexpr absl::Duration kKillPatience = absl::Seconds(5);

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};

absl::StatusOr<User> FindUser(const std::string& name) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("pages.browser.user: there is no user ", name, "; make it, or name another"));
  }
  return User{.uid = found->pw_uid, .gid = found->pw_gid};
}

// Everything that a child does between fork and exec is prepared before: in a process with threads
// only system calls are safe there.
struct Launch {
  std::vector<char*> arguments;
  std::vector<char*> environment;
  const char* profile = nullptr;
  bool other_user = false;
  User user;
  int reads = -1;
  int writes = -1;
  // Tells the parent what failed; closed by exec.
  int report = -1;
};

[[noreturn]] void Fail(const Launch& launch, int step) {
  const std::array<int, 2> report = {step, errno};
  (void)!write(launch.report, report.data(), sizeof(report));
  _exit(127);
}

// Pages that are loaded or run ahead of a shopper's wish (speculation rules, prefetches) are shown
// to nobody who drives the browser, and nothing can stop what they send.
constexpr char kPreferencesFolder[] = "Default";
constexpr char kPreferencesFile[] = "Default/Preferences";
constexpr std::string_view kPreferences = R"({"net":{"network_prediction_options":2}})";

bool WritePreferences() {
  if (mkdir(kPreferencesFolder, 0700) != 0) return false;
  const int fd = open(kPreferencesFile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool is_whole = write(fd, kPreferences.data(), kPreferences.size()) ==
                        static_cast<ssize_t>(kPreferences.size());
  return close(fd) == 0 && is_whole;
}

enum Step : int { kBecomeUser = 1, kProfile, kPipes, kExec };

[[noreturn]] void RunChild(const Launch& launch) {
  // The group lets all of its processes be killed at once; with the agent it goes, too.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // The agent's threads block signals, and what is blocked stays so over exec.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const rlimit file_size{kFileBytesMax, kFileBytesMax};
  setrlimit(RLIMIT_FSIZE, &file_size);
  setpriority(PRIO_PROCESS, 0, 10);
  if (launch.other_user && (setgroups(0, nullptr) != 0 || setgid(launch.user.gid) != 0 ||
                            setuid(launch.user.uid) != 0)) {
    Fail(launch, kBecomeUser);
  }
  // Set anew, since becoming another user clears it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  umask(077);
  if (mkdir(launch.profile, 0700) != 0 || chdir(launch.profile) != 0 || !WritePreferences()) {
    Fail(launch, kProfile);
  }
  const int null = open("/dev/null", O_RDWR);
  if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
      dup2(launch.reads, kBrowserReads) < 0 || dup2(launch.writes, kBrowserWrites) < 0) {
    Fail(launch, kPipes);
  }
  // From 5: nothing else of this process is for the browser.
  syscall(SYS_close_range, kBrowserWrites + 1, ~0U, /*CLOSE_RANGE_CLOEXEC*/ 4U);
  execve(launch.arguments[0], launch.arguments.data(), launch.environment.data());
  Fail(launch, kExec);
}

absl::Status WhyNot(const std::array<int, 2>& report, const BrowserProcess::Options& options,
                    const std::string& profile) {
  const std::string why = std::generic_category().message(report[1]);
  switch (report[0]) {
    case kBecomeUser:
      return absl::PermissionDeniedError(
          absl::StrCat("pages.browser.user: can't become ", options.user, ": ", why,
                       "; run the agent as root, or leave the setting out"));
    case kProfile:
      return absl::InternalError(absl::StrCat("can't make the folder ", profile, ": ", why));
    case kExec:
      return absl::NotFoundError(
          absl::StrCat("pages.browser.path: can't run ", options.path, ": ", why));
    default:
      return absl::InternalError(absl::StrCat("can't start ", options.path, ": ", why));
  }
}

std::string TemporaryFolder() {
  const char* const folder = getenv("TMPDIR");
  return folder == nullptr || *folder == '\0' ? "/tmp" : folder;
}

std::string RandomName() {
  std::array<unsigned char, 8> bytes{};
  // Small requests are always met once the kernel has its entropy.
  (void)!syscall(SYS_getrandom, bytes.data(), bytes.size(), 0);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::vector<std::string> Arguments(const BrowserProcess::Options& options,
                                   const std::string& profile) {
  std::vector<std::string> arguments = {
      options.path,
      "--headless=new",
      "--remote-debugging-pipe",
      absl::StrCat("--user-data-dir=", profile),
      // Skimmers hide from what says that it is driven.
      "--disable-blink-features=AutomationControlled",
      // Names that are looked up ahead would carry the canary where nothing can stop them.
      "--dns-prefetch-disable",
      "--disable-quic",
      "--disable-gpu",
      "--no-first-run",
      "--no-default-browser-check",
      "--disable-background-networking",
      "--disable-background-timer-throttling",
      "--disable-renderer-backgrounding",
      "--disable-breakpad",
      "--disable-crash-reporter",
      "--disable-component-update",
      "--disable-default-apps",
      "--disable-dev-shm-usage",
      "--disable-domain-reliability",
      "--disable-extensions",
      "--disable-sync",
      "--disk-cache-size=33554432",
      "--metrics-recording-only",
      "--mute-audio",
      "--no-pings",
      "--password-store=basic",
      "--use-mock-keychain",
      "--window-size=1366,900",
  };
  if (options.no_sandbox) arguments.emplace_back("--no-sandbox");
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  arguments.emplace_back("about:blank");
  return arguments;
}

// Reads a small file of /proc; empty when the process is gone.
std::string ReadProc(pid_t pid, std::string_view name) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/", std::string(name)));
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct ProcessEntry {
  pid_t parent = 0;
  pid_t group = 0;
  uint64_t started = 0;
  bool is_zombie = false;
};

// proc(5): the name is in parentheses and may hold any; the start time is the 22nd field.
bool ReadEntry(pid_t pid, ProcessEntry& entry) {
  const std::string stat = ReadProc(pid, "stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return false;
  const std::vector<std::string> fields =
      absl::StrSplit(stat.substr(name_end + 1), ' ', absl::SkipEmpty());
  constexpr size_t kState = 0;
  constexpr size_t kParent = 1;
  constexpr size_t kGroup = 2;
  constexpr size_t kStarted = 19;
  if (fields.size() <= kStarted) return false;
  entry.is_zombie = fields[kState] == "Z" || fields[kState] == "X";
  return absl::SimpleAtoi(fields[kParent], &entry.parent) &&
         absl::SimpleAtoi(fields[kGroup], &entry.group) &&
         absl::SimpleAtoi(fields[kStarted], &entry.started);
}

void RemoveProfile(std::string path, bool other_user, const User& user) {
  if (!other_user) {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
    return;
  }
  // Only its own user may look into it.
  std::array<char*, 5> command = {const_cast<char*>("/bin/rm"), const_cast<char*>("-rf"),
                                  const_cast<char*>("--"), path.data(), nullptr};
  std::array<char*, 1> environment = {nullptr};
  const pid_t remover = fork();
  if (remover == 0) {
    if (setgroups(0, nullptr) == 0 && setgid(user.gid) == 0 && setuid(user.uid) == 0) {
      prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
      syscall(SYS_close_range, 3, ~0U, /*CLOSE_RANGE_CLOEXEC*/ 4U);
      execve(command[0], command.data(), environment.data());
    }
    _exit(127);
  }
  if (remover > 0) waitpid(remover, nullptr, 0);
}

uint64_t KibOf(const std::string& status, std::string_view field) {
  const size_t at = status.find(field);
  if (at == std::string::npos) return 0;
  return strtoull(status.c_str() + at + field.size(), nullptr, 10);
}

}  // namespace

std::string BrowserProcess::Find(const std::string& wanted) {
  if (wanted == "none") return "";
  if (!wanted.empty()) return wanted;
  const char* const path = getenv("PATH");
  const std::vector<std::string> folders =
      absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':', absl::SkipEmpty());
  for (const std::string_view name : {"chromium", "chromium-browser", "google-chrome"}) {
    for (const std::string& folder : folders) {
      std::string candidate = absl::StrCat(folder, "/", std::string(name));
      if (access(candidate.c_str(), X_OK) == 0) return candidate;
    }
  }
  return "";
}

absl::StatusOr<std::unique_ptr<BrowserProcess>> BrowserProcess::Start(const Options& options) {
  Launch launch;
  launch.other_user = !options.user.empty();
  if (launch.other_user) {
    absl::StatusOr<User> user = FindUser(options.user);
    if (!user.ok()) return user.status();
    launch.user = *user;
    launch.other_user = launch.user.uid != geteuid();
  }
  const uid_t runs_as = launch.other_user ? launch.user.uid : geteuid();
  if (runs_as == 0 && !options.no_sandbox) {
    return absl::PermissionDeniedError(
        "pages.browser.user: Chromium's sandbox does not start as root; name a user for the "
        "browser "
        "(pages.browser.no_sandbox is for tests)");
  }
  std::unique_ptr<BrowserProcess> browser(new BrowserProcess);
  ProcessEntry self;
  ReadEntry(getpid(), self);
  browser->profile_ = absl::StrCat(TemporaryFolder(), "/", std::string(kProfilePrefix), getpid(),
                                   "-", self.started, "-", RandomName());
  browser->other_user_ = launch.other_user;
  browser->uid_ = launch.user.uid;
  browser->gid_ = launch.user.gid;
  std::vector<std::string> arguments = Arguments(options, browser->profile_);
  const char* const path = getenv("PATH");
  std::vector<std::string> environment = {
      absl::StrCat("PATH=", path == nullptr ? "/usr/bin:/bin" : path),
      absl::StrCat("HOME=", browser->profile_), absl::StrCat("TMPDIR=", browser->profile_),
      "LANG=C.UTF-8"};
  for (std::string& argument : arguments) launch.arguments.push_back(argument.data());
  launch.arguments.push_back(nullptr);
  for (std::string& variable : environment) launch.environment.push_back(variable.data());
  launch.environment.push_back(nullptr);
  launch.profile = browser->profile_.c_str();

  std::array<int, 2> commands{-1, -1};
  std::array<int, 2> events{-1, -1};
  std::array<int, 2> report{-1, -1};
  std::vector<int> to_close;
  const auto make_pipe = [&](std::array<int, 2>& ends) {
    std::array<int, 2> low{-1, -1};
    if (pipe2(low.data(), O_CLOEXEC) != 0) return false;
    for (size_t i = 0; i < low.size(); ++i) {
      ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, kFreeFrom);
      close(low[i]);
      if (ends[i] >= 0) to_close.push_back(ends[i]);
    }
    return ends[0] >= 0 && ends[1] >= 0;
  };
  const auto close_all = [&] {
    for (const int fd : to_close) close(fd);
  };
  if (!make_pipe(commands) || !make_pipe(events) || !make_pipe(report)) {
    close_all();
    return absl::ErrnoToStatus(errno, "can't make pipes for a browser");
  }
  launch.reads = commands[0];
  launch.writes = events[1];
  launch.report = report[1];
  const pid_t pid = fork();
  if (pid == 0) RunChild(launch);
  if (pid < 0) {
    const int error = errno;
    close_all();
    return absl::ErrnoToStatus(error, "can't start a process for a browser");
  }
  // Set by both, so that it is there whoever comes first.
  setpgid(pid, pid);
  close(commands[0]);
  close(events[1]);
  close(report[1]);
  browser->pid_ = pid;
  browser->read_fd_ = events[0];
  browser->write_fd_ = commands[1];
  std::array<int, 2> failure{};
  ssize_t got = 0;
  do {
    got = read(report[0], failure.data(), sizeof(failure));
  } while (got < 0 && errno == EINTR);
  close(report[0]);
  if (got == sizeof(failure)) {
    absl::Status why = WhyNot(failure, options, browser->profile_);
    browser->Kill();
    return why;
  }
  // Not by the child, which before exec may not be dumped, as the agent may not, so that root owns
  // its files of /proc.
  const std::string oom_score = absl::StrCat("/proc/", pid, "/oom_score_adj");
  if (const int fd = open(oom_score.c_str(), O_WRONLY | O_CLOEXEC); fd >= 0) {
    (void)!write(fd, kOomScore.data(), kOomScore.size());
    close(fd);
  }
  for (const int fd : {browser->read_fd_, browser->write_fd_}) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  return browser;
}

BrowserProcess::~BrowserProcess() { Kill(); }

void BrowserProcess::FindProcesses() {
  std::map<pid_t, ProcessEntry> all;
  DIR* const folder = opendir("/proc");
  if (folder == nullptr) return;
  while (const dirent* entry = readdir(folder)) {
    pid_t pid = 0;
    ProcessEntry process;
    if (absl::SimpleAtoi(entry->d_name, &pid) && ReadEntry(pid, process)) all[pid] = process;
  }
  closedir(folder);
  std::erase_if(processes_, [&](const auto& known) {
    const auto now = all.find(known.first);
    return now == all.end() || now->second.started != known.second;
  });
  // Children may have lower ids than their parents once ids wrapped around.
  for (bool grew = true; grew;) {
    grew = false;
    for (const auto& [pid, entry] : all) {
      const bool is_ours = entry.group == pid_ || processes_.contains(entry.parent);
      if (is_ours && processes_.emplace(pid, entry.started).second) grew = true;
    }
  }
}

uint64_t BrowserProcess::MemoryBytes() {
  FindProcesses();
  uint64_t kib = 0;
  for (const auto& [pid, started] : processes_) {
    const std::string status = ReadProc(pid, "status");
    kib += KibOf(status, "\nRssAnon:") + KibOf(status, "\nRssShmem:");
  }
  return kib << 10;
}

void BrowserProcess::Kill() {
  for (int* const fd : {&read_fd_, &write_fd_}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
  if (pid_ <= 0) return;
  const absl::Time until = absl::Now() + kKillPatience;
  FindProcesses();
  bool reaped = false;
  // Again until nothing is left: a process may have begun another meanwhile.
  while (true) {
    kill(-pid_, SIGKILL);
    for (const auto& [pid, started] : processes_) {
      ProcessEntry entry;
      if (ReadEntry(pid, entry) && entry.started == started) kill(pid, SIGKILL);
    }
    if (!reaped) reaped = waitpid(pid_, nullptr, WNOHANG) != 0;
    FindProcesses();
    bool any = false;
    for (const auto& [pid, started] : processes_) {
      ProcessEntry entry;
      any = any || (ReadEntry(pid, entry) && !entry.is_zombie);
    }
    if ((!any && reaped) || absl::Now() > until) break;
    absl::SleepFor(absl::Milliseconds(5));
  }
  if (!reaped) waitpid(pid_, nullptr, 0);
  pid_ = -1;
  processes_.clear();
  RemoveProfile(profile_, other_user_, {.uid = uid_, .gid = gid_});
}

void BrowserProcess::RemoveLeftBehind() {
  const std::string folder_path = TemporaryFolder();
  DIR* const folder = opendir(folder_path.c_str());
  if (folder == nullptr) return;
  std::vector<std::string> names;
  while (const dirent* entry = readdir(folder)) names.emplace_back(entry->d_name);
  closedir(folder);
  for (const std::string& name : names) {
    if (!name.starts_with(kProfilePrefix)) continue;
    const std::vector<std::string> parts = absl::StrSplit(name.substr(kProfilePrefix.size()), '-');
    pid_t pid = 0;
    uint64_t started = 0;
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &pid) ||
        !absl::SimpleAtoi(parts[1], &started)) {
      continue;
    }
    ProcessEntry agent;
    if (ReadEntry(pid, agent) && agent.started == started) continue;
    const std::string path = absl::StrCat(folder_path, "/", name);
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) continue;
    const bool is_others = status.st_uid != geteuid();
    if (is_others && geteuid() != 0) continue;
    RemoveProfile(path, is_others, {.uid = status.st_uid, .gid = status.st_gid});
  }
}

}  // namespace skimwatch::script
