#include "tests/agent/offline/scan_program.h"

#include <cstdint>
#include <fstream>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace skimwatch::offline::testing {
namespace {

using skimwatch::testing::ChildProcess;

void Append(std::string& out, uint32_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

ChildProcess::Options ScanProgram(const std::vector<std::string>& arguments) {
  ChildProcess::Options options;
  options.command = {SKIMWATCH_SCAN_PROGRAM, "scan"};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  options.environment = skimwatch::testing::SanitizerEnvironment();
  options.environment.emplace_back("PATH=/usr/bin:/bin");
  options.environment.emplace_back("TERM=xterm");
  return options;
}

skimwatch::testing::Result RunScanProgram(const std::vector<std::string>& arguments,
                                          std::string_view input) {
  return skimwatch::testing::RunProgram(ScanProgram(arguments), input);
}

std::vector<nlohmann::json> JsonLines(std::string_view text) {
  std::vector<nlohmann::json> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    EXPECT_NE(end, std::string_view::npos) << "a line without end: " << text;
    if (end == std::string_view::npos) break;
    lines.push_back(
        nlohmann::json::parse(text.substr(0, end), nullptr, /*allow_exceptions=*/false));
    EXPECT_FALSE(lines.back().is_discarded()) << text.substr(0, end);
    text.remove_prefix(end + 1);
  }
  return lines;
}

void WriteFile(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  ASSERT_TRUE(file) << path;
}

std::string Pcap(const std::vector<traffic::testing::Packet>& packets) {
  // Magic, version 2.4, time zone, accuracy, longest packet, LINKTYPE_ETHERNET.
  std::string out;
  for (const uint32_t field : {0xa1b2c3d4U, 0x00040002U, 0U, 0U, 262144U, 1U}) Append(out, field);
  for (const traffic::testing::Packet& packet : packets) {
    const auto size = static_cast<uint32_t>(packet.bytes.size());
    const int64_t micros = absl::ToUnixMicros(packet.time);
    Append(out, static_cast<uint32_t>(micros / 1'000'000));
    Append(out, static_cast<uint32_t>(micros % 1'000'000));
    Append(out, size);
    Append(out, size);
    out.append(packet.bytes);
  }
  return out;
}

}  // namespace skimwatch::offline::testing
