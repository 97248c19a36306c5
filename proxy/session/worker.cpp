// SPDX-License-Identifier: Apache-2.0
// See worker.h. Here is also how accepting pauses where descriptors, sessions or memory run out, and how a farewell
// reaches the workers that have the sessions: by a post to each, which looks every session up again.
#include "proxy/session/worker.h"

#include <algorithm>
#include <map>

#include "proxy/base/planted_fault.h"
namespace limpet::session {

namespace {

constexpr Duration kWarnPeriod = std::chrono::seconds(1);
constexpr Duration kRetryPeriod = std::chrono::milliseconds(100);  // of accepting that is paused
constexpr Duration kEpisodeOver = std::chrono::seconds(5);         // of accepting without a pause

std::string_view pause_text(metrics::PauseReason reason) {
  switch (reason) {
  case metrics::PauseReason::Descriptors:
    return "out of file descriptors: accepting pauses";
  case metrics::PauseReason::MaxSessions:
    return "max_sessions reached: accepting pauses";
  case metrics::PauseReason::MemoryBudget:
    return "memory_budget reached: accepting pauses";
  }
  return "";
}

}  // namespace

void Shared::dismiss(const SessionRefs& departing, CloseReason reason) {
  std::map<std::uint16_t, SessionRefs> by_worker;
  for (const SessionRef& ref : departing) by_worker[ref.worker].push_back(ref);
  for (auto& [index, refs] : by_worker) {
    Worker& worker = *workers[index];
    worker.post([&worker, refs = std::move(refs), reason] {
      for (const SessionRef& ref : refs) {
        if (planted(Planted::FarewellDropped) && ref.generation % 4 == 0) continue;
        Session* session = worker.find(ref);
        // One that was still connecting may have followed its key meanwhile.
        if (session != nullptr && !worker.shared().affinity.is_still_placed(session->record().member))
          session->farewell(reason);
      }
    });
  }
}

void Shared::backend_down(const Backend& backend) {
  for (Worker* worker : workers) {
    worker->post([worker, &backend] { worker->connecting().backend_down(backend); });
  }
}

Worker::Worker(Shared& shared, std::uint16_t index, std::shared_ptr<const Snapshot> snapshot, Protocols& protocols,
               const Clock* clock, net::Io io, Random* random)
    : shared_(shared),
      index_(index),
      cells_(shared.metrics.worker(index)),
      snapshot_(std::move(snapshot)),
      protocols_(protocols),
      random_(random != nullptr ? *random : system_random_),
      transport_(std::move(io.transport)),
      loop_(clock, std::move(io.waiter)),
      wheel_(loop_.read_clock()),
      upstreams_(*this),
      bound_upstreams_(*this),
      scratch_(std::make_unique_for_overwrite<char[]>(kScratch)),
      outbox_(*this, loop_) {
  for (const auto& listener : snapshot_->listeners) listener_table_.add(listener);
  loop_.set_tick([this] { return tick(); });
  loop_.set_after_many([this] { outbox_.deliver(); });
}

Worker::~Worker() {
  // Connections and sessions go before the loop that their events live in.
  owned_.clear();
  sweep();
}

void Worker::listen(ListenerId listener, Fd listening) {
  listeners_.push_back(std::make_unique<net::Acceptor>(
      loop_, std::move(listening),
      [this, listener](Fd fd, const net::Address& peer) {
        accepted(listener, transport_->open(loop_, std::move(fd), peer), peer);
      },
      [this] { out_of_descriptors(); }));
}

void Worker::run() {
  while (running_) run_round();
  loop_.send_last_writes();
}

void Worker::run_round() {
  loop_.tick_by(wheel_.next_due());
  const Duration took = loop_.run_round();
  cells_.loop_lag.observe(in_seconds(took));
  sweep();
}

void Worker::stop_listening() {
  for (auto& listener : listeners_) listener->close_after_queue();
  listeners_.clear();
}

void Worker::connection_opened() {
  cells_.connections.add(1);
  shared_.connections.fetch_add(1, std::memory_order_relaxed);
}

void Worker::accepted(ListenerId listener, std::unique_ptr<net::Stream> stream, const net::Address& peer) {
  cells_.accepted.add();
  auto info = std::make_unique<ConnectionInfo>();
  info->peer = peer;
  protocols_.begin(*this, {listener, std::move(stream), std::move(info), ConnectionToken(*this), {}});
  if (over_connections()) pause_accepting(metrics::PauseReason::MaxSessions);
  if (over_budget()) pause_accepting(metrics::PauseReason::MemoryBudget);
}

bool Worker::over_connections() const {
  return shared_.connections.load(std::memory_order_relaxed) >= shared_.max_connections;
}

bool Worker::over_budget() const {
  return shared_.memory_budget > 0 &&
         shared_.buffered.load(std::memory_order_relaxed) > static_cast<std::int64_t>(shared_.memory_budget);
}

void Worker::pause_accepting(metrics::PauseReason reason) {
  for (auto& listener : listeners_) listener->pause();
  retry_accepting_at_ = now() + kRetryPeriod;
  loop_.tick_by(retry_accepting_at_);
  if (accepting_paused_) return;
  accepting_paused_ = true;
  const auto r = static_cast<std::size_t>(reason);
  cells_.accept_pauses[r].add();
  if (episode_ends_[r] == Time{} && shared_.workers_short[r].fetch_add(1, std::memory_order_relaxed) == 0) {
    log::warn(pause_text(reason));
  }
  episode_ends_[r] = Time::max();
}

void Worker::resume_if_possible() {
  if (over_connections() || over_budget()) return;
  bool all = true;
  for (auto& listener : listeners_) all = listener->resume() && all;
  if (!all) return;  // tick() tries again
  accepting_paused_ = false;
  for (Time& ends : episode_ends_) {
    if (ends != Time{}) ends = now() + kEpisodeOver;
  }
}

Time Worker::end_episodes() {
  Time next = Time::max();
  for (std::size_t r = 0; r < episode_ends_.size(); ++r) {
    Time& ends = episode_ends_[r];
    if (ends == Time{}) continue;
    if (now() < ends) {
      next = std::min(next, ends);
      continue;
    }
    ends = {};
    if (shared_.workers_short[r].fetch_sub(1, std::memory_order_relaxed) > 1 || listeners_.empty()) continue;
    log::info("accepting resumes", {{"after", metrics::name(static_cast<metrics::PauseReason>(r))}});
  }
  return next;
}

bool Worker::may_warn() {
  if (now() < warned_at_ + kWarnPeriod) return false;
  warned_at_ = now();
  return true;
}

void Worker::connection_closed() {
  cells_.connections.add(-1);
  shared_.connections.fetch_sub(1, std::memory_order_relaxed);
}

void Worker::count_buffered(std::int64_t bytes) {
  cells_.buffered_bytes.add(bytes);
  shared_.buffered.fetch_add(bytes, std::memory_order_relaxed);
}

Time Worker::tick() {
  wheel_.advance(now());
  if (accepting_paused_ && now() >= retry_accepting_at_) {
    retry_accepting_at_ = now() + kRetryPeriod;
    resume_if_possible();
  }
  return accepting_paused_ ? retry_accepting_at_ : end_episodes();  // run_round() asks the wheel
}

SessionRef Worker::enlist(Session& session) {
  std::uint32_t slot;
  if (free_seats_.empty()) {
    slot = static_cast<std::uint32_t>(seats_.size());
    seats_.emplace_back();
  } else {
    slot = free_seats_.back();
    free_seats_.pop_back();
  }
  if (++generations_ == 0) ++generations_;
  seats_[slot] = {&session, generations_};
  return {index_, slot, generations_};
}

void Worker::delist(SessionRef ref) {
  if (ref.slot >= seats_.size() || seats_[ref.slot].generation != ref.generation) return;
  seats_[ref.slot] = {};
  free_seats_.push_back(ref.slot);
}

void Worker::give_back_memory() {
  while (!seats_.empty() && seats_.back().session == nullptr) seats_.pop_back();
  free_seats_.clear();
  for (auto slot = static_cast<std::uint32_t>(seats_.size()); slot-- > 0;) {  // the first seats are taken first
    if (seats_[slot].session == nullptr) free_seats_.push_back(slot);
  }
  seats_.shrink_to_fit();
  free_seats_.shrink_to_fit();
  owned_.shrink_to_fit();
}

Session* Worker::find(SessionRef ref) const {
  if (ref.slot >= seats_.size() || seats_[ref.slot].generation != ref.generation) return nullptr;
  return seats_[ref.slot].session;
}

Owned& Worker::own(std::unique_ptr<Owned> object) {
  object->place_ = owned_.size();
  owned_.push_back(std::move(object));
  return *owned_.back();
}

void Worker::retire(Owned& object) {
  const std::size_t place = object.place_;
  if (place >= owned_.size() || owned_[place].get() != &object) return;  // retired already
  graveyard_.push_back(std::move(owned_[place]));
  if (place + 1 < owned_.size()) {
    owned_[place] = std::move(owned_.back());
    owned_[place]->place_ = place;
  }
  owned_.pop_back();
}

void Worker::retire(std::unique_ptr<net::Stream> stream) {
  if (stream == nullptr) return;
  stream->set_handler(nullptr);  // its interest ends with its descriptor
  dead_streams_.push_back(std::move(stream));
}

void Worker::sweep() {
  to_client_.expect_empty();
  to_backend_.expect_empty();
  while (!graveyard_.empty() || !dead_streams_.empty()) {
    buried_.swap(graveyard_);  // what is destroyed may retire more
    buried_.clear();
    dead_streams_.clear();
  }
}

}  // namespace limpet::session
