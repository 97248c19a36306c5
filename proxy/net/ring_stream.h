// SPDX-License-Identifier: Apache-2.0
// RingStream: a TcpStream whose bytes come and go through the loop's Ring. It looks like any other Stream: what has
// been received waits in shared buffers until it is read, and a small write is taken at once and leaves with the round.
// What is rare goes the common way: a connect, a large write, a peer that is slow. So does a stream that brings much at
// a time, as long as it does: the ring would fill its buffers before anyone could say stop.
#pragma once

#include <memory>
#include <string>

#include "proxy/net/ring.h"
#include "proxy/net/tcp_stream.h"

namespace limpet::net {

class RingStream final : public TcpStream, public Recycled<RingStream> {
 public:
  using Recycled<RingStream>::operator new;
  using Recycled<RingStream>::operator delete;

  RingStream(Loop& loop, Ring& ring, Fd fd);
  ~RingStream() override;

  IoResult read(char* to, std::size_t size) override;
  IoResult write(const iovec* pieces, int count) override;
  void end_follows() override {}  // what the ring sends is on its way before the end can be
  void shut_write() override;
  void close_with_reset() override;
  void watch(bool readable, bool writable) override;
  bool silent() const override;
  std::size_t held() const override;
  std::uint32_t unacknowledged() const override;

  // --- the ring's calls ---
  void took(std::uint16_t buffer);
  void receive_over(int result);
  void sent(int error);  // 0, or a negative errno (0 < error: less than all)
  void deliver();
  void expect_delivery() const { expect_poll(); }

 private:
  bool has_input() const;
  bool ended() const { return end_ != IoStatus::Ok; }
  void queue();
  void hold();
  void pass(std::uint16_t buffer);
  void become_bulk();
  void update_requests();
  void note_direct_read(std::size_t n);

  Ring& ring_;
  std::unique_ptr<std::string> held_;  // received, but not wanted at present: it goes before the buffers
  std::uint32_t receive_ = Ring::kNobody;
  std::uint32_t send_ = Ring::kNobody;  // one at a time: their order is the stream's
  std::uint16_t first_ = Ring::kNone;   // the buffers with what was received
  std::uint16_t last_ = Ring::kNone;
  std::uint16_t chained_ = 0;    // how many these are
  std::uint16_t offset_ = 0;     // of the first one, taken already
  IoStatus end_ = IoStatus::Ok;  // Eof or Reset, behind the buffers
  bool end_told_ = false;
  bool cancelled_ = false;        // the receive is on its way out
  bool bulk_ = false;             // it is read by calls of our own
  std::uint8_t small_reads_ = 0;  // in a row, while it is
  bool wants_read_ = false;
  bool wants_write_ = false;
  bool may_write_ = false;  // a send has ended since the last call
  bool queued_ = false;
  bool shut_due_ = false;  // FIN, behind the send
  bool cut_ = false;       // RST, whatever is being sent
  bool broken_ = false;    // a send has failed: what was received before is read to its end all the same
  bool reset_ = false;     // by a reset, which the receive will not hear of any more
};

}  // namespace limpet::net
