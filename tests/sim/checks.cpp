// SPDX-License-Identifier: Apache-2.0
// See checks.h.
#include "tests/sim/checks.h"

#include <algorithm>
#include <set>

#include "tests/sim/world.h"

namespace limpet::sim {

using session::Backend;
using session::BackendState;
using session::Session;
using session::Worker;

namespace {

constexpr std::uint64_t kStepsPerCount = 64;       // between looks at all counters
constexpr std::size_t kManySessions = 100;         // from here on not every step looks at each
constexpr std::uint32_t kCloseFrame = 0x880203f4;  // 1012, unmasked
constexpr Duration kFarewellReaches = std::chrono::seconds(1);
constexpr Duration kWebSocketLeaves = std::chrono::seconds(30);

std::string_view value_of(std::string_view line, std::string_view name) {
  const auto at = line.find(" " + std::string(name) + "=");
  if (at == std::string_view::npos) return {};
  const auto from = at + name.size() + 2;
  return line.substr(from, line.find(' ', from) - from);
}

// Of a private base, too: the object itself.
template <typename T>
const void* whole(const T* part) {
  return dynamic_cast<const void*>(part);
}

}  // namespace

// --- time ---

void Checks::before_round(Worker& worker) {
  if (worker.wheel().next_due() < world_.now()) world_.fail("late_timer", "a timer was due before this round");
}

void Checks::after_round(Worker& worker) {
  if (worker.wheel().next_due() <= world_.now()) {
    world_.fail("timer_in_the_past", "a timer is due that this round should have fired");
  }
  look_at_goodbyes();
}

void Checks::after_control_round() {
  if (!drains_.empty()) look_at_sessions();
}

void Checks::after_step() {
  ++steps_;
  if (last_count_ < kManySessions || steps_ % 16 == 0) look_at_sessions();
  if (steps_ % kStepsPerCount == 0) look_at_counters();
}

// --- sessions and keys ---

// Turns of a key above 5% of the sessions are spread; where the drain is called off in between it stays on both.
bool Checks::may_be_split(const Backend& backend, std::string_view key) const {
  if (split_.contains(key)) return true;
  const auto found = drains_.find(backend.name);
  return found != drains_.end() && std::ranges::find(found->second.heavy, key) != found->second.heavy.end();
}

void Checks::look_at_sessions() {
  const Time now = world_.now();
  std::map<Ref, Seen> present;
  std::map<Backend*, std::uint32_t> reserved;
  std::map<std::tuple<unsigned, Backend*, std::size_t>, std::int64_t> gauges;
  std::map<std::string, const Backend*, std::less<>> places;
  last_count_ = 0;
  for (const auto& worker : world_.core().workers()) {
    worker->for_each_session([&](Session& session) {
      const auto& record = session.record();
      const auto& member = record.member;
      ++last_count_;
      if (record.finished()) world_.fail("finished_but_seated", "a finished session is still in its worker's table");
      if (record.counted()) ++gauges[{worker->index(), member.backend, static_cast<std::size_t>(record.protocol())}];
      if (member.entry == nullptr) return;
      ++reserved[member.backend];
      const Ref ref{member.ref.worker, member.ref.slot, member.ref.generation};
      const std::string key(session::Affinity::key_of(member));
      const auto before = seen_.find(ref);
      const bool is_new = before == seen_.end() || before->second.backend != member.backend;
      Seen seen{member.backend, member.leaving, is_new ? member.leaving : before->second.joined_leaving,
                is_new || !before->second.leaving ? now : before->second.leaving_since};
      const auto drain = drains_.find(member.backend->name);
      if (drain != drains_.end() && member.leaving && !is_new && !before->second.leaving) {
        drain->second.farewells.push_back(now);
        drain->second.turned.emplace(key, now);
      }
      if (drain != drains_.end() && is_new && !member.leaving && !key.empty() && !leaving_ &&
          drain->second.turned.contains(key) && !may_be_split(*member.backend, key)) {
        world_.fail("new_session_after_turn", "key '" + key + "' has a new session on " + member.backend->name);
      }
      if (!member.leaving && !key.empty() && !leaving_) {
        const auto [place, first] = places.emplace(key, member.backend);
        if (!first && place->second != member.backend && !may_be_split(*place->second, key) &&
            !may_be_split(*member.backend, key)) {
          world_.fail("key_on_two_backends",
                      "key '" + key + "' is on " + place->second->name + " and on " + member.backend->name);
        }
      }
      const bool websocket = record.protocol() == session::Protocol::WebSocket;
      if (seen.leaving && !seen.joined_leaving && std::string_view(session.state_name()) == "open" &&
          now > seen.leaving_since + (websocket ? kWebSocketLeaves : kFarewellReaches)) {
        world_.fail("farewell_lost", "a session of key '" + key + "' has been told to leave and has not heard it");
      }
      present.emplace(ref, seen);
    });
  }
  seen_ = std::move(present);
  for (const auto& pool : world_.core().snapshot().pools) {
    for (const auto& backend : pool->view().backends) {
      if (backend->sessions.load() != reserved[backend]) {
        world_.fail("reserved_is_open", backend->name + " counts " + std::to_string(backend->sessions.load()) +
                                            " sessions, open are " + std::to_string(reserved[backend]));
      }
      for (unsigned w = 0; w < world_.core().workers().size(); ++w) {
        for (std::size_t p = 0; p < metrics::kProtocols; ++p) {
          const auto counted = backend->cells[w]->protocols[p].sessions.value();
          const auto open = gauges[{w, backend, p}];
          if (counted != open) {
            world_.fail("gauge", backend->name + "'s gauge of protocol " + std::to_string(p) + " says " +
                                     std::to_string(counted) + ", open are " + std::to_string(open));
          }
        }
      }
    }
  }
}

// --- counters ---

void Checks::look_at_counters() {
  std::int64_t buffered = 0;
  std::int64_t connections = 0;
  auto& shared = world_.core().shared();
  for (const auto& worker : world_.core().workers()) {
    const auto& cells = worker->cells();
    buffered += cells.buffered_bytes.value();
    connections += cells.connections.value();
    const auto most = (cells.connections.value() + 1) * static_cast<std::int64_t>(world_.scenario().most_queued);
    if (cells.buffered_bytes.value() < 0 || cells.buffered_bytes.value() > most) {
      world_.fail("queued_bytes", std::to_string(cells.buffered_bytes.value()) + " bytes wait in a worker");
    }
  }
  if (buffered != shared.buffered.load()) world_.fail("buffered", "the workers' sum is not what all share");
  if (connections != static_cast<std::int64_t>(shared.connections.load())) {
    world_.fail("connections", "the workers' sum is not what all share");
  }
  for (const auto& pool : world_.core().snapshot().pools) {
    for (const auto& backend : pool->view().backends) {
      std::uint64_t closed = 0;
      for (const auto* cells : backend->cells) {
        for (const auto& protocol : cells->protocols) {
          for (const auto& reason : protocol.closed) closed += reason.value();
        }
      }
      if (closed != ends_[backend->name]) {
        world_.fail("counted_ends", backend->name + " counts " + std::to_string(closed) + " ends, there were " +
                                        std::to_string(ends_[backend->name]));
      }
    }
  }
}

void Checks::finished(const std::string& line) {
  const auto reason = value_of(line, "close_reason");
  world_.count("end: " + std::string(value_of(line, "protocol")) + " " + std::string(reason));
  if (!value_of(line, "pick_reason").empty() && value_of(line, "pick_reason") != "\"\"") {
    ++ends_[std::string(value_of(line, "backend"))];
    world_.count("pick: " + std::string(value_of(line, "pick_reason")));
  }
  if (reason == "cut" || reason == "slow_client" || reason == "shutdown") {
    const auto cut = clients_.find(std::string(value_of(line, "client")));
    if (cut != clients_.end()) {
      if (const auto link = cut->second.lock()) world_.commons().troubles.befall(link->actor().name(), world_.now());
    }
  }
  if (value_of(line, "protocol") == "websocket" && reason == "drained" && value_of(line, "status") == "101") {
    const auto found = clients_.find(std::string(value_of(line, "client")));
    if (found == clients_.end()) return;
    if (auto link = found->second.lock()) said_goodbye_.push_back(std::move(link));
  }
}

// A WebSocket that counts as drained has been told so by its last bytes.
void Checks::look_at_goodbyes() {
  for (const auto& link : said_goodbye_) {
    if (link->last_bytes != kCloseFrame) {
      world_.fail("drained_without_goodbye", "#" + std::to_string(link->id()) +
                                                 " counts as drained, its last bytes are " +
                                                 std::to_string(link->last_bytes));
    }
  }
  said_goodbye_.clear();
}

void Checks::logged(log::Level level, std::string_view message) {
  if (level == log::Level::Error) world_.fail("error_logged", message);
}

// --- streams ---

void Checks::stream_opened(const Link& link) {
  if (link.is_check) ++check_streams_;
  if (link.backend.empty()) {
    const auto& links = world_.links();
    if (const auto found = links.find(link.id()); found != links.end()) clients_[link.peer.text()] = found->second;
  }
}

void Checks::stream_closed(const Link& link) {
  if (link.is_check) --check_streams_;
}

Session* Checks::session_of(const SimStream& stream) const {
  Session* found = nullptr;
  const void* const owner = whole(stream.handler());
  for (const auto& worker : world_.core().workers()) {
    worker->for_each_session([&](Session& session) {
      if (whole(&session) == owner) found = &session;
    });
  }
  return found;
}

std::string Checks::client_behind(const Link& link) const {
  auto* session = link.stream() == nullptr ? nullptr : session_of(*link.stream());
  if (session == nullptr) return {};
  const auto& record = session->record();
  const auto client = clients_.find(record.client.text() + ":" + std::to_string(record.client_port));
  const auto from = client == clients_.end() ? nullptr : client->second.lock();
  return from ? from->actor().name() : std::string();
}

// The first bytes for a backend: the session has looked again, whether it may open there.
void Checks::first_write(SimStream& stream) {
  if (stream.link().is_check || stream.link().backend.empty() || !stream.was_connecting()) return;
  auto* session = session_of(stream);
  if (session == nullptr) return;
  const auto& record = session->record();
  const auto& ref = record.member.ref;
  const auto found = seen_.find({ref.worker, ref.slot, ref.generation});
  if (found == seen_.end() || found->second.joined_leaving || found->second.backend != record.member.backend) return;
  // Who has failed where its key is now opens where it is, and leaves at once (Affinity::may_follow).
  if (record.member.leaving && record.pick_reason() != metrics::PickReason::Learned &&
      !record.member.backend->is_ready()) {
    world_.fail("opened_after_turn", "#" + std::to_string(stream.link().id()) + " opens on " + stream.link().backend +
                                         " although its key's turn has come");
  }
}

// --- drains ---

void Checks::drain_began(const std::string& backend, const admin::DrainOrder& order, const admin::DrainPlan& plan) {
  Drain drain;
  drain.over = order.over;
  drain.has_pace = !order.soft && !order.whole_keys;
  for (const auto& [key, sessions] : plan.heavy) drain.heavy.push_back(key);
  drains_[backend] = std::move(drain);
}

void Checks::drain_disturbed(const std::string& backend) {
  const auto found = drains_.find(backend);
  if (found != drains_.end()) found->second.has_pace = false;
}

void Checks::made_ready(const std::string& backend) {
  const auto found = drains_.find(backend);
  if (found == drains_.end()) return;
  look_at_drain(backend, found->second);
  for (const auto& key : found->second.heavy) {
    if (found->second.turned.contains(key)) split_.insert(key);
  }
  drains_.erase(found);
}

void Checks::look_at_drain(const std::string& backend, const Drain& drain) {
  const auto& at = drain.farewells;
  if (!drain.has_pace || at.size() < 200) return;
  world_.count("a drain of 200 sessions or more");
  std::size_t first = 0;
  for (std::size_t last = 0; last < at.size(); ++last) {
    while (at[last] - at[first] >= drain.over / 10) ++first;
    if ((last - first + 1) * 10 > 2 * at.size()) {
      return world_.fail("uneven_drain", backend + " told " + std::to_string(last - first + 1) + " of " +
                                             std::to_string(at.size()) + " sessions within a tenth of the time");
    }
  }
}

// --- the end ---

void Checks::nothing_is_left() {
  look_at_sessions();
  look_at_counters();
  for (const auto& [backend, drain] : drains_) look_at_drain(backend, drain);
  const auto expect = [&](std::int64_t left, const std::string& what) {
    if (left != 0) world_.fail("left_behind", std::to_string(left) + " " + what);
  };
  auto& shared = world_.core().shared();
  expect(static_cast<std::int64_t>(last_count_), "sessions");
  expect(static_cast<std::int64_t>(shared.connections.load()), "connections of clients");
  expect(shared.buffered.load(), "queued bytes");
  expect(static_cast<std::int64_t>(world_.open_streams() - check_streams_), "open streams");
  for (const auto& pool : world_.core().snapshot().pools) {
    for (const auto& backend : pool->view().backends) {
      expect(backend->sessions.load(), "sessions of " + backend->name);
      expect(backend->keys.load(), "keys of " + backend->name);
    }
    expect(pool->misplaced_keys.load(), "misplaced keys");
  }
}

}  // namespace limpet::sim
