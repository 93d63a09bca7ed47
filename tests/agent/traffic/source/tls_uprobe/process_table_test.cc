#include "agent/traffic/source/tls_uprobe/process_table.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::traffic {
namespace {

using ::skimwatch::testing::TempFolder;

const std::string kId(64, 'a');

TEST(ContainerId, IsFoundHoweverTheRuntimeWritesIt) {
  struct Case {
    std::string runtime;
    std::string path;
    std::string id;
  };
  const std::string other(64, 'b');
  for (const Case& test : {
           Case{"docker, cgroupfs", "/docker/" + kId, kId},
           Case{"docker, systemd", "/system.slice/docker-" + kId + ".scope", kId},
           Case{"docker, rootless",
                "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + kId + ".scope",
                kId},
           Case{"docker, of an agent with a cgroup namespace", "/../../docker/" + kId, kId},
           Case{"docker in docker", "/docker/" + other + "/docker/" + kId, kId},
           Case{"containerd, CRI, systemd",
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/"
                "cri-containerd-" +
                    kId + ".scope",
                kId},
           Case{"containerd, CRI, cgroupfs", "/kubepods/besteffort/pod2-3/" + kId, kId},
           Case{"containerd, CRI, with its slice's name",
                "/system.slice/containerd.service/kubepods-pod2.slice:cri-containerd:" + kId, kId},
           Case{"containerd, nerdctl", "/system.slice/nerdctl-" + kId + ".scope", kId},
           Case{"containerd, by namespace", "/default/" + kId, kId},
           Case{"CRI-O", "/kubepods.slice/crio-" + kId + ".scope", kId},
           Case{"podman, systemd", "/machine.slice/libpod-" + kId + ".scope/container", kId},
           Case{"podman, rootless",
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId +
                    ".scope/container",
                kId},
           Case{"podman, cgroupfs", "/libpod_parent/libpod-" + kId, kId},
           Case{"podman in a pod",
                "/machine.slice/machine-libpod_pod_" + other + ".slice/libpod-" + kId + ".scope",
                kId},
           Case{"Amazon ECS", "/ecs/shop/0123456789abcdef0123456789abcdef/" + kId, kId},
           Case{"systemd-nspawn, scope", "/machine.slice/machine-shop.scope/payload", "shop"},
           Case{"systemd-nspawn, service",
                "/machine.slice/systemd-nspawn@shop.service/payload/system.slice/nginx.service",
                "shop"},
           Case{"systemd-nspawn, escaped", R"(/machine.slice/machine-my\x2dshop.scope)", "my-shop"},
           Case{"LXC", "/lxc.payload.shop/system.slice/nginx.service", "shop"},
           Case{"LXC 3", "/lxc/shop/system.slice", "shop"},
           Case{"docker in LXC", "/lxc.payload.shop/docker/" + kId, kId},
       }) {
    EXPECT_EQ(ContainerIdOf(test.path), test.id) << test.runtime;
  }
}

TEST(ContainerId, IsEmptyWhereThereIsNone) {
  for (const std::string& path :
       {std::string(), std::string("/"), std::string("/system.slice/nginx.service"),
        "/docker/" + std::string(63, 'a'), "/docker/" + std::string(65, 'a'),
        "/docker/" + std::string(64, 'g'),
        // They watch over a container and are in none.
        "/machine.slice/libpod-conmon-" + kId + ".scope", "/system.slice/crio-conmon-" + kId,
        std::string("/machine.slice"), std::string("/machine.slice/machine-.scope"),
        std::string(R"(/machine.slice/machine-qemu\x2d1\x2dvm.scope)"), std::string("/lxc/")}) {
    EXPECT_EQ(ContainerIdOf(path), "") << path;
  }
}

TEST(StartTicks, AreReadWhateverTheNameHolds) {
  const std::string after = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21";
  EXPECT_EQ(StartTicksOf("12 (nginx)" + after), 777u);
  EXPECT_EQ(StartTicksOf("12 (a) R 9 (b))" + after), 777u);
  EXPECT_EQ(StartTicksOf("12 (nginx) S 1 2"), std::nullopt);
  EXPECT_EQ(StartTicksOf(""), std::nullopt);
}

class Table : public ::testing::Test {
 protected:
  static constexpr uint64_t kTickNs = 10'000'000;

