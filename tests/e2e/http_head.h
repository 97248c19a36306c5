// SPDX-License-Identifier: Apache-2.0
// Just enough HTTP/1.1 for the clients and backends of the tests: heads and chunked bodies, read strictly, since the
// other side is what is being tested. Not the proxy's parser, and shares no line with it.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace limpet::e2e {

struct HttpHead {
  std::string first;                          // request line or status line
  int status = 0;                             // of a response
  std::string target;                         // of a request
  std::map<std::string, std::string> fields;  // lower-case names; of repeated fields the last
  std::size_t size = 0;                       // bytes, with the empty line

  std::string field(const std::string& name) const;
  std::string query(std::string_view name) const;  // of the target, undecoded
  std::string path() const { return target.substr(0, target.find('?')); }
};

// Nothing while the empty line has not arrived. A head that makes no sense has status 0 and an empty target.
std::optional<HttpHead> parse_head(std::string_view bytes);

// A body sent as chunks, decoded as it comes.
class ChunkDecoder {
 public:
  // Appends to `body` what `bytes` hold of it; answers how many bytes were used.
  std::size_t feed(std::string_view bytes, std::string& body);
  bool done() const { return state_ == State::Done; }
  bool bad() const { return state_ == State::Bad; }
  bool between_chunks() const { return state_ == State::Size && line_.empty(); }

 private:
  enum class State { Size, Data, DataEnd, Trailer, Done, Bad };
  bool take_line(char c);

  State state_ = State::Size;
  std::string line_;
  std::size_t left_ = 0;
};

}  // namespace limpet::e2e
