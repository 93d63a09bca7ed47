// Programs in containers, as far as the kernel makes them: a mount namespace whose root is a file
// system that nothing outside of it can reach, a PID namespace, a cgroup named as Docker names it.

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/tls_uprobe/probes_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"

namespace skimwatch::traffic {
namespace {

using ::skimwatch::testing::ChildProcess;
using ::skimwatch::testing::RunProgram;
using ::skimwatch::testing::WaitUntil;
using Flow = testing::FlowsByProcess::Flow;

// A cgroup of the unified hierarchy, for as long as the test runs.
class Cgroup {
 public:
  explicit Cgroup(const std::string& name) {
    for (const std::string root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      if (access((root + "/cgroup.procs").c_str(), F_OK) != 0) continue;
      const std::string folder = absl::StrCat(root, "/", name);
      if (mkdir(folder.c_str(), 0755) == 0) folder_ = folder;
    }
  }
  ~Cgroup() {
    // Gone as soon as the last process in it is.
    EXPECT_TRUE(folder_.empty() || WaitUntil([&] { return rmdir(folder_.c_str()) == 0; }));
  }
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  bool is_there() const { return !folder_.empty(); }
  std::string procs() const { return folder_.empty() ? "/dev/null" : folder_ + "/cgroup.procs"; }

 private:
  std::string folder_;
};

class Containers : public testing::ProbesFixture {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(ProbesFixture::SetUp());
    if (IsSkipped()) return;
    const int may =
        RunProgram({.command = {"/usr/bin/unshare", "--mount", "--pid", "--fork", "/bin/true"}})
            .code;
    if (may != 0) GTEST_SKIP() << "may not make namespaces";
    ASSERT_NO_FATAL_FAILURE(MakeTree());
  }

  // A folder with curl and everything that it links, as a container's image has it.
  void MakeTree() {
    std::filesystem::create_directories(tree_ + "/usr/bin");
    std::filesystem::copy_file("/usr/bin/curl", tree_ + "/usr/bin/curl");
    const std::string linked = RunProgram({.command = {"/usr/bin/ldd", "/usr/bin/curl"}}).out;
    std::istringstream words(linked);
    std::string word;
    while (words >> word) {
      if (word.front() != '/') continue;
      const std::string copy = tree_ + word;
      std::filesystem::create_directories(std::filesystem::path(copy).parent_path());
      std::filesystem::copy_file(std::filesystem::canonical(word), copy,
                                 std::filesystem::copy_options::skip_existing);
      if (word.find("/libssl.so") != std::string::npos) library_ = word;
    }
    ASSERT_NE(library_, "") << linked;
  }

  // curl in a container whose root is what `mount` puts at `$R`; it posts its input once that has
  // an end.
  std::unique_ptr<ChildProcess> Run(const std::string& mount,
                                    const std::string& procs = "/dev/null") {
    const std::string root = folder_.File(absl::StrCat("root", ++containers_));
    std::filesystem::create_directory(root);
    return std::make_unique<ChildProcess>(ChildProcess::Options{
        .command = {"/usr/bin/unshare", "--mount", "--pid", "--fork", "/bin/sh", "-ec",
                    absl::StrCat("R=", root, "; T=", tree_, "\necho 0 > ", procs, "\n", mount,
                                 "\ncd $R; mkdir -p old; pivot_root . old\n"
                                 "exec /usr/bin/curl -sk --max-time 30 --data-binary @- "
                                 "--resolve api.example:",
                                 port_, ":127.0.0.1 https://api.example:", port_, "/")}});
  }
  static std::string Copied() { return "mount -t tmpfs none $R; cp -a $T/. $R"; }
  // As the engines do: a layer of its own over the image's files.
  std::string Overlaid() {
    const std::string own = folder_.File(absl::StrCat("own", containers_ + 1));
    std::filesystem::create_directories(own + "/upper");
    std::filesystem::create_directories(own + "/work");
    return absl::StrCat("mount -t overlay overlay -o lowerdir=$T,upperdir=", own,
                        "/upper,workdir=", own, "/work $R");
  }
  // Whether a child of `unshare` has loaded the library.
  bool MapsLibrary(const ChildProcess& unshare) const {
    const std::string child = skimwatch::testing::ReadFile(
        absl::StrCat("/proc/", unshare.pid(), "/task/", unshare.pid(), "/children"));
    const std::string pid = child.substr(0, child.find(' '));
    return !pid.empty() &&
           skimwatch::testing::ReadFile(absl::StrCat("/proc/", pid, "/maps")).find(library_) !=
               std::string::npos;
  }
  static void Post(ChildProcess& curl, const std::string& body) {
    curl.Write(body);
    curl.CloseInput();
    const skimwatch::testing::Result result = curl.Wait();
    EXPECT_EQ(result.out, "taken\n") << result.code << result.err;
  }
  Flow AwaitFlow(const std::string& body) {
    EXPECT_TRUE(WaitUntil([&] {
      return recorder_.FlowsWith(body).size() == 1 && recorder_.FlowsWith(body).at(0).ended;
    })) << body;
    const std::vector<Flow> flows = recorder_.FlowsWith(body);
    return flows.empty() ? Flow{.info = {.process = std::make_shared<const Process>()}} : flows[0];
  }
  // How often it was sent, as the probes saw it.
  static size_t CountOf(const std::string& body, const Flow& flow) {
    size_t count = 0;
    for (size_t at = flow.client.find(body); at != std::string::npos;
         at = flow.client.find(body, at + 1)) {
      ++count;
    }
    return count;
  }

