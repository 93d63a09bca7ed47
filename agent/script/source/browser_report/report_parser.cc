#include "agent/script/source/browser_report/report_parser.h"

#include <string>
#include <utility>

#include "nlohmann/json.hpp"

namespace skimwatch::script {
namespace {

using Json = nlohmann::json;
using End = ParsedReports::End;

// Follows where in a body a value stands, and keeps the texts that reports are made of.
class Reader final : public nlohmann::json_sax<Json> {
 public:
  Reader(size_t reports_max, ParsedReports& parsed) : reports_max_(reports_max), parsed_(parsed) {}

  bool null() override { return Other(); }
  bool boolean(bool) override { return Other(); }
  bool number_integer(number_integer_t) override { return Other(); }
  bool number_unsigned(number_unsigned_t) override { return Other(); }
  bool number_float(number_float_t, const string_t&) override { return Other(); }
  bool binary(binary_t&) override { return Other(); }

  bool string(string_t& value) override {
    if (depth_ == report_depth_ && in_report_) {
      if (key_ == "type") type_ = std::move(value);
      if (key_ == "url") url_ = std::move(value);
      return true;
    }
    if (depth_ == report_depth_ + 1 && in_body_) {
      if (std::string* const field = FieldOf(key_); field != nullptr) *field = std::move(value);
      return true;
    }
    return Other();
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    return true;
  }

  bool start_object(size_t) override {
    if (++depth_ > kReportDepthMax) return Fail(End::kTooDeep);
    if (depth_ == report_depth_) {
      if (parsed_.reports.size() + parsed_.malformed >= reports_max_) return Fail(End::kTooMany);
      in_report_ = true;
      has_body_ = is_legacy_ = false;
      type_.clear();
      url_.clear();
      violated_directive_.clear();
      report_ = Report();
    } else if (depth_ == report_depth_ + 1 && in_report_ &&
               (key_ == "body" || key_ == "csp-report")) {
      in_body_ = has_body_ = true;
      is_legacy_ = key_ == "csp-report";
    }
    return true;
  }

  bool end_object() override {
    if (depth_ == report_depth_ + 1) in_body_ = false;
    if (depth_ == report_depth_ && in_report_) {
      in_report_ = false;
      Take();
    }
    --depth_;
    return true;
  }

  bool start_array(size_t) override {
    // Reports stand in an array, or alone.
    if (depth_ == 0) report_depth_ = 2;
    return ++depth_ > kReportDepthMax ? Fail(End::kTooDeep) : true;
  }

  bool end_array() override {
    --depth_;
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return Fail(End::kNotJson);
  }

 private:
  bool Fail(End end) {
    parsed_.end = end;
    return false;
  }

  // A value that is no text; one where a report should be.
  bool Other() {
    if (depth_ + 1 == report_depth_) {
      if (parsed_.reports.size() + parsed_.malformed >= reports_max_) return Fail(End::kTooMany);
      ++parsed_.malformed;
    }
    return true;
  }

  std::string* FieldOf(std::string_view key) {
    if (is_legacy_) {
      if (key == "document-uri") return &report_.document_url;
      if (key == "blocked-uri") return &report_.blocked_url;
      if (key == "effective-directive") return &report_.directive;
      if (key == "violated-directive") return &violated_directive_;
      if (key == "source-file") return &report_.source_file;
      if (key == "script-sample") return &report_.sample;
      if (key == "referrer") return &report_.referrer;
      return nullptr;
    }
    if (key == "documentURL") return &report_.document_url;
    if (key == "blockedURL" || key == "subresourceURL") return &report_.blocked_url;
    if (key == "effectiveDirective") return &report_.directive;
    if (key == "sourceFile") return &report_.source_file;
    if (key == "sample") return &report_.sample;
    if (key == "referrer") return &report_.referrer;
    if (key == "hash") return &report_.hash;
    return nullptr;
  }

  void Take() {
    if (report_.document_url.empty()) report_.document_url = std::move(url_);
    if (is_legacy_) {
      report_.type = Report::Type::kCspViolation;
    } else if (type_ == "csp-violation") {
      report_.type = Report::Type::kCspViolation;
    } else if (type_ == "csp-hash") {
      report_.type = Report::Type::kCspHash;
    } else if (type_ == "integrity-violation") {
      report_.type = Report::Type::kIntegrityViolation;
    }
    // What older browsers call the directive may have its sources behind it.
    if (report_.directive.empty()) {
      report_.directive = violated_directive_.substr(0, violated_directive_.find(' '));
    }
    const bool is_known = report_.type != Report::Type::kOther;
    if (!has_body_ || report_.document_url.empty() || (!is_legacy_ && type_.empty()) ||
        (is_known && report_.blocked_url.empty() && report_.directive.empty())) {
      ++parsed_.malformed;
      return;
    }
    parsed_.reports.push_back(std::move(report_));
  }

  const size_t reports_max_;
  ParsedReports& parsed_;
  size_t depth_ = 0;
  size_t report_depth_ = 1;
  bool in_report_ = false;
  bool in_body_ = false;
  bool has_body_ = false;
  bool is_legacy_ = false;
  std::string key_;
  std::string type_;
  std::string url_;
  std::string violated_directive_;
  Report report_;
};

}  // namespace

ParsedReports ParseReports(std::string_view body, size_t reports_max) {
  ParsedReports parsed;
  Reader reader(reports_max, parsed);
  Json::sax_parse(body.begin(), body.end(), &reader);
  return parsed;
}

}  // namespace skimwatch::script
