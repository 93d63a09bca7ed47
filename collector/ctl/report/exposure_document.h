#ifndef SKIMWATCH_COLLECTOR_CTL_REPORT_EXPOSURE_DOCUMENT_H_
#define SKIMWATCH_COLLECTOR_CTL_REPORT_EXPOSURE_DOCUMENT_H_

#include <string>
#include <vector>

#include "collector/ctl/report/document.h"
#include "skimwatch/v1/report.pb.h"

namespace skimwatch::ctl {

// The report in words and tables: what left, from when to when, through which script, where to, how
// many cards, who saw it, what was decided, and what nobody can tell.
Document DescribeReport(const v1::ExposureReport& report);

// Why it can't be said that nothing else left meanwhile, one reason an entry; empty where every
// byte that the site's agents saw was scanned, and every agent was heard all the time.
std::vector<std::string> UnknownsOf(const v1::ExposureReport& report);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_REPORT_EXPOSURE_DOCUMENT_H_
