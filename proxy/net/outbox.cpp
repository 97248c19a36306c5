// SPDX-License-Identifier: Apache-2.0
#include "proxy/net/outbox.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include "proxy/net/poller.h"
#include "proxy/net/tcp_stream.h"

namespace limpet::net {

namespace {

constexpr std::size_t kSize = 64 * 1024;  // stays in the second level of caches
constexpr std::size_t kMost = 4 * 1024;   // of one write: copying more costs as much as is won
constexpr int kPatience_ms = 60'000;

}  // namespace

class Outbox::Remainder final : public Pollable {
 public:
  Remainder(Poller& poller, Fd descriptor, std::string bytes)
      : poller_(poller), descriptor_(std::move(descriptor)), bytes_(std::move(bytes)) {
    ::setsockopt(descriptor_.value(), IPPROTO_TCP, TCP_USER_TIMEOUT, &kPatience_ms, sizeof kPatience_ms);
    if (!poller_.change(descriptor_.value(), *this, EPOLLOUT, EPOLLOUT)) bytes_.clear();
  }
  ~Remainder() { poller_.forget(*this); }
  Remainder(const Remainder&) = delete;
  Remainder& operator=(const Remainder&) = delete;

  bool over() const { return bytes_.empty(); }

 private:
  void on_poll(std::uint32_t) override {
    const ssize_t n = ::send(descriptor_.value(), bytes_.data(), bytes_.size(), MSG_NOSIGNAL);
    if (n > 0) bytes_.erase(0, static_cast<std::size_t>(n));
    if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) bytes_.clear();
  }

  Poller& poller_;
  const Fd descriptor_;
  std::string bytes_;
};

Outbox::Outbox(Poller& poller) : poller_(poller) {}

Outbox::~Outbox() = default;

bool Outbox::takes(const TcpStream& stream, std::size_t size) {
  if (!open_ || size > kMost) return false;
  if (used_ + size > kSize) {
    deliver();
  } else if (stream.has_posted() && parcels_.back().stream != &stream) {
    send(stream);
  }
  return true;
}

void Outbox::post(TcpStream& stream, const iovec* pieces, int count) {
  if (bytes_ == nullptr) bytes_ = std::make_unique<char[]>(kSize);
  const std::size_t at = used_;
  for (int i = 0; i < count; ++i) {
    std::memcpy(bytes_.get() + used_, pieces[i].iov_base, pieces[i].iov_len);
    used_ += pieces[i].iov_len;
  }
  assert(used_ <= kSize);
  const auto size = static_cast<std::uint32_t>(used_ - at);
  if (stream.has_posted()) {
    parcels_.back().size += size;
  } else {
    parcels_.push_back({&stream, static_cast<std::uint32_t>(at), size});
  }
}

void Outbox::send(const TcpStream& stream) {
  const auto parcel = std::ranges::find(parcels_.rbegin(), parcels_.rend(), &stream, &Parcel::stream);
  assert(parcel != parcels_.rend());
  std::exchange(parcel->stream, nullptr)->send_posted({bytes_.get() + parcel->at, parcel->size});
}

void Outbox::deliver() {
  for (std::size_t i = 0; i < parcels_.size(); ++i) {
    if (i + 1 < parcels_.size()) __builtin_prefetch(parcels_[i + 1].stream);
    const Parcel& parcel = parcels_[i];
    if (parcel.stream != nullptr) parcel.stream->send_posted({bytes_.get() + parcel.at, parcel.size});
  }
  parcels_.clear();
  used_ = 0;
}

void Outbox::end_batch() {
  deliver();
  open_ = false;
  std::erase_if(remainders_, [](const auto& remainder) { return remainder->over(); });
}

void Outbox::finish(Fd descriptor, std::string rest) {
  remainders_.push_back(std::make_unique<Remainder>(poller_, std::move(descriptor), std::move(rest)));
}

}  // namespace limpet::net
