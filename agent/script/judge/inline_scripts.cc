#include "agent/script/judge/inline_scripts.h"

#include <gumbo.h>

#include <algorithm>
#include <csetjmp>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "agent/script/judge/html_scanner.h"
#include "agent/script/judge/template_code.h"

namespace skimwatch::script {
namespace {

// Above this a tree is not built (half a second of a parser's time).
constexpr double kTreeWorkMax = 2e8;
constexpr size_t kTreeBytesMin = size_t{64} << 20;
constexpr size_t kTreeBytesPerByte = 40;
// Pages inside `srcdoc` of pages.
constexpr int kSrcdocDepthMax = 3;

// Attributes that hold an address a browser goes to.
constexpr std::string_view kAddressAttributes[] = {"href", "src",        "action", "formaction",
                                                   "data", "xlink:href", "to",     "values"};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

bool IsHandler(std::string_view name) {
  return name.size() > 2 && EqualsIgnoringCase(name.substr(0, 2), "on");
}

// As a URL parser sees it: leading controls and spaces are stripped, tabs and line ends anywhere.
bool IsJavaScriptAddress(std::string_view name, std::string_view value) {
  if (std::none_of(std::begin(kAddressAttributes), std::end(kAddressAttributes),
                   [&](std::string_view known) { return EqualsIgnoringCase(known, name); })) {
    return false;
  }
  constexpr std::string_view kScheme = "javascript:";
  size_t at = 0;
  while (at < value.size() && static_cast<unsigned char>(value[at]) <= ' ') ++at;
  for (size_t matched = 0; at < value.size(); ++at) {
    const char c = value[at];
    if (c == '\t' || c == '\n' || c == '\r') continue;
    if (!EqualsIgnoringCase(std::string_view(&value[at], 1), kScheme.substr(matched, 1))) break;
    if (++matched == kScheme.size()) return true;
  }
  return false;
}

// What decides whether an element's text is a script, whatever parser read it.
struct ScriptAttributes {
  bool has_source = false;
  bool has_type = false;
  std::string type;
  std::string language;

  // Of SVG, where `src` is nothing and `href` leads to the script, not of HTML.
  bool is_svg = false;

  void Add(std::string_view name, std::string_view value) {
    if (is_svg ? EqualsIgnoringCase(name, "xlink:href") || EqualsIgnoringCase(name, "href")
               : EqualsIgnoringCase(name, "src")) {
      has_source = true;
    } else if (EqualsIgnoringCase(name, "type")) {
      has_type = true;
      type = value;
    } else if (EqualsIgnoringCase(name, "language")) {
      language = value;
    }
  }

  bool IsInlineScript() const {
    if (has_source) return false;
    if (has_type || language.empty()) return IsScriptType(type);
    return IsScriptType("text/" + language);
  }
};

// gumbo's memory. It frees a tree by recursion, which a deep page turns into a stack overflow, and
// has no answer to a failed allocation; so everything is freed from here, and a page that wants too
// much ends the parse by a jump out of it. Only C stands between the jump's two ends.
class TreeMemory {
 public:
  explicit TreeMemory(size_t bytes_max) : bytes_max_(bytes_max) {
    head_.next = head_.previous = &head_;
  }
  ~TreeMemory() {
    while (head_.next != &head_) Free(head_.next);
  }
  TreeMemory(const TreeMemory&) = delete;
  TreeMemory& operator=(const TreeMemory&) = delete;

  static void* Allocate(void* memory, size_t size) {
    return static_cast<TreeMemory*>(memory)->AllocateBlock(size);
  }
  static void Deallocate(void* memory, void* pointer) {
    if (pointer != nullptr)
      static_cast<TreeMemory*>(memory)->Free(static_cast<Block*>(pointer) - 1);
  }

  std::jmp_buf too_large;

 private:
  struct alignas(std::max_align_t) Block {
    Block* next;
    Block* previous;
    size_t size;
  };

  void* AllocateBlock(size_t size) {
    const size_t whole = size + sizeof(Block);
    if (whole < size || whole > bytes_max_ - bytes_) std::longjmp(too_large, 1);
    auto* block = static_cast<Block*>(std::malloc(whole));
    if (block == nullptr) std::longjmp(too_large, 1);
    bytes_ += whole;
    block->size = whole;
    block->next = head_.next;
    block->previous = &head_;
    head_.next->previous = block;
    head_.next = block;
    return block + 1;
  }

  void Free(Block* block) {
    bytes_ -= block->size;
    block->previous->next = block->next;
    block->next->previous = block->previous;
    std::free(block);
  }

  const size_t bytes_max_;
  size_t bytes_ = 0;
  Block head_{};
};

// nullptr when the tree needs more memory than there may be.
const GumboOutput* ParseTree(std::string_view page, TreeMemory& memory) {
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = TreeMemory::Allocate;
  options.deallocator = TreeMemory::Deallocate;
  options.userdata = &memory;
  options.max_errors = 0;
  if (setjmp(memory.too_large) != 0) return nullptr;  // NOLINT(cert-err52-cpp): out of C code only
  return gumbo_parse_with_options(&options, page.data(), page.size());
}

class Extractor {
 public:
  Extractor(std::string_view page, int depth)
      : page_(page), depth_(depth), code_(FindTemplateCode(page)) {}

