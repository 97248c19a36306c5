// SPDX-License-Identifier: Apache-2.0
// See visit.h.
#include "tests/sim/actors/visit.h"

#include <cstdio>

namespace limpet::sim {

using namespace std::chrono_literals;

Visit::Visit(Backend& backend, End& end)
    : backend_(backend), end_(&end), id_(end.id()), idle_close_(backend.nature()), surplus_(backend.nature()) {
  if (backend.happens(backend.character().dies)) dies_after_ = below(backend.random(), 20000);
}

void Visit::heard(std::string_view bytes) {
  if (!pulling_) spent_.clear();
  reader_.feed(bytes);
  pull();
}

// The next request is looked at when the one before was answered, and is there in whole.
void Visit::pull() {
  if (pulling_) return;
  pulling_ = true;
  while (end_ != nullptr) {
    if (service_ && request_whole_ && answered_) {
      spent_.push_back(std::move(service_));
      request_whole_ = answered_ = false;
    }
    if (service_ && request_whole_ && !raw_) break;
    if (!take(reader_.next())) break;
  }
  pulling_ = false;
}

bool Visit::take(HttpReader::Event event) {
  switch (event) {
  case HttpReader::Event::More:
  case HttpReader::Event::Interim:
    return false;
  case HttpReader::Event::Head:
    begin_request();
    return true;
  case HttpReader::Event::Body:
    service_->on_body(reader_.piece());
    return true;
  case HttpReader::Event::End:
    request_whole_ = true;
    service_->on_request_end();
    return true;
  case HttpReader::Event::Raw:
    service_->on_raw(reader_.piece());
    return true;
  case HttpReader::Event::Bad:
    nature().fail("request_" + reader_.problem(), backend_.name() + ": from " + tag_.client);
    end(true);
    return false;
  }
  return false;
}

void Visit::begin_request() {
  idle_close_.stop();
  const auto tag = read_turn(head().fields.value(kClientField), head().fields.value(kTurnField));
  tag_ = tag.value_or(Tag{});
  if (!tag && head().path() != kHealthPath)
    nature().fail("request_without_name", backend_.name() + ": " + head().target);
  service_ = serve(*this);
  nature().count("request" + head().path());
  if (!head().fields.lists("expect", "100-continue")) return;
  nature().count("backend_says_continue");
  send("HTTP/1.1 100 Continue\r\n\r\n");
}

std::string Visit::answer_head(int status, std::string_view fields) const {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " Sim\r\n";
  out += std::string(kBackendField) + ": " + backend_.name() + "\r\n";
  if (!tag_.client.empty()) {
    out += std::string(kClientField) + ": " + tag_.client + "\r\n";
    out += std::string(kTurnField) + ": " + turn_text(tag_) + "\r\n";
  }
  return out.append(fields).append("\r\n");
}

void Visit::send(std::string_view bytes) {
  if (end_ == nullptr) return;
  if (!dies_after_ || *dies_after_ > bytes.size()) {
    if (dies_after_) *dies_after_ -= bytes.size();
    return end_->send(bytes);
  }
  const std::size_t part = *dies_after_;
  dies_after_.reset();
  end_->send(bytes.substr(0, part));
  backend_.die(backend_.happens(0.5));
}

void Visit::send_chunk(std::string_view bytes) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  send(size + std::string(bytes) + "\r\n");
}

void Visit::reads_at(std::uint64_t rate) {
  if (end_ != nullptr) end_->reads_at(rate);
}

void Visit::answered(bool stays) {
  if (end_ == nullptr || answered_) return;
  answered_ = true;
  reads_at(kAtOnce);
  if (!stays) return end(false);
  if (backend_.happens(backend_.character().closes_kept)) {
    idle_close_.set(between(backend_.random(), 0ms, 2s), [this] {
      if (service_ && !answered_) return;
      nature().count("backend_closes_kept");
      end(false);
    });
  }
  if (backend_.happens(backend_.character().surplus)) {
    const std::string stray = say(tag_, below(backend_.random(), 50));
    const std::string more = answer_head(200, "Content-Length: " + std::to_string(stray.size()) + "\r\n") + stray;
    surplus_.set(between(backend_.random(), 0ms, 5ms), [this, more] {
      nature().count("backend_says_too_much");
      backend_.commons().troubles.befall(tag_.client, nature().now());
      backend_.commons().troubles.kept_connection_closed(nature().now());
      send(more);
    });
  }
  pull();
}

void Visit::shut() {
  if (end_ != nullptr) end_->shut();
}

void Visit::fin() {
  fin_ = true;
  if (raw_ && service_) return service_->on_fin();
  end(false);
}

// Whoever is asking something may have lost it; where nobody is, a request may be on its way.
void Visit::end(bool by_reset) {
  End* end = std::exchange(end_, nullptr);
  if (end == nullptr) return;
  const bool busy = service_ && !answered_ && !fin_;
  if (busy && !raw_) backend_.commons().troubles.befall(tag_.client, nature().now());
  if (!fin_) backend_.commons().troubles.kept_connection_closed(nature().now());
  by_reset ? end->reset() : end->close();
}

void Visit::closed() {
  end_ = nullptr;
  idle_close_.stop();
  surplus_.stop();
  if (service_) service_->on_gone();
}

}  // namespace limpet::sim
