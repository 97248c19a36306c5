// SPDX-License-Identifier: Apache-2.0
// Outbox: what a worker's sessions write while a batch of events is served leaves when the batch is over. So the batch
// runs through our code and then through the kernel's, each while it is in the caches, and a peer on the same CPU,
// which every send wakes, does not interrupt in between. An Outlet posts here by itself, and calls send_posted() where
// more depends on whether all was taken; so nothing of a session's outlives it. A parcel knows its outlet and the
// outlet its parcel: where the two disagree nothing leaves. One thread.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "proxy/net/loop.h"
#include "proxy/net/stream.h"

namespace limpet::session {

class Outlet;
class Worker;

class Outbox {
 public:
  Outbox(Worker& worker, const net::Loop& loop);

  // Only within a batch, and only what is cheap to copy.
  bool takes(std::size_t size) const { return loop_.serves_many() && size <= kMost && used_ + size <= size_; }
  // Copies the bytes. Requires: takes() their size, and nothing of `outlet`'s is here. Both outlive the batch, or
  // `outlet` sends them before. Gives the number of the parcel, from 1.
  std::uint32_t post(Outlet& outlet, net::Stream& stream, const iovec* pieces, int count);
  // Lets them follow what `outlet` has here, to leave as one; false where that cannot be.
  bool append(const Outlet& outlet, const iovec* pieces, int count, std::size_t size);
  // Sends what `outlet` has here, now, with send_now()'s answer. Reset, and nothing is sent, where that parcel is not
  // its own: a fault of ours, which the log tells.
  net::IoStatus send(const Outlet& outlet, std::uint32_t parcel);
  // For tests: it takes no more than so much.
  void shrink(std::size_t size) { size_ = size < kSize ? size : kSize; }
  // Sends all, at the end of a batch, and tells the streams' handlers what was not taken. A parcel that its outlet does
  // not know of is not sent, and to its handler the connection is gone.
  void deliver();

 private:
  static constexpr std::size_t kSize = 64 * 1024;
  static constexpr std::size_t kMost = 4 * 1024;  // of one peer's: copying more costs as much as is won

  struct Parcel {
    Outlet* outlet;  // null: it has been sent
    net::Stream* stream;
    std::uint32_t at;
    std::uint32_t size;
  };

  void copy(const iovec* pieces, int count);
  std::string_view bytes_of(const Parcel& parcel) const { return {bytes_.get() + parcel.at, parcel.size}; }

  Worker& worker_;
  const net::Loop& loop_;
  const std::unique_ptr<char[]> bytes_;
  std::size_t size_ = kSize;
  std::size_t used_ = 0;
  std::vector<Parcel> parcels_;
};

}  // namespace limpet::session
