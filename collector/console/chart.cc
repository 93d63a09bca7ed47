#include "collector/console/chart.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "proto/text/printable.h"

namespace skimwatch::console {
namespace {

constexpr size_t kBarsMax = 240;
constexpr int kWidth = 720;
constexpr int kHeight = 160;
constexpr int kLeft = 48;
constexpr int kTop = 10;
constexpr int kBottom = 24;
constexpr int kPlotHeight = kHeight - kTop - kBottom;
constexpr int kPlotWidth = kWidth - kLeft - 8;

std::string Escape(const std::string& text) {
  return absl::StrReplaceAll(
      text::Printable(text),
      {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::vector<BarChart::Bar> Fold(const std::vector<BarChart::Bar>& bars) {
  const size_t each = (bars.size() + kBarsMax - 1) / kBarsMax;
  if (each <= 1) return bars;
  std::vector<BarChart::Bar> folded;
  for (size_t i = 0; i < bars.size(); ++i) {
    if (i % each == 0) folded.push_back({.label = bars[i].label});
    folded.back().value += bars[i].value;
  }
  return folded;
}

// The least of 1, 2, 5, 10, 20, 50 ... that is at least `value`, so that the scale is round.
uint64_t RoundUp(uint64_t value) {
  uint64_t unit = 1;
  while (unit < value / 10) unit *= 10;
  for (const uint64_t factor : {1, 2, 5, 10, 20, 50, 100}) {
    if (unit * factor >= value) return unit * factor;
  }
  return value;
}

}  // namespace

std::string ToSvg(const BarChart& chart) {
  const std::vector<BarChart::Bar> bars = Fold(chart.bars);
  uint64_t highest = 1;
  for (const BarChart::Bar& bar : bars) highest = std::max(highest, bar.value);
  const uint64_t top = RoundUp(highest);
  const std::string id = Escape(chart.id);
  std::string svg =
      absl::StrCat("<svg class=\"chart\" viewBox=\"0 0 ", kWidth, " ", kHeight,
                   "\" role=\"img\" aria-labelledby=\"", id, "-title ", id,
                   "-desc\">\n<title id=\"", id, "-title\">", Escape(chart.title),
                   "</title>\n<desc id=\"", id, "-desc\">", Escape(chart.description), "</desc>\n");
  for (int step = 0; step <= 2; ++step) {
    const int y = kTop + kPlotHeight - kPlotHeight * step / 2;
    absl::StrAppend(&svg, "<line class=\"grid\" x1=\"", kLeft, "\" x2=\"", kLeft + kPlotWidth,
                    "\" y1=\"", y, "\" y2=\"", y, "\"/>\n");
    // Half of an odd scale is no whole number of cards.
    if (step == 1 && top % 2 != 0) continue;
    absl::StrAppend(&svg, "<text class=\"axis\" text-anchor=\"end\" x=\"", kLeft - 6, "\" y=\"",
                    y + 4, "\">", top * static_cast<uint64_t>(step) / 2, "</text>\n");
  }
  const double slot =
      static_cast<double>(kPlotWidth) / static_cast<double>(std::max<size_t>(bars.size(), 1));
  const double width = std::clamp(slot * 0.8, 1.0, 28.0);
  for (size_t i = 0; i < bars.size(); ++i) {
    if (bars[i].value == 0) continue;
    const double height =
        std::max(1.0, kPlotHeight * static_cast<double>(bars[i].value) / static_cast<double>(top));
    const double x = kLeft + slot * static_cast<double>(i) + (slot - width) / 2;
    absl::StrAppendFormat(&svg,
                          "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                          "height=\"%.1f\"><title>",
                          x, kTop + kPlotHeight - height, width, height);
    absl::StrAppend(&svg, Escape(bars[i].label), ": ", bars[i].value, "</title></rect>\n");
  }
  if (!bars.empty()) {
    absl::StrAppend(&svg, "<text class=\"axis\" x=\"", kLeft, "\" y=\"", kHeight - 6, "\">",
                    Escape(bars.front().label), "</text>\n");
    if (bars.size() > 1) {
      absl::StrAppend(&svg, "<text class=\"axis\" text-anchor=\"end\" x=\"", kLeft + kPlotWidth,
                      "\" y=\"", kHeight - 6, "\">", Escape(bars.back().label), "</text>\n");
    }
  }
  return svg + "</svg>";
}

}  // namespace skimwatch::console
