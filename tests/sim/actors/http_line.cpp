// SPDX-License-Identifier: Apache-2.0
// See http_line.h.
#include "tests/sim/actors/http_line.h"

#include <cstdio>

#include "tests/sim/actors/client.h"

namespace limpet::sim {
namespace {

constexpr Duration kContinuePatience = std::chrono::seconds(1);  // as curl: then the body goes without a 100
constexpr Duration kRest = std::chrono::seconds(5);              // after which a server may have had enough

std::string head_of(const Ask& ask) {
  std::string out = ask.method + " " + ask.target + " HTTP/1.1\r\n";
  for (const auto& [name, value] : ask.fields) out += name + ": " + value + "\r\n";
  if (ask.waits) out += "Expect: 100-continue\r\n";
  if (ask.framing == Ask::Body::Length) out += "Content-Length: " + std::to_string(ask.body.size()) + "\r\n";
  if (ask.framing == Ask::Body::Chunked) out += "Transfer-Encoding: chunked\r\n";
  return out + "\r\n";
}

std::string chunk(std::string_view bytes) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + std::string(bytes) + "\r\n";
}

}  // namespace

HttpLine::~HttpLine() {
  if (end_ != nullptr) client_.forget(id_);
}

void HttpLine::ask(Ask ask) {
  asks_.push_back(std::move(ask));
  if (end_ == nullptr) return client_.dial(*this);
  if (open_) send_waiting();
}

void HttpLine::opened() {
  open_ = true;
  opened_at_ = active_at_ = nature_.now();
  send_waiting();
}

void HttpLine::send_waiting() {
  while (!held_ && sent_ < asks_.size()) {
    if (sent_ == 0) rested_ = nature_.now() - active_at_ >= kRest;
    const Ask& ask = asks_[sent_++];
    reader_->expect(ask.method, ask.upgrade);
    end_->send(head_of(ask));
    if (!ask.waits) {
      send_body(ask);
      continue;
    }
    held_ = true;
    patience_.set(kContinuePatience, [this] {
      held_ = false;
      send_body(asks_[sent_ - 1]);
      send_waiting();
    });
  }
}

void HttpLine::send_body(const Ask& ask) {
  if (ask.framing == Ask::Body::Length) end_->send(ask.body);
  if (ask.framing != Ask::Body::Chunked) return;
  const std::size_t cut = ask.body.empty() ? 0 : below(nature_.random(), ask.body.size());
  if (cut > 0) end_->send(chunk(ask.body.substr(0, cut)));
  if (cut < ask.body.size()) end_->send(chunk(ask.body.substr(cut)));
  end_->send("0\r\n\r\n");
}

void HttpLine::send_raw(std::string_view bytes) {
  if (connected()) end_->send(bytes);
}

void HttpLine::shut() {
  if (connected()) end_->shut();
}

// Forgets the connection, so that nothing of it is heard any more.
End* HttpLine::drop() {
  End* end = std::exchange(end_, nullptr);
  if (end == nullptr) return nullptr;
  client_.forget(id_);
  ++generation_;
  open_ = held_ = in_answer_ = told_to_close_ = rested_ = slow_ = false;
  leaving_.stop();
  patience_.stop();
  reader_ = std::make_unique<HttpReader>(Speaks::Answers);
  asks_.clear();
  sent_ = 0;
  return end;
}

void HttpLine::leave(bool by_reset) {
  End* end = drop();
  if (end == nullptr) return;
  by_reset ? end->reset() : end->close();
}

void HttpLine::lost(Loss loss, bool end_lives) {
  const Lost lost{loss, asks_, in_answer_ || reader_->mid_message(), told_to_close_, rested_ || slow_, opened_at_};
  End* end = drop();
  if (end_lives) loss == Loss::Fin ? end->close() : end->reset();
  client_.on_lost(*this, lost);
}

void HttpLine::heard(std::string_view bytes) {
  const std::uint64_t generation = generation_;
  reader_->feed(bytes);
  while (generation_ == generation) {
    if (!take(reader_->next())) return;
  }
}

bool HttpLine::take(HttpReader::Event event) {
  switch (event) {
  case HttpReader::Event::More:
    return false;
  case HttpReader::Event::Interim:
    if (!held_) return true;
    held_ = false;
    patience_.stop();
    send_body(asks_[sent_ - 1]);
    send_waiting();
    return true;
  case HttpReader::Event::Head:
    return take_head();
  case HttpReader::Event::Body:
    client_.on_body(*this, reader_->piece());
    return true;
  case HttpReader::Event::End: {
    in_answer_ = false;
    rested_ = false;
    active_at_ = nature_.now();
    const std::uint64_t generation = generation_;
    client_.on_answered(*this);
    if (generation_ != generation) return false;
    asks_.pop_front();
    --sent_;
    if (!held_ || sent_ > 0) return true;
    lost(Loss::Fin, true);  // answered without its body: where that would begin now, nobody could tell
    return false;
  }
  case HttpReader::Event::Raw:
    client_.on_raw(*this, reader_->piece());
    return true;
  case HttpReader::Event::Bad:
    nature_.fail(reader_->problem(), client_.name() + ": an answer that is none");
    lost(Loss::Reset, true);
    return false;
  }
  return false;
}

bool HttpLine::take_head() {
  in_answer_ = true;
  const Head& head = reader_->head();
  told_to_close_ = head.fields.lists("connection", "close");
  const std::string* whose = head.fields.find(kClientField);
  if (whose != nullptr && *whose != client_.name()) {
    nature_.fail("foreign_byte", client_.name() + ": an answer to " + *whose);
  } else if (whose != nullptr && head.fields.value(kTurnField) != asks_.front().turn) {
    nature_.fail("wrong_answer", client_.name() + ": " + asks_.front().turn + " got " + head.fields.value(kTurnField));
  }
  const std::uint64_t generation = generation_;
  client_.on_head(*this, head);
  return generation_ == generation;
}

}  // namespace limpet::sim
