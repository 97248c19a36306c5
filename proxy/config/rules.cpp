// SPDX-License-Identifier: Apache-2.0
// The rules for names, hosts, paths, addresses and sources: what each must look like, and how a problem says so.
#include "proxy/config/rules.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "proxy/config/file.h"
#include "proxy/wire/uri.h"

namespace limpet::config {

namespace {

constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxToken = 4096;
constexpr double kMaxLoadFactor = 100;

bool is_visible(char c) {
  return c > 0x20 && c < 0x7f;
}

bool all_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_visible);
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// A host name or an address literal, in lower case.
bool is_host(const std::string& host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    const auto ip = net::IpAddress::parse(std::string_view(host).substr(1, host.size() - 2));
    return ip && !ip->is_v4();
  }
  if (host.empty() || host.size() > 253 || host.find("..") != std::string::npos) return false;
  if (host.starts_with('.') || host.ends_with('.')) return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

// What a browser sends, or a pattern of such: "*", "https://*.example.com".
bool is_origin(const std::string& origin) {
  if (origin == "null" || origin == "*") return true;
  const auto scheme = origin.find("://");
  if (scheme == std::string::npos || scheme == 0) return false;
  std::string authority = origin.substr(scheme + 3);
  if (authority.starts_with("*.")) authority.erase(0, 2);
  const auto colon = authority.rfind(':');
  const bool has_port = colon != std::string::npos && authority.find(']', colon) == std::string::npos;
  if (!has_port) return is_host(authority);
  const std::string port = authority.substr(colon + 1);
  const bool digits = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits && !port.empty() && port.size() <= 5 && is_host(authority.substr(0, colon));
}

bool has_dot_segment(const std::string& path) {
  std::string_view rest = path;
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    if (segment == "." || segment == "..") return true;
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  return false;
}

// Of codes that a server may send: RFC 6455 §7.4.1 and the registry; 1004, 1005, 1006 and 1015 never stand in a frame,
// 1010 is the client's.
bool is_sendable(std::int64_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014 && code != 1010);
}

// Reports and answers nothing where the node is no text or no address.
std::optional<net::Address> parse_address(Reader& reader, const Node& node) {
  if (node.kind != Node::Kind::String || node.text.find('\0') != std::string::npos) {
    reader.expected(node, "an address (host:port, [v6]:port, :port or unix:/path)");
    return std::nullopt;
  }
  auto address = net::Address::parse(node.text);
  if (address.ok()) return std::move(address).value();
  reader.problem(node.place, "bad address " + address.error().what);
  return std::nullopt;
}

}  // namespace

TextCheck good_name() {
  return {[](const std::string& name) {
            return !name.empty() && name.size() <= kMaxName && name.find('/') == std::string::npos;
          },
          "a name of 1 to 128 printable characters without '/'"};
}

TextCheck route_path() {
  return {[](const std::string& path) {
            return path.starts_with('/') && all_visible(path) && path.find_first_of("?#") == std::string::npos &&
                   path.find("//") == std::string::npos && !has_dot_segment(path);
          },
          R"(a normalised path that begins with '/', such as "/" or "/socket.io/")"};
}

TextCheck request_path() {
  return {[](const std::string& path) {
            return path.starts_with('/') && all_visible(path) && path.find('#') == std::string::npos;
          },
          R"(a path that begins with '/', such as "/healthz")"};
}

TextCheck request_host() {
  return {[](const std::string& host) { return host.empty() || wire::is_valid_authority(host); },
          R"(a host, with a port or without, such as "chat.example.com:8080")"};
}

TextCheck cookie_path() {
  return {[](const std::string& path) {
            return path.starts_with('/') && all_visible(path) && path.find(';') == std::string::npos;
          },
          "a path that begins with '/' and has no ';'"};
}

TextCheck access_log() {
  return {[](const std::string& where) {
            return where == "off" || where == "stdout" ||
                   (where.find('/') != std::string::npos && !where.ends_with('/'));
          },
          R"("off", "stdout" or a path such as "/var/log/limpet/access.log")"};
}

