// SPDX-License-Identifier: Apache-2.0
#include "proxy/session/outbox.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "proxy/session/outlet.h"

namespace limpet::session {

Outbox::Outbox(Worker& worker, const net::Poller& poller)
    : worker_(worker), poller_(poller), bytes_(std::make_unique_for_overwrite<char[]>(kSize)) {}

void Outbox::copy(const iovec* pieces, int count) {
  for (int i = 0; i < count; ++i) {
    std::memcpy(bytes_.get() + used_, pieces[i].iov_base, pieces[i].iov_len);
    used_ += pieces[i].iov_len;
  }
}

void Outbox::post(Outlet& outlet, net::Stream& stream, const iovec* pieces, int count) {
  const std::size_t at = used_;
  copy(pieces, count);
  parcels_.push_back({&outlet, &stream, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(used_ - at)});
}

bool Outbox::append(const Outlet& outlet, const iovec* pieces, int count, std::size_t size) {
  if (parcels_.empty() || parcels_.back().outlet != &outlet) return false;  // another's bytes lie behind
  Parcel& parcel = parcels_.back();
  if (parcel.size + size > kMost || !takes(size)) return false;
  copy(pieces, count);
  parcel.size += static_cast<std::uint32_t>(size);
  return true;
}

net::IoStatus Outbox::send(const Outlet& outlet) {
  const auto parcel = std::ranges::find(parcels_.rbegin(), parcels_.rend(), &outlet, &Parcel::outlet);
  assert(parcel != parcels_.rend());
  return std::exchange(parcel->outlet, nullptr)->send_now(worker_, *parcel->stream, bytes_of(*parcel));
}

void Outbox::deliver() {
  for (std::size_t i = 0; i < parcels_.size(); ++i) {  // none is added, but a handler may settle a later one
    if (i + 1 < parcels_.size()) __builtin_prefetch(parcels_[i + 1].stream);
    const Parcel parcel = parcels_[i];
    if (parcel.outlet == nullptr) continue;
    parcels_[i].outlet = nullptr;
    const net::IoStatus status = parcel.outlet->send_now(worker_, *parcel.stream, bytes_of(parcel));
    if (status == net::IoStatus::Ok) continue;
    if (net::StreamHandler* const handler = parcel.stream->handler()) handler->on_refused(*parcel.stream, status);
  }
  parcels_.clear();
  used_ = 0;
}

}  // namespace limpet::session
