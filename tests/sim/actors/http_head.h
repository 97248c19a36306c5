// SPDX-License-Identifier: Apache-2.0
// Heads of HTTP/1.1 (RFC 9112 §2 to §6), read strictly, since what lies between the actors is what is being tested:
// whatever a careful peer would object to has a name here. Shares no line with the proxy's parser.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace limpet::sim {

struct Fields {
  std::vector<std::pair<std::string, std::string>> all;  // names in lower case

  const std::string* find(std::string_view name) const;  // the first
  std::string value(std::string_view name) const;        // "" where there is none
  std::size_t count(std::string_view name) const;
  // Whether a comma list of this name has the token, in any case.
  bool lists(std::string_view name, std::string_view token) const;
};

struct Head {
  std::string method, target;  // of a request
  int status = 0;              // of an answer
  Fields fields;

  std::string path() const { return target.substr(0, target.find('?')); }
  std::string query(std::string_view name) const;  // undecoded; "" where there is none
};

enum class Framing { None, Length, Chunked };
struct BodyPlan {
  Framing framing = Framing::None;
  std::uint64_t length = 0;
};

enum class Speaks { Requests, Answers };

// `text`: everything before the empty line, without its last CRLF. Answers the name of the check that fails, or "".
std::string_view parse_head(std::string_view text, Speaks speaks, Head& head);

// How long the body is that follows. `method`: of the request, for answers. The name of the check that fails, or "".
std::string_view plan_body(const Head& head, Speaks speaks, std::string_view method, BodyPlan& plan);

}  // namespace limpet::sim
