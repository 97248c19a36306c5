// SPDX-License-Identifier: Apache-2.0
// Exchange: one request and its response between a client and a backend over HTTP/1.1: admission, pick, connect and
// retry, relay both ways with back-pressure. It becomes an event stream or a long poll where the response, the request
// or time shows that it is one; on a verified 101 it hands both connections to a WebSocketSession. Owned by its
// client's side.
//
//   Opening → Sent → Body → Draining → Over
//      ↑________|      |      ↑
//                    Ending     (the end of an event stream whose backend died has its time)
//
// Back to Opening goes a request whose connection was of no use and that can be sent again. The way to a backend is the
// Connector's (session/connector.h).
//
// exchange_open.cpp holds the request, exchange.cpp the response, exchange_ends.cpp the ways to end, exchange_time.cpp
// what time asks for, exchange_answers.cpp what limpet says itself.
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
#include "proxy/net/stream.h"
#include "proxy/session/connector.h"
#include "proxy/session/http/event_stream.h"
#include "proxy/session/http/exchange_client.h"
#include "proxy/session/http/request_key.h"
#include "proxy/session/worker.h"
#include "proxy/wire/http/http1.h"

namespace limpet::session {

class Exchange final : public Session,
                       public Recycled<Exchange>,
                       private Connector::Owner,
                       private net::StreamHandler,
                       private Timer {
 public:
  // `number`: by which the idle upstream connections know the client (session/upstream_pool.h).
  Exchange(Worker& worker, ExchangeClient& client, ListenerId listener, UpstreamPool::ClientNumber number,
           Spares<wire::RequestHead>::Lease head);
  ~Exchange() override;

  // Called once. `head_size`: bytes that the head took, for the route's limit.
  void start(std::size_t head_size);

  // --- the client's side ---
  // Pieces of the request's content, valid during the call. Called once with `last`, also where there is no body.
  void request_body(const std::vector<std::string_view>& pieces, bool last, const wire::Fields* trailers);
  void request_broken();
  void client_eof();       // no more requests; this one is complete. May be called again
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
  enum class State : std::uint8_t { Opening, Sent, Body, Ending, Draining, Over };

  // The server-made id that a request carries, by what is said where its session is gone.
  enum class CarriedId : std::uint8_t {
    None,
    EngineIoPoll,  // a poll hears Engine.IO's own close
    EngineIo,      // what else a session of Engine.IO sends, its messages and its upgrade, cannot be answered for
    Header,        // MCP: 404 says that the client has to begin anew
  };

  // What time asks for.
  enum class Due : std::uint8_t {
    Nothing,
    EndOfStream,    // an event stream whose backend has died may end now
    ClientStalls,   // the client takes nothing of its answer
    RequestStalls,  // the client sends nothing of what is missing of its request
    BackendStalls,  // the backend takes nothing of the request
    NoAnswer,       // none has come in time
    LongPoll,       // none has come for so long that this is a long poll
    Probe,          // in mid-body nothing came for a while
    Heartbeat,      // a comment keeps a silent stream alive
  };
  struct Look;

  // Of the request that the backend was sent so far.
  enum class Uptake : std::uint8_t { All, Some, Stalled };

  // --- exchange_open.cpp: from the request to a backend ---
  bool admit(std::size_t head_size);
  bool origin_allowed() const;
  void pick();
  void carries(const wire::RequestHead& head);
  void opened(Connector::Opened to) override;
  void not_opened(Connector::Failure why) override;
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
  const net::Address& peer() const { return client_.info().peer; }
  std::uint64_t high_water() const { return record_->route->http.high_water; }

  // --- exchange_ends.cpp: the ways to end ---
  bool ask_again(bool fresh, bool was_taken);
  void mind_refusal(net::IoStatus sent);
  void backend_strayed();
  void backend_eof(bool reset);
  void body_done();
  void end_stream_later(CloseReason reason);
  void end_stream();
  void drain_then_finish(CloseReason reason);
  void break_off(CloseReason reason);
  void finish(CloseReason reason);
  void drop_backend();
  void give_back_backend();
  void keep_backend();

  // --- exchange_time.cpp: what time asks for ---
  void on_timer() override;
  void arm_timer();
  void arm_timer_for(Time next);
  // What is due now, and when to look next. Whether a time is over is said here and nowhere else.
  Look look();
  void time_answer();
  void look_at_request(Look& look);
  void look_at_body(Look& look);
  // False where the exchange has ended, or its timer is armed for something else.
  bool carry_out(Due due);
  Uptake uptake();
  Duration between_looks() const;
  // When a comment is due that keeps a silent stream alive; the end of time where none is, or none would be taken.
  Time heartbeat_due() const;
  void probe_both();

  // --- exchange_answers.cpp: what limpet answers by itself ---
  void send_answer(unsigned status, CloseReason reason, std::span<const wire::Field> extra, std::string_view body);
  void send_readable_answer(CloseReason reason, std::string_view content_type, std::string_view body);
  void answer(unsigned status, CloseReason reason, std::string_view text, std::string_view extra_name = {},
              std::string_view extra_value = {});
  // 502, 503 and 504: an EventSource gets an empty stream instead, so that it comes back.
  void answer_unavailable(unsigned status, CloseReason reason);
  // With Retry-After; an EventSource is told so in its own way.
  void answer_come_again(unsigned status, CloseReason reason, std::string_view text);
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
  std::unique_ptr<std::string> sniffed_;  // the beginning of what may be an Engine.IO handshake; null: it is none
  wire::BodyDecoder body_;
  Time last_activity_{};
  State state_ = State::Opening;

  struct {
    bool begun = false;  // towards the client
    bool event_seen = false;
    std::uint8_t informational = 0;  // responses before it
  } response_;

  // The present connection to the backend.
  struct {
    bool paused = false;  // the client has to catch up
    Connector::Origin origin = Connector::Origin::New;
    bool may_serve_again = false;
    bool binds = false;       // a user may be logged in on it (wire/http/connection_auth.h)
    bool probed = false;      // the kernel watches over both silent sides
    bool refused = false;     // a write has found it closed
    std::uint32_t round = 0;  // of the loop, in which it was got
  } upstream_;

  // What the rest needs.
  struct {
    Protocol shape = Protocol::Http;  // what it asks for
    CarriedId carried_id = CarriedId::None;
    bool is_head = false;
    bool has_body = false;
    bool is_chunked = false;
    bool repeatable = false;      // it may be sent twice
    bool repeated = false;        // it was sent over a second new connection
    bool answer_lost = false;     // it is not sent again: a new connection only tells whether its backend is gone
    bool from_trusted = false;    // the peer is a trusted proxy
    bool over_tls = false;        // the client came over TLS to a trusted proxy
    bool sent = false;            // something of it was, to a backend
    bool done = false;            // all of it has come
    bool is_last = false;         // the client has sent its FIN behind it
    bool acknowledged = false;    // by the backend's side, all of it
    bool lags = false;            // it may take a while until it is
    std::size_t left = 0;         // bytes that were not acknowledged at `moved_at`
    std::uint64_t body_size = 0;  // so far
    Time moved_at{};              // when something of it came or was acknowledged, as far as is known
    Time sent_at{};               // when all of it was sent, or acknowledged where that takes longer
  } request_;

  CloseReason end_reason_ = CloseReason::BackendClosed;
  std::optional<CloseReason> leaving_;       // a farewell is due
  UpstreamPool::ClientNumber number_;        // of the client's connection; 0: it is many clients'
  Time ends_at_{};                           // of an event stream that ends later
  Time commented_at_{};                      // the last comment in an event stream
  Buffer input_;                             // the beginning of a response head
  Spares<wire::RequestHead>::Lease head_;    // given back as soon as nothing more is asked of it
  Spares<std::string>::Lease request_text_;  // the head as sent, for a second try; until the response begins
  std::unique_ptr<Connector> connector_;     // until the response begins
  std::string hops_;                         // of its X-Forwarded-For: what a trusted proxy says came before the peer
  Pool* pool_ = nullptr;
  const Time began_;
  const ListenerId listener_;
};

static_assert(sizeof(Exchange) <= 504);

}  // namespace limpet::session
