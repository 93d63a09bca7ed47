#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_NOISE_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_NOISE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/script/source/browser_report/report.h"

namespace skimwatch::script {

// Tells violations that say nothing about the page from those that do: what a shopper's own browser
// extensions, antivirus and translation do to every page. Immutable and thread-safe.
class ReportNoise {
 public:
  enum class Kind : uint8_t {
    kNone,
    // The scheme of an extension, with or without `://`, in what was blocked or in what asked for
    // it.
    kExtension,
    // `about:`, `chrome:`, and words that name nothing.
    kInternal,
    // An inline script or style or an `eval` without the file it came from: an extension's, or a
    // line that a CDN changes in every response.
    kInline,
    // A host that programs on a shopper's machine put into pages.
    kHost,
  };

  // `hosts` are exact or `*.example.com`.
  explicit ReportNoise(const std::vector<std::string>& hosts);

  // For violations only.
  Kind KindOf(const Report& report) const;

 private:
  bool IsNoisyHost(std::string_view host) const;

  std::vector<std::string> hosts_;
  // With a leading dot.
  std::vector<std::string> suffixes_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_NOISE_H_
