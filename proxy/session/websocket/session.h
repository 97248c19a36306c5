// SPDX-License-Identifier: Apache-2.0
// WebSocketSession: a WebSocket connection after its handshake (RFC 6455): a relay whose two directions are each seen
// by an observer. Bytes pass unchanged; limpet adds Pings (and swallows their Pongs) at frame boundaries, and ends the
// session by a Close that stands between frames. Owned by its worker. An idle one owns no buffer.
//
// clang-format off
//   Open ─► AwaitingBoundary ─► CloseSent ─► Lingering ─► over      a farewell
//   Open, AwaitingBoundary ─► Closing ─► Lingering ─► over          a peer says Close, or the client sends FIN
//   Open, AwaitingBoundary ─► BackendLost ─► CloseSent ─► …         the backend breaks off (in mid-frame: ─► Lingering)
//
//   AwaitingBoundary   until a Close may stand: a message boundary, after a second any frame boundary
//   CloseSent          the client has ours, and nothing more; what it says goes on to the backend until its own Close
//   Lingering          FIN to the client, and read to its own; the backend takes what waits for it
//   Closing            bytes pass as before; the other peer's Close and FIN are awaited
//   BackendLost        where many lost their backend at once the clients' ends are spread: this one waits
// clang-format on
//
// session.cpp holds the way of the bytes, farewell.cpp the ways to end, keepalive.cpp what time asks for.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "proxy/base/recycled.h"
#include "proxy/session/relay.h"
#include "proxy/wire/websocket/observer.h"

namespace limpet::session {

class WebSocketSession final : public RelayOf<WebSocketSession>, public Recycled<WebSocketSession> {
 public:
  WebSocketSession(Worker& worker, std::unique_ptr<SessionRecord> record, std::unique_ptr<net::Stream> client,
                   Outlet to_client, std::unique_ptr<net::Stream> backend);

  // Called once; what either side has sent behind the handshake goes first.
  void start(std::string_view from_client, std::string_view from_backend);

  void farewell(CloseReason reason) override;
  const char* state_name() const override;

 private:
  friend class RelayOf<WebSocketSession>;
  enum class Phase : std::uint8_t { Open, AwaitingBoundary, BackendLost, Closing, CloseSent, Lingering };
  // What time asks for.
  enum class Task : std::uint8_t {
    None,
    ResetClient,        // it takes nothing
    LeaveBackend,       // likewise
    TakeFrameBoundary,  // no message boundary has come
    EndWithoutBackend,  // it is this client's turn
    EndPhase,
    EndIdle,
    ProbeBoth,
    Ping,
  };
  struct Due {
    void at(Time now, Time when, Task what);
    Task task = Task::None;
    Time next_look = Time::max();
  };
  using Observer = wire::WebSocketObserver;

  // What is known of one end beyond what a relay knows: what it says, and what it owes.
  struct Half {
    explicit Half(Observer::From from) : seen(from) {}
    Observer seen;                      // what it sends
    std::unique_ptr<std::string> held;  // the beginning of a Pong that may be ours
    Time ping_sent{};
    std::uint32_t ping_payload = 0;
    std::uint32_t ahead = 0;           // bytes up to our Ping that the peer had not acknowledged when last looked at
    std::uint32_t acknowledged = 0;    // position, modulo 2^32, that it had acknowledged then
    bool ping_out : 1 = false;         // our Ping to it is unanswered
    bool watched : 1 = false;          // no Ping of ours is out, yet it is silent from ping_sent on
    bool owes_pong : 1 = false;        // the other peer's Ping to it is unanswered
    bool closed_politely : 1 = false;  // it has sent a Close
    bool told_close : 1 = false;       // it has been sent a Close
  };

  Half& half(const End& end) { return is_client(end) ? client_half_ : backend_half_; }
  const Half& half(const End& end) const { return is_client(end) ? client_half_ : backend_half_; }

  // --- session.cpp: the way of the bytes ---
  std::size_t put_held(const End& from, char* to) const;
  void pass(End& from, std::string_view bytes);
  bool forward_whole(End& from, std::string_view bytes);
  void forward_frames(End& from, std::string_view bytes);
  bool is_our_pong(const Half& from) const;
  std::uint64_t high_water(const End& to) const override;
  void relayed(const End& from, std::size_t bytes, std::size_t messages) {
    record_->relayed(is_client(from) ? Direction::ToBackend : Direction::ToClient, bytes, messages);
  }

  // --- farewell.cpp: the ways to end ---
  void begin(Phase phase);
  void say_close_at_boundary();
  void say_close(std::uint16_t code);
  void say_going_away();
  void count_close(std::uint16_t code, metrics::By by);
  void saw_close(End& from);
  void after_close(End& from, bool lets_client_go);
  bool may_let_client_go() const;
  void linger();
  void on_fin(End& from) override;
  void on_lost(End& end) override;
  void leave_client(CloseReason reason);
  void leave_backend(CloseReason reason);
  void lost_backend(CloseReason reason);
  void end_without_backend();
  void end_phase(Time now);
  void before_finish(CloseReason reason) override;
  // What the backend says still goes to the client.
  bool may_forward_to_client() const {
    return phase_ == Phase::Open || phase_ == Phase::AwaitingBoundary || phase_ == Phase::Closing;
  }
  // The client is not on its way out already.
  bool client_stays() const { return !client_half_.told_close && !client_half_.closed_politely && !client_.eof; }

  // --- keepalive.cpp: what time asks for ---
  Due due(Time now);
  void add_end(Due& due, Time now, const Delivery& delivered);
  void add_keepalive(Due& due, Time now) const;
  Time heard_in_mid_frame() const;
  bool can_be_pinged(const End& end) const;
  Time next_look(Time now) override { return due(now).next_look; }
  void on_time(Time now) override;
  bool keep_alive(End& end, Time now);
  void note_ahead(const End& end);
  bool ping_is_on_its_way(const End& end);
  std::uint32_t acknowledged(const End& end) const;

  Phase phase_ = Phase::Open;
  bool any_frame_boundary_ : 1 = false;  // the wait for a message boundary is over
  bool close_counted_ : 1 = false;
  std::uint16_t goodbye_code_ = 0;
  Half client_half_{Observer::From::Client};
  Half backend_half_{Observer::From::Backend};
};

extern template class RelayOf<WebSocketSession>;  // in session.cpp, where pass() is

// Fills its chunk of the heap to the last byte: any more costs 16 bytes a session.
static_assert(sizeof(WebSocketSession) <= 296);

}  // namespace limpet::session
