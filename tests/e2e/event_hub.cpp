// SPDX-License-Identifier: Apache-2.0
// An event that ends with CR and is followed by one that starts with a letter is whole; nothing here starts with LF.
#include "tests/e2e/event_hub.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "tests/e2e/message.h"

namespace limpet::e2e {
namespace {

constexpr std::size_t kMaxQueued = 1024 * 1024;
constexpr double kStall = 0.8;  // seconds in mid-event, once per event: a drain waits for its end, within kTogether

std::string chunk(std::string_view bytes) {
  std::array<char, 24> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  return std::string(size.data()).append(bytes).append("\r\n");
}

}  // namespace

void EventHub::start() {
  timer_ = loop_.after(interval_, [this] {
    ++last_;
    for (EventSubscriber* subscriber : subscribers_) subscriber->catch_up();
    start();
  });
}

std::string EventHub::data_of(std::int64_t id) {
  std::string data = std::to_string(id) + " ";
  data += sample_body(static_cast<std::uint64_t>(id), 16 + static_cast<std::size_t>(id) % 5 * 40);
  if (id % 3 == 0) data += "\n second line: 漢字, ü";
  if (id % 7 == 0) data += "\n";
  return data;
}

EventSubscriber::EventSubscriber(EventHub& hub, Stream& stream, const std::string& backend, std::uint32_t connection,
                                 const std::string& last_event_id)
    : hub_(hub), stream_(stream), random_(connection) {
  std::from_chars(last_event_id.data(), last_event_id.data() + last_event_id.size(), sent_);
  stream_.write(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store\r\nX-Backend: " +
      backend + "\r\nTransfer-Encoding: chunked\r\n\r\n");
  if (random_() % 4 == 0) pending_ += "\xEF\xBB\xBF";
  if (random_() % 3 == 0) pending_ += ":hello" + line_end() + line_end();
  hub_.subscribers_.insert(this);
  catch_up();
}

void EventSubscriber::stop() {
  hub_.subscribers_.erase(this);
  hub_.loop_.cancel(timer_);
}

std::string EventSubscriber::line_end() {
  constexpr std::array<const char*, 3> kEnds{"\n", "\r\n", "\r"};
  return kEnds[random_() % 3];
}

std::string EventSubscriber::event(std::int64_t id) {
  const std::string end = line_end();
  std::string text;
  if (id % 4 == 0) text += ": comment" + end;
  if (id % 5 == 0) text += "event: tick" + end;
  const std::string id_line = (id % 2 == 0 ? "id:" : "id: ") + std::to_string(id) + end;
  if (id % 6 != 0) text += id_line;
  std::string_view data = "";
  const std::string all = EventHub::data_of(id);
  for (data = all;;) {
    const auto cut = data.find('\n');
    text += "data: " + std::string(data.substr(0, cut)) + end;
    if (cut == std::string_view::npos) break;
    data.remove_prefix(cut + 1);
  }
  if (id % 6 == 0) text += id_line;
  return text + end;
}

void EventSubscriber::catch_up() {
  while (sent_ < hub_.last_ && pending_.size() < kMaxQueued) {
    pending_ += event(++sent_);
    if (random_() % 5 == 0) pieces_ = 40;
  }
  if (timer_ == 0) pump();
}

void EventSubscriber::pump() {
  timer_ = 0;
  while (!pending_.empty() && stream_.open()) {
    std::size_t size = pending_.size();
    double pause = 0;
    if (pieces_ > 0) {
      --pieces_;
      size = std::min<std::size_t>(size, 1 + random_() % 3);
      const bool stalls = random_() % 200 == 0 && !stalled_;
      pause = stalls ? kStall : random_() % 8 == 0 ? 0.01 : 0;
      stalled_ |= stalls;
    } else if (random_() % 4 == 0) {
      size = std::min<std::size_t>(size, 1 + random_() % 60);
    }
    stream_.write(chunk(std::string_view(pending_).substr(0, size)));
    pending_.erase(0, size);
    if (pause > 0) {
      timer_ = hub_.loop_.after(pause, [this] { pump(); });
      return;
    }
  }
  stalled_ = false;
}

}  // namespace limpet::e2e
