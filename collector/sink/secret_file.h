#ifndef SKIMWATCH_COLLECTOR_SINK_SECRET_FILE_H_
#define SKIMWATCH_COLLECTOR_SINK_SECRET_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace skimwatch::sink {

// What a file holds, without white space around it: 1 to 4096 bytes, none of them a control
// character. Errors name the file and never what is in it.
absl::StatusOr<std::string> ReadSecretFile(const std::string& path);

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_SECRET_FILE_H_
