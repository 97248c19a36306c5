// SPDX-License-Identifier: Apache-2.0
// WebSocketSession: a WebSocket connection after its handshake: two one-way pumps, each seen by an observer (RFC 6455).
// Bytes pass unchanged; limpet adds Pings (and swallows their Pongs) at frame boundaries, and ends the session by a
// Close that stands between frames. Owned by its worker. An idle one owns no buffer.
//
//   Open → AwaitingBoundary → CloseSent → Lingering → Over      farewell: wait for a boundary, Close to the client, the
//   client's own
//     └──→ BackendLost ─────↗                            Close goes on to the backend, FIN, read to the peer's FIN
//   BackendLost: the backend broke off; the client's end is spread where many lost it at once.
//
// websocket_session.cpp holds the relay, websocket_farewell.cpp the ways to end, websocket_keepalive.cpp what time asks
// for.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/base/prefetch.h"
#include "proxy/base/recycled.h"
#include "proxy/base/timer_wheel.h"
#include "proxy/net/stream.h"
#include "proxy/session/outlet.h"
#include "proxy/session/session.h"
#include "proxy/session/worker.h"
#include "proxy/wire/websocket/observer.h"

namespace limpet::session {

class WebSocketSession final : public Owned,
                               public Session,
                               public Recycled<WebSocketSession>,
                               private net::StreamHandler,
                               private Timer {
 public:
  WebSocketSession(Worker& worker, std::unique_ptr<SessionRecord> record, std::unique_ptr<net::Stream> client,
                   Outlet to_client, std::unique_ptr<net::Stream> backend);
  ~WebSocketSession() override;

  // Called once; what either side has sent behind the handshake goes first.
  void start(std::string_view from_client, std::string_view from_backend);

  void farewell(CloseReason reason) override;
  void cut(CloseReason reason) override;
  SessionRecord& record() override { return *record_; }
  Time last_activity() const override;
  const char* state_name() const override { return phase_ == Phase::Open ? "open" : "farewell"; }

 private:
  enum class Phase : std::uint8_t { Open, AwaitingBoundary, BackendLost, CloseSent, Lingering, Over };
  using Observer = wire::WebSocketObserver;

  // A side of the session, and the pump that carries what it sends to the other.
  struct Side {
    Side(std::unique_ptr<net::Stream> stream, Observer::From from) : seen(from), stream(std::move(stream)) {}
    Observer seen;  // what this side sends
    std::unique_ptr<net::Stream> stream;
    Outlet outlet;                      // toward this side
    std::unique_ptr<std::string> held;  // the beginning of a Pong that may be ours
    Time last_heard{};
    Time ping_sent{};
    std::uint32_t ping_payload = 0;
    std::uint32_t ahead = 0;           // bytes up to our Ping that the peer had not acknowledged when last looked at
    std::uint32_t acknowledged = 0;    // position, modulo 2^32, that it had acknowledged then
    bool ping_out : 1 = false;         // our Ping to it is unanswered
    bool watched : 1 = false;          // no Ping of ours is out, yet it is silent from ping_sent on
    bool owes_pong : 1 = false;        // the other peer's Ping to it is unanswered
    bool eof : 1 = false;              // it has sent its FIN
    bool shut : 1 = false;             // we have sent it ours, or will behind what waits
    bool closed_politely : 1 = false;  // it has sent a Close
    bool told_close : 1 = false;       // it has been sent a Close
    bool paused : 1 = false;           // not read, since the other side is slow
  };

  Side& other(const Side& side) { return &side == &client_ ? backend_ : client_; }
  bool is_client(const Side& side) const { return &side == &client_; }

  // --- websocket_session.cpp: the relay ---
  void on_ready(net::Stream& stream, bool readable, bool writable) override;
  void on_refused(net::Stream& stream, net::IoStatus status) override;
  void expect_ready() const override { prefetch(*this); }
  void read(Side& from);
  void take(Side& from, std::string_view bytes);
  bool forward_whole(Side& from, std::string_view bytes);
  void forward_frames(Side& from, std::string_view bytes);
  bool is_our_pong(const Side& from) const;
  void send(Side& to, std::string_view bytes);
  void mind_stall(const Side& side);
  void shut(Side& to);
  void flush(Side& to);
  void update_interest();

  // --- websocket_farewell.cpp: the ways to end ---
  void say_close_at_boundary();
  void say_close(std::uint16_t code);
  void say_going_away();
  void count_close(std::uint16_t code, metrics::By by);
  void saw_close(Side& from);
  void after_close(Side& from, bool lets_client_go);
  bool may_let_client_go() const;
  void linger();
  void side_eof(Side& from);
  void side_gone(Side& from);
  void backend_gone(CloseReason reason);
  void lost_backend(CloseReason reason);
  void end_without_backend();
  void finish_if_done();
  void finish(CloseReason reason, bool reset_client = false);
  bool may_forward_to_client() const { return phase_ == Phase::Open || phase_ == Phase::AwaitingBoundary; }

  // --- websocket_keepalive.cpp: what time asks for ---
  void on_timer() override;
  void phase_timeout(Time now);
  bool keep_alive(Side& side, Time now);
  void note_ahead(Side& side);
  bool ping_is_on_its_way(Side& side);
  std::uint32_t acknowledged(const Side& side) const;
  Time next_due() const;
  void arm();

  // What the client may still send toward a backend that does not take it, so that its Close is found.
  static constexpr std::uint64_t kExtraForClose = 1024 * 1024;

  const RouteSettings& route() const { return *record_->route; }

  Worker& worker_;
  std::unique_ptr<SessionRecord> record_;
  Side client_;
  Side backend_;
  Phase phase_ = Phase::Open;
  CloseReason end_reason_ = CloseReason::ClientClosed;
  bool any_frame_boundary_ = false;  // the wait for a message boundary is over
  bool close_counted_ = false;
  bool waited_ = true;  // with eofs_seen_: what the interest was last computed from
  std::array<bool, 2> eofs_seen_{};
  std::uint16_t goodbye_code_ = 0;
  Time phase_until_{};  // when the present phase has to end; Time{}: open end
};

// Fills its chunk of the heap to the last byte: any more costs 16 bytes a session.
static_assert(sizeof(WebSocketSession) <= 296);

}  // namespace limpet::session
