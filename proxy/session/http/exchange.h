// SPDX-License-Identifier: Apache-2.0
// Exchange: one request and its response between a client and a backend over HTTP/1.1: admission, pick, connect and
// retry, relay both ways with back-pressure. It becomes an event stream or a long poll where the response, the request
// or time shows that it is one; on a verified 101 it hands both connections to a WebSocketSession. Owned by its
// client's side.
//
//   Picking → Connecting → Sent → Body → Draining → Over
//                 ↑___________|          |      ↑
//                                        Ending     (the end of an event stream whose backend died has its time)
//
// Back to Connecting goes a backend that fails before anything was sent, and a stale idle connection.
//
// exchange_open.cpp holds the way to a backend, exchange.cpp the response, exchange_ends.cpp the ways to end and what
// time asks for, exchange_answers.cpp what limpet says itself.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/base/buffer.h"
#include "proxy/base/prefetch.h"
#include "proxy/base/recycled.h"
#include "proxy/base/timer_wheel.h"
#include "proxy/net/address.h"
#include "proxy/net/stream.h"
#include "proxy/session/http/event_stream.h"
#include "proxy/session/http/exchange_client.h"
#include "proxy/session/http/request_key.h"
#include "proxy/session/worker.h"
#include "proxy/wire/http/http1.h"

namespace limpet::session {

class Exchange final : public Session, public Recycled<Exchange>, private net::StreamHandler, private Timer {
 public:
  // `number`: of the client's connection.
  Exchange(Worker& worker, ExchangeClient& client, std::uint16_t listener, const net::Address& peer,
           UpstreamPool::ClientNumber number, Spares<wire::RequestHead>::Lease head);
  ~Exchange() override;

  // Called once. `head_size`: bytes that the head took, for the route's limit.
  void start(std::size_t head_size);

  // --- the client's side ---
  // Pieces of the request's content, valid during the call. Called once with `last`, also where there is no body.
  void request_body(const std::vector<std::string_view>& pieces, bool last, const wire::Fields* trailers);
  void request_broken();
  void client_eof();       // no more requests; this one is complete
  void client_reset();     // the client is gone; ends the exchange without calling back
  void client_drained();   // some of what was pending has been taken
  void client_backs_up();  // something is pending since the batch is over

  // --- Session ---
  void farewell(CloseReason reason) override;
  void cut(CloseReason reason) override;
  SessionRecord& record() override { return *record_; }
  Time last_activity() const override { return last_activity_; }  // of a peer: a comment of limpet's own is none
  const char* state_name() const override;

 private:
  enum class State : std::uint8_t { Picking, Connecting, Sent, Body, Ending, Draining, Over };

  // --- exchange_open.cpp: from the request to a backend ---
  bool admit(std::size_t head_size);
  bool origin_allowed() const;
  void pick();
  void picked(const Affinity::Pick& pick, bool again);
  // `just_picked`: in the same turn, so that nothing can have moved the key that is not heard of later.
  void connect(bool just_picked);
  void connected(bool just_picked);
  void connect_failed(bool timed_out);
  void pick_again();
  void forget_farewell();
  void append_request_head(std::string& out);
  void append_forwarded(std::string& out);

  // --- exchange.cpp: from a backend to the client ---
  void on_ready(net::Stream& stream, bool readable, bool writable) override;
  void on_refused(net::Stream& stream, net::IoStatus status) override;
  void expect_ready() const override { prefetch(*this); }
  void read_backend();
  void take_response(std::string_view bytes);
  bool take_head(std::string_view& bytes);
  void begin_response(const wire::ResponseHead& head, bool more_follows);
  void learn_from(const wire::ResponseHead& head);
  void take_body(std::string_view bytes);
  void said_too_much();
  void pass_body();
  bool pass_whole_chunks(std::string_view bytes);
  void count_content(std::size_t size, std::size_t messages);
  void mind_back_pressure();
  void sniff_engine_io(const std::vector<std::string_view>& pieces);
  void become_websocket(const wire::ResponseHead& head, std::string_view unread);
  void watch_backend();
  std::uint64_t high_water() const { return record_->route->http.high_water; }

