// SPDX-License-Identifier: Apache-2.0
// Address: where a socket is bound or connected to: IPv4, IPv6 or a unix path. Cidr: a block of IP addresses.
// Host names are resolved once, blocking, and only from the control path.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/result.h"

namespace limpet::net {

// An IP address as 16 bytes, IPv4 as IPv4-mapped: compact, comparable, hashable.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  // nullopt unless `text` is one IPv4 or IPv6 literal (no brackets, port or zone).
  static std::optional<IpAddress> parse(std::string_view text);
  bool is_v4() const;
  bool is_loopback() const;
  std::string text() const;  // IPv4-mapped is written as IPv4
  // The first `v6_prefix` bits of an IPv6 address; an IPv4 address stays whole.
  IpAddress masked(unsigned v6_prefix) const;
  auto operator<=>(const IpAddress&) const = default;
};

struct Cidr {
  IpAddress network;
  unsigned prefix = 128;  // bits of the 16 bytes

  // "10.0.0.0/8", "fd00::/8", or a single address.
  static std::optional<Cidr> parse(std::string_view text);
  bool contains(const IpAddress& address) const;
  bool operator==(const Cidr&) const = default;
};

bool contains(const std::vector<Cidr>& blocks, const IpAddress& address);

class Address {
 public:
  Address() = default;
  Address(const sockaddr* address, socklen_t size);

  // "host:port", "[v6]:port", ":port" (any address), "unix:/path". A host name is resolved (blocking), first answer
  // wins.
  static Result<Address> parse(std::string_view text);

  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t raw_size() const { return size_; }
  int family() const { return storage_.any.ss_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  bool is_loopback() const;  // true of unix paths, too
  std::uint16_t port() const;
  void set_port(std::uint16_t port);
  IpAddress ip() const;  // zero for unix
  std::string unix_path() const;
  std::string text() const;  // "127.0.0.1:80", "[::1]:80", "unix:/path"
  bool operator==(const Address& other) const { return text() == other.text(); }

 private:
  union {
    sockaddr_storage any;
    sockaddr_un local;
  } storage_{};
  socklen_t size_ = 0;
};

}  // namespace limpet::net
