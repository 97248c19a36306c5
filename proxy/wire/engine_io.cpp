// SPDX-License-Identifier: Apache-2.0
// Servers write the open packet's members with `sid` first; no other JSON is understood here. Rules: Engine.IO
// protocol, revisions 3 (payload encoding, JSONP) and 4.
#include "proxy/wire/engine_io.h"

#include <algorithm>

#include "proxy/wire/grammar.h"
#include "proxy/wire/uri.h"

namespace limpet::wire {

namespace {

constexpr std::size_t kMaxSid = 128;
constexpr std::size_t kMaxLengthDigits = 9;
constexpr std::size_t kMaxIndexDigits = 20;

bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

std::size_t take_digits(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto count = static_cast<std::size_t>(end - text.begin());
  text.remove_prefix(count);
  return count;
}

void take_spaces(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

// The text inside the string literal of a JSONP call, as far as it is there, with \" and \\ and \/ resolved. Another
// escape ends it: none of them can stand before the end of a sid.
std::string unescape(std::string_view literal) {
  std::string text;
  for (std::size_t i = 0; i < literal.size() && literal[i] != '"'; ++i) {
    if (literal[i] == '\\') {
      ++i;
      if (i == literal.size() || (literal[i] != '"' && literal[i] != '\\' && literal[i] != '/')) break;
    }
    text += literal[i];
  }
  return text;
}

// Revision 3 puts a packet's length before it: decimal and a colon, or (binary) a zero byte, a byte per digit and 0xff.
bool take_length(std::string_view& text) {
  if (take(text, std::string_view("\0", 1))) {
    const std::size_t end = text.find('\xff');
    if (end == 0 || end > kMaxLengthDigits) return false;
    if (!std::all_of(text.begin(), text.begin() + end, [](char c) { return c >= 0 && c <= 9; })) return false;
    text.remove_prefix(end + 1);
    return true;
  }
  std::string_view rest = text;
  const std::size_t digits = take_digits(rest);
  if (rest.starts_with(':')) {
    if (digits == 0 || digits > kMaxLengthDigits) return false;
    text = rest.substr(1);
  }
  return true;
}

std::optional<std::string> sid_of_packet(std::string_view text) {
  if (!take_length(text) || !take(text, "0{")) return std::nullopt;
  take_spaces(text);
  if (!take(text, "\"sid\"")) return std::nullopt;
  take_spaces(text);
  if (!take(text, ":")) return std::nullopt;
  take_spaces(text);
  if (!take(text, "\"")) return std::nullopt;

  const std::size_t size = text.substr(0, kMaxSid + 1).find('"');
  if (size == 0 || size == std::string_view::npos) return std::nullopt;
  const std::string_view sid = text.substr(0, size);
  const bool is_plain = std::all_of(sid.begin(), sid.end(), [](char c) { return c > ' ' && c <= '~' && c != '\\'; });
  if (!is_plain) return std::nullopt;
  return std::string(sid);
}

}  // namespace

std::optional<std::string> engine_io_sid(std::string_view body) {
  body = body.substr(0, kMaxHandshake);
  if (!take(body, "___eio[")) return sid_of_packet(body);
  take_digits(body);
  if (!take(body, "](\"")) return std::nullopt;
  return sid_of_packet(unescape(body));
}

EngineIoClose engine_io_close(std::string_view query) {
  const std::string packet = query_value(query, "EIO") == "3" ? "1:1" : "1";
  const std::string index = query_value(query, "j").value_or("");
  const bool is_jsonp =
      !index.empty() && index.size() <= kMaxIndexDigits && std::all_of(index.begin(), index.end(), is_digit);
  if (!is_jsonp) return {"text/plain; charset=UTF-8", packet};
  return {"text/javascript; charset=UTF-8", "___eio[" + index + "](\"" + packet + "\");"};
}

}  // namespace limpet::wire