  void Run(std::vector<InlineScript>& found, ReferenceCollector& references) {
    references_ = &references;
    blanked_ = page_;
    for (const CodeRange& range : code_) {
      std::fill(blanked_.begin() + static_cast<std::ptrdiff_t>(range.begin),
                blanked_.begin() + static_cast<std::ptrdiff_t>(range.end), ' ');
    }
    if (TreeWork(blanked_) > kTreeWorkMax || !WalkTree()) ScanTags(blanked_);
    // What server code prints. The first `>` of such code ends it for a browser that gets it as it
    // stands, so this is also where a page could hide a script from a reader of templates.
    for (const CodeRange& range : code_) {
      ScanTags(page_.substr(range.begin, range.end - range.begin));
    }
    found.insert(found.end(), std::make_move_iterator(found_.begin()),
                 std::make_move_iterator(found_.end()));
  }

 private:
  bool HoldsCode(size_t begin, size_t end) const {
    const auto range = std::upper_bound(code_.begin(), code_.end(), begin,
                                        [](size_t at, const CodeRange& r) { return at < r.end; });
    return range != code_.end() && range->begin < end;
  }

  size_t OffsetIn(std::string_view whole, const char* at) const {
    return static_cast<size_t>(at - whole.data());
  }

  void Add(size_t offset, std::string_view text) {
    if (Trim(text).empty()) return;
    found_.push_back({.number = 0, .offset = offset, .text = std::string(text)});
  }

  void AddAttribute(std::string_view name, std::string_view value, size_t begin, size_t end) {
    const bool has_code = HoldsCode(begin, end);
    const std::string_view raw = page_.substr(begin, end - begin);
    if (EqualsIgnoringCase(name, "srcdoc")) {
      if (depth_ >= kSrcdocDepthMax) return;
      // The value has no place of its own in the page once its character references are undone.
      std::vector<InlineScript> inside;
      Extractor(has_code ? raw : value, depth_ + 1).Run(inside, *references_);
      for (InlineScript& script : inside) Add(begin, script.text);
    } else if (IsHandler(name) || IsJavaScriptAddress(name, value)) {
      Add(begin, has_code ? raw : value);
    }
  }

  // False when the page has no tree that fits.
  bool WalkTree() {
    TreeMemory memory(kTreeBytesMin + kTreeBytesPerByte * blanked_.size());
    const GumboOutput* output = ParseTree(blanked_, memory);
    if (output == nullptr) return false;
    std::vector<const GumboNode*> pending = {output->root};
    while (!pending.empty()) {
      const GumboNode* node = pending.back();
      pending.pop_back();
      if (node->type != GUMBO_NODE_ELEMENT && node->type != GUMBO_NODE_TEMPLATE) continue;
      const GumboElement& element = node->v.element;
      ReadElement(element);
      if (element.tag == GUMBO_TAG_NOSCRIPT) {
        ScanBehindNoscript(element);
        continue;
      }
      for (unsigned i = 0; i < element.children.length; ++i) {
        pending.push_back(static_cast<const GumboNode*>(element.children.data[i]));
      }
    }
    return true;
  }

  // A browser that runs scripts takes what is in a `noscript` for text and its first end tag for
  // its end, even where gumbo, which reads it as elements, sees that tag inside an attribute.
  void ScanBehindNoscript(const GumboElement& element) {
    if (element.original_tag.length == 0) return;
    const size_t begin =
        OffsetIn(blanked_, element.original_tag.data) + element.original_tag.length;
    const size_t end = element.original_end_tag.length == 0
                           ? blanked_.size()
                           : OffsetIn(blanked_, element.original_end_tag.data);
    constexpr std::string_view kEndTag = "</noscript";
    for (size_t at = blanked_.find("</", begin); at < end; at = blanked_.find("</", at + 1)) {
      if (!EqualsIgnoringCase(std::string_view(blanked_).substr(at, kEndTag.size()), kEndTag)) {
        continue;
      }
      ScanTags(std::string_view(blanked_).substr(at, end - at));
      return;
    }
  }

