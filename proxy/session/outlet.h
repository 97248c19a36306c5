// SPDX-License-Identifier: Apache-2.0
// Outlet: the way out to one peer. Writes at once, or what is small at the end of the batch (outbox.h); only the tail
// that the peer does not take is queued. Gather: collects the pieces of one message (text made here, and views of what
// was just read) for a single write.
#pragma once

#include <sys/uio.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/buffer.h"
#include "proxy/base/clock.h"
#include "proxy/net/stream.h"

namespace limpet::session {

class Worker;

class Outlet {
 public:
  Outlet() = default;
  Outlet(Outlet&&) = default;  // both: nothing is posted
  Outlet& operator=(Outlet&&) = default;

  // Sends what the peer takes and queues the rest (all of it, behind what waits already). Reset: the connection is
  // gone. In a batch that may be known when it is over: then the stream's handler hears of it.
  net::IoStatus send(Worker& worker, net::Stream& stream, iovec* pieces, int count);
  net::IoStatus send(Worker& worker, net::Stream& stream, std::string_view bytes);
  // Nothing is put off any more. To be called where more than further writes depends on empty() or pending(), which do
  // not count what was put off. Reset: the connection is gone.
  net::IoStatus send_posted(Worker& worker) { return parcel_ != 0 ? send_posted_now(worker) : net::IoStatus::Ok; }
  // Sends from the queue; called when the peer is writable.
  net::IoStatus flush(Worker& worker, net::Stream& stream);
  // Queues without sending (the connection is not there yet).
  void hold(Worker& worker, std::string_view bytes);

  std::size_t pending() const { return waiting_ == nullptr ? 0 : waiting_->queue.size(); }
  bool empty() const { return waiting_ == nullptr || waiting_->queue.empty(); }
  // True while the peer's side has not acknowledged all that was sent, whether it waits here or is on its way. Where it
  // is true, stalled() speaks of that, too, and not only of what waits here.
  bool unacknowledged(const net::Stream& stream, Time now);
  // Since when, as far as is known, the peer has taken nothing. Requires: !empty(), or unacknowledged().
  Time stalled_since() const { return waiting_->stalled_since; }
  // True if bytes wait and the peer has taken nothing for `limit`. A socket becomes writable only when much of its
  // buffer is free, so what the peer has acknowledged decides, not what could be written.
  bool stalled(const net::Stream& stream, Time now, Duration limit);
  // What was put off is sent as far as the peer takes it.
  void drop(Worker& worker);

  // --- the outbox's calls ---
  // Which parcel there is this outlet's; 0: none.
  std::uint32_t parcel() const { return parcel_; }
  // Ok: all was taken. WouldBlock: the rest waits. Reset: nothing does, and the peer is gone.
  net::IoStatus send_now(Worker& worker, net::Stream& stream, std::string_view bytes);

 private:
  net::IoStatus post(Worker& worker, net::Stream& stream, const iovec* pieces, int count, std::size_t size);
  net::IoStatus send_posted_now(Worker& worker);

  // Beside a queue that is empty.
  void note_sent(std::size_t size) {
    if (waiting_ != nullptr) waiting_->unacknowledged += static_cast<std::uint32_t>(size);
  }

  struct Waiting {
    Buffer queue;  // empty: only what the peer has yet to acknowledge is looked after
    Time stalled_since{};
    std::uint32_t unacknowledged = 0;  // at stalled_since, and what was sent since then: unchanged it has taken nothing
  };
  std::unique_ptr<Waiting> waiting_;  // only while a peer is waited for: an idle session pays for a pointer
  std::uint32_t parcel_ = 0;          // in the outbox, where something is: the number of its parcel, from 1
};

// All of a worker's connections gather in the same two (worker.h), so what is gathered knows whose it is. Bytes that
// one connection has left behind never leave with another's: both are closed, nothing is sent, and the log says so.
class Gather {
 public:
  // For bytes that leave through `owner`, to the peer on `stream` (null: not yet known). Both outlive what is gathered.
  Gather& of(const Outlet& owner, net::Stream* stream) {
    if (empty()) {
      owner_ = &owner;
      stream_ = stream;
    }
    return *this;
  }
  // True where all of it may leave through `outlet`. Else, which is a fault of ours, nothing of it is left, its owner's
  // connection is closed, and the caller closes its own.
  bool belongs_to(const Outlet& outlet) { return owner_ == &outlet || empty() || !expose(); }
  // Nothing may be left at the end of a round: no later one sends it. Where something is, its owner's connection is
  // closed.
  void expect_empty() {
    if (!empty()) expose();
  }
  // Text that is appended here becomes the next piece at the next add() or send().
  std::string& text() { return text_; }
  // `bytes` must stay valid until send().
  void add(std::string_view bytes) {
    if (bytes.size() <= kCopied) {
      text_.append(bytes);  // cheaper than one more piece for the kernel to walk
      return;
    }
    close_text();
    pieces_.push_back({bytes.data(), 0, bytes.size()});
  }
  bool empty() const { return text_.empty() && pieces_.empty(); }
  // Reset also where it does not belong to `outlet`.
  net::IoStatus send(Worker& worker, net::Stream& stream, Outlet& outlet);
  // Requires: it belongs to `outlet`.
  void hold(Worker& worker, Outlet& outlet);
  // What belongs to `owner` is dropped.
  void clear(const Outlet& owner) {
    if (owner_ == &owner) clear();
  }

 private:
  static constexpr std::size_t kCopied = 2048;

  struct Piece {
    const char* data;  // null: `at` in text_
    std::size_t at;
    std::size_t size;
  };
  void close_text() {
    if (text_.size() == text_done_) return;
    pieces_.push_back({nullptr, text_done_, text_.size() - text_done_});
    text_done_ = text_.size();
  }
  void clear();
  bool expose();  // true

  const Outlet* owner_ = nullptr;
  net::Stream* stream_ = nullptr;
  std::string text_;
  std::size_t text_done_ = 0;
  std::vector<Piece> pieces_;
  std::vector<iovec> io_;
};

}  // namespace limpet::session
