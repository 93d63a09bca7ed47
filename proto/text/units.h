#ifndef SKIMWATCH_PROTO_TEXT_UNITS_H_
#define SKIMWATCH_PROTO_TEXT_UNITS_H_

#include <cstdint>
#include <string>

namespace skimwatch::text {

// A count of bytes with a unit: `1.5 MiB`.
std::string Bytes(uint64_t bytes);

}  // namespace skimwatch::text

#endif  // SKIMWATCH_PROTO_TEXT_UNITS_H_
