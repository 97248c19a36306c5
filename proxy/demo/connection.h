// SPDX-License-Identifier: Apache-2.0
// One connection of a demo backend: HTTP/1.1 with keep-alive, an echoing WebSocket, an event stream, a long poll. Every
// answer says which backend it came from. Owned by its DemoBackend, which calls tick() once a second; one thread;
// nothing here blocks, and what a peer can make it hold is bounded. Demo quality: GET and HEAD only, no request bodies.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/wire/http/http1.h"
#include "proxy/wire/websocket/observer.h"

struct bufferevent;

namespace limpet::demo {

// What a demo backend serves. Outlives its connections.
struct DemoSite {
  std::string name;
  std::string cookie;  // the proxy's session cookie, for /forget
  std::string page;    // HTML
};

class DemoConnection final {
 public:
  // Takes over the connected, non-blocking `bev` and sets its callbacks.
  DemoConnection(const DemoSite& site, bufferevent* bev);
  ~DemoConnection();
  DemoConnection(const DemoConnection&) = delete;
  DemoConnection& operator=(const DemoConnection&) = delete;

  // A second has passed: sends what is due, ends what is overdue.
  void tick();
  // Nothing more will happen here: the owner destroys it, outside of any callback.
  bool done() const { return state_ == State::Done; }

 private:
  enum class State : std::uint8_t {
    Head,       // between requests, or within a head
    Poll,       // a long poll waits
    Events,     // an event stream is open
    WebSocket,  // open
    Closing,    // all is said; flushing, then waiting for the peer's FIN
    Done,
  };

  void on_readable();
  void on_flushed();
  void read_requests();
  void answer(const wire::RequestHead& head);
  void forget();
  void open_events(const wire::RequestHead& head);
  void open_websocket(const wire::RequestHead& head);
  void send_answer(unsigned status, std::string_view type, std::string_view body);
  void send_event();
  void read_frames();
  void take_frame(wire::WebSocketObserver::What what);
  void send_text(std::string_view text);
  void close_websocket(std::uint16_t code, std::string_view reason);
  void finish();
  void send(std::string_view bytes);
  std::string start_answer(unsigned status) const;

  const DemoSite& site_;

  bufferevent* const bev_;
  std::unique_ptr<wire::WebSocketObserver> observer_;
  std::string frame_;  // of the client's present frame, as far as it has come

  State state_ = State::Head;
  bool keep_alive_ = true;  // of the request that is being answered
  bool head_only_ = false;
  bool echoing_fragments_ = false;

  std::uint64_t count_ = 0;   // ticks or events sent
  unsigned state_ticks_ = 0;  // seconds in this state
  unsigned poll_ticks_ = 0;   // seconds after which the poll is answered
};

}  // namespace limpet::demo
