// SPDX-License-Identifier: Apache-2.0
// SessionRecord: what is counted and booked of a session, from its pick to its end, on its worker's thread; and its
// line in the access log. It decides nothing: the reason of the end is the session's.
#include "proxy/session/session.h"

#include <chrono>
#include <cstdio>

#include "proxy/base/log.h"
#include "proxy/base/planted_fault.h"
#include "proxy/session/worker.h"

namespace limpet::session {

SessionRecord::SessionRecord(Worker& on, Session& session, Protocol protocol, ListenerId on_listener,
                             net::IpAddress from, std::uint16_t from_port)
    : worker(on),
      opened_at(on.now()),
      client(from),
      client_port(from_port),
      listener(on_listener),
      protocol_(protocol) {
  worker.listeners().hold(listener);
  member.ref = worker.enlist(session);
}

SessionRecord::~SessionRecord() {
  finish(CloseReason::Shutdown);
  worker.listeners().let_go(listener);
}

void SessionRecord::handed_to(Session& session) {
  worker.reseat(member.ref, session);
}

metrics::BackendCells& SessionRecord::backend_cells() const {
  return *member.backend->cells[worker.index()];
}

void SessionRecord::picked(metrics::PickReason reason) {
  pick_reason_ = reason;
  cells_ = &backend_cells().of(protocol_);
  cells_->sessions.add(1);
  cells_->picks[static_cast<std::size_t>(reason)].add();
}

void SessionRecord::repicked(metrics::PickReason reason) {
  cells_->sessions.add(-1);
  picked(reason);
}

void SessionRecord::set_protocol(Protocol protocol) {
  if (protocol == protocol_) return;
  protocol_ = protocol;
  if (cells_ == nullptr || finished_) return;
  cells_->sessions.add(-1);
  cells_ = &backend_cells().of(protocol_);
  cells_->sessions.add(1);
}

void SessionRecord::count_opened(metrics::HttpVersion version) {
  if (opened_counted_ || cells_ == nullptr) return;
  opened_counted_ = true;
  cells_->opened[static_cast<std::size_t>(version)].add();
}

void SessionRecord::handshake_took(Duration duration) {
  cells_->handshake.observe(in_seconds(duration));
}

void SessionRecord::carries_id(const std::string& id) {
  if (details != nullptr && details->held != 0) return;
  const std::uint32_t held = worker.shared().affinity.hold_id(member.backend->pool, id);
  if (held == 0) return;
  if (details == nullptr) details = std::make_unique<RecordDetails>();
  details->held_id = id;
  details->held = held;
}

void SessionRecord::finish(CloseReason reason) {
  if (finished_) return;
  finished_ = true;
  worker.delist(member.ref);
  const Time now = worker.now();
  if (cells_ != nullptr) {
    count_opened(metrics::HttpVersion::Http11);
    cells_->sessions.add(-1);
    cells_->closed[static_cast<std::size_t>(reason)].add();
    if (planted(Planted::CountedTwice)) cells_->closed[static_cast<std::size_t>(reason)].add();
    cells_->duration.observe(in_seconds(now - opened_at));
  }
  if (worker.shared().access_log != nullptr) write_access_line(reason, now);
  if (reason == CloseReason::Cut && member.backend != nullptr) {
    member.backend->cuts.fetch_add(1, std::memory_order_relaxed);
  }
  if (details != nullptr && details->held != 0) {
    worker.shared().affinity.let_go_id(member.backend->pool, details->held_id, details->held, now);
  }
  worker.shared().affinity.release(member, now);
  if (holds_connection_) worker.connection_closed();
  if (limited_) worker.listeners()[listener].gate->close_session(client);
}

void SessionRecord::write_access_line(CloseReason reason, Time now) const {
  const bool json = worker.snapshot().settings.log.json;
  std::string line = json ? "{" : "";
  const auto put = [&](std::string_view name, std::string_view value, bool quoted) {
    if (line.size() > 1) line += json ? "," : " ";
    if (json) {
      line += log::json_quote(name) + ":";
      line += quoted ? log::json_quote(value) : std::string(value);
    } else {
      line += std::string(name) + "=" + log::quote_if_needed(value);
    }
  };
  const auto text = [&](std::string_view name, std::string_view value) { put(name, value, true); };
  const auto number = [&](std::string_view name, std::uint64_t value) { put(name, std::to_string(value), false); };
  text("time", log::time_text(worker.shared().wall_clock->now()));
  text("client", client.is_v4() || client.text().find(':') == std::string::npos
                     ? client.text() + ":" + std::to_string(client_port)
                     : "[" + client.text() + "]:" + std::to_string(client_port));
  text("listener", worker.listeners()[listener].settings.name);
  text("route", route ? route->host + route->path : "");
  text("protocol", metrics::name(protocol_));
  text("pool", route ? route->pool : "");
  text("backend", member.backend != nullptr ? member.backend->name : "");
  text("pick_reason", cells_ != nullptr ? metrics::name(pick_reason_) : "");
  text("close_reason", metrics::name(reason));
  number("status", status);
  char duration[32];
  snprintf(duration, sizeof duration, "%.3f", in_seconds(now - opened_at));
  put("duration_s", duration, false);
  number("bytes_to_client", bytes(Direction::ToClient));
  number("bytes_to_backend", bytes(Direction::ToBackend));
  number("messages_to_client", messages(Direction::ToClient));
  number("messages_to_backend", messages(Direction::ToBackend));
  number("close_code", close_code);
  text("request_id", details ? details->request_id : "");
  if (json) line += "}";
  worker.shared().access_log->line(line);
}

}  // namespace limpet::session
