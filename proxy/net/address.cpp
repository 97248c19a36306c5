// SPDX-License-Identifier: Apache-2.0
// See address.h. An IpAddress keeps IPv4 as it is mapped into IPv6 (RFC 4291 §2.5.5.2) and shows it as IPv4, so that a
// client has one address whichever socket it came by.
#include "proxy/net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace limpet::net {

namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Error bad_address(std::string_view text, const char* why) {
  return Error{Fault::Local, "'" + std::string(text) + "': " + why};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string owned(text);
  if (owned.find('\0') != std::string::npos) return std::nullopt;  // inet_pton would see what stands before it
  IpAddress ip;
  in_addr v4{};
  if (inet_pton(AF_INET, owned.c_str(), &v4) == 1) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), ip.bytes.begin());
    std::memcpy(ip.bytes.data() + 12, &v4, 4);
    return ip;
  }
  if (inet_pton(AF_INET6, owned.c_str(), ip.bytes.data()) == 1) return ip;
  return std::nullopt;
}

bool IpAddress::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin());
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes[12] == 127;
  IpAddress one;
  one.bytes[15] = 1;
  return *this == one;
}

std::string IpAddress::text() const {
  char out[INET6_ADDRSTRLEN];
  if (!is_v4()) return inet_ntop(AF_INET6, bytes.data(), out, sizeof out);
  char* to = out;  // by hand: inet_ntop goes through printf, and this is written for each request
  for (std::size_t i = 12; i < bytes.size(); ++i) {
    if (i > 12) *to++ = '.';
    to = std::to_chars(to, to + 3, bytes[i]).ptr;
  }
  return {out, to};
}

IpAddress IpAddress::masked(unsigned v6_prefix) const {
  if (is_v4()) return *this;
  IpAddress result = *this;
  for (unsigned bit = v6_prefix; bit < 128; ++bit) {
    result.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
  }
  return result;
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto ip = IpAddress::parse(text.substr(0, slash));
  if (!ip) return std::nullopt;
  const unsigned widest = ip->is_v4() ? 32 : 128;
  unsigned prefix = widest;
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    if (failure != std::errc() || end != digits.data() + digits.size() || prefix > widest) return std::nullopt;
  }
  return Cidr{*ip, prefix + (128 - widest)};
}

bool Cidr::contains(const IpAddress& address) const {
  const unsigned whole = prefix / 8;
  if (!std::equal(network.bytes.begin(), network.bytes.begin() + whole, address.bytes.begin())) return false;
  const unsigned rest = prefix % 8;
  if (rest == 0) return true;
  const unsigned mask = 0xff00U >> rest;
  return ((network.bytes[whole] ^ address.bytes[whole]) & mask & 0xffU) == 0;
}

bool contains(const std::vector<Cidr>& blocks, const IpAddress& address) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const Cidr& block) { return block.contains(address); });
}

Address::Address(const sockaddr* address, socklen_t size) : size_(size) {
  std::memcpy(&storage_, address, std::min<std::size_t>(size, sizeof storage_));
}

Result<Address> Address::parse(std::string_view text) {
  if (text.starts_with("unix:")) {
    const auto path = text.substr(5);
    if (path.empty()) return bad_address(text, "a path is missing after unix:");
    if (path.size() >= sizeof(sockaddr_un::sun_path))
      return bad_address(text, "the path is longer than a socket's may be");
    Address result;
    result.storage_.local.sun_family = AF_UNIX;
    std::memcpy(result.storage_.local.sun_path, path.data(), path.size());
    result.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return result;
  }
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad_address(text, "expected host:port, [v6]:port, :port or unix:/path");
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return bad_address(text, "the port must be a number from 0 to 65535");
  std::string host(text.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string::npos) return bad_address(text, "brackets are for an IPv6 address: [v6]:port");
  } else if (host.find(':') != std::string::npos) {
    return bad_address(text, "an IPv6 address needs brackets: [v6]:port");
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  if (host.empty() || IpAddress::parse(host)) hints.ai_flags = AI_NUMERICHOST;
  if (host.empty()) host = "0.0.0.0";
  addrinfo* found = nullptr;
  const int failure = getaddrinfo(host.c_str(), std::to_string(*port).c_str(), &hints, &found);
  if (failure != 0) return bad_address(text, gai_strerror(failure));
  Address result(found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return result;
}

bool Address::is_loopback() const {
  return is_unix() || ip().is_loopback();
}

std::uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
  return 0;
}

void Address::set_port(std::uint16_t port) {
  if (family() == AF_INET) reinterpret_cast<sockaddr_in*>(&storage_)->sin_port = htons(port);
  if (family() == AF_INET6) reinterpret_cast<sockaddr_in6*>(&storage_)->sin6_port = htons(port);
}

IpAddress Address::ip() const {
  IpAddress result;
  if (family() == AF_INET) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), result.bytes.begin());
    std::memcpy(result.bytes.data() + 12, &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, 4);
  } else if (family() == AF_INET6) {
    std::memcpy(result.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr, 16);
  }
  return result;
}

std::string Address::unix_path() const {
  if (!is_unix() || size_ <= offsetof(sockaddr_un, sun_path)) return {};
  return std::string(storage_.local.sun_path);
}

std::string Address::text() const {
  if (family() == AF_INET) return ip().text() + ":" + std::to_string(port());
  if (family() == AF_INET6) return "[" + ip().text() + "]:" + std::to_string(port());
  if (is_unix()) return "unix:" + unix_path();
  return "-";
}

}  // namespace limpet::net
