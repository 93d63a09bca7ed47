#include "collector/store/sql/settings.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::store::sql {

absl::StatusOr<std::string> GetSetting(Database& database, std::string_view name) {
  Statement select = database.Prepare("SELECT value FROM settings WHERE name = ?");
  absl::StatusOr<bool> row = select.Text(name).Step();
  if (!row.ok()) return row.status();
  return *row ? std::string(select.GetBytes(0)) : std::string();
}

absl::Status PutSetting(Database& database, std::string_view name, std::string_view value) {
  Statement put = database.Prepare(
      "INSERT INTO settings (name, value) VALUES (?, ?)"
      " ON CONFLICT (name) DO UPDATE SET value = excluded.value");
  return put.Text(name).Blob(value).Run();
}

absl::StatusOr<uint64_t> GetNumber(Database& database, std::string_view name) {
  absl::StatusOr<std::string> text = GetSetting(database, name);
  if (!text.ok()) return text.status();
  uint64_t value = 0;
  if (!text->empty() && !absl::SimpleAtoi(*text, &value)) {
    return absl::DataLossError(
        absl::StrCat("the stored setting ", std::string(name), " is not a number"));
  }
  return value;
}

absl::Status PutNumber(Database& database, std::string_view name, uint64_t value) {
  return PutSetting(database, name, absl::StrCat(value));
}

}  // namespace skimwatch::store::sql
