// SPDX-License-Identifier: Apache-2.0
// What an exchange sends on a client's HTTP/1 connection (connection.h): heads are written anew from their fields (RFC
// 9112 §2.2, §7), a body of unknown length is sent in chunks or ends with the connection (§6.3). Pieces gather until
// flush(), so that what belongs together leaves in one write.
#include "proxy/session/http/connection.h"
#include "proxy/wire/http/http1_writer.h"

namespace limpet::session {

using net::IoStatus;

void HttpConnection::send_informational(const wire::ResponseHead& head) {
  std::string& out = gather().text();
  wire::append_status_line(out, head.status, head.reason);
  wire::append_forwarded_fields(out, head.fields, {wire::FieldName::ContentLength});
  wire::append_end(out);
}

void HttpConnection::send_head(const ResponsePlan& plan) {
  std::string& out = gather().text();
  wire::append_status_line(out, plan.status, plan.reason.empty() ? wire::reason_phrase(plan.status) : plan.reason);
  if (plan.fields != nullptr) {
    const auto without =
        plan.keeps_content_length ? wire::FieldNames{} : wire::FieldNames{wire::FieldName::ContentLength};
    wire::append_forwarded_fields(out, *plan.fields, without);
  }
  for (const auto& field : plan.extra) wire::append_field(out, field.name, field.value);
  chunked_out_ = false;
  if (plan.status == 101) {
    out += "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    return;
  }
  switch (plan.framing) {
  case wire::Framing::Length:
    wire::append_field(out, "Content-Length", std::to_string(plan.length));
    break;
  case wire::Framing::None:
    if (!plan.keeps_content_length && plan.status >= 200 && plan.status != 204) out += "Content-Length: 0\r\n";
    break;
  case wire::Framing::Chunked:
  case wire::Framing::UntilClose:
    if (request_.is_head) break;
    if (request_.http11) {
      chunked_out_ = true;
      out += "Transfer-Encoding: chunked\r\n";
    } else {
      close_after_ = true;
    }
    break;
  }
  if (plan.ends_request && state_ == State::Body) close_after_ = true;
  if (!request_.keep_alive || worker_.shared().draining.load(std::memory_order_relaxed)) close_after_ = true;
  if (close_after_) {
    out += "Connection: close\r\n";
  } else if (!request_.http11) {
    out += "Connection: keep-alive\r\n";
  }
  wire::append_end(out);
}

void HttpConnection::send_body(std::span<const std::string_view> pieces) {
  Gather& out = gather();
  std::size_t size = 0;
  for (const auto piece : pieces) size += piece.size();
  if (size == 0) return;
  if (chunked_out_) {
    char head[20];
    out.text().append(head, wire::write_chunk_head(head, size));
  }
  for (const auto piece : pieces) out.add(piece);
  if (chunked_out_) out.text() += wire::kChunkEnd;
}

bool HttpConnection::send_chunks(std::string_view chunks, std::span<const std::string_view> pieces) {
  if (!chunked_out_ || !outlet_.empty() || !worker_.to_client().empty() || state_ == State::Closed) {
    send_body(pieces);
    return flush();
  }
  if (outlet_.send(worker_, *stream_, chunks) == IoStatus::Reset) {
    client_gone();
    return false;
  }
  if (!outlet_.empty()) update_interest();
  return true;
}

void HttpConnection::send_end(const wire::Fields* trailers) {
  if (!chunked_out_) return;
  if (trailers != nullptr && !trailers->empty()) {
    wire::append_last_chunk(gather().text(), *trailers);
  } else {
    gather().text() += wire::kLastChunk;
  }
  chunked_out_ = false;
}

bool HttpConnection::flush() {
  if (state_ == State::Closed) {
    worker_.to_client().clear(outlet_);
    return false;
  }
  if (worker_.to_client().empty()) return true;
  if (worker_.to_client().send(worker_, *stream_, outlet_) == IoStatus::Reset) {
    client_gone();
    return false;
  }
  update_interest();
  return true;
}

bool HttpConnection::send_posted() {
  if (state_ == State::Closed) return false;
  if (outlet_.send_posted(worker_) == IoStatus::Reset) {
    client_gone();
    return false;
  }
  if (!outlet_.empty()) update_interest();
  return true;
}

void HttpConnection::login_lost() {
  close_after_ = true;
  if (state_ == State::Idle || state_ == State::Head) close_politely();
}

}  // namespace limpet::session
