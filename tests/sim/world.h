// SPDX-License-Identifier: Apache-2.0
// World: a whole proxy (control core, workers, health checks) and those who use it, on one thread and in virtual time.
// Time stands still while something can be done and then jumps to the next packet, alarm or tick; who comes next among
// those that could is the seed's choice. It hides nothing from the proxy: all that happens comes through the seams
// (Transport, Listener, Waiter, Clock, Random). One per thread; see scenario.h for what is in it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proxy/base/log.h"
#include "proxy/server/control_core.h"
#include "proxy/session/http/http_protocol.h"
#include "tests/sim/actor.h"
#include "tests/sim/actors/commons.h"
#include "tests/sim/checks.h"
#include "tests/sim/dice.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/link.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_transport.h"
#include "tests/sim/trace.h"

namespace limpet::sim {

using Tally = std::map<std::string, std::uint64_t, std::less<>>;

// A backend's machine.
struct Host {
  enum class State : std::uint8_t { Up, Refuses, Dark, QueueFull };
  std::string name;
  net::Address address;
  Actor* actor = nullptr;
  State state = State::Up;
};

class World final : public Nature, private log::Sink, private log::LineSink {
 public:
  World(const Scenario& scenario, Trace& trace);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // `actor` lives on the backend of that index.
  void inhabit(std::size_t backend, Actor& actor) { hosts_[backend].actor = &actor; }

  // Lets time pass until `when`; false where a check has failed.
  bool run_until(Time when);
  Time start() const { return start_; }
  // What has gone wrong first: "" where nothing has.
  const std::string& failed_check() const { return failed_check_; }
  const std::string& failure() const { return failure_; }
  const Tally& tally() const { return tally_; }
  bool has_left() const { return core_.has_left(); }
  // The clients go, without a word more, and nobody comes any more.
  void empty();
  // The faults of the weather end.
  void heal();

  // --- Nature ---
  Time now() const override { return clock_.now(); }
  Random& random() override { return actors_dice_.random(); }
  std::uint64_t after(Duration delay, std::function<void()> work) override;
  void cancel(std::uint64_t event) override { events_.cancel(event); }
  End& connect(Actor& client) override;
  void note(const Actor& who, std::string_view what) override;
  void fail(std::string_view check, std::string_view why) override;
  void count(std::string_view event) override;

  // --- what the proxy's side of the world does ---
  Result<std::unique_ptr<net::Stream>> dial(std::size_t thread, net::Loop& loop, const net::Address& to);
  bool lacks_descriptors(std::size_t thread) const { return now() < threads_[thread].short_until; }
  void accepted(std::size_t thread, Link& link);
  void listener_closed(const SimListener& listener);
  void stream_opened(Link& link);
  void stream_closed(Link& link);
  void first_write(SimStream& stream) { checks_.first_write(stream); }
  void note_write(const Link& link, std::size_t size, std::size_t taken);
  void note_arrival(const Link& link, bool to_proxy, std::size_t bytes, bool fin, bool reset);
  void forget(Link& link);

  std::uint64_t plan(Duration delay, std::function<void()> work) { return plan_at(now() + delay, std::move(work)); }
  std::uint64_t plan_at(Time when, std::function<void()> work) {
    return events_.add(std::max(when, now()), std::move(work));
  }
  static Time at_grain(Time when, Duration grain) {
    const auto rest = when.time_since_epoch() % grain;
    return rest.count() == 0 ? when : when + grain - rest;
  }

  // --- what weather, operator and checks see ---
  server::ControlCore& core() { return core_; }
  const Scenario& scenario() const { return scenario_; }
  std::vector<Host>& hosts() { return hosts_; }
  std::map<std::uint64_t, std::shared_ptr<Link>>& links() { return links_; }
  std::size_t open_streams() const { return open_streams_; }
  Checks& checks() { return checks_; }
  Commons& commons() { return commons_; }
  // Something befalls this link that is no doing of the proxy.
  void wrong(Link& link);
  void shorten_descriptors(std::size_t thread, Duration how_long) { threads_[thread].short_until = now() + how_long; }
  std::size_t thread_count() const { return threads_.size(); }
  void trace(std::string_view text, int thread = -1);
  bool is_tracing() const { return trace_.is_on(); }

 private:
  struct Thread {
    std::string name;
    net::Loop* loop = nullptr;
    session::Worker* worker = nullptr;  // null: the control loop
    SimListener* listener = nullptr;    // null: closed
    bool woken = false;
    bool running = false;
    Time short_until{};
    std::uint64_t rounds = 0;
  };
  class WorldClock final : public Clock {
   public:
    Time now() const override { return now_; }
    Time now_{std::chrono::hours(1)};
  };
  class TimeOfDay final : public WallClock {
   public:
    explicit TimeOfDay(const Clock& clock) : clock_(clock) {}
    std::chrono::system_clock::time_point now() const override {
      return std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::seconds(1'700'000'000) + clock_.now().time_since_epoch()));
    }

   private:
    const Clock& clock_;
  };

  void write(log::Level level, std::string_view message, log::Items items) override;
  void line(const std::string& text) override;

  bool is_runnable(const Thread& thread) const;
  Time due(const Thread& thread) const;
  void run_round(Thread& thread);
  void step();
  void maybe_interleave();
  void try_connect(const std::shared_ptr<Link>& link, std::size_t thread, int attempt);
  void try_dial(const std::shared_ptr<Link>& link, std::size_t host, int attempt);
  std::shared_ptr<Link> make_link(Actor& actor);
  std::string columns(int thread);

  const Scenario scenario_;
  Trace& trace_;
  WorldClock clock_;
  const TimeOfDay time_of_day_{clock_};
  const Time start_ = clock_.now();
  Dice schedule_dice_;
  Dice link_dice_;
  Dice actors_dice_;
  EventQueue events_;
  Commons commons_;
  std::vector<Host> hosts_;
  std::map<std::uint64_t, std::shared_ptr<Link>> links_;
  std::uint64_t last_link_ = 0;
  std::size_t open_streams_ = 0;
  std::uint64_t same_time_steps_ = 0;
  std::uint16_t last_port_ = 1024;
  bool emptied_ = false;
  bool over_ = false;
  std::string failed_check_;
  std::string failure_;
  Tally tally_;

  std::vector<Thread> threads_;  // 0: the control loop
  SeededRandom control_random_;
  std::vector<std::unique_ptr<SeededRandom>> worker_random_;
  session::HttpProtocol protocol_;
  SimTransport control_transport_;
  net::Loop control_loop_;
  server::ControlCore core_;
  Checks checks_;
};

}  // namespace limpet::sim
