// SPDX-License-Identifier: Apache-2.0
// TcpStream: a Stream over a TCP or unix socket. What is watched is changed only when it differs, so a message in
// steady state costs no epoll_ctl. The kernel tells of an edge only (EPOLLET), once for what has come, and does not
// look again at what was read to its end; so the stream remembers what was told and not yet used up, and has itself
// called again in the next round. A read that returned less than it asked for has taken everything, unless the kernel
// ended it early (urgent data, descriptors over a unix socket). Where the kernel told of the FIN before the last bytes
// were read, no further read is needed to learn of it.
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

  // Begins to connect; the outcome is failure() once the stream is writable. Fails at once where no socket can be
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
  std::optional<Error> failure() override;
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
  std::uint8_t ready_ = 0;            // what of these the kernel has told of and no call has used up
  bool again_ : 1 = false;            // the loop will call
  bool reads_end_early_ : 1 = false;  // before urgent data, behind a unix peer's descriptors
  bool calling_ : 1 = false;          // the handler, in on_poll()
  bool fin_told_ : 1 = false;         // the kernel has the peer's FIN, and so all that came before it
  bool at_fin_ : 1 = false;           // all that came before the FIN has been read
  bool end_follows_ : 1 = false;      // the next write
  bool connecting_ : 1 = false;
  bool failed_ : 1 = false;  // the kernel has told of an error

 private:
  void on_poll(std::uint32_t events) override;
  // Has the loop call again in the next round for `events`, of which more may be there than was taken: the kernel
  // will not tell again.
  void stay_ready(std::uint8_t events);
};

// Fills its chunk of the heap to the last byte, and a relayed session has two: any more costs 32 bytes a session.
static_assert(sizeof(TcpStream) <= 40);

}  // namespace limpet::net
