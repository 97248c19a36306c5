// SPDX-License-Identifier: Apache-2.0
// Worker: one thread of the data path with all that its sessions share: the loop, the timer wheel, the scratch buffer,
// the table of sessions, the idle upstream connections and the listening sockets. A session never changes worker. Other
// threads reach a worker through post() only. What retire() is given is destroyed at the end of the round of the loop
// and nowhere else. A worker knows no protocol.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "metrics/registry.h"
#include "proxy/base/log.h"
#include "proxy/base/random.h"
#include "proxy/base/timer_wheel.h"
#include "proxy/net/acceptor.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "proxy/net/transport.h"
#include "proxy/session/affinity.h"
#include "proxy/session/bound_upstreams.h"
#include "proxy/session/connector.h"
#include "proxy/session/listener.h"
#include "proxy/session/outbox.h"
#include "proxy/session/outlet.h"
#include "proxy/session/owned.h"
#include "proxy/session/protocols.h"
#include "proxy/session/router.h"
#include "proxy/session/session.h"
#include "proxy/session/spares.h"
#include "proxy/session/upstream_pool.h"
#include "proxy/wire/http/http1.h"

namespace limpet::session {

class Worker;

// What all workers share. Owned by the process; outlives the workers.
struct Shared {
  // `table_seed`: as of Affinity.
  Shared(std::uint64_t max_keys, metrics::Registry& registry, std::uint64_t table_seed = random64())
      : affinity(max_keys, table_seed), metrics(registry) {}

  Affinity affinity;
  metrics::Registry& metrics;
  log::LineSink* access_log = nullptr;  // null: none
  SystemWallClock system_wall_clock;
  const WallClock* wall_clock = &system_wall_clock;
  std::function<void(const Backend&, bool good)> observed;  // a connect, timeout or head was good or bad; any thread
  std::vector<Worker*> workers;                             // constant once they run
  std::uint64_t max_connections = 0;                        // of clients
  std::uint64_t memory_budget = 0;                          // 0: none
  Duration crash_spread{};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::int64_t> buffered{0};
  std::atomic<bool> draining{false};  // the process leaves: listeners are closed, upgrades are refused
  // How many workers are in an episode of pauses, by its reason: the log speaks of the first that enters it and of the
  // last that leaves it.
  std::array<std::atomic<std::uint32_t>, metrics::kPauseReasons> workers_short{};

  // Posts each its farewell.
  void dismiss(const SessionRefs& departing, CloseReason reason);
  // The checks call it down: who connects to it hears of it. Any thread.
  void backend_down(const Backend& backend);
};

class Worker {
 public:
  static constexpr std::size_t kScratch = 128 * 1024;

  // `protocols` takes what is accepted; it, `clock` (as of net::Loop) and `random` (null: the system's) outlive the
  // worker.
  Worker(Shared& shared, std::uint16_t index, std::shared_ptr<const Snapshot> snapshot, Protocols& protocols,
         const Clock* clock = nullptr, net::Io io = net::epoll_io(), Random* random = nullptr);
  ~Worker();

  // --- any thread ---
  void post(std::function<void()> work) { loop_.post(std::move(work)); }

  // --- the worker's thread ---
  // The listeners of the snapshot have the ids 0 and on, in its order.
  void listen(ListenerId listener, Fd listening);
  void listen(std::unique_ptr<net::Listener> listener) { listeners_.push_back(std::move(listener)); }
  // What comes from a listener.
  void accepted(ListenerId listener, std::unique_ptr<net::Stream> stream, const net::Address& peer);
  // A listener has paused for want of descriptors.
  void out_of_descriptors() { pause_accepting(metrics::PauseReason::Descriptors); }
  void run();        // until stop()
  void run_round();  // once
  void stop() { running_ = false; }
  // Closes the listening sockets once their queues are taken.
  void stop_listening();

