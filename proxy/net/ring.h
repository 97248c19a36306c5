// SPDX-License-Identifier: Apache-2.0
// Ring: io_uring for the connections of a loop (io_uring(7); Linux 6.1). Receives are armed once per connection and
// filled into buffers that all share; what is sent in a round is handed over together with the wait for the next: one
// system call for a round, where epoll needs two for each message. One thread, the one that calls wait(); that may be
// another than the one that opened it.
#pragma once

#include <liburing.h>
#include <sys/uio.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/fd.h"
#include "proxy/net/poller.h"

namespace limpet::net {

class RingStream;

class Ring final : public Waiter {
  enum class Kind : std::uint8_t { Receive, Send, Poll, Nothing };

 public:
  static constexpr std::uint16_t kNone = 0xffff;         // no buffer
  static constexpr std::uint32_t kNobody = 0xffffffff;   // no request
  static constexpr std::size_t kReceiveSize = 4096;      // of a buffer
  static constexpr std::size_t kSendSize = 2048;         // likewise; what is larger is sent by a call of its own
  static constexpr std::uint16_t kReceiveBuffers = 512;  // a power of two
  static constexpr std::uint16_t kSendBuffers = 512;

  // Null where the kernel does not have what it takes; `why` says what.
  static std::unique_ptr<Ring> open(std::string& why);
  ~Ring() override;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Hands over what was prepared, and waits for the first completion; no longer than `ms`, -1: as long as it takes.
  // Then gives what has come to its streams, which are called by dispatch().
  std::size_t wait(int ms) override;
  void dispatch() override;
  void wake() override { poller_.wake(); }
  bool change(int descriptor, Pollable& pollable, std::uint32_t from, std::uint32_t to) override {
    return poller_.change(descriptor, pollable, from, to);
  }
  void forget(const Pollable& pollable) override { poller_.forget(pollable); }
  // No dispatch() follows, nobody is called any more: hands over what was prepared, and waits until all that is being
  // sent has been taken, no longer than `patience`.
  void send_last_writes(std::chrono::milliseconds patience) override;

  // --- for RingStream ---
  // kNobody where it cannot be done now.
  std::uint32_t receive(RingStream& stream, int descriptor);
  // The receive gives nothing more, sooner or later; receive_over() tells when. False where it cannot be done now.
  bool cancel_receive(std::uint32_t request) { return cancel(Kind::Receive, request); }
  // Copies the bytes, at most kSendSize, which leave in order; kNobody where no buffer is free.
  std::uint32_t send(RingStream& stream, int descriptor, const iovec* pieces, int count, std::size_t size);
  // What that send gathers is this stream's.
  bool sends_for(std::uint32_t request, const RingStream& stream) const { return sends_[request].stream == &stream; }
  // Adds to a send that has not been handed over yet. False where it has, or has no room.
  bool add_to_send(std::uint32_t request, const iovec* pieces, int count, std::size_t size);
  std::uint32_t send_size(std::uint32_t request) const { return sends_[request].size; }
  // A completion of this receive waits for the next round. Walks over all that do: for what is rare.
  bool has_unseen(std::uint32_t receive) const;
  // Calls its deliver() in the next dispatch().
  void queue(RingStream& stream);
  // It is about to be destroyed: no call any more, and its place in the next dispatch() is void where it was queued.
  void unqueue(const RingStream& stream);
  void abandon_receive(std::uint32_t request, int descriptor);
  // What is sent still leaves, as far as the peer takes it within half a minute; with `cut` it does not, and nothing
  // keeps the socket from its reset.
  void abandon_send(std::uint32_t request, int descriptor, bool cut);
  // Requests for it may not have been handed over: it is closed when they have.
  void close_later(Fd descriptor) { closing_.push_back(std::move(descriptor)); }

  std::string_view received(std::uint16_t buffer) const {
    return {receive_memory() + buffer * kReceiveSize, received_[buffer].size};
  }
  std::uint16_t after(std::uint16_t buffer) const { return received_[buffer].next; }
  void chain(std::uint16_t buffer, std::uint16_t next) { received_[buffer].next = next; }
  // The buffer may be filled again.
  void give_back(std::uint16_t buffer);

 private:
  struct Received {
    std::uint16_t size = 0;
    std::uint16_t next = kNone;
  };
  struct Send {
    RingStream* stream = nullptr;  // null: destroyed meanwhile, or free
    io_uring_sqe* entry = nullptr;
    std::uint64_t handover = 0;  // entry is valid while this is the present one
    std::uint32_t size = 0;
  };

  Ring() = default;
  bool map_memory();
  static std::uint64_t name_of(Kind kind, std::uint32_t request);
  io_uring_sqe* prepare(Kind kind, std::uint32_t request);
  bool cancel(Kind kind, std::uint32_t request);
  void submit_and_take(int ms);
  void watch_poller();
  void complete(const io_uring_cqe& completion);
  void receive_completed(std::uint32_t request, const io_uring_cqe& completion);
  void send_completed(std::uint32_t request, int result);
  char* receive_memory() const { return memory_; }
  char* send_memory(std::uint32_t request) const {
    return memory_ + kReceiveBuffers * kReceiveSize + request * kSendSize;
  }

  io_uring ring_{};
  bool open_ = false;
  bool enabled_ = false;
  Poller poller_;        // for what is rare: listening sockets, connects, a peer whose socket is full
  bool polled_ = false;  // its descriptor has become readable
  std::uint64_t handover_ = 1;

  char* memory_ = nullptr;  // the receive buffers, then the send buffers
  io_uring_buf_ring* offered_ = nullptr;
  int given_back_ = 0;  // since the last advance
  std::array<Received, kReceiveBuffers> received_{};

  std::vector<RingStream*> receivers_;  // by request; null: destroyed meanwhile, or free
  std::vector<std::uint32_t> free_receivers_;
  std::array<Send, kSendBuffers> sends_{};
  std::vector<std::uint32_t> free_sends_;

  std::vector<RingStream*> ready_;
  std::vector<RingStream*> batch_;  // what dispatch() goes over
  std::size_t next_ = 0;            // of the batch
  std::vector<Fd> closing_;
};

}  // namespace limpet::net