  void ReadElement(const GumboElement& element) {
    ScriptAttributes script;
    script.is_svg = element.tag_namespace == GUMBO_NAMESPACE_SVG;
    std::vector<PageAttribute> attributes;
    for (unsigned i = 0; i < element.attributes.length; ++i) {
      const auto& attribute = *static_cast<const GumboAttribute*>(element.attributes.data[i]);
      script.Add(attribute.name, attribute.value);
      std::string_view raw(attribute.original_value.data, attribute.original_value.length);
      if (raw.empty()) {
        attributes.push_back({.name = attribute.name, .value = attribute.value});
        continue;
      }
      if (raw.size() >= 2 && (raw.front() == '"' || raw.front() == '\'')) {
        raw = raw.substr(1, raw.size() - 2);
      }
      const size_t begin = OffsetIn(blanked_, raw.data());
      AddAttribute(attribute.name, attribute.value, begin, begin + raw.size());
      const bool has_code = HoldsCode(begin, begin + raw.size());
      attributes.push_back({.name = attribute.name,
                            .value = has_code ? page_.substr(begin, raw.size()) : attribute.value,
                            .is_raw = has_code});
    }
    // Not of elements that a parser puts in by itself.
    if (element.original_tag.length > 0) {
      references_->AddElement(NameOf(element), attributes);
    }
    if (element.tag != GUMBO_TAG_SCRIPT || element.original_tag.length == 0 ||
        !script.IsInlineScript()) {
      return;
    }
    const size_t begin =
        OffsetIn(blanked_, element.original_tag.data) + element.original_tag.length;
    const size_t end = element.original_end_tag.length == 0
                           ? EndOfOpenScript(element, begin)
                           : OffsetIn(blanked_, element.original_end_tag.data);
    if (end > begin) Add(begin, page_.substr(begin, end - begin));
  }

  // A tag in a string of server code: `src=\"x.js\"`.
  static std::string_view WithoutEscapedQuotes(std::string_view value) {
    for (const std::string_view quote : {"\\\"", "\\'"}) {
      if (value.size() >= 4 && value.starts_with(quote) && value.ends_with(quote)) {
        return value.substr(2, value.size() - 4);
      }
    }
    return value;
  }

  static std::string_view NameOf(const GumboElement& element) {
    if (element.tag != GUMBO_TAG_UNKNOWN) return gumbo_normalized_tagname(element.tag);
    GumboStringPiece name = element.original_tag;
    gumbo_tag_from_original_text(&name);
    return {name.data, name.length};
  }

  // Of a script that the page ends in, as a template's head may: all that it holds.
  size_t EndOfOpenScript(const GumboElement& element, size_t begin) const {
    return element.children.length == 0 ? begin : page_.size();
  }

  // `part` is of `page_` or of `blanked_`.
  void ScanTags(std::string_view part) {
    const std::string_view whole =
        part.data() >= page_.data() && part.data() <= page_.data() + page_.size() ? page_
                                                                                  : blanked_;
    HtmlScanner scanner(part);
    HtmlTag tag;
    std::vector<PageAttribute> attributes;
    while (scanner.Next(tag)) {
      ScriptAttributes script;
      attributes.clear();
      for (const HtmlTag::Attribute& attribute : tag.attributes) {
        script.Add(attribute.name, attribute.value);
        const size_t begin = OffsetIn(whole, attribute.value.data());
        PageAttribute read{.name = attribute.name, .value = attribute.value};
        if (!attribute.value.empty()) {
          const size_t end = begin + attribute.value.size();
          AddAttribute(attribute.name, attribute.value, begin, end);
          const bool is_code = whole.data() == page_.data();
          read.value = page_.substr(begin, end - begin);
          if (is_code) read.value = WithoutEscapedQuotes(read.value);
          read.is_raw =
              (!is_code && HoldsCode(begin, end)) || read.value.find('&') != std::string_view::npos;
        }
        attributes.push_back(read);
      }
      references_->AddElement(tag.name, attributes);
      if (tag.script_text.empty() || !script.IsInlineScript()) continue;
      const size_t begin = OffsetIn(whole, tag.script_text.data());
      Add(begin, page_.substr(begin, tag.script_text.size()));
    }
  }

  const std::string_view page_;
  const int depth_;
  const std::vector<CodeRange> code_;
  // The page with spaces for server code, as long as the page.
  std::string blanked_;
  std::vector<InlineScript> found_;
  ReferenceCollector* references_ = nullptr;
};

}  // namespace

std::vector<InlineScript> ExtractInlineScripts(std::string_view html) {
  return ExtractPageScripts(html).inline_scripts;
}

PageScripts ExtractPageScripts(std::string_view html) {
  PageScripts scripts;
  ReferenceCollector references;
  std::vector<InlineScript>& found = scripts.inline_scripts;
  Extractor(html, 0).Run(found, references);
  std::stable_sort(found.begin(), found.end(), [](const InlineScript& a, const InlineScript& b) {
    return std::tie(a.offset, a.text) < std::tie(b.offset, b.text);
  });
  // A parser that mends crossed elements copies them with their attributes.
  found.erase(std::unique(found.begin(), found.end(),
                          [](const InlineScript& a, const InlineScript& b) {
                            return a.offset == b.offset && a.text == b.text;
                          }),
              found.end());
  for (size_t i = 0; i < found.size(); ++i) found[i].number = static_cast<int>(i + 1);
  scripts.references = references.Take();
  return scripts;
}

}  // namespace skimwatch::script
