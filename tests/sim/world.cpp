// SPDX-License-Identifier: Apache-2.0
// See world.h. Here: whose turn it is, and what is told of it; connections.cpp has the links.
#include "tests/sim/world.h"

#include <algorithm>

#include "proxy/base/planted_fault.h"

namespace limpet::sim {

namespace {

constexpr std::uint64_t kMostStepsAtOnce = 300'000;

}  // namespace

World::World(const Scenario& scenario, Trace& trace)
    : scenario_(scenario),
      trace_(trace),
      schedule_dice_(scenario.seed * 7 + 1),
      link_dice_(scenario.seed * 7 + 2),
      actors_dice_(scenario.seed * 7 + 3),
      threads_(1 + scenario.workers),
      control_random_(scenario.seed * 7 + 4),
      control_transport_(*this, 0),
      control_loop_(&clock_, std::make_unique<SimWaiter>(threads_[0].woken)),
      core_(scenario.settings, scenario.workers,
            {control_loop_, control_transport_, protocol_, control_random_, time_of_day_}),
      checks_(*this) {
  for (const auto& backend : scenario.settings.pools[0]->backends) {
    hosts_.push_back({backend.name, backend.address});
  }
  threads_[0].name = "c";
  threads_[0].loop = &control_loop_;
  for (unsigned w = 0; w < scenario.workers; ++w) {
    Thread& thread = threads_[w + 1];
    worker_random_.push_back(std::make_unique<SeededRandom>(scenario.seed * 7 + 100 + w));
    session::Worker& worker =
        core_.add_worker({std::make_unique<SimWaiter>(thread.woken), std::make_unique<SimTransport>(*this, w + 1)},
                         &clock_, worker_random_.back().get());
    if (scenario.outbox > 0) worker.outbox().shrink(scenario.outbox);
    thread.name = "w" + std::to_string(w);
    thread.loop = &worker.loop();
    thread.worker = &worker;
    auto listener = std::make_unique<SimListener>(*this, worker, w + 1);
    thread.listener = listener.get();
    worker.listen(std::move(listener));
  }
  core_.set_max_connections(scenario.max_connections);
  core_.set_access_log(this);
  control_loop_.set_tick([this] { return core_.tick(); });
  log::redirect(this, log::Level::Debug);
  stage.before_shared = [](void* world) { static_cast<World*>(world)->maybe_interleave(); };
  stage.world = this;
}

World::~World() {
  stage.before_shared = nullptr;
  trace_.stop();
  over_ = true;  // its inhabitants have gone
  core_.drop_workers();
  log::redirect(nullptr);
}

// --- time ---

Time World::due(const Thread& thread) const {
  const Time at = thread.loop->next_due();
  return thread.worker == nullptr ? at : std::min(at, thread.worker->wheel().next_due());
}

bool World::is_runnable(const Thread& thread) const {
  return !thread.running && (thread.woken || due(thread) <= now());
}

void World::run_round(Thread& thread) {
  thread.running = true;
  ++thread.rounds;
  if (thread.worker != nullptr) {
    checks_.before_round(*thread.worker);
    thread.worker->run_round();
    checks_.after_round(*thread.worker);
  } else {
    control_loop_.run_round();
    const bool within_another = std::ranges::count_if(threads_, &Thread::running) > 1;
    if (!within_another) checks_.after_control_round();
  }
  thread.running = false;
}

// Before a call into what workers share: the seed may let another one come first.
void World::maybe_interleave() {
  const auto running = std::ranges::count_if(threads_, &Thread::running);
  if (running != 1 || !schedule_dice_.chance(scenario_.interleaves)) return;
  std::vector<Thread*> others;
  for (Thread& thread : threads_) {
    if (is_runnable(thread)) others.push_back(&thread);
  }
  if (others.empty()) return;
  Thread& chosen = *others[schedule_dice_.below(others.size())];
  count("a round within another's call");
  trace("its round comes before another's call", static_cast<int>(&chosen - threads_.data()));
  run_round(chosen);
}

void World::step() {
  std::vector<Thread*> runnable;
  for (Thread& thread : threads_) {
    if (is_runnable(thread)) runnable.push_back(&thread);
  }
  const bool event_is_due = events_.next() <= now();
  if (event_is_due && (runnable.empty() || schedule_dice_.chance(scenario_.events_first))) {
    events_.run_next();
  } else {
    run_round(*runnable[schedule_dice_.below(runnable.size())]);
    checks_.after_step();
  }
}

bool World::run_until(Time when) {
  while (failed_check_.empty()) {
    const bool something = events_.next() <= now() ||
                           std::ranges::any_of(threads_, [this](const Thread& thread) { return is_runnable(thread); });
    if (something) {
      if (++same_time_steps_ > kMostStepsAtOnce) fail("livelock", "time does not go on");
      step();
      continue;
    }
    Time next = events_.next();
    for (const Thread& thread : threads_) next = std::min(next, due(thread));
    if (next > when) {
      clock_.now_ = std::max(now(), when);
      return true;
    }
    clock_.now_ = next;
    same_time_steps_ = 0;
  }
  return false;
}

// --- Nature ---

std::uint64_t World::after(Duration delay, std::function<void()> work) {
  return plan(delay, [this, work = std::move(work)] {
    if (!emptied_) work();
  });
}

void World::note(const Actor& who, std::string_view what) {
  if (trace_.is_on()) trace(who.name() + ": " + std::string(what));
}

void World::fail(std::string_view check, std::string_view why) {
  if (!failed_check_.empty()) return;
  failed_check_ = check;
  failure_ = why;
  trace("FAILED " + failed_check_ + ": " + failure_);
}

void World::count(std::string_view event) {
  const auto found = tally_.find(event);
  if (found != tally_.end()) {
    ++found->second;
  } else {
    tally_.emplace(event, 1);
  }
}

// --- what is told ---

void World::write(log::Level level, std::string_view message, log::Items items) {
  checks_.logged(level, message);
  if (!trace_.is_on()) return;
  std::string text = "log: " + std::string(message);
  for (const auto& item : items) {
    text += ' ';
    text += item.key;
    text += '=';
    std::visit(
        [&](const auto& value) {
          using Value = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<Value, std::string_view>) {
            text += log::quote_if_needed(value);
          } else {
            text += std::to_string(value);
          }
        },
        item.value);
  }
  trace(text);
}

