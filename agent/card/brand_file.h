#ifndef SKIMWATCH_AGENT_CARD_BRAND_FILE_H_
#define SKIMWATCH_AGENT_CARD_BRAND_FILE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/card/brand_table.h"

namespace skimwatch::card {

// What `scan.brand_table` says when no file is named.
inline constexpr std::string_view kBuiltInBrands = "built-in";

// A brand table in YAML, in the form of agent/card/brands.yaml (BrandTable of
// proto/skimwatch/config/v1/brands.proto). INVALID_ARGUMENT has a line for each error, with the
// line and column in `file`, the range and its field, what was found and what was expected.
absl::StatusOr<BrandTable> ParseBrandTable(std::string_view text, std::string_view file);

// The table of the file at `path`, or the built-in one where that is kBuiltInBrands. NOT_FOUND and
// PERMISSION_DENIED name the file.
absl::StatusOr<std::shared_ptr<const BrandTable>> LoadBrandTable(const std::string& path);

// `built-in: 110 ranges of 24 brands`, for people.
std::string DescribeBrandTable(const std::string& path, const BrandTable& table);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_BRAND_FILE_H_
