// SPDX-License-Identifier: Apache-2.0
// The log is folded into one Story per connection first; the checkers then read like the promises. Only logs, no
// sockets.
#include "tests/e2e/checkers.h"

#include <algorithm>
#include <map>

namespace limpet::e2e {
namespace {

constexpr double kLateEnd = 3.0;       // seconds after `over` by which the last farewell must have been seen
constexpr double kBoundaryWait = 1.0;  // seconds that a drain waits for a message boundary
constexpr double kSilence = 5.0;       // seconds without a message after which a session has not gone on

struct Story {
  std::uint32_t id = 0;
  Connection connection;
  double asked = -1, answered = -1;
  int status = 0;
  std::string backend;
  std::vector<std::int64_t> sent, received, backend_sent, backend_received;
  double last_received = -1;
  std::vector<int> closes, closes_sent, backend_closes;
  double end = -1;  // the farewell as the client saw it, or what ended it instead
  double close_inside = -1;
  bool received_after_close = false;
  bool fin = false, reset = false, completed = false;
  std::vector<std::string> broken;

  bool websocket() const { return connection.protocol == Protocol::WebSocket; }
  bool request() const { return connection.protocol == Protocol::Request; }
  std::string name() const {
    return std::string(websocket() ? "websocket "
                       : request() ? "request "
                                   : "stream ") +
           std::to_string(id) + " of key " + std::to_string(connection.key) + ": ";
  }
};

void tell(Story& story, const Event& event) {
  const auto ended = [&] {
    if (story.end < 0) story.end = event.time;
  };
  switch (event.kind) {
  case Kind::Asked:
    story.asked = event.time;
    break;
  case Kind::Answered:
    story.answered = event.time;
    story.status = static_cast<int>(event.number);
    story.backend = event.text;
    break;
  case Kind::Sent:
    if (story.closes_sent.empty()) story.sent.push_back(event.number);
    break;
  case Kind::Received:
    story.received.push_back(event.number);
    story.last_received = event.time;
    if (!story.closes.empty()) story.received_after_close = true;
    break;
  case Kind::CloseReceived:
    story.closes.push_back(static_cast<int>(event.number));
    story.close_inside = event.seconds;
    ended();
    break;
  case Kind::CloseSent:
    story.closes_sent.push_back(static_cast<int>(event.number));
    break;
  case Kind::Fin:
    story.fin = true;
    ended();
    break;
  case Kind::Reset:
    story.reset = true;
    ended();
    break;
  case Kind::StreamEnded:
    ended();
    break;
  case Kind::Completed:
    story.completed = true;
    break;
  case Kind::Broken:
    story.broken.push_back(event.text);
    break;
  case Kind::BackendSent:
    story.backend_sent.push_back(event.number);
    break;
  case Kind::BackendReceived:
    story.backend_received.push_back(event.number);
    break;
  case Kind::BackendClose:
    story.backend_closes.push_back(static_cast<int>(event.number));
    break;
  }
}

std::vector<Story> stories_of(const EventLog& log) {
  std::vector<Story> stories(log.connections.size());
  for (std::size_t i = 0; i < stories.size(); ++i) {
    stories[i].id = static_cast<std::uint32_t>(i);
    stories[i].connection = log.connections[i];
  }
  for (const Event& event : log.events) tell(stories.at(event.connection), event);
  return stories;
}

// Where the numbers are not 0, 1, 2…: what is wrong with the first that is not.
std::string disorder(const std::vector<std::int64_t>& numbers, std::int64_t first = 0) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto expected = first + static_cast<std::int64_t>(i);
    if (numbers[i] == expected) continue;
    return (numbers[i] < expected ? "a repeated " : "a gap before ") + std::to_string(numbers[i]) + ", expected " +
           std::to_string(expected);
  }
  return "";
}

std::vector<double> farewells(const EventLog& log, const std::vector<Story>& stories) {
  std::vector<double> ends;
  for (const Story& story : stories) {
    if (story.request() || story.backend != log.drained) continue;
    if (story.end >= log.drain_began && story.end < log.ended) ends.push_back(story.end);
  }
  std::sort(ends.begin(), ends.end());
  return ends;
}

}  // namespace

