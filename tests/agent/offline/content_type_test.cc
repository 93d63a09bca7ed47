#include "agent/offline/content_type.h"

#include "gtest/gtest.h"

namespace skimwatch::offline {
namespace {

TEST(ContentType, IsToldByTheEndingOfTheName) {
  const struct {
    std::string_view name;
    std::string_view type;
  } kCases[] = {
      {"a.js", "text/javascript"},
      {"/var/www/lib.min.MJS", "text/javascript"},
      {"export.json", "application/json"},
      // Rotated logs.
      {"access.log.1", "text/plain"},
      {"access.log-20240101", "text/plain"},
      {"a.woff2", "font/woff2"},
      {"a.unknown", ""},
      {"noending", ""},
      {"12345", ""},
      {".1.2.3", ""},
      {"folder.js/file", ""},
      {"", ""},
      {"-", ""},
  };
  for (const auto& c : kCases) EXPECT_EQ(ContentTypeOfName(c.name), c.type) << c.name;
}

TEST(ContentType, KnowsTheNamesOfJavaScript) {
  EXPECT_TRUE(IsScriptType("text/javascript"));
  EXPECT_TRUE(IsScriptType("application/javascript"));
  EXPECT_FALSE(IsScriptType("application/json"));
  EXPECT_FALSE(IsScriptType(""));
}

}  // namespace
}  // namespace skimwatch::offline
