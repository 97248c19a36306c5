// SPDX-License-Identifier: Apache-2.0
// See engine_sessions.h. Times as engine.io has them by default: a ping every 25 s, 20 s for its pong.
#include "tests/sim/actors/engine_sessions.h"

#include "tests/sim/actors/backend.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration kPingInterval = 25s, kPingTimeout = 20s, kNoopInterval = 100ms;

}  // namespace

std::vector<std::string> split_packets(std::string_view body) {
  std::vector<std::string> packets;
  while (true) {
    const auto end = std::min(body.find(kPacketEnd), body.size());
    packets.emplace_back(body.substr(0, end));
    if (end == body.size()) return packets;
    body.remove_prefix(end + 1);
  }
}

std::string join_packets(const std::deque<std::string>& packets) {
  std::string body;
  for (const auto& packet : packets) body += (body.empty() ? "" : std::string(1, kPacketEnd)) + packet;
  return body;
}

std::string event_text(std::string_view packet) {
  constexpr std::string_view kStart = "42[\"m\",\"", kEnd = "\"]";
  if (!packet.starts_with(kStart) || !packet.ends_with(kEnd)) return {};
  return std::string(packet.substr(kStart.size(), packet.size() - kStart.size() - kEnd.size()));
}

EngineSession& EngineSessions::open(const Tag& owner) {
  ended_.clear();
  auto made = std::make_unique<EngineSession>(backend_.nature());
  EngineSession& session = *made;
  session.id =
      backend_.name() + "-" + std::to_string(++next_) + "-" + std::to_string(backend_.random().next() % 1000000);
  session.owner = owner;
  sessions_[session.id] = std::move(made);
  session.waiting.push_back("0{\"sid\":\"" + session.id +
                            "\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,"
                            "\"maxPayload\":1000000}");
  ping_later(session);
  return session;
}

EngineSession* EngineSessions::find(const std::string& id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second.get();
}

void EngineSessions::ping_later(EngineSession& session) {
  session.timeout.stop();
  session.ping.set(kPingInterval, [this, &session] {
    say(session, "2");
    session.timeout.set(kPingTimeout, [this, &session] {
      backend_.nature().count("engine_ping_timeout");
      end(session.id);
    });
  });
}

void EngineSessions::say(EngineSession& session, std::string packet) {
  session.waiting.push_back(std::move(packet));
  flush(session);
}

void EngineSessions::flush(EngineSession& session) {
  EngineCarrier* carrier = session.upgraded ? session.socket : session.poll;
  if (carrier == nullptr || session.waiting.empty()) return;
  if (!session.upgraded) session.poll = nullptr;
  const auto packets = std::exchange(session.waiting, {});
  carrier->deliver(packets);
}

void EngineSessions::attach_poll(EngineSession& session, EngineCarrier& poll) {
  session.poll = &poll;
  flush(session);
  if (session.socket != nullptr) probed(session);
}

// While a WebSocket probes, polls are let go, so that the client can change over.
void EngineSessions::probed(EngineSession& session) {
  if (session.upgraded && session.poll == nullptr) return;
  session.noop.set(kNoopInterval, [this, &session] {
    if (session.poll == nullptr) return;
    EngineCarrier* poll = std::exchange(session.poll, nullptr);
    poll->deliver({"6"});
  });
}

void EngineSessions::take(EngineSession& session, std::string_view packet, EngineCarrier* socket) {
  if (packet == "2probe" && socket != nullptr) {
    session.socket = socket;
    socket->deliver({"3probe"});
    return probed(session);
  }
  if (packet == "5" && socket != nullptr) {
    backend_.nature().count("engine_upgraded");
    session.upgraded = true;
    return flush(session);
  }
  if (packet == "1") return end(session.id);
  if (packet == "3") return ping_later(session);
  if (packet == "40") return say(session, "40{\"sid\":\"io-" + session.id + "\"}");
  message(session, packet);
}

void EngineSessions::message(EngineSession& session, std::string_view packet) {
  const std::string text = event_text(packet);
  const auto tag = read_tag(text);
  if (!tag || tag->client != session.owner.client) {
    const bool torn = text.empty() || hear(text, session.owner) != Heard::Foreign;
    return backend_.nature().fail(
        torn ? "torn_request" : "foreign_byte",
        backend_.name() + ": for " + session.owner.client + ": " + std::string(packet.substr(0, 80)));
  }
  if (!backend_.commons().ledger.note(*tag))
    backend_.nature().fail("message_doubled", backend_.name() + ": from " + tag->client + ": " + turn_text(*tag));
  say(session, std::string(packet));
}

void EngineSessions::end(const std::string& id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  ended_.push_back(std::move(found->second));
  sessions_.erase(found);
  EngineSession& session = *ended_.back();
  session.ping.stop();
  session.timeout.stop();
  session.noop.stop();
  EngineCarrier* poll = std::exchange(session.poll, nullptr);
  EngineCarrier* socket = std::exchange(session.socket, nullptr);
  if (poll != nullptr) poll->drop();
  if (socket != nullptr) socket->drop();
}

void EngineSessions::forget() {
  for (const auto& [id, session] : sessions_) {
    backend_.commons().troubles.befall(session->owner.client, backend_.nature().now());
    session->poll = session->socket = nullptr;
    session->ping.stop();
    session->timeout.stop();
    session->noop.stop();
    ended_.push_back(nullptr);
  }
  std::size_t at = ended_.size() - sessions_.size();
  for (auto& [id, session] : sessions_) ended_[at++] = std::move(session);
  sessions_.clear();
}

}  // namespace limpet::sim
