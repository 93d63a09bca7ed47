#include "agent/card/brand_file.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/card/built_in_data.h"
#include "proto/config/checker.h"
#include "proto/config/error_list.h"
#include "proto/config/read_file.h"
#include "proto/config/source_map.h"
#include "proto/config/yaml_reader.h"
#include "skimwatch/config/v1/brands.pb.h"

namespace skimwatch::card {
namespace {

LuhnRule LuhnRuleOf(std::string_view text) {
  if (text == "none") return LuhnRule::kNone;
  return text == "usual" ? LuhnRule::kUsual : LuhnRule::kRequired;
}

BrandRange RangeOf(const config::v1::BrandRange& row) {
  return {.brand = row.brand(),
          .first = row.first(),
          .last = row.last(),
          .lengths = row.lengths(),
          .luhn = LuhnRuleOf(row.luhn()),
          .weight = row.weight() == "rare" ? IssuerWeight::kRare : IssuerWeight::kCommon,
          .groups = {row.groups().begin(), row.groups().end()},
          .iin_digits = static_cast<uint8_t>(row.iin_digits())};
}

}  // namespace

absl::StatusOr<BrandTable> ParseBrandTable(std::string_view text, std::string_view file) {
  config::v1::BrandTable rows;
  config::SourceMap positions;
  if (absl::Status read = config::ReadYaml(text, file, rows, positions); !read.ok()) return read;

  config::ErrorList errors(file);
  const config::Checker root(rows, "", positions, errors);
  root.NotEmpty("ranges",
                "at least one range, such as `- {brand: visa, first: \"4\", lengths: \"16\"}`");
  if (static_cast<size_t>(rows.ranges_size()) > BrandTable::kRangesMax) {
    root.Error("ranges", absl::StrCat(rows.ranges_size()),
               absl::StrCat("at most ", BrandTable::kRangesMax));
  }
  root.Each("ranges", [](const config::Checker& range) {
    if (!range.Get("first").empty()) range.Text("last", range.Get("first"));
    range.OneOf("luhn", "required", {"required", "usual", "none"});
    range.OneOf("weight", "common", {"common", "rare"});
    range.Number("iin_digits", 6, 6, 8);
  });
  if (absl::Status status = errors.status(); !status.ok()) return status;

  std::vector<BrandRange> ranges;
  ranges.reserve(rows.ranges_size());
  for (const config::v1::BrandRange& row : rows.ranges()) ranges.push_back(RangeOf(row));
  for (const BrandRangeFault& fault : FaultsOf(ranges)) {
    const std::string path = config::ElementPath("ranges", static_cast<int>(fault.row));
    std::string found = fault.found;
    if (fault.other_row.has_value()) {
      const std::string other = config::ElementPath("ranges", static_cast<int>(*fault.other_row));
      absl::StrAppend(&found, " (", other, ", line ", positions.Nearest(other).line, ")");
    }
    root.Error(fault.field.empty() ? path : config::FieldPath(path, fault.field), found,
               fault.expected);
  }
  if (absl::Status status = errors.status(); !status.ok()) return status;
  return BrandTable::FromRanges(std::move(ranges));
}

absl::StatusOr<std::shared_ptr<const BrandTable>> LoadBrandTable(const std::string& path) {
  if (path == kBuiltInBrands) {
    // Not owned: it lives as long as the process.
    return std::shared_ptr<const BrandTable>(std::shared_ptr<const BrandTable>(),
                                             &BrandTable::Default());
  }
  const absl::StatusOr<std::string> text = config::ReadFile(path);
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat("brand table: ", text.status().message()));
  }
  absl::StatusOr<BrandTable> table = ParseBrandTable(*text, path);
  if (!table.ok()) return table.status();
  return std::make_shared<const BrandTable>(*std::move(table));
}

std::string DescribeBrandTable(const std::string& path, const BrandTable& table) {
  return absl::StrCat(path, ": ", table.ranges().size(), " ranges of ", table.brands(), " brands");
}

const BrandTable& BrandTable::Default() {
  static const BrandTable& table =
      *new BrandTable(ParseBrandTable(BrandsYaml(), "agent/card/brands.yaml").value());
  return table;
}

}  // namespace skimwatch::card
