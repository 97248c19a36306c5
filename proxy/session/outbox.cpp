// SPDX-License-Identifier: Apache-2.0
// The outbox of a worker: copies of small writes, one after the other in one block, each a parcel of one outlet, sent
// in order when the batch is over. Queues nothing: what a peer does not take is its outlet's.
#include "proxy/session/outbox.h"

#include <cstring>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/session/outlet.h"

namespace limpet::session {

namespace {

constexpr std::string_view kMixedUp =
    "bytes in the outbox are not those of the connection that sends them: not sent, the connection is closed";

}  // namespace

Outbox::Outbox(Worker& worker, const net::Loop& loop)
    : worker_(worker), loop_(loop), bytes_(std::make_unique_for_overwrite<char[]>(kSize)) {}

void Outbox::copy(const iovec* pieces, int count) {
  for (int i = 0; i < count; ++i) {
    std::memcpy(bytes_.get() + used_, pieces[i].iov_base, pieces[i].iov_len);
    used_ += pieces[i].iov_len;
  }
}

std::uint32_t Outbox::post(Outlet& outlet, net::Stream& stream, const iovec* pieces, int count) {
  const std::size_t at = used_;
  copy(pieces, count);
  parcels_.push_back({&outlet, &stream, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(used_ - at)});
  return static_cast<std::uint32_t>(parcels_.size());
}

bool Outbox::append(const Outlet& outlet, const iovec* pieces, int count, std::size_t size) {
  if (parcels_.empty() || parcels_.back().outlet != &outlet) return false;  // another's bytes lie behind
  Parcel& parcel = parcels_.back();
  if (parcel.size + size > kMost || !takes(size)) return false;
  copy(pieces, count);
  parcel.size += static_cast<std::uint32_t>(size);
  return true;
}

net::IoStatus Outbox::send(const Outlet& outlet, std::uint32_t number) {
  if (number > parcels_.size() || parcels_[number - 1].outlet != &outlet) {
    log::error(kMixedUp);
    return net::IoStatus::Reset;
  }
  Parcel& parcel = parcels_[number - 1];
  return std::exchange(parcel.outlet, nullptr)->send_now(worker_, *parcel.stream, bytes_of(parcel));
}

void Outbox::deliver() {
  for (std::size_t i = 0; i < parcels_.size(); ++i) {  // none is added, but a handler may send a later one
    if (i + 1 < parcels_.size()) __builtin_prefetch(parcels_[i + 1].stream);
    const Parcel parcel = parcels_[i];
    if (parcel.outlet == nullptr) continue;
    parcels_[i].outlet = nullptr;
    net::IoStatus status = net::IoStatus::Reset;
    if (parcel.outlet->parcel() == i + 1) {
      status = parcel.outlet->send_now(worker_, *parcel.stream, bytes_of(parcel));
    } else {
      log::error(kMixedUp);
    }
    if (status == net::IoStatus::Ok) continue;
    if (net::StreamHandler* const handler = parcel.stream->handler()) handler->on_refused(*parcel.stream, status);
  }
  parcels_.clear();
  used_ = 0;
}

}  // namespace limpet::session