Violations closes_are_clean(const EventLog& log) {
  Violations found;
  for (const Story& story : stories_of(log)) {
    if (!story.websocket() || story.backend != log.drained) continue;
    if (story.end < 0 || story.end >= log.ended) {
      found.push_back(story.name() + "was left on the drained backend");
      continue;
    }
    if (story.closes.size() != 1) found.push_back(story.name() + std::to_string(story.closes.size()) + " Close frames");
    if (!story.closes.empty() && story.closes[0] != 1012) {
      found.push_back(story.name() + "Close " + std::to_string(story.closes[0]) + " instead of 1012");
    }
    if (story.reset) found.push_back(story.name() + "was reset");
    if (!story.fin && !story.reset) found.push_back(story.name() + "got no FIN");
  }
  return found;
}

Violations nothing_is_torn(const EventLog& log) {
  Violations found;
  for (const Story& story : stories_of(log)) {
    for (const auto& what : story.broken) found.push_back(story.name() + what);
    if (story.received_after_close) found.push_back(story.name() + "a message after the Close");
    if (story.close_inside >= 0 && story.close_inside < kBoundaryWait * 0.9) {
      found.push_back(story.name() + "a Close in a message that was begun " + std::to_string(story.close_inside) +
                      " s ago");
    }
  }
  return found;
}

Violations client_messages_arrive(const EventLog& log) {
  Violations found;
  for (const Story& story : stories_of(log)) {
    if (!story.websocket() || story.status != 101) continue;
    if (const auto what = disorder(story.backend_received); !what.empty()) {
      found.push_back(story.name() + "the backend saw " + what);
    }
    if (story.backend_received.size() != story.sent.size()) {
      found.push_back(story.name() + "sent " + std::to_string(story.sent.size()) + " messages, the backend saw " +
                      std::to_string(story.backend_received.size()));
    }
    const std::vector<int> expected = story.closes_sent.empty() ? std::vector<int>{1001} : story.closes_sent;
    if (story.backend_closes != expected) {
      found.push_back(story.name() + "the backend saw " +
                      (story.backend_closes.empty() ? "no Close" : "Close " + std::to_string(story.backend_closes[0])) +
                      " instead of " + std::to_string(expected[0]));
    }
  }
  return found;
}

Violations backend_messages_arrive(const EventLog& log) {
  Violations found;
  for (const Story& story : stories_of(log)) {
    if (!story.websocket() || story.status != 101) continue;
    if (const auto what = disorder(story.received); !what.empty())
      found.push_back(story.name() + "the client saw " + what);
    const bool interrupted = story.end >= 0 && story.end < log.ended;
    if (interrupted ? story.received.size() > story.backend_sent.size()
                    : story.received.size() != story.backend_sent.size()) {
      found.push_back(story.name() + "the client saw " + std::to_string(story.received.size()) + " of " +
                      std::to_string(story.backend_sent.size()) + " messages");
    }
  }
  return found;
}

double ends_per_second(const EventLog& log) {
  return log.over > 0 ? static_cast<double>(farewells(log, stories_of(log)).size()) / log.over : 0;
}

Violations ends_are_paced(const EventLog& log) {
  Violations found;
  const auto ends = farewells(log, stories_of(log));
  const double mean = ends_per_second(log);
  if (!ends.empty() && ends.back() > log.drain_began + log.over + kLateEnd) {
    found.push_back("the last end came " + std::to_string(ends.back() - log.drain_began) + " s after the drain began");
  }
  if (mean < kPaceFloor) return found;
  std::size_t busiest = 0;
  double when = 0;
  for (std::size_t first = 0, last = 0; first < ends.size(); ++first) {
    while (last < ends.size() && ends[last] < ends[first] + 1) ++last;
    if (last - first > busiest) {
      busiest = last - first;
      when = ends[first] - log.drain_began;
    }
  }
  if (static_cast<double>(busiest) > 2 * mean) {
    found.push_back(std::to_string(busiest) + " ends in the second from " + std::to_string(when) +
                    ", where the mean is " + std::to_string(mean));
  }
  return found;
}