  // --- exchange_ends.cpp: the ways to end, and what time asks for ---
  void on_timer() override;
  bool try_another();
  void backend_strayed();
  void backend_eof(bool reset);
  void body_done();
  void end_stream_later(CloseReason reason);
  void end_stream();
  void drain_then_finish(CloseReason reason);
  void finish(CloseReason reason);
  void drop_backend();
  void give_back_backend();
  void keep_backend();
  void arm_timer();
  void probe_both();
  // When a comment is due that keeps a silent stream alive; the end of time where none is, or none would be taken.
  Time heartbeat_due() const;

  // --- exchange_answers.cpp: what limpet answers by itself ---
  void send_answer(unsigned status, CloseReason reason, std::span<const wire::Field> extra, std::string_view body);
  void send_readable_answer(CloseReason reason, std::string_view content_type, std::string_view body);
  void answer(unsigned status, CloseReason reason, std::string_view text, std::string_view extra_name = {},
              std::string_view extra_value = {});
  // 502, 503 and 504: an EventSource gets an empty stream instead, so that it comes back.
  void answer_unavailable(unsigned status, CloseReason reason);
  void answer_gone();
  void answer_engine_io_close();
  bool wants_event_stream() const;
  std::string session_cookie() const;
  std::string retry_after() const;

  // --- what a piece of the body needs, side by side ---
  Worker& worker_;
  ExchangeClient& client_;
  std::unique_ptr<SessionRecord> record_;
  std::unique_ptr<net::Stream> backend_;
  Outlet to_backend_;
  std::unique_ptr<EventStream> events_;
  wire::BodyDecoder body_;
  Time last_activity_{};
  State state_ = State::Picking;
  bool sniffing_ = false;
  bool paused_backend_ = false;
  bool first_event_seen_ = false;

  // --- what the rest needs ---
  bool probing_ = false;             // the kernel watches over a silent backend
  Protocol shape_ = Protocol::Http;  // what the request asks for
  CloseReason end_reason_ = CloseReason::BackendClosed;
  std::optional<CloseReason> leaving_;  // a farewell is due
  LearnSource::Kind learned_kind_ = LearnSource::Kind::EngineIo;
  std::uint8_t informational_ = 0;
  bool asks_websocket_ = false;
  bool is_head_ = false;
  bool is_safe_ = false;
  bool has_body_ = false;
  bool request_done_ = false;
  bool request_begun_ = false;  // something of it was written to this backend connection
  bool chunked_to_backend_ = false;
  bool reused_ = false;   // the backend connection has served before
  bool learned_ = false;  // picked by a learned id
  bool engine_io_poll_ = false;
  bool engine_io_session_ = false;  // carries a sid
  bool could_repeat_ = false;       // the request, on another connection
  bool response_begun_ = false;
  bool keeps_backend_ = false;         // the backend connection may serve again
  bool binds_backend_ = false;         // a user may be logged in on the backend connection (wire/http/connection_auth.h)
  bool is_bound_ = false;              // one may have been before: it is the client's own
  bool from_trusted_ = false;          // the peer is a trusted proxy
  bool secure_ = false;                // the client came over TLS to a trusted proxy
  UpstreamPool::ClientNumber number_;  // of the client's connection; 0: it is many clients'
  std::uint32_t round_ = 0;  // of the loop, in which the request goes out on a connection that has served before
  Time sent_at_{};           // of the request's end; in an event stream, of the last comment
  Time deadline_{};          // of the present state; Time{}: none
  std::uint64_t body_taken_ = 0;
  Buffer input_;                             // the beginning of a response head
  Spares<wire::RequestHead>::Lease head_;    // given back as soon as nothing more is asked of it
  Spares<std::string>::Lease request_text_;  // the head as sent, for a second try; until the response begins
  std::unique_ptr<Affinity::PickRequest> pick_request_;
  std::string new_cookie_;
  std::string sniffed_;  // the beginning of an Engine.IO handshake body
  const Pool* pool_ = nullptr;
  const Time began_;
  const net::Address peer_;
  const std::uint16_t listener_;
};

}  // namespace limpet::session
