// SPDX-License-Identifier: Apache-2.0
// See tcp_stream.h. What is done for each message calls the kernel directly: glibc's recv() and send() are points of
// cancellation, which costs two locked instructions each where there are several threads.
#include "proxy/net/tcp_stream.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "proxy/base/log.h"
#include "proxy/net/ring_stream.h"

namespace limpet::net {

static_assert(EPOLLIN <= UINT8_MAX && EPOLLOUT <= UINT8_MAX);

namespace {

// Edge-triggered: what was told and read to its end is not looked at a second time by the kernel.
constexpr std::uint32_t kEdges = EPOLLET | EPOLLRDHUP | EPOLLPRI;

}  // namespace

TcpStream::TcpStream(Loop& loop, Fd fd) : loop_(loop), fd_(std::move(fd)) {}

std::unique_ptr<TcpStream> TcpStream::open(Loop& loop, Fd fd, const Address& peer, Ring* ring) {
  std::unique_ptr<TcpStream> stream;
  if (ring != nullptr) {
    stream = std::make_unique<RingStream>(loop, *ring, std::move(fd));
  } else {
    stream = std::make_unique<TcpStream>(loop, std::move(fd));
  }
  stream->reads_end_early_ = peer.is_unix();  // unix(7): behind whatever came with descriptors
  return stream;
}

TcpStream::~TcpStream() {
  loop_.forget(*this);  // though it be watched no more: the present batch may have it from before
}

Result<std::unique_ptr<TcpStream>> TcpStream::connect(Loop& loop, const Address& to, Ring* ring) {
  Fd fd(::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.open()) return Error{Fault::Local, std::string("socket: ") + std::strerror(errno)};
  if (!to.is_unix()) {
    const int on = 1;
    ::setsockopt(fd.value(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  bool at_once = ::connect(fd.value(), to.raw(), to.raw_size()) == 0;
  if (!at_once && errno == EINPROGRESS && to.is_loopback()) {
    // Over loopback the handshake is over when connect() returns; asking again spares a round and a change of interest.
    at_once = ::connect(fd.value(), to.raw(), to.raw_size()) == 0;
  }
  if (!at_once && errno != EINPROGRESS && errno != EALREADY) {
    const int code = errno;
    const bool local =
        code == EADDRNOTAVAIL || code == ENOBUFS || (code == EAGAIN && !to.is_unix());  // unix: its queue is full
    return Error{local ? Fault::Local : Fault::Upstream, "connect to " + to.text() + ": " + std::strerror(code), code};
  }
  auto stream = open(loop, std::move(fd), to, ring);
  stream->connecting_ = !at_once;
  return stream;
}

IoResult TcpStream::read(char* to, std::size_t size) {
  if (at_fin_) {
    ready_ &= ~EPOLLIN;
    return {IoStatus::Eof, 0};
  }
  const long n = ::syscall(SYS_recvfrom, fd_.value(), to, size, 0, nullptr, nullptr);
  if (n > 0) {
    const bool may_be_more = static_cast<std::size_t>(n) == size || reads_end_early_;
    at_fin_ = fin_told_ && !may_be_more;
    if (at_fin_ && calling_) {
      ready_ |= EPOLLIN & watched_;  // the end is told in this round, too
    } else if (may_be_more || at_fin_) {
      stay_ready(EPOLLIN);
    } else {
      ready_ &= ~EPOLLIN;
    }
    return {IoStatus::Ok, static_cast<std::size_t>(n)};
  }
  if (n == 0 || errno == EAGAIN) ready_ &= ~EPOLLIN;
  if (n == 0) return {IoStatus::Eof, 0};
  if (errno == EAGAIN || errno == EINTR) return {IoStatus::WouldBlock, 0};
  return {IoStatus::Reset, 0};
}

IoResult TcpStream::write(const iovec* pieces, int count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = static_cast<std::size_t>(count);
  const int flags = end_follows_ ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;
  end_follows_ = false;
  const long n = count == 1 ? ::syscall(SYS_sendto, fd_.value(), pieces->iov_base, pieces->iov_len, flags, nullptr, 0)
                            : ::sendmsg(fd_.value(), &message, flags);
  if (n >= 0) {
    std::size_t size = pieces->iov_len;
    for (int i = 1; i < count; ++i) size += pieces[i].iov_len;
    if (static_cast<std::size_t>(n) < size) ready_ &= ~EPOLLOUT;
    return {IoStatus::Ok, static_cast<std::size_t>(n)};
  }
  if (errno == EAGAIN) ready_ &= ~EPOLLOUT;
  if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return {IoStatus::WouldBlock, 0};
  return {IoStatus::Reset, 0};
}

void TcpStream::stay_ready(std::uint8_t events) {
  ready_ |= events;
  if ((ready_ & watched_) == 0 || again_) return;
  again_ = true;
  loop_.again(*this);
}

void TcpStream::shut_write() {
  ::shutdown(fd_.value(), SHUT_WR);
}

void TcpStream::close_with_reset() {
  const linger now{1, 0};
  ::setsockopt(fd_.value(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void TcpStream::probe_when_idle() {
  const int on = 1;
  const int idle_s = 30;
  const int interval_s = 10;
  const int probes = 3;
  ::setsockopt(fd_.value(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(fd_.value(), IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  ::setsockopt(fd_.value(), IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  ::setsockopt(fd_.value(), IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

void TcpStream::watch(bool readable, bool writable) {
  const auto wanted = static_cast<std::uint8_t>((readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U));
  if (wanted == watched_) return;
  if (!loop_.change(fd_.value(), *this, watched_, wanted == 0 ? 0 : wanted | kEdges)) {
    log::error("cannot watch a connection", {{"descriptor", fd_.value()}, {"error", std::strerror(errno)}});
  }
  watched_ = wanted;
  ready_ = 0;  // the kernel tells anew
}

std::optional<Error> TcpStream::failure() {
  if (!failed_) return std::nullopt;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_.value(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error == 0) return std::nullopt;
  return Error{Fault::Upstream, std::strerror(error), error};
}

bool TcpStream::silent() const {
  char byte;
  return ::recv(fd_.value(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

std::uint32_t TcpStream::unacknowledged() const {
  int bytes = 0;
  return ::ioctl(fd_.value(), SIOCOUTQ, &bytes) == 0 ? static_cast<std::uint32_t>(bytes) : 0;
}

void TcpStream::on_poll(std::uint32_t events) {
  if (events == 0) again_ = false;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    failed_ = true;
    events |= EPOLLIN | EPOLLOUT | EPOLLRDHUP;  // whichever is tried says what is wrong
  }
  if ((events & EPOLLPRI) != 0 || failed_) reads_end_early_ = true;
  if ((events & EPOLLRDHUP) != 0) fin_told_ = true;
  // An earlier one of the batch may have changed what is watched.
  ready_ = static_cast<std::uint8_t>((ready_ | events) & watched_);
  if (ready_ == 0) return;
  calling_ = true;
  call((ready_ & EPOLLIN) != 0, (ready_ & EPOLLOUT) != 0);
  if (at_fin_ && (ready_ & EPOLLIN) != 0) call(true, false);
  calling_ = false;
  if (ready_ != 0) stay_ready(ready_);
}

}  // namespace limpet::net
