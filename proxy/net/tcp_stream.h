// SPDX-License-Identifier: Apache-2.0
// TcpStream: a Stream over a TCP or unix socket. What is watched is changed only when it differs, so a message in
// steady state costs no epoll_ctl. The socket is watched edge-triggered, so that the kernel does not look a second time
// at what was read to its end; a read that fills its buffer, or may have ended early, is followed by another one. A FIN
// that was told before the last bytes were read is known without one.
#pragma once

#include <memory>

#include "proxy/base/fd.h"
#include "proxy/base/recycled.h"
#include "proxy/base/result.h"
#include "proxy/net/address.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"

namespace limpet::net {

class Ring;

class TcpStream : public Stream, public Recycled<TcpStream>, private Pollable {
 public:
  // Takes a connected, non-blocking socket. open() makes it one that goes through `ring`, unless that is null; `peer`
  // is the other end's address.
  TcpStream(Loop& loop, Fd fd);
  static std::unique_ptr<TcpStream> open(Loop& loop, Fd fd, const Address& peer, Ring* ring = nullptr);
  ~TcpStream() override;
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  // Begins to connect; the outcome is connect_error() once the stream is writable. Fails at once where no socket can be
  // had or the connect is refused on the spot (Fault::Local with errno EMFILE or the like, else Fault::Upstream).
  static Result<std::unique_ptr<TcpStream>> connect(Loop& loop, const Address& to, Ring* ring = nullptr);
  // False where it was done at once (over loopback, as a rule).
  bool connecting() const override { return connecting_; }

  IoResult read(char* to, std::size_t size) override;
  IoResult write(const iovec* pieces, int count) override;
  void end_follows() override { end_follows_ = true; }
  void shut_write() override;
  void close_with_reset() override;
  void probe_when_idle() override;
  void watch(bool readable, bool writable) override;
  void set_handler(StreamHandler* handler) override { handler_ = handler; }
  StreamHandler* handler() const override { return handler_; }
  int connect_error() override;
  bool silent() const override;
  int descriptor() const { return fd_.value(); }
  std::uint32_t unacknowledged() const override;

 protected:
  // Calls the handler.
  void call(bool readable, bool writable) {
    if (handler_ != nullptr) handler_->on_ready(*this, readable, writable);
  }
  Fd take_descriptor() { return std::move(fd_); }
  void expect_poll() const override {
    if (handler_ != nullptr) handler_->expect_ready();
  }

  Loop& loop_;
  StreamHandler* handler_ = nullptr;
  Fd fd_;
  std::uint8_t watched_ = 0;          // EPOLLIN, EPOLLOUT
  std::uint8_t ready_ = 0;            // of them, what the kernel has told and no call has used up
  bool again_ : 1 = false;            // the loop will call
  bool reads_end_early_ : 1 = false;  // before urgent data, behind a unix peer's descriptors
  bool calling_ : 1 = false;          // the handler, in on_poll()
  bool fin_told_ : 1 = false;         // by the kernel, which has all that came before it
  bool at_fin_ : 1 = false;           // all that came before it has been read
  bool end_follows_ : 1 = false;      // the next write
  bool connecting_ : 1 = false;
  bool failed_ : 1 = false;  // the kernel has told of an error

 private:
  void on_poll(std::uint32_t events) override;
  // More of it is there than was taken, as far as is known: the kernel will not tell again.
  void stay_ready(std::uint8_t events);
};

// Fills its chunk of the heap to the last byte, and a relayed session has two: any more costs 32 bytes a session.
static_assert(sizeof(TcpStream) <= 40);

}  // namespace limpet::net