  const std::string tree_ = folder_.File("tree");
  std::string library_;
  int containers_ = 0;
};

TEST_F(Containers, ThatComeLaterAreSeenWithTheirId) {
  std::string id = absl::StrCat(getpid());
  id.insert(0, 64 - id.size(), 'c');
  const Cgroup cgroup(absl::StrCat("docker-", id, ".scope"));
  ASSERT_NO_FATAL_FAILURE(Start());
  const uint64_t files = probes_->GetStats().files;
  const auto curl = Run(Copied(), cgroup.procs());
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files > files; }));
  Post(*curl, "from a container");
  const Flow flow = AwaitFlow("from a container");
  EXPECT_EQ(flow.info.process->executable, "/usr/bin/curl") << "as the container has it";
  EXPECT_EQ(flow.info.process->command, "curl");
  EXPECT_GT(flow.info.process->pid, 1u) << "the host's number of it";
  EXPECT_EQ(flow.info.server.port, port_);
  EXPECT_EQ(flow.info.server_name, "api.example");
  if (!cgroup.is_there()) GTEST_SKIP() << "may not make cgroups";
  EXPECT_EQ(flow.info.process->container_id, id);
}

TEST_F(Containers, WithDifferentFilesAtOnePathHaveProbesEach) {
  // The file of the host is another one still.
  options_.libraries = {library_};
  ASSERT_NO_FATAL_FAILURE(Start());
  const uint64_t files = probes_->GetStats().files;
  const auto one = Run(Copied());
  const auto other = Run(Copied() + absl::StrCat("; echo >> $R", library_));
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files == files + 2; }));
  Post(*one, "from one container");
  Post(*other, "from the other");
  EXPECT_EQ(CountOf("from one container", AwaitFlow("from one container")), 1u);
  EXPECT_EQ(CountOf("from the other", AwaitFlow("from the other")), 1u);
}

TEST_F(Containers, OfOneImageShareItsFilesAndTheirProbes) {
  options_.libraries = {library_};
  options_.rescan_interval = absl::Milliseconds(50);
  const auto before = Run(Overlaid());
  if (!WaitUntil([&] { return MapsLibrary(*before); }, absl::Seconds(10))) {
    GTEST_SKIP() << "may not make overlays";
  }
  ASSERT_NO_FATAL_FAILURE(Start());
  const uint64_t files = probes_->GetStats().files;
  const auto after = Run(Overlaid());
  ASSERT_TRUE(WaitUntil([&] { return MapsLibrary(*after); }));
  const uint64_t rescans = probes_->GetStats().rescans;
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().rescans > rescans + 1; }));
  EXPECT_EQ(probes_->GetStats().files, files) << "the file has its probes already";
  Post(*before, "from one container");
  Post(*after, "from another of its image");
  EXPECT_EQ(CountOf("from one container", AwaitFlow("from one container")), 1u);
  EXPECT_EQ(CountOf("from another of its image", AwaitFlow("from another of its image")), 1u);
  EXPECT_EQ(probes_->GetStats().unmatched_returns, 0u) << "as of a function with probes twice";
}

TEST_F(Containers, ThatEndedLeaveNoProbes) {
  options_.libraries = {library_};
  options_.rescan_interval = absl::Milliseconds(50);
  ASSERT_NO_FATAL_FAILURE(Start());
  const uint64_t files = probes_->GetStats().files;
  const auto curl = Run(Copied());
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files == files + 1; }));
  Post(*curl, "from a container");
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files == files; }));
}

}  // namespace
}  // namespace skimwatch::traffic
