// SPDX-License-Identifier: Apache-2.0
// EventHub: the event history that all backends share, with ids from 1, and EventSubscriber: one event stream of it.
// A subscriber writes its events as awkwardly as the standard allows (WHATWG HTML §9.2): all three line ends, several
// data lines, comments, a byte order mark, chunks of one byte, multi-byte text cut in two, pauses in mid-event; then
// replays what came after a Last-Event-ID. What an event says follows from its id, so that the client can check it.
#pragma once

#include <cstdint>
#include <random>
#include <set>
#include <string>

#include "tests/e2e/loop.h"
#include "tests/e2e/stream.h"

namespace limpet::e2e {

class EventSubscriber;

class EventHub {
 public:
  EventHub(Loop& loop, double interval) : loop_(loop), interval_(interval) {}
  ~EventHub() { stop(); }
  void start();
  void stop() { loop_.cancel(timer_); }
  std::int64_t last() const { return last_; }

  // The data of an event, as a client must see it: lines joined by LF.
  static std::string data_of(std::int64_t id);

 private:
  friend class EventSubscriber;

  Loop& loop_;
  const double interval_;
  std::set<EventSubscriber*> subscribers_;
  std::int64_t last_ = 0;
  Loop::TimerId timer_ = 0;
};

class EventSubscriber {
 public:
  EventSubscriber(EventHub& hub, Stream& stream, const std::string& backend, std::uint32_t connection,
                  const std::string& last_event_id);
  ~EventSubscriber() { stop(); }
  void stop();
  void catch_up();

 private:
  std::string event(std::int64_t id);
  std::string line_end();
  void pump();

  EventHub& hub_;
  Stream& stream_;
  std::mt19937 random_;
  std::string pending_;  // of the body
  std::int64_t sent_ = 0;
  int pieces_ = 0;        // still to be cut small
  bool stalled_ = false;  // since nothing was pending
  Loop::TimerId timer_ = 0;
};

}  // namespace limpet::e2e
