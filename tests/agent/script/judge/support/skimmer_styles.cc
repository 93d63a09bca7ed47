#include "tests/agent/script/judge/support/skimmer_styles.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "agent/script/judge/syntax_tree.h"

namespace skimwatch::script {
namespace {

using Templates = std::map<std::string, std::vector<std::string>>;

const Templates& AllTemplates() {
  static const Templates& all = *new Templates([] {
    Templates templates;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(SKIMWATCH_SOURCE_DIR) +
                                                                 "/tests/data/skimmers/styles")) {
      if (entry.path().extension() == ".js") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      std::ifstream stream(file);
      const std::string name = file.stem().string();
      templates[name.substr(0, name.rfind('-'))].emplace_back(
          std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
    return templates;
  }());
  return all;
}

template <typename T>
const T& Pick(const std::vector<T>& from, std::mt19937& random) {
  return from[random() % from.size()];
}

std::string Word(std::mt19937& random, size_t length) {
  std::string word;
  for (size_t i = 0; i < length; ++i) word += static_cast<char>('a' + random() % 26);
  return word;
}

std::string Hexadecimal(std::mt19937& random) {
  return absl::StrFormat("_0x%06x", random() & 0xffffff);
}

// Strings marked S("...") go into a table, and calls of a decoder in their place; the table is
// turned as obfuscators do it.
std::string WithStringTable(const std::string& source, std::mt19937& random) {
  std::vector<std::string> strings;
  std::string code;
  const std::string table = Hexadecimal(random);
  const std::string decoder = Hexadecimal(random);
  const bool encodes = random() % 2 == 0;
  const auto offset = static_cast<unsigned>(0x80 + random() % 0x100);
  size_t at = 0;
  while (true) {
    const size_t mark = source.find("S(\"", at);
    if (mark == std::string::npos) break;
    const size_t end = source.find("\")", mark);
    code += source.substr(at, mark - at);
    const std::string text = source.substr(mark + 3, end - mark - 3);
    auto known = std::find(strings.begin(), strings.end(), text);
    if (known == strings.end()) {
      strings.push_back(text);
      known = strings.end() - 1;
    }
    absl::StrAppendFormat(&code, "%s(0x%x)", decoder,
                          offset + static_cast<unsigned>(known - strings.begin()));
    at = end + 2;
  }
  code += source.substr(at);
  // Turned to the right by as many as the script turns it to the left.
  const size_t turns = 1 + random() % (strings.size() * 3);
  std::vector<std::string> turned = strings;
  std::rotate(turned.rbegin(),
              turned.rbegin() + static_cast<std::ptrdiff_t>(turns % strings.size()), turned.rend());
  std::string list;
  for (const std::string& text : turned) {
    absl::StrAppend(&list, list.empty() ? "" : ",", "'", encodes ? absl::Base64Escape(text) : text,
                    "'");
  }
  const std::string a = Hexadecimal(random);
  const std::string b = Hexadecimal(random);
  std::string result =
      absl::StrCat("var ", table, "=[", list, "];(function(", a, ",", b,
                   "){var c=function(d){while(--d){", a, "['push'](", a, "['shift']());}};c(++", b,
                   ");}(", table, ",", absl::StrFormat("0x%x", turns), "));");
  absl::StrAppend(&result, "var ", decoder, "=function(", a, ",", b, "){", a, "=", a, "-",
                  absl::StrFormat("0x%x", offset), ";var c=", table, "[", a, "];return ",
                  encodes ? "window['atob'](c)" : "c", ";};");
  return result + absl::StrReplaceAll(code, {{"\n", ""}, {"  ", ""}});
}

}  // namespace

const std::vector<std::string>& SkimmerStyles() {
  static const auto& styles =
      *new std::vector<std::string>{"plain", "minified", "string_array", "second_stage", "evasive"};
  return styles;
}

std::string MakeSkimmer(std::string_view style, std::mt19937& random) {
  const auto entry = AllTemplates().find(std::string(style));
  if (entry == AllTemplates().end()) {
    std::cerr << "no skimmers of style " << style << "\n";
    std::abort();
  }
  std::string text = Pick(entry->second, random);
  const std::string host =
      absl::StrCat(Pick<std::string>({"cdn", "static", "stats", "js", "metrics", "t"}, random), "-",
                   Word(random, 4 + random() % 5), ".",
                   Pick<std::string>({"example", "test", "shop.example", "cloud.test"}, random));
  const std::string path = absl::StrCat(Word(random, 1 + random() % 6), "/", Word(random, 3));
  const std::string address = absl::StrCat("https://", host, "/", path);
  std::string codes;
  for (const char c : address) {
    absl::StrAppend(&codes, codes.empty() ? "" : ",", static_cast<int>(c));
  }
  std::string backwards = absl::StrCat("wss://", host, "/", path);
  std::reverse(backwards.begin(), backwards.end());
  const std::string id = Pick<std::string>(
      {"card-number", "cardNumber", "cc-number", "card_number", "ccnum", "cardnum"}, random);
  text = absl::StrReplaceAll(
      text, {{"%HOST%", host},
             {"%PATH%", path},
             {"%URL64%", absl::Base64Escape(address)},
             {"%URLCODES%", codes},
             {"%WSREV%", backwards},
             {"%ID%", id},
             {"%FIELD%", Pick<std::string>(
                             {"#" + id, "input[name=" + id + "]", "input[autocomplete=cc-number]",
                              "[id*=" + id + "]", "form .payment input." + id},
                             random)},
             {"%CODE%", Pick<std::string>({"#cvv", "#card-cvc", "input[name=cvv2]",
                                           "[autocomplete=cc-csc]", "#securityCode"},
                                          random)},
             {"%EVENT%", Pick<std::string>({"submit", "change", "blur", "input", "keyup"}, random)},
             {"%MS%", absl::StrCat(500 + random() % 5000)},
             {"%N1%", Word(random, 2 + random() % 8) + "_"},
             {"%N2%", Word(random, 2 + random() % 8) + "$"},
             {"%H1%", Hexadecimal(random)},
             {"%H2%", Hexadecimal(random)},
             {"%H3%", Hexadecimal(random)},
             {"%H4%", Hexadecimal(random)}});
  return style == "string_array" ? WithStringTable(text, random) : text;
}

std::string Inject(std::string_view script, std::string_view skimmer, std::mt19937& random) {
  std::vector<size_t> places = {0, script.size()};
  // Where a statement ends, so that the script stays one.
  if (const auto tree = SyntaxTree::Parse(script, {}); tree.ok()) {
    for (const SyntaxNode& node : tree->nodes()) {
      const bool is_statement = node.kind == Kind::kExpressionStatement ||
                                node.kind == Kind::kDeclaration || node.kind == Kind::kIf;
      if (!is_statement) continue;
      const Kind around = tree->node(node.parent).kind;
      if (around == Kind::kBlock || around == Kind::kProgram) places.push_back(node.end);
    }
  }
  const size_t at =
      random() % 3 == 0 ? Pick<size_t>({0, script.size()}, random) : Pick(places, random);
  return absl::StrCat(std::string(script.substr(0, at)), at == 0 ? "" : "\n;", std::string(skimmer),
                      "\n;", std::string(script.substr(at)));
}

}  // namespace skimwatch::script
