// SPDX-License-Identifier: Apache-2.0
// What happened in an end-to-end run, in the order in which the one test thread saw it. The checkers (checkers.h) read
// nothing else, so that each of them can be shown a log with a planted fault.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace limpet::e2e {

enum class Protocol : std::uint8_t { WebSocket, Sse, Request };

enum class Kind : std::uint8_t {
  // seen by a client
  Asked,          // its request has left
  Answered,       // number: status, text: the backend that answered
  Sent,           // number: the sequence number of a message that left completely
  Received,       // number: the sequence number, or the event id
  CloseReceived,  // number: code, seconds: how long a message had been unfinished; < 0: none was
  CloseSent,      // number: code
  Fin,            // the proxy's end, orderly
  Reset,          // the proxy's end, by RST
  StreamEnded,    // the clean end of an event stream; number: the last retry it gave, or -1
  Completed,      // a response was read to its end and its body was right
  Broken,         // text: what no correct proxy would deliver
  // seen by a backend
  BackendSent,      // number: the sequence number
  BackendReceived,  // number: the sequence number
  BackendClose,     // number: code
};

struct Event {
  double time = 0;
  Kind kind = Kind::Asked;
  std::uint32_t connection = 0;
  std::int64_t number = 0;
  double seconds = 0;
  std::string text;
};

// One connection of a client, or one request on it. A client that comes back gets a new one.
struct Connection {
  std::uint32_t key = 0;
  std::uint32_t client = 0;
  Protocol protocol = Protocol::WebSocket;
  bool returned = false;  // it replaces one that had ended
};

struct EventLog {
  std::vector<Connection> connections;
  std::vector<Event> events;
  std::string drained;  // the backend that was drained
  double drain_began = 0;
  double over = 0;              // seconds
  double quiet = 1e9;           // when the test itself stopped the traffic
  double ended = 1e9;           // when the test itself began to close its clients
  std::int64_t last_event = 0;  // the id of the last event that every event stream must have brought

  std::uint32_t connect(Connection connection) {
    connections.push_back(connection);
    return static_cast<std::uint32_t>(connections.size() - 1);
  }
  void add(double time, Kind kind, std::uint32_t connection, std::int64_t number = 0, std::string text = "",
           double seconds = 0) {
    events.push_back({time, kind, connection, number, seconds, std::move(text)});
  }
};

}  // namespace limpet::e2e
