// SPDX-License-Identifier: Apache-2.0
// A connection over unix sockets, both of its ends, and bytes with which a descriptor comes.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string_view>

#include "proxy/base/fd.h"
#include "proxy/net/address.h"

namespace limpet::net {

struct UnixPair {
  Fd ours;    // non-blocking
  Fd theirs;  // blocking
  Address peer;
};

inline UnixPair unix_pair() {
  int both[2];
  BOOST_TEST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0);
  BOOST_TEST_REQUIRE(::fcntl(both[0], F_SETFL, O_NONBLOCK) == 0);
  sockaddr_un nameless{};
  nameless.sun_family = AF_UNIX;
  return {Fd(both[0]), Fd(both[1]), Address(reinterpret_cast<const sockaddr*>(&nameless), sizeof nameless.sun_family)};
}

// Its own, which is as good as any. True if all was sent; any thread may.
inline bool send_with_descriptor(int fd, std::string_view text) {
  iovec piece{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(rights), &fd, sizeof(int));
  return ::sendmsg(fd, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

}  // namespace limpet::net
