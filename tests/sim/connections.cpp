// SPDX-License-Identifier: Apache-2.0
// The world's links: how clients come to the proxy and the proxy to backends.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <cerrno>

#include "tests/sim/actors/backend.h"
#include "tests/sim/world.h"

namespace limpet::sim {

namespace {

constexpr int kMostAttempts = 4;  // of a SYN that no queue takes

Duration retry_after(int attempt) {
  return std::chrono::seconds(1LL << attempt);
}

}  // namespace

std::shared_ptr<Link> World::make_link(Actor& actor) {
  const std::uint64_t id = ++last_link_;
  LinkNature nature = scenario_.draw_link(link_dice_);
  auto link = std::make_shared<Link>(*this, id, actor, nature, link_dice_.random().next());
  links_.emplace(id, link);
  return link;
}

void World::forget(Link& link) {
  plan({}, [this, id = link.id()] { links_.erase(id); });
}

// --- clients ---

End& World::connect(Actor& client) {
  const auto link = make_link(client);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0x0a000000U + static_cast<std::uint32_t>(link_dice_.below(scenario_.addresses)) + 1);
  if (++last_port_ < 1024) last_port_ = 1024;
  address.sin_port = htons(last_port_);
  link->peer = net::Address(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const std::size_t thread = 1 + link_dice_.below(scenario_.workers);
  if (is_tracing()) trace("#" + std::to_string(link->id()) + " " + client.name() + " connects as " + link->peer.text());
  plan(link->nature().latency, [this, link, thread] { try_connect(link, thread, 0); });
  return *link;
}

void World::try_connect(const std::shared_ptr<Link>& link, std::size_t thread, int attempt) {
  if (link->is_over() || link->actor_gone()) {
    link->detach(false);
    return;
  }
  SimListener* const listener = threads_[thread].listener;
  if (listener == nullptr || emptied_) {
    count("connect refused by the proxy");
    return link->refuse();
  }
  if (listener->is_full()) {
    count("full accept queue of the proxy");
    if (attempt == kMostAttempts) return link->refuse();
    plan(retry_after(attempt), [this, link, thread, attempt] { try_connect(link, thread, attempt + 1); });
    return;
  }
  listener->queue(link);
  link->open();
}

void World::accepted(std::size_t thread, Link& link) {
  if (is_tracing()) trace("#" + std::to_string(link.id()) + " accepted", static_cast<int>(thread));
}

void World::listener_closed(const SimListener& listener) {
  for (Thread& thread : threads_) {
    if (thread.listener == &listener) thread.listener = nullptr;
  }
}

// --- backends ---

Result<std::unique_ptr<net::Stream>> World::dial(std::size_t thread, net::Loop& loop, const net::Address& to) {
  if (lacks_descriptors(thread)) {
    count("EMFILE at a dial");
    return Error{Fault::Local, "socket: Too many open files", EMFILE};
  }
  std::size_t host = 0;
  while (host < hosts_.size() && !(hosts_[host].address == to)) ++host;
  if (host == hosts_.size()) return Error{Fault::Upstream, "no such host", EHOSTUNREACH};
  const bool at_once = link_dice_.chance(scenario_.dials_at_once);
  if (at_once && hosts_[host].state == Host::State::Refuses) {
    count("dial refused on the spot");
    commons_.troubles.befall_all(now());
    return Error{Fault::Upstream, "connect: Connection refused", ECONNREFUSED};
  }
  const auto link = make_link(*hosts_[host].actor);
  link->backend = hosts_[host].name;
  link->is_check = thread == 0;
  link->peer = to;
  if (is_tracing()) {
    trace("#" + std::to_string(link->id()) + " dials " + hosts_[host].name, static_cast<int>(thread));
  }
  const bool done = at_once && hosts_[host].state == Host::State::Up;
  auto stream = std::make_unique<SimStream>(*this, loop, link, !done);
  if (done) {
    count("dial done at once");
    link->open_soon();
  } else {
    plan(2 * link->nature().latency, [this, link, host] { try_dial(link, host, 0); });
  }
  return std::unique_ptr<net::Stream>(std::move(stream));
}

void World::try_dial(const std::shared_ptr<Link>& link, std::size_t host, int attempt) {
  SimStream* const stream = link->stream();
  if (stream == nullptr) return;  // given up
  const auto* backend = dynamic_cast<const Backend*>(hosts_[host].actor);
  const bool is_down = backend != nullptr && !backend->up();
  switch (is_down ? Host::State::Refuses : hosts_[host].state) {
  case Host::State::Up:
    link->open();
    return stream->connected(0);
  case Host::State::Refuses:
    count("dial refused");
    commons_.troubles.befall_all(now());
    return stream->connected(ECONNREFUSED);
  case Host::State::Dark:
    count("dial into the dark");
    break;
  case Host::State::QueueFull:
    count("full accept queue of a backend");
    break;
  }
  plan(retry_after(attempt),
       [this, link, host, attempt] { try_dial(link, host, std::min(attempt + 1, kMostAttempts)); });
}

void World::stream_opened(Link& link) {
  ++open_streams_;
  checks_.stream_opened(link);
}

void World::stream_closed(Link& link) {
  --open_streams_;
  checks_.stream_closed(link);
  if (is_tracing()) trace("#" + std::to_string(link.id()) + " closed by the proxy");
}

void World::wrong(Link& link) {
  commons_.troubles.befall(link.actor().name(), now());
  if (link.backend.empty()) return;
  if (const auto* backend = dynamic_cast<const Backend*>(&link.actor())) {
    commons_.troubles.befall(backend->client_of(link), now());
  }
  commons_.troubles.befall(checks_.client_behind(link), now());  // whose request has not arrived yet
  if (link.stream() != nullptr && link.stream()->was_connecting()) commons_.troubles.befall_all(now());
  commons_.troubles.kept_connection_closed(now());
}

// --- the end ---

void World::heal() {
  for (Host& host : hosts_) host.state = Host::State::Up;
  for (Thread& thread : threads_) thread.short_until = {};
  const auto links = links_;
  for (const auto& [id, link] : links) {
    if (link->is_dark() || link->is_clogged()) wrong(*link);
    if (link->is_dark()) {
      link->break_off();
    } else {
      link->unclog();
    }
  }
  trace("healed");
}

void World::empty() {
  emptied_ = true;
  trace("all clients go");
  const auto links = links_;
  for (const auto& [id, link] : links) {
    if (link->backend.empty()) link->abandon();
  }
}

}  // namespace limpet::sim
