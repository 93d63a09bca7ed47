#ifndef SKIMWATCH_TESTS_AGENT_OFFLINE_SCAN_PROGRAM_H_
#define SKIMWATCH_TESTS_AGENT_OFFLINE_SCAN_PROGRAM_H_

#include <string>
#include <string_view>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/agent/traffic/support/packet_builder.h"
#include "tests/support/child_process.h"

namespace skimwatch::offline::testing {

// Published test numbers (Visa, Mastercard, American Express).
inline constexpr std::string_view kVisa = "4111111111111111";
inline constexpr std::string_view kMastercard = "5555555555554444";
inline constexpr std::string_view kAmex = "378282246310005";

// The program with `scan` and `arguments`, for a ChildProcess.
skimwatch::testing::ChildProcess::Options ScanProgram(const std::vector<std::string>& arguments);

// Runs it to its end.
skimwatch::testing::Result RunScanProgram(const std::vector<std::string>& arguments,
                                          std::string_view input = "");

// Each line as JSON; a line that is none is a failure.
std::vector<nlohmann::json> JsonLines(std::string_view text);

void WriteFile(const std::string& path, std::string_view bytes);

// A capture file of Ethernet packets, in the byte order of this machine.
std::string Pcap(const std::vector<traffic::testing::Packet>& packets);

}  // namespace skimwatch::offline::testing

#endif  // SKIMWATCH_TESTS_AGENT_OFFLINE_SCAN_PROGRAM_H_
