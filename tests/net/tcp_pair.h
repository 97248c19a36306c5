// SPDX-License-Identifier: Apache-2.0
// A TCP connection over loopback, both of its ends.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <utility>

#include "proxy/base/fd.h"

namespace limpet::net {

struct TcpPair {
  Fd ours;    // non-blocking
  Fd theirs;  // blocking
};

// On a free port of loopback; blocking. `address` becomes where.
inline Fd loopback_listener(sockaddr_in& address) {
  Fd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  BOOST_TEST_REQUIRE(::bind(listening.value(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  BOOST_TEST_REQUIRE(::listen(listening.value(), 1) == 0);
  ::getsockname(listening.value(), reinterpret_cast<sockaddr*>(&address), &size);
  return listening;
}

inline TcpPair connected_pair() {
  sockaddr_in address;
  const Fd listening = loopback_listener(address);
  Fd theirs(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  BOOST_TEST_REQUIRE(::connect(theirs.value(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  Fd ours(::accept4(listening.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  BOOST_TEST_REQUIRE(ours.open());
  return {std::move(ours), std::move(theirs)};
}

}  // namespace limpet::net
