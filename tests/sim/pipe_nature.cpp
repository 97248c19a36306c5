// SPDX-License-Identifier: Apache-2.0
// See pipe_nature.h.
#include "tests/sim/pipe_nature.h"

namespace limpet::sim {

using namespace std::chrono_literals;

void PipeEnd::wake() {
  if (std::exchange(woken_, true)) return;
  nature_.after(between(nature_.random(), 0ms, 5ms), [this] { deliver(); });
}

void PipeEnd::send(std::string_view bytes) {
  if (gone_ || shut_) return;
  if (peer_->gone_) {
    lose_bytes();
    return be_reset();
  }
  std::string sent(bytes);
  const auto& tamper = peer_->to_client_ ? nature_.tamper : nature_.tamper_requests;
  if (tamper) tamper(sent, *peer_);
  if (gone_) return;
  peer_->in_ += sent;
  peer_->wake();
}

void PipeEnd::shut() {
  if (gone_ || peer_ == nullptr || std::exchange(shut_, true)) return;
  peer_->fin_ = true;
  peer_->wake();
}

void PipeEnd::deliver() {
  woken_ = false;
  if (gone_) return;
  if (!in_.empty()) {
    if (rate_ == 0) return;
    std::size_t size = 1 + below(nature_.random(), in_.size());
    if (rate_ != kAtOnce) size = std::min<std::size_t>(size, std::max<std::size_t>(1, rate_ / 20));
    const std::string part = in_.substr(0, size);
    in_.erase(0, size);
    actor_.on_bytes(*this, part);
    if (gone_) return;
  }
  if (in_.empty() && fin_ && !std::exchange(fin_told_, true)) return actor_.on_fin(*this);
  if (in_.empty() || std::exchange(woken_, true)) return;
  nature_.after(rate_ == kAtOnce ? Duration(1ms) : Duration(50ms), [this] { deliver(); });
}

void PipeEnd::reads_at(std::uint64_t rate) {
  rate_ = rate;
  if (!in_.empty()) wake();
}

void PipeEnd::gone(bool by_reset) {
  gone_ = true;
  nature_.after(0ms, [this, by_reset] { actor_.on_closed(*this, by_reset); });
}

void PipeEnd::lose_bytes() {
  if (nature_.troubles != nullptr) nature_.troubles->befall((to_client_ ? *this : *peer_).actor_.name(), nature_.now());
}

void PipeEnd::lose() {
  if (gone_) return;
  in_.clear();
  gone(true);
  peer_->in_.clear();
  peer_->gone(true);
}

void PipeEnd::be_reset() {
  if (gone_) return;
  if (!in_.empty()) lose_bytes();
  gone(true);
}

void PipeEnd::reset() {
  if (gone_) return;
  if (!in_.empty()) lose_bytes();
  gone(true);
  if (peer_ != nullptr) nature_.after(1ms, [peer = peer_] { peer->be_reset(); });
}

void PipeEnd::close() {
  if (gone_) return;
  if (!in_.empty()) return reset();
  shut();
  gone(false);
}

std::uint64_t PipeNature::after(Duration delay, std::function<void()> work) {
  const std::uint64_t number = ++next_;
  due_[number] = now_ + delay;
  alarms_[{now_ + delay, number}] = std::move(work);
  return number;
}

void PipeNature::cancel(std::uint64_t alarm) {
  const auto found = due_.find(alarm);
  if (found == due_.end()) return;
  alarms_.erase({found->second, alarm});
  due_.erase(found);
}

End& PipeNature::connect(Actor& client) {
  std::vector<Backend*> up;
  for (Backend* backend : backends) {
    if (backend->up()) up.push_back(backend);
  }
  ends_.push_back(std::make_unique<PipeEnd>(*this, client, ++next_));
  PipeEnd& near = *ends_.back();
  near.to_client_ = true;
  if (up.empty()) {
    after(1ms, [this, &near] {
      if (std::exchange(near.gone_, true)) return;
      if (troubles != nullptr) troubles->befall(near.actor_.name(), now_);
      near.actor_.on_refused(near);
    });
    return near;
  }
  ends_.push_back(std::make_unique<PipeEnd>(*this, *up[below(random_, up.size())], ++next_));
  PipeEnd& far = *ends_.back();
  near.peer_ = &far;
  far.peer_ = &near;
  after(1ms, [&near, &far] {
    if (near.gone_) return;
    far.actor_.on_open(far);
    near.actor_.on_open(near);
  });
  return near;
}

void PipeNature::run_for(Duration time) {
  const Time until = now_ + time;
  while (!alarms_.empty() && alarms_.begin()->first.first <= until) {
    auto first = alarms_.extract(alarms_.begin());
    now_ = first.key().first;
    due_.erase(first.key().second);
    first.mapped()();
  }
  now_ = until;
}

}  // namespace limpet::sim