  void Begin(pid_t pid, uint64_t ticks, const std::string& program) {
    const std::string folder = folder_.File(absl::StrCat(pid));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directory(folder);
    std::ofstream(folder + "/stat")
        << pid << " (" << program << ") S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 " << ticks
        << " 20\n";
    std::ofstream(folder + "/comm") << program << "\n";
    std::ofstream(folder + "/cgroup") << "0::/system.slice/docker-" << kId << ".scope\n";
    std::filesystem::create_symlink("/usr/bin/" + program, folder + "/exe");
  }
  void End(pid_t pid) { std::filesystem::remove_all(folder_.File(absl::StrCat(pid))); }

  TempFolder folder_;
  ProcessTable table_{folder_.path(), 3};
};

TEST_F(Table, LooksUpAProcess) {
  if (sysconf(_SC_CLK_TCK) != 100) GTEST_SKIP() << "another clock tick";
  Begin(5, 70, "nginx");
  const auto process = table_.Find(5, 70 * kTickNs + 1, "worker");
  EXPECT_EQ(process->pid, 5u);
  EXPECT_EQ(process->executable, "/usr/bin/nginx");
  EXPECT_EQ(process->command, "nginx");
  EXPECT_EQ(process->cgroup, absl::StrCat("/system.slice/docker-", kId, ".scope"));
  EXPECT_EQ(process->container_id, kId);
  EXPECT_TRUE(table_.Runs(5, 70 * kTickNs));
  EXPECT_FALSE(table_.Runs(5, 71 * kTickNs));
}

TEST_F(Table, KnowsAProcessThatWasNotedAndIsGone) {
  Begin(5, 70, "curl");
  table_.Note(5);
  End(5);
  EXPECT_EQ(table_.Find(5, 70 * kTickNs, "curl")->executable, "/usr/bin/curl");
  EXPECT_FALSE(table_.Runs(5, 70 * kTickNs));
}

TEST_F(Table, SaysOnlyTheCommandOfAProcessThatWasGoneBeforeTheLookUp) {
  const auto process = table_.Find(5, 70 * kTickNs, "curl");
  EXPECT_EQ(process->pid, 5u);
  EXPECT_EQ(process->command, "curl");
  EXPECT_EQ(process->executable, "");
  EXPECT_EQ(process->container_id, "");
  EXPECT_EQ(table_.GetStats().gone, 1u);
}

TEST_F(Table, NeverNamesTheProcessThatTookTheIdOfAnotherOne) {
  Begin(5, 70, "curl");
  table_.Note(5);
  Begin(5, 90, "innocent");
  EXPECT_EQ(table_.Find(5, 70 * kTickNs, "curl")->executable, "/usr/bin/curl");
  EXPECT_EQ(table_.Find(5, 90 * kTickNs, "innocent")->executable, "/usr/bin/innocent");
  // The first one's bytes may come after all.
  EXPECT_EQ(table_.Find(5, 70 * kTickNs, "curl")->executable, "");
}

TEST_F(Table, TakesAProgramThatReplacedAnotherInItsProcess) {
  Begin(5, 70, "sh");
  table_.Note(5);
  Begin(5, 70, "curl");
  table_.Note(5);
  EXPECT_EQ(table_.Find(5, 70 * kTickNs, "curl")->executable, "/usr/bin/curl");
}

TEST_F(Table, ForgetsTheOneAskedForLongestAgo) {
  for (pid_t pid = 1; pid <= 3; ++pid) {
    Begin(pid, 70, "a");
    table_.Note(pid);
  }
  table_.Find(1, 70 * kTickNs, "a");
  Begin(4, 70, "a");
  table_.Note(4);
  EXPECT_EQ(table_.GetStats().processes, 3u);
  for (pid_t pid = 1; pid <= 4; ++pid) End(pid);
  EXPECT_EQ(table_.Find(1, 70 * kTickNs, "a")->executable, "/usr/bin/a");
  EXPECT_EQ(table_.Find(2, 70 * kTickNs, "a")->executable, "");
}

}  // namespace
}  // namespace skimwatch::traffic
