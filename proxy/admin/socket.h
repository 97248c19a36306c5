// SPDX-License-Identifier: Apache-2.0
// The admin API's listening sockets: a unix socket whose file is looked after, and a TCP one. Control path only;
// problems are texts for the operator. Says nothing about what is served.
#pragma once

#include <sys/types.h>

#include <string>

#include "proxy/base/fd.h"
#include "proxy/base/result.h"
#include "proxy/net/address.h"

namespace limpet::admin {

// A listening unix socket and its file (mode 0660). The file goes with it, unless another process has put its own
// there.
class UnixListener {
 public:
  // Creates the parent directory where it is missing. A file that is there is replaced only if it is a socket on which
  // nobody answers.
  static Result<UnixListener> open(const std::string& path);

  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

  // Non-blocking. The caller owns what it takes; the file stays ours.
  Fd take_fd() { return std::move(fd_); }

 private:
  UnixListener(Fd fd, std::string path);

  std::string path_;
  Fd fd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// Non-blocking.
Result<Fd> listen_tcp(const net::Address& address);

// The port that a socket is bound to; 0 where there is none.
std::uint16_t bound_port(int fd);
// The address that a connection has on our side; zero where there is none.
net::IpAddress local_ip(int fd);

}  // namespace limpet::admin
