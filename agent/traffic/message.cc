#include "agent/traffic/message.h"

namespace skimwatch::traffic {

std::string_view PartName(Part part) {
  switch (part) {
    case Part::kRequestTarget:
      return "request_target";
    case Part::kRequestHeaders:
      return "request_headers";
    case Part::kRequestBody:
      return "request_body";
    case Part::kResponseHeaders:
      return "response_headers";
    case Part::kResponseBody:
      return "response_body";
    case Part::kStream:
      return "stream";
    case Part::kLine:
      return "line";
  }
  return "unknown";
}

}  // namespace skimwatch::traffic
