// SPDX-License-Identifier: Apache-2.0
// See uri.h. Linear in the input, whatever it is.
#include "proxy/wire/uri.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "proxy/wire/grammar.h"

namespace limpet::wire {

namespace {

// The byte that "%41" at the front of `text` stands for; -1 where there is none.
int escaped_byte(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  const int high = hex_value(text[1]);
  const int low = hex_value(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

constexpr bool is_alphanumeric(char c) {
  const char letter = static_cast<char>(c | 0x20);
  return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9');
}

// RFC 3986 §2.3.
constexpr bool is_unreserved(char c) {
  return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

// What a registered name may have beside escapes (RFC 3986 §3.2.2), by byte.
constexpr auto kRegNameBytes = [] {
  std::array<bool, 256> may{};
  for (std::size_t i = 0; i < may.size(); ++i) may[i] = is_unreserved(static_cast<char>(i));
  for (const char c : std::string_view("!$&'()*+,;=")) may[static_cast<unsigned char>(c)] = true;
  return may;
}();

// RFC 3986 §3.2.2. An empty one is legal there, but names no host.
bool is_reg_name(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (escaped_byte(text.substr(i)) < 0) return false;
      i += 2;
    } else if (!kRegNameBytes[static_cast<unsigned char>(text[i])]) {
      return false;
    }
  }
  return !text.empty();
}

bool is_ipv6(std::string_view text) {
  in6_addr address;
  return text.size() < INET6_ADDRSTRLEN && text.find('\0') == std::string_view::npos &&
         inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

// The length of an authority's host, which it begins with.
std::size_t host_size(std::string_view authority) {
  if (authority.starts_with('[')) {
    const auto bracket = authority.find(']');
    return bracket == std::string_view::npos ? authority.size() : bracket + 1;
  }
  return std::min(authority.find(':'), authority.size());
}

// Decodes the escapes of unreserved characters and writes all others in upper case. A '%' that begins no escape becomes
// "%25": it could begin one together with characters that are decoded behind it ("%%341" would become "%41").
std::string with_normal_escapes(std::string_view path) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(path.size() + 1);
  for (std::size_t i = 0; i < path.size(); ++i) {
    const int byte = escaped_byte(path.substr(i));
    if (byte < 0) {
      out += path[i];
      if (path[i] == '%') out += "25";
      continue;
    }
    i += 2;
    if (is_unreserved(static_cast<char>(byte))) {
      out += static_cast<char>(byte);
    } else {
      out += {'%', kHex[static_cast<unsigned>(byte) >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

// Whether the path surely is normalised already: it has no escape, no empty segment and none that begins with a dot.
bool is_normal(std::string_view path) {
  if (path.empty() || path.front() != '/') return false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' || (i > 0 && path[i - 1] == '/' && (path[i] == '/' || path[i] == '.'))) return false;
  }
  return true;
}

}  // namespace

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = escaped_byte(text.substr(i));
    out += byte < 0 ? text[i] : static_cast<char>(byte);
    if (byte >= 0) i += 2;
  }
  return out;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  for (;;) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    const auto key = pair.substr(0, pair.find('='));
    if (!pair.empty() && (key == name || percent_decode(key) == name)) {
      return percent_decode(pair.substr(std::min(key.size() + 1, pair.size())));
    }
    if (end == query.size()) return std::nullopt;
    query.remove_prefix(end + 1);
  }
}

std::optional<std::string> path_segment(std::string_view path, unsigned n) {
  if (path.starts_with('/')) path.remove_prefix(1);
  for (; n > 1; --n) {
    const auto slash = path.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    path.remove_prefix(slash + 1);
  }
  const auto segment = path.substr(0, path.find('/'));
  if (n == 0 || segment.empty()) return std::nullopt;
  return percent_decode(segment);
}

std::string normalise_path(std::string_view path) {
  if (path == "*" || is_normal(path)) return std::string(path);
  const auto plain = with_normal_escapes(path);
  std::string_view rest = plain;
  std::string out = "/";  // always ends with '/' while there are segments to come
  out.reserve(plain.size() + 1);
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    const auto segment = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (segment == "..") {
      if (out.size() > 1) out.erase(out.rfind('/', out.size() - 2) + 1);
    } else if (!segment.empty() && segment != ".") {
      out += segment;
      if (slash != std::string_view::npos) out += '/';
    }
  }
  return out;
}

bool path_has_prefix(std::string_view path, std::string_view prefix) {
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  return path.starts_with(prefix) && (prefix.empty() || path.size() == prefix.size() || path[prefix.size()] == '/');
}

std::string host_without_port(std::string_view authority) {
  std::string host(authority.substr(0, host_size(authority)));
  for (char& c : host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  if (host.size() > 1 && host.back() == '.' && host[host.size() - 2] != '.') host.pop_back();
  return host;
}

bool is_valid_authority(std::string_view authority) {
  const auto host = authority.substr(0, host_size(authority));
  auto port = authority.substr(host.size());
  if (!port.empty()) {
    if (port.front() != ':') return false;
    port.remove_prefix(1);
    unsigned number = 0;
    for (const char c : port) {
      if (c < '0' || c > '9') return false;
      number = number * 10 + static_cast<unsigned>(c - '0');
      if (number > 65535) return false;
    }
  }
  if (!host.starts_with('[')) return is_reg_name(host);
  return host.ends_with(']') && is_ipv6(host.substr(1, host.size() - 2));
}

}  // namespace limpet::wire
