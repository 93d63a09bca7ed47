// Writes docs/configuration.md from the comments of the configuration's .proto files.
//
// usage: skimwatch-config-reference DESCRIPTORS OUTPUT AGENT_YAML COLLECTOR_YAML CTL_YAML
//
// DESCRIPTORS is a FileDescriptorSet with source information; the YAML files become the examples.

#include <cstddef>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"

namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptorSet;
using google::protobuf::SourceLocation;

struct Program {
  std::string name;
  std::string message;
  std::string example;
};

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::cerr << "cannot open " << path << "\n";
    return std::nullopt;
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The comment above a definition, its lines joined to one paragraph.
template <typename T>
std::string Comment(const T& descriptor) {
  SourceLocation location;
  if (!descriptor.GetSourceLocation(&location)) return "";
  std::vector<std::string> lines;
  for (const auto line : absl::StrSplit(location.leading_comments, '\n')) {
    const auto text = absl::StripAsciiWhitespace(line);
    if (!text.empty()) lines.emplace_back(text);
  }
  return absl::StrJoin(lines, " ");
}

std::string Anchor(const Descriptor& message) {
  return absl::StrCat("[", message.name(), "](#", absl::AsciiStrToLower(message.name()), ")");
}

std::string TypeName(const FieldDescriptor& field) {
  std::string type;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      type = Anchor(*field.message_type());
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      type = "text";
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      type = "true or false";
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      type = "number";
      break;
    default:
      type = "whole number";
  }
  return field.is_repeated() ? absl::StrCat("list of ", type) : type;
}

// The messages that `message` is made of, itself first, in the order of their first use.
void Collect(const Descriptor& message, std::vector<const Descriptor*>& found) {
  for (const Descriptor* const known : found) {
    if (known == &message) return;
  }
  found.push_back(&message);
  for (int i = 0; i < message.field_count(); ++i) {
    if (message.field(i)->message_type() != nullptr) {
      Collect(*message.field(i)->message_type(), found);
    }
  }
}

// Appends the table of a message's keys; a message says what a key without a comment is for. False,
// naming the key, when that has none either.
bool AppendTable(const Descriptor& message, std::string& page) {
  absl::StrAppend(&page, "| Key | Value | Meaning |\n| --- | --- | --- |\n");
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    std::string meaning = Comment(field);
    if (meaning.empty() && field.message_type() != nullptr) {
      meaning = Comment(*field.message_type());
    }
    if (meaning.empty()) {
      std::cerr << field.full_name() << " has no comment\n";
      return false;
    }
    absl::StrAppend(&page, "| `", field.name(), "` | ", TypeName(field), " | ",
                    absl::StrReplaceAll(meaning, {{"|", "\\|"}}), " |\n");
  }
  absl::StrAppend(&page, "\n");
  return true;
}

bool AppendMessage(const Descriptor& message, std::string& page) {
  absl::StrAppend(&page, "### ", message.name(), "\n\n");
  if (const std::string comment = Comment(message); !comment.empty()) {
    absl::StrAppend(&page, comment, "\n\n");
  }
  return AppendTable(message, page);
}

std::optional<std::string> Page(const DescriptorPool& pool, const std::vector<Program>& programs) {
  std::string page =
      "# Configuration\n\n"
      "<!-- Generated from the comments of proto/skimwatch/config/v1/*.proto. To change it, "
      "change\n"
      "them and run: cmake --build build/release --target configuration-reference -->\n\n"
      "Each program reads one YAML file. A key that is not listed here, a key given twice, a "
      "wrong\n"
      "type or a value out of range is refused with file, line, column, what was found and what "
      "was\n"
      "expected. `--check-config` checks the file and ends; `--print-config` prints what is in\n"
      "force, with every default filled in and secrets hidden.\n\n";
  std::vector<std::vector<const Descriptor*>> messages;
  std::map<const Descriptor*, int> uses;
  for (const Program& program : programs) {
    const Descriptor* const root = pool.FindMessageTypeByName(program.message);
    if (root == nullptr) {
      std::cerr << "no message " << program.message << " among the descriptors\n";
      return std::nullopt;
    }
    Collect(*root, messages.emplace_back());
    for (const Descriptor* const message : messages.back()) ++uses[message];
    absl::StrAppend(&page, "- [", program.name, "](#", program.name, ")\n");
  }
  absl::StrAppend(&page, "- [Shared by several programs](#shared-by-several-programs)\n\n");

  for (size_t i = 0; i < programs.size(); ++i) {
    absl::StrAppend(&page, "## ", programs[i].name, "\n\n", Comment(*messages[i][0]), "\n\n");
    if (!AppendTable(*messages[i][0], page)) return std::nullopt;
    absl::StrAppend(&page, "An example:\n\n```yaml\n", programs[i].example, "```\n\n");
    for (const Descriptor* const message : messages[i]) {
      if (message == messages[i][0] || uses[message] > 1) continue;
      if (!AppendMessage(*message, page)) return std::nullopt;
    }
  }
  absl::StrAppend(&page, "## Shared by several programs\n\n");
  std::set<const Descriptor*> shown;
  for (const auto& program : messages) {
    for (const Descriptor* const message : program) {
      if (uses[message] == 1 || !shown.insert(message).second) continue;
      if (!AppendMessage(*message, page)) return std::nullopt;
    }
  }
  while (page.size() > 1 && page[page.size() - 2] == '\n') page.pop_back();
  return page;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "usage: " << argv[0] << " DESCRIPTORS OUTPUT AGENT_YAML COLLECTOR_YAML CTL_YAML\n";
    return 2;
  }
  const std::optional<std::string> bytes = ReadFile(argv[1]);
  if (!bytes) return 2;
  FileDescriptorSet descriptors;
  if (!descriptors.ParseFromString(*bytes)) {
    std::cerr << argv[1] << " is not a FileDescriptorSet\n";
    return 2;
  }
  DescriptorPool pool;
  for (const auto& file : descriptors.file()) {
    if (pool.BuildFile(file) == nullptr) {
      std::cerr << "cannot use " << file.name() << "\n";
      return 2;
    }
  }
  std::vector<Program> programs = {
      {"skimwatch-agent", "skimwatch.config.v1.AgentConfig", argv[3]},
      {"skimwatch-collector", "skimwatch.config.v1.CollectorConfig", argv[4]},
      {"skimwatchctl", "skimwatch.config.v1.CtlConfig", argv[5]},
  };
  for (Program& program : programs) {
    std::optional<std::string> example = ReadFile(program.example);
    if (!example) return 2;
    program.example = *example;
  }
  const std::optional<std::string> page = Page(pool, programs);
  if (!page) return 2;
  std::ofstream output(argv[2], std::ios::binary);
  output << *page;
  output.close();
  if (!output) {
    std::cerr << "cannot write " << argv[2] << "\n";
    return 2;
  }
  return 0;
}
