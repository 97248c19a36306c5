// SPDX-License-Identifier: Apache-2.0
// The file is never open to more than its final mode: fchmod before bind narrows what bind creates, chmod after it
// undoes a stricter umask.
#include "proxy/admin/socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace limpet::admin {

namespace {

constexpr mode_t kSocketMode = 0660;
constexpr int kBacklog = 64;

Error failed(const std::string& what, int code) {
  return Error{Fault::Local, what + ": " + std::strerror(code)};
}

Fd new_socket(int family) {
  return Fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// Removes a socket file that nobody serves. What stands in the way, or nullopt.
std::optional<Error> clear_the_way(const std::string& path, const net::Address& address) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return errno == ENOENT ? std::nullopt : std::optional(failed(path, errno));
  if (!S_ISSOCK(found.st_mode)) return Error{Fault::Local, path + " exists and is not a socket"};
  const Fd probe = new_socket(AF_UNIX);
  if (!probe.open()) return failed("socket", errno);
  // EAGAIN: the queue of someone who lives is full.
  if (::connect(probe.value(), address.raw(), address.raw_size()) == 0 || errno == EAGAIN) {
    return Error{Fault::Local, path + " is in use by another process"};
  }
  if (errno != ECONNREFUSED && errno != ENOENT) return failed(path, errno);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("cannot remove the stale socket " + path, errno);
  return std::nullopt;
}

}  // namespace

Result<UnixListener> UnixListener::open(const std::string& path) {
  auto address = net::Address::parse("unix:" + path);
  if (!address) return address.error();
  const auto parent = std::filesystem::path(path).parent_path();
  std::error_code failure;
  if (!parent.empty()) std::filesystem::create_directories(parent, failure);
  if (failure) return failed("cannot create " + parent.string(), failure.value());
  if (auto obstacle = clear_the_way(path, *address)) return *obstacle;

  Fd fd = new_socket(AF_UNIX);
  if (!fd.open()) return failed("socket", errno);
  if (::fchmod(fd.value(), kSocketMode) != 0) return failed(path, errno);
  if (::bind(fd.value(), address->raw(), address->raw_size()) != 0) return failed("cannot bind " + path, errno);
  UnixListener listener(std::move(fd), path);
  if (::chmod(path.c_str(), kSocketMode) != 0) return failed("cannot set the mode of " + path, errno);
  if (::listen(listener.fd_.value(), kBacklog) != 0) return failed("cannot listen on " + path, errno);
  return listener;
}

UnixListener::UnixListener(Fd fd, std::string path) : path_(std::move(path)), fd_(std::move(fd)) {
  struct stat mine {};
  if (::lstat(path_.c_str(), &mine) == 0) {
    device_ = mine.st_dev;
    inode_ = mine.st_ino;
  }
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : path_(std::exchange(other.path_, "")), fd_(std::move(other.fd_)), device_(other.device_), inode_(other.inode_) {}

UnixListener::~UnixListener() {
  struct stat found {};
  if (path_.empty() || ::lstat(path_.c_str(), &found) != 0) return;
  if (found.st_dev == device_ && found.st_ino == inode_) ::unlink(path_.c_str());
}

Result<Fd> listen_tcp(const net::Address& address) {
  Fd fd = new_socket(address.family());
  if (!fd.open()) return failed("socket", errno);
  const int on = 1;
  const int off = 0;
  ::setsockopt(fd.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6) ::setsockopt(fd.value(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(fd.value(), address.raw(), address.raw_size()) != 0) return failed("cannot bind " + address.text(), errno);
  if (::listen(fd.value(), kBacklog) != 0) return failed("cannot listen on " + address.text(), errno);
  return fd;
}

namespace {

net::Address own_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* raw = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(fd, raw, &size) != 0) return {};
  return net::Address(raw, size);
}

}  // namespace

std::uint16_t bound_port(int fd) {
  return own_address(fd).port();
}

net::IpAddress local_ip(int fd) {
  return own_address(fd).ip();
}

}  // namespace limpet::admin
