// SPDX-License-Identifier: Apache-2.0
// ExchangeClient: the client's side of one request and its response, as the exchange sees it. An HTTP/1 connection
// implements it (connection.h); an HTTP/2 stream will. What is sent is collected until flush(), so that a head and
// the first bytes of its body, or all pieces of one read, leave in one write.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/net/stream.h"
#include "proxy/session/connection.h"
#include "proxy/session/idle_upstream.h"
#include "proxy/session/outlet.h"
#include "proxy/wire/http/http1.h"

namespace limpet::session {

// A response head to be sent. Fields of the backend's are filtered (hop-by-hop, framing); `extra` is appended.
struct ResponsePlan {
  unsigned status = 200;
  std::string_view reason;
  const wire::Fields* fields = nullptr;
  std::span<const wire::Field> extra;
  wire::Framing framing = wire::Framing::None;  // Length or None, or Chunked: of unknown length, however that is framed
  std::uint64_t length = 0;
  bool ends_request = false;          // limpet's own answer: what is left of the request is not wanted
  bool keeps_content_length = false;  // HEAD and 304: the backend's Content-Length describes what is not sent
};

// What an upgraded connection takes over from its HTTP connection.
struct ReleasedClient {
  std::unique_ptr<net::Stream> stream;
  Outlet outlet;       // what the client has not taken yet
  std::string unread;  // what the client has sent behind its request
};

class ExchangeClient : public UpstreamOwner {
 public:
  virtual void send_informational(const wire::ResponseHead& head) = 0;
  virtual void send_head(const ResponsePlan& plan) = 0;
  // The pieces must stay valid until flush().
  virtual void send_body(std::span<const std::string_view> pieces) = 0;
  // Sends content that came as whole chunks, which may be passed on as they are, and whatever was collected before;
  // with flush()'s meaning.
  virtual bool send_chunks(std::string_view chunks, std::span<const std::string_view> pieces) = 0;
  virtual void send_end(const wire::Fields* trailers) = 0;
  // False: the client is gone; client_reset() has been or will be called.
  virtual bool flush() = 0;
  // A write will come soon. What the first of them asks for the second looks into.
  virtual void expect_body() const {}
  virtual void expect_write() const {}
  // No request will follow on this connection.
  virtual bool closes_after() const = 0;
  // Sends what it has put off for the end of the batch, which pending() does not count; with flush()'s meaning.
  virtual bool send_posted() = 0;
  virtual std::size_t pending() const = 0;
  virtual Time stalled_since() const = 0;
  // The client has taken nothing of what is pending for so long.
  virtual bool stalled(Duration limit) = 0;

  // The kernel asks the client now and then whether it is still there: nothing comes from it otherwise.
  virtual void probe_when_idle() = 0;

  // The request's body is wanted, or the backend must catch up first.
  virtual void want_body(bool wanted) = 0;

  // The exchange is over and will not call again. The next request may follow where the request was read to its end.
  virtual void exchange_over() = 0;
  // The same, but the response was broken off: the client must not take it for whole.
  virtual void abort(bool with_reset) = 0;
  // The connection is the record's session's from here on.
  virtual ReleasedClient release(SessionRecord& record) = 0;

  virtual metrics::HttpVersion version() const = 0;
  // Of the connection that the request came over.
  virtual const ConnectionInfo& info() const = 0;

 protected:
  ~ExchangeClient() = default;
};

}  // namespace limpet::session
