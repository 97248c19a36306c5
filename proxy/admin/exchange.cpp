// SPDX-License-Identifier: Apache-2.0
// See exchange.h. While an answer is owed evhttp neither reads nor times out, so the request stays with its
// connection.
#include "proxy/admin/exchange.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "proxy/admin/json.h"
#include "proxy/wire/http/http1.h"
#include "proxy/wire/http/http1_writer.h"

namespace limpet::admin {

namespace {

const char* method_name(evhttp_cmd_type type) {
  switch (type) {
  case EVHTTP_REQ_GET:
    return "GET";
  case EVHTTP_REQ_POST:
    return "POST";
  case EVHTTP_REQ_HEAD:
    return "HEAD";
  case EVHTTP_REQ_PUT:
    return "PUT";
  case EVHTTP_REQ_DELETE:
    return "DELETE";
  case EVHTTP_REQ_OPTIONS:
    return "OPTIONS";
  case EVHTTP_REQ_TRACE:
    return "TRACE";
  case EVHTTP_REQ_CONNECT:
    return "CONNECT";
  case EVHTTP_REQ_PATCH:
    return "PATCH";
  }
  return "";
}

}  // namespace

AdminExchange::AdminExchange(evhttp_request* request, std::weak_ptr<const void> server_lives)
    : shared_(std::make_shared<Shared>(Shared{request, std::move(server_lives)})),
      method_(method_name(evhttp_request_get_command(request))) {
  const std::string_view target = evhttp_request_get_uri(request);
  const auto question = target.find('?');
  path_ = target.substr(0, question);
  if (question != std::string_view::npos) query_ = target.substr(question + 1);
}

std::string AdminExchange::body() const {
  evbuffer* input = evhttp_request_get_input_buffer(shared_->request);
  std::string text(evbuffer_get_length(input), '\0');
  evbuffer_copyout(input, text.data(), text.size());
  return text;
}

bool AdminExchange::has_field(const char* name) const {
  return evhttp_find_header(evhttp_request_get_input_headers(shared_->request), name) != nullptr;
}

std::optional<std::string_view> AdminExchange::field(const char* name) const {
  std::optional<std::string_view> value;
  const evkeyvalq* headers = evhttp_request_get_input_headers(shared_->request);
  for (const evkeyval* header = headers->tqh_first; header != nullptr; header = header->next.tqe_next) {
    if (!wire::equals_ignoring_case(header->key, name)) continue;
    if (value) return std::nullopt;
    value = header->value;
  }
  return value;
}

int AdminExchange::fd() const {
  return bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp_request_get_connection(shared_->request)));
}

void AdminExchange::add_field(const char* name, const std::string& value) {
  if (shared_->request == nullptr || shared_->server_lives.expired()) return;
  evhttp_add_header(evhttp_request_get_output_headers(shared_->request), name, value.c_str());
}

void AdminExchange::answer(unsigned status, const char* content_type, const std::string& body) {
  add_field("Content-Type", content_type);
  add_field("Content-Length", std::to_string(body.size()));
  add_field("Cache-Control", "no-store");
  add_field("X-Content-Type-Options", "nosniff");
  add_field("Connection", "close");
  evhttp_request* request = release();
  if (request == nullptr) return;
  evbuffer* content = evbuffer_new();
  if (method_ != "HEAD") evbuffer_add(content, body.data(), body.size());
  evhttp_send_reply(request, static_cast<int>(status), std::string(wire::reason_phrase(status)).c_str(), content);
  evbuffer_free(content);
}

void AdminExchange::refuse(unsigned status, const std::string& why) {
  answer_json(status, error_json(why));
}

evhttp_request* AdminExchange::release() {
  if (shared_->server_lives.expired()) return nullptr;
  return std::exchange(shared_->request, nullptr);
}

}  // namespace limpet::admin