Rule<std::string> origin() {
  return [](Reader& reader, const Node& node, std::string& into) {
    const std::string value = node.kind == Node::Kind::String ? lower(node.text) : "";
    if (is_origin(value)) {
      into = value;
    } else {
      reader.expected(node, R"(an origin such as "https://example.com" or "https://*.example.com", without a path)");
    }
  };
}

Rule<std::string> host_pattern() {
  return [](Reader& reader, const Node& node, std::string& into) {
    const std::string value = node.kind == Node::Kind::String ? lower(node.text) : "?";
    const bool wildcard = value.starts_with("*.");
    if (value.empty() || is_host(wildcard ? value.substr(2) : value)) {
      into = value;
    } else {
      reader.expected(node, R"(a host such as "chat.example.com" or "*.example.com", without a port, or "" for any)");
    }
  };
}

Rule<std::vector<net::Address>> addresses() {
  return [](Reader& reader, const Node& node, std::vector<net::Address>& into) {
    const auto add = [&](const Node& item) {
      if (const auto address = parse_address(reader, item)) into.push_back(*address);
    };
    if (node.kind != Node::Kind::Array) {
      add(node);
    } else if (node.items.empty()) {
      reader.problem(node.place, "'address': expected at least one address, found an empty list");
    } else {
      std::for_each(node.items.begin(), node.items.end(), add);
    }
  };
}

Rule<net::Address> backend_address() {
  return [](Reader& reader, const Node& node, net::Address& into) {
    const auto address = parse_address(reader, node);
    if (address && !address->is_unix() && address->port() == 0) {
      reader.expected(node, "a port from 1 to 65535 to connect to");
    } else if (address) {
      into = *address;
    }
  };
}

Rule<std::string> address_text() {
  return [](Reader& reader, const Node& node, std::string& into) {
    if (node.kind == Node::Kind::String && node.text.empty()) {
      into.clear();
    } else if (parse_address(reader, node)) {
      into = node.text;
    }
  };
}

Rule<std::string> socket_path() {
  return [](Reader& reader, const Node& node, std::string& into) {
    if (node.kind != Node::Kind::String || node.text.find('\0') != std::string::npos ||
        node.text.starts_with("unix:")) {
      reader.expected(node, R"(a path such as "/run/limpet/admin.sock" (without unix:), or "" for none)");
    } else if (const auto address = net::Address::parse("unix:" + node.text); !node.text.empty() && !address.ok()) {
      reader.problem(node.place, "bad address " + address.error().what);
    } else {
      into = node.text;
    }
  };
}

Rule<std::string> token_file() {
  return [](Reader& reader, const Node& node, std::string& into) {
    if (node.kind != Node::Kind::String || node.text.find('\0') != std::string::npos) {
      reader.expected(node, R"(the path of a file with the token, or "" for none)");
      return;
    }
    into.clear();
    if (node.text.empty()) return;
    const File file = open_to_read(node.text);
    std::string content(kMaxToken + 1, '\0');
    const std::size_t size = file ? std::fread(content.data(), 1, content.size(), file.get()) : 0;
    if (!file || std::ferror(file.get())) {
      reader.problem(node.place, "'token_file': cannot read " + describe(node) + ": " + std::strerror(errno));
      return;
    }
    content.resize(size);
    constexpr std::string_view kSpace = " \t\r\n\v\f";
    const auto first = content.find_first_not_of(kSpace);
    const std::string token =
        first == std::string::npos ? "" : content.substr(first, content.find_last_not_of(kSpace) + 1 - first);
    if (token.empty() || size > kMaxToken || !all_visible(token)) {
      const std::string found = token.empty() ? "an empty file" : "another content";
      reader.problem(node.place, "'token_file': expected one token of printable characters in " + describe(node) +
                                     ", found " + found);
      return;
    }
    into = token;
  };
}

Rule<unsigned> file_mode() {
  return [](Reader& reader, const Node& node, unsigned& into) {
    const bool octal = node.kind == Node::Kind::String && !node.text.empty() && node.text.size() <= 5 &&
                       node.text.find_first_not_of("01234567") == std::string::npos;
    const unsigned long mode = octal ? std::strtoul(node.text.c_str(), nullptr, 8) : 01000;
    if (mode > 0777) {
      reader.expected(node, R"(an octal string from "0000" to "0777", such as "0660")");
    } else {
      into = static_cast<unsigned>(mode);
    }
  };
}

Rule<net::Cidr> cidr() {
  return [](Reader& reader, const Node& node, net::Cidr& into) {
    const auto block = node.kind == Node::Kind::String ? net::Cidr::parse(node.text) : std::nullopt;
    if (block) {
      into = *block;
    } else {
      reader.expected(node, R"(an address or a block such as "10.0.0.0/8" or "fd00::/8")");
    }
  };
}

Rule<double> load_factor() {
  return [](Reader& reader, const Node& node, double& into) {
    double value = -1;
    if (node.kind == Node::Kind::Float) value = node.number;
    if (node.kind == Node::Kind::Integer) value = static_cast<double>(node.integer);
    if (value == 0 || (value >= 1 && value <= kMaxLoadFactor)) {
      into = value;
    } else {
      reader.expected(node, "0 (off) or a number from 1 to 100, such as 1.25");
    }
  };
}

Rule<std::uint16_t> close_code() {
  return [](Reader& reader, const Node& node, std::uint16_t& into) {
    if (node.kind == Node::Kind::Integer && is_sendable(node.integer)) {
      into = static_cast<std::uint16_t>(node.integer);
    } else {
      reader.expected(node, "a close code that may be sent, such as 1001, 1012, 1013 or one from 3000 to 4999");
    }
  };
}

Rule<session::KeySource> key_source() {
  return [](Reader& reader, const Node& node, session::KeySource& into) {
    const std::string value = node.kind == Node::Kind::String ? node.text : "";
    if (const auto source = parse_key_source(value)) {
      into = *source;
    } else if (is_unavailable_value(reader.key(), value)) {
      reader.unavailable(node);
    } else {
      reader.expected(node,
                      "cookie:NAME, header:NAME, query:NAME, path:N (from 1), jwt:CLAIM, subprotocol or client_ip");
    }
  };
}

Rule<session::LearnSource> learn_source() {
  return [](Reader& reader, const Node& node, session::LearnSource& into) {
    const auto source = node.kind == Node::Kind::String ? parse_learn_source(node.text) : std::nullopt;
    if (source) {
      into = *source;
    } else {
      reader.expected(node, "engine.io, header:NAME or cookie:NAME");
    }
  };
}

}  // namespace limpet::config
