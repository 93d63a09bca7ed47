#include "agent/script/source/glob_list.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

TEST(GlobList, WithoutSlashMatchesTheName) {
  const GlobList globs(std::vector<std::string>{"*.js", "lib-?.txt"});
  EXPECT_TRUE(globs.Matches("a.js"));
  EXPECT_TRUE(globs.Matches("deep/er/a.js"));
  EXPECT_TRUE(globs.Matches("x/lib-1.txt"));
  EXPECT_FALSE(globs.Matches("a.json"));
  EXPECT_FALSE(globs.Matches("a.js/b"));
  EXPECT_FALSE(globs.Matches("A.JS"));
}

TEST(GlobList, WithSlashMatchesTheWholePath) {
  const GlobList globs(std::vector<std::string>{"cache/*", "a/*/b.js"});
  EXPECT_TRUE(globs.Matches("cache/x"));
  EXPECT_TRUE(globs.Matches("cache/x/y"));
  EXPECT_TRUE(globs.Matches("a/1/2/b.js"));
  EXPECT_FALSE(globs.Matches("pub/cache/x"));
}

TEST(Selection, ExcludesFoldersWithAllBelow) {
  config::v1::WebRoot root;
  root.add_scripts("*.js");
  root.add_pages("*.html");
  root.add_exclude("node_modules");
  root.add_exclude("var/cache/*");
  const Selection selection(root);
  EXPECT_TRUE(selection.IsScript("a.js"));
  EXPECT_FALSE(selection.IsPage("a.js"));
  EXPECT_TRUE(selection.IsPage("a/b.html"));
  EXPECT_FALSE(selection.IsSelected("x/node_modules/y/a.js"));
  EXPECT_TRUE(selection.IsExcluded("x/node_modules"));
  EXPECT_FALSE(selection.IsSelected("var/cache/x/a.js"));
  EXPECT_FALSE(selection.IsExcluded("var/cache"));
}

}  // namespace
}  // namespace skimwatch::script