void World::line(const std::string& text) {
  if (over_) return;
  checks_.finished(text);
  if (trace_.is_on()) trace("end: " + text);
}

void World::note_write(const Link& link, std::size_t size, std::size_t taken) {
  if (!trace_.is_on()) return;
  trace("#" + std::to_string(link.id()) + " << " + std::to_string(taken) +
        (taken < size ? " of " + std::to_string(size) : "") + " B");
}

void World::note_arrival(const Link& link, bool to_proxy, std::size_t bytes, bool fin, bool reset) {
  if (!trace_.is_on()) return;
  trace("#" + std::to_string(link.id()) + (to_proxy ? " >> " : " delivered ") +
        (reset ? "RST"
         : fin ? "FIN"
               : std::to_string(bytes) + " B"));
}

std::string World::columns(int thread) {
  std::string out;
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    const Thread& t = threads_[i];
    const bool runs = static_cast<int>(i) == thread || (thread < 0 && t.running);
    std::uint64_t sessions = 0;
    if (t.worker != nullptr) t.worker->for_each_session([&](session::Session&) { ++sessions; });
    std::string cell = (runs ? ">" : " ") + t.name + (t.worker != nullptr ? ":" + std::to_string(sessions) : "");
    cell.resize(std::max<std::size_t>(cell.size(), 7), ' ');
    out += cell;
  }
  out += "|";
  for (const auto& pool : core_.snapshot().pools) {
    for (const auto& backend : pool->view().backends) {
      const char state = "rdD"[static_cast<std::size_t>(backend->state.load())];
      const char health = "+-!"[static_cast<std::size_t>(backend->health.load())];
      std::string cell = " " + backend->name + state + health + std::to_string(backend->sessions.load());
      cell.resize(std::max<std::size_t>(cell.size(), 8), ' ');
      out += cell;
    }
  }
  return out;
}

void World::trace(std::string_view text, int thread) {
  if (trace_.is_on()) trace_.line(now() - start_, columns(thread), text);
}

}  // namespace limpet::sim
