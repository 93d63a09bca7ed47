#ifndef SKIMWATCH_COLLECTOR_CONSOLE_HTTP_H_
#define SKIMWATCH_COLLECTOR_CONSOLE_HTTP_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skimwatch::console {

// Who is on the other end of a connection, as the transport knows.
struct Peer {
  // Over TLS; without, the peer is a process of this machine.
  bool tls = false;
  // The client certificate in PEM, when one was shown and an authority of ours signed it.
  std::string certificate_pem;
};

// A request whose every part is within the server's limits and is UTF-8.
struct Request {
  // `GET` (a HEAD is one, whose body the server leaves out) or `POST`.
  std::string method;
  std::string path;
  // Of the query, decoded; of a name that is there twice, the first.
  std::map<std::string, std::string> query;
  // Of a POST's body (application/x-www-form-urlencoded).
  std::map<std::string, std::string> form;
  // Names in lower case; only those that are asked for anywhere: host, origin, sec-fetch-site.
  std::map<std::string, std::string> headers;
  Peer peer;

  // The value of a name, empty where it is not there.
  const std::string& Query(const std::string& name) const { return Find(query, name); }
  const std::string& Form(const std::string& name) const { return Find(form, name); }
  const std::string& Header(const std::string& name) const { return Find(headers, name); }

 private:
  static const std::string& Find(const std::map<std::string, std::string>& values,
                                 const std::string& name) {
    static const std::string kNone;
    const auto found = values.find(name);
    return found == values.end() ? kNone : found->second;
  }
};

struct Response {
  int status = 200;
  std::string content_type = "text/html; charset=utf-8";
  std::string body;
  // Beside those that every response has.
  std::vector<std::pair<std::string, std::string>> headers;
};

// `/path?name=value&...` with everything percent-encoded that is not plain (RFC 3986, 2.3). Pairs
// without a value are left out.
std::string Url(std::string_view path,
                const std::vector<std::pair<std::string_view, std::string>>& query = {});

// The pairs of an application/x-www-form-urlencoded text. False when it has more than `pairs_max`,
// or when it is not one.
bool ParseForm(std::string_view text, size_t pairs_max, std::map<std::string, std::string>& form);

}  // namespace skimwatch::console

#endif  // SKIMWATCH_COLLECTOR_CONSOLE_HTTP_H_
