// SPDX-License-Identifier: Apache-2.0
// HttpConnection: one client connection that speaks HTTP/1 (RFC 9112): reads requests one after the other, lets an
// Exchange answer each, and writes what the exchange sends. Owned by its worker. After an upgrade it gives its stream
// away and retires.
#pragma once

#include <memory>
#include <string>

#include "proxy/base/buffer.h"
#include "proxy/base/prefetch.h"
#include "proxy/base/recycled.h"
#include "proxy/base/timer_wheel.h"
#include "proxy/session/http/exchange.h"
#include "proxy/session/http/exchange_client.h"
#include "proxy/session/protocols.h"
#include "proxy/session/worker.h"
#include "proxy/wire/http/http1.h"

namespace limpet::session {

class HttpConnection final : public Owned,
                             public ExchangeClient,
                             public Recycled<HttpConnection>,
                             private net::StreamHandler,
                             private Timer {
 public:
  HttpConnection(Worker& worker, Accepted accepted);
  ~HttpConnection() override;

  void start();

  void send_informational(const wire::ResponseHead& head) override;
  void send_head(const ResponsePlan& plan) override;
  void send_body(std::span<const std::string_view> pieces) override;
  bool send_chunks(std::string_view chunks, std::span<const std::string_view> pieces) override;
  void send_end(const wire::Fields* trailers) override;
  bool flush() override;
  void expect_body() const override { prefetch(*this); }
  void expect_write() const override { __builtin_prefetch(stream_.get()); }
  bool closes_after() const override { return close_after_ || state_ == State::Body || eof_; }
  bool send_posted() override;
  std::size_t pending() const override { return outlet_.pending(); }
  Time stalled_since() const override { return outlet_.stalled_since(); }
  bool stalled(Duration limit) override { return outlet_.stalled(*stream_, worker_.now(), limit); }
  void probe_when_idle() override { stream_->probe_when_idle(); }
  void login_lost() override;
  void want_body(bool wanted) override;
  void exchange_over() override;
  void abort(bool with_reset) override;
  ReleasedClient release(SessionRecord& record) override;
  metrics::HttpVersion version() const override {
    return request_.http11 ? metrics::HttpVersion::Http11 : metrics::HttpVersion::Http10;
  }
  const ConnectionInfo& info() const override { return *info_; }

 private:
  enum class State : std::uint8_t {
    Idle,     // between requests
    Head,     // a head has begun
    Body,     // the request's body is coming
    Waiting,  // the request is complete, the exchange answers it
    Closing,  // FIN is sent or will be after the last byte; what comes is discarded until the peer's FIN
    Closed,
  };

  void on_ready(net::Stream& stream, bool readable, bool writable) override;
  void on_refused(net::Stream& stream, net::IoStatus status) override;
  void expect_ready() const override { prefetch(*this); }
  void on_timer() override;
  void read();
  void process(std::string_view bytes);
  // One step each; the number of bytes taken. `progressed` false: more input is needed.
  std::size_t take_head(std::string_view bytes, bool& progressed);
  std::size_t take_body(std::string_view bytes, bool& progressed);
  void refuse(const wire::HeadResult& bad);
  void client_eof();
  void after_eof();
  void client_gone();
  void await_request();
  bool nothing_waits() const;
  Gather& gather() { return worker_.to_client().of(outlet_, stream_.get()); }
  void close_politely();
  void close_now();
  void update_interest();

  // --- what a piece of the response needs, side by side ---
  Worker& worker_;
  std::unique_ptr<net::Stream> stream_;
  Outlet outlet_;
  State state_ = State::Idle;
  bool chunked_out_ = false;  // the response body is sent in chunks
  bool processing_ = false;
  bool body_wanted_ = true;
  bool eof_ = false;
  bool close_after_ = false;  // no further request on this connection
  bool any_request_ = false;
  struct {
    bool http11 = true;
    bool keep_alive = true;
    bool is_head = false;
  } request_;
  const ListenerId listener_;
  const UpstreamPool::ClientNumber number_;
  std::unique_ptr<Exchange> exchange_;
  Buffer input_;  // received, not yet taken
  wire::BodyDecoder body_;
  const std::unique_ptr<const ConnectionInfo> info_;
  ConnectionToken token_;
};

}  // namespace limpet::session