  Shared& shared() { return shared_; }
  const Snapshot& snapshot() const { return *snapshot_; }
  ListenerTable& listeners() { return listener_table_; }
  net::Loop& loop() { return loop_; }
  Random& random() { return random_; }
  // Begins to connect; see net::Transport.
  Result<std::unique_ptr<net::Stream>> dial(const net::Target& to) { return transport_->dial(loop_, to); }
  TimerWheel& wheel() { return wheel_; }
  UpstreamPool& upstreams() { return upstreams_; }
  BoundUpstreams& bound_upstreams() { return bound_upstreams_; }
  Connecting& connecting() { return connecting_; }
  metrics::WorkerCells& cells() { return cells_; }
  std::uint16_t index() const { return index_; }
  Time now() { return loop_.now(); }
  Spares<wire::RequestHead>& request_heads() { return request_heads_; }
  Spares<wire::ResponseHead>& response_heads() { return response_heads_; }
  Spares<std::string>& texts() { return texts_; }
  char* scratch() { return scratch_.get(); }

  // Collectors for the write of the present event; empty between events. Taken by Gather::of().
  Gather& to_client() { return to_client_; }
  Gather& to_backend() { return to_backend_; }
  std::vector<std::string_view>& pieces() { return pieces_; }
  Outbox& outbox() { return outbox_; }

  SessionRef enlist(Session& session);
  void reseat(SessionRef ref, Session& session) { seats_[ref.slot].session = &session; }
  void delist(SessionRef ref);
  // Tables that thousands of sessions have left behind shrink to what is there now.
  void give_back_memory();
  Session* find(SessionRef ref) const;
  template <typename F>
  void for_each_session(F&& f) const {
    for (const Seat& seat : seats_) {
      if (seat.session != nullptr) f(*seat.session);
    }
  }

  Owned& own(std::unique_ptr<Owned> object);
  void retire(Owned& object);
  void retire(std::unique_ptr<Owned> object) { graveyard_.push_back(std::move(object)); }
  void retire(std::unique_ptr<net::Stream> stream);

  // True once a second at most: for what every request may come upon, such as a want of descriptors.
  bool may_warn();

  void count_buffered(std::int64_t bytes);
  // --- a ConnectionToken's calls, and a record's that has taken one over ---
  void connection_opened();
  void connection_closed();

 private:
  struct Seat {
    Session* session = nullptr;
    std::uint32_t generation = 0;  // 0: free
  };

  void pause_accepting(metrics::PauseReason reason);
  void resume_if_possible();
  // What has run out does so again and again while it is scarce: to the log all these pauses are one episode, which is
  // over when accepting has gone on for a while. Says so of those that are; the time at which the next may be, the end
  // of time where there is none.
  Time end_episodes();
  bool over_connections() const;
  bool over_budget() const;
  void sweep();
  Time tick();

  Shared& shared_;
  const std::uint16_t index_;
  metrics::WorkerCells& cells_;
  std::shared_ptr<const Snapshot> snapshot_;
  ListenerTable listener_table_;
  Protocols& protocols_;
  SystemRandom system_random_;
  Random& random_;
  const std::unique_ptr<net::Transport> transport_;
  net::Loop loop_;
  TimerWheel wheel_;
  UpstreamPool upstreams_;
  BoundUpstreams bound_upstreams_;
  Connecting connecting_;
  const std::unique_ptr<char[]> scratch_;
  Spares<wire::RequestHead> request_heads_;
  Spares<wire::ResponseHead> response_heads_;
  Spares<std::string> texts_;
  Gather to_client_;
  Gather to_backend_;
  std::vector<std::string_view> pieces_;
  Outbox outbox_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;

  std::vector<std::unique_ptr<Owned>> owned_;
  std::vector<std::unique_ptr<Owned>> graveyard_;
  std::vector<std::unique_ptr<Owned>> buried_;  // empty but in sweep()
  std::vector<std::unique_ptr<net::Stream>> dead_streams_;
  std::vector<Seat> seats_;
  std::vector<std::uint32_t> free_seats_;
  std::uint32_t generations_ = 0;
  std::array<Time, metrics::kPauseReasons> episode_ends_{};  // Time{}: none; Time::max(): accepting pauses now
  Time retry_accepting_at_{};
  Time warned_at_{};
  bool running_ = true;
  bool accepting_paused_ = false;
};

}  // namespace limpet::session
