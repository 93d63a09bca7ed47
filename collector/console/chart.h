#ifndef SKIMWATCH_COLLECTOR_CONSOLE_CHART_H_
#define SKIMWATCH_COLLECTOR_CONSOLE_CHART_H_

#include <cstdint>
#include <string>
#include <vector>

namespace skimwatch::console {

// Bars over time, as an SVG without any style or script of its own: classes say what is what. A
// screen reader is told `title` and `description`; the page has the same figures in a table.
struct BarChart {
  struct Bar {
    // Under the first and last bar, and in each bar's own title: `2026-03-01 12:00`.
    std::string label;
    uint64_t value = 0;
  };
  // For the ids of its parts; unique on its page.
  std::string id;
  std::string title;
  std::string description;
  std::vector<Bar> bars;
};

// Safe to put into a page as it is: every text is escaped. More than 240 bars are folded by adding
// up neighbours.
std::string ToSvg(const BarChart& chart);

}  // namespace skimwatch::console

#endif  // SKIMWATCH_COLLECTOR_CONSOLE_CHART_H_