Violations others_notice_nothing(const EventLog& log) {
  Violations found;
  const double quiet = std::min(log.quiet, log.ended);
  for (const Story& story : stories_of(log)) {
    if (story.request() || story.answered < 0 || story.backend == log.drained) continue;
    if (story.end >= 0 && story.end < log.ended) {
      found.push_back(story.name() + "was ended at " + std::to_string(story.end) + " on " + story.backend);
    } else if (story.answered < quiet - 2 * kSilence && story.last_received < quiet - kSilence) {
      found.push_back(story.name() + "fell silent on " + story.backend);
    }
  }
  return found;
}

Violations returns_avoid_the_drained(const EventLog& log) {
  Violations found;
  for (const Story& story : stories_of(log)) {
    if (story.request() || !story.connection.returned || story.asked > log.ended - 2) continue;
    if (story.answered < 0) {
      found.push_back(story.name() + "came back and got no answer");
    } else if (story.status != 101 && story.status != 200) {
      found.push_back(story.name() + "came back and got " + std::to_string(story.status));
    } else if (story.backend == log.drained) {
      found.push_back(story.name() + "came back to the drained backend");
    }
  }
  return found;
}

Violations keys_stay_together(const EventLog& log) {
  std::map<std::uint32_t, std::vector<Story>> keys;
  for (Story& story : stories_of(log)) {
    if (story.answered >= 0 && !story.backend.empty()) keys[story.connection.key].push_back(std::move(story));
  }
  Violations found;
  for (const auto& [key, stories] : keys) {
    const std::string name = "key " + std::to_string(key) + ": ";
    std::string other;
    double first_end = 1e9, last_end = -1, first_elsewhere = 1e9, moved = 1e9;
    for (const Story& story : stories) {
      if (story.backend == log.drained) {
        if (story.request() || story.end < 0 || story.end >= log.ended) continue;
        first_end = std::min(first_end, story.end);
        last_end = std::max(last_end, story.end);
        continue;
      }
      first_elsewhere = std::min(first_elsewhere, story.asked);
      moved = std::min(moved, story.answered);
      if (!other.empty() && other != story.backend) found.push_back(name + "on " + other + " and on " + story.backend);
      other = story.backend;
    }
    if (last_end - first_end > kTogether) {
      found.push_back(name + "its sessions left " + std::to_string(last_end - first_end) + " s apart");
    }
    if (last_end >= 0 && first_elsewhere < first_end - kTogether) {
      found.push_back(name + "a session was on " + other + " " + std::to_string(first_end - first_elsewhere) +
                      " s before the key's turn");
    }
    for (const Story& story : stories) {
      if (story.backend == log.drained && story.asked > moved) found.push_back(name + "back on the drained backend");
    }
  }
  return found;
}

Violations events_come_once(const EventLog& log) {
  std::map<std::uint32_t, std::vector<std::int64_t>> clients;
  for (const Connection& connection : log.connections) {
    if (connection.protocol == Protocol::Sse) clients[connection.client];
  }
  for (const Event& event : log.events) {
    const Connection& connection = log.connections.at(event.connection);
    if (event.kind == Kind::Received && connection.protocol == Protocol::Sse) {
      clients[connection.client].push_back(event.number);
    }
  }
  Violations found;
  for (const auto& [client, ids] : clients) {
    const std::string name = "EventSource " + std::to_string(client) + ": ";
    if (const auto what = disorder(ids, 1); !what.empty()) {
      found.push_back(name + what);
    } else if (static_cast<std::int64_t>(ids.size()) < log.last_event) {
      found.push_back(name + "got " + std::to_string(ids.size()) + " events of " + std::to_string(log.last_event));
    }
  }
  return found;
}

Violations requests_are_answered(const EventLog& log) {
  Violations found;
  for (const Story& story : stories_of(log)) {
    if (!story.request() || story.asked < 0 || story.completed) continue;
    found.push_back(story.name() + (story.answered < 0 ? "was not answered" : "was not answered whole"));
  }
  return found;
}

}  // namespace limpet::e2e
