// SPDX-License-Identifier: Apache-2.0
// Session: what a worker, a drain or an operator can do to any conversation, whatever it speaks. SessionRecord: what
// every session has: its place under a key, its counters, and the one place where its end is booked.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "metrics/cells.h"
#include "proxy/base/clock.h"
#include "proxy/base/recycled.h"
#include "proxy/net/address.h"
#include "proxy/session/affinity.h"
#include "proxy/session/listener.h"
#include "proxy/session/owned.h"
#include "proxy/session/settings.h"

namespace limpet::session {

class Worker;
class SessionRecord;

using metrics::CloseReason;
using metrics::Direction;
using metrics::Protocol;

class Session : public Owned {
 public:
  // Ends the session in its protocol's own words, at a boundary, as soon as that is possible. Idempotent.
  virtual void farewell(CloseReason reason) = 0;
  // Ends it now. Idempotent.
  virtual void cut(CloseReason reason) = 0;
  virtual SessionRecord& record() = 0;
  virtual Time last_activity() const = 0;
  // "connecting", "open" or "farewell".
  virtual const char* state_name() const = 0;
};

// What few records have: kept only where there is an access log, or a learned id in use.
struct RecordDetails {
  std::string request_id;  // for the access log
  std::string held_id;     // a learned id that the session carries
  std::uint32_t held = 0;  // as of Affinity::hold_id(); 0: none
};

class SessionRecord : public Recycled<SessionRecord> {
 public:
  SessionRecord(Worker& worker, Session& session, Protocol protocol, ListenerId listener, net::IpAddress client,
                std::uint16_t client_port);
  ~SessionRecord();
  SessionRecord(const SessionRecord&) = delete;
  SessionRecord& operator=(const SessionRecord&) = delete;

  // The conversation goes on in another object (after an upgrade).
  void handed_to(Session& session);

  // A backend has been picked: from here on the session counts as open.
  void picked(metrics::PickReason reason);
  // The client's connection is this session's, and is counted as open until it is finished.
  void holds_connection() { holds_connection_ = true; }
  // It counts against the limits of its client's address, until it is finished.
  void counts_for_client() { limited_ = true; }
  // The key has moved to another backend before the session opened.
  void repicked(metrics::PickReason reason);
  void set_protocol(Protocol protocol);
  // The protocol is known for good: the session counts as opened (once).
  void count_opened(metrics::HttpVersion version);
  void handshake_took(Duration duration);

  void relayed(Direction direction, std::size_t bytes, std::size_t messages) {
    const auto d = static_cast<std::size_t>(direction);
    bytes_[d] += bytes;
    messages_[d] += messages;
    cells_->bytes[d].add(bytes);
    if (messages > 0) cells_->messages[d].add(messages);
  }

  // The session carries this learned id and is open: it is in use until finish(). Once; later calls do nothing.
  void carries_id(const std::string& id);

  // Books the end: counters, access log, affinity. The first reason wins; later calls do nothing.
  void finish(CloseReason reason);
  bool finished() const { return finished_; }

  bool counted() const { return cells_ != nullptr; }
  Protocol protocol() const { return protocol_; }
  metrics::PickReason pick_reason() const { return pick_reason_; }
  metrics::BackendCells& backend_cells() const;
  std::uint64_t bytes(Direction direction) const { return bytes_[static_cast<std::size_t>(direction)]; }
  std::uint64_t messages(Direction direction) const { return messages_[static_cast<std::size_t>(direction)]; }

  // --- constant after construction, or set once while the session opens ---
  Worker& worker;
  const Time opened_at;
  std::shared_ptr<const RouteSettings> route;
  std::unique_ptr<RecordDetails> details;
  const net::IpAddress client;
  const std::uint16_t client_port;
  const ListenerId listener;
  std::uint16_t status = 0;      // of the response
  std::uint16_t close_code = 0;  // of the WebSocket's first Close

  [[no_unique_address]] Affinity::Member member;  // what follows lies in its padding: there are many records

 private:
  void write_access_line(CloseReason reason, Time now) const;

  Protocol protocol_;
  metrics::PickReason pick_reason_ = metrics::PickReason::Hash;
  bool opened_counted_ : 1 = false;
  bool finished_ : 1 = false;
  bool holds_connection_ : 1 = false;
  bool limited_ : 1 = false;  // counted against the client address's limits
  metrics::ProtocolCells* cells_ = nullptr;
  std::array<std::uint64_t, 2> bytes_{};
  std::array<std::uint64_t, 2> messages_{};
};

// Fills its chunk of the heap to the last byte: any more costs 16 bytes a session.
static_assert(sizeof(SessionRecord) <= 152);

}  // namespace limpet::session
