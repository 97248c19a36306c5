// SPDX-License-Identifier: Apache-2.0
// RFC 9112 §2-§4 and §7.1, in the small. Trailers are read and thrown away; chunk extensions are refused, as limpet
// sends none.
#include "tests/e2e/http_head.h"

#include <algorithm>
#include <charconv>

namespace limpet::e2e {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

}  // namespace

std::string HttpHead::field(const std::string& name) const {
  const auto found = fields.find(name);
  return found == fields.end() ? "" : found->second;
}

std::string HttpHead::query(std::string_view name) const {
  const auto question = target.find('?');
  if (question == std::string::npos) return "";
  std::string_view rest = std::string_view(target).substr(question + 1);
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const auto pair = rest.substr(0, end);
    if (pair.size() > name.size() && pair.substr(0, name.size()) == name && pair[name.size()] == '=') {
      return std::string(pair.substr(name.size() + 1));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return "";
}

std::optional<HttpHead> parse_head(std::string_view bytes) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  HttpHead head;
  head.size = end + 4;
  std::string_view rest = bytes.substr(0, end + 2);
  head.first = rest.substr(0, rest.find("\r\n"));
  rest.remove_prefix(head.first.size() + 2);
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find("\r\n"));
    rest.remove_prefix(line.size() + 2);
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    head.fields[lower(line.substr(0, colon))] = line.substr(colon + 2);
  }
  const std::string& first = head.first;
  if (first.compare(0, 9, "HTTP/1.1 ") == 0 && first.size() >= 12) {
    std::from_chars(first.data() + 9, first.data() + 12, head.status);
  } else if (const auto space = first.find(' '); space != std::string::npos) {
    head.target = first.substr(space + 1, first.rfind(' ') - space - 1);
  }
  return head;
}

bool ChunkDecoder::take_line(char c) {
  line_.push_back(c);
  if (line_.size() > 64) state_ = State::Bad;
  if (state_ == State::DataEnd && line_ != "\r" && line_ != "\r\n") state_ = State::Bad;
  return line_.size() >= 2 && line_.compare(line_.size() - 2, 2, "\r\n") == 0;
}

std::size_t ChunkDecoder::feed(std::string_view bytes, std::string& body) {
  std::size_t used = 0;
  while (used < bytes.size() && !done() && !bad()) {
    if (state_ == State::Data) {
      const auto take = std::min(left_, bytes.size() - used);
      body.append(bytes.substr(used, take));
      used += take;
      left_ -= take;
      if (left_ == 0) state_ = State::DataEnd;
      continue;
    }
    if (!take_line(bytes[used++]) || bad()) continue;
    if (state_ == State::Size) {
      const char* last = line_.data() + line_.size() - 2;
      const auto [stop, error] = std::from_chars(line_.data(), last, left_, 16);
      state_ = error != std::errc() || stop != last ? State::Bad : left_ == 0 ? State::Trailer : State::Data;
    } else if (state_ == State::DataEnd) {
      state_ = line_ == "\r\n" ? State::Size : State::Bad;
    } else if (line_ == "\r\n") {
      state_ = State::Done;
    }
    line_.clear();
  }
  return used;
}

}  // namespace limpet::e2e
