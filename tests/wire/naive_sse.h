// SPDX-License-Identifier: Apache-2.0
// An oracle for SseObserver: reads a whole event stream the slow way (WHATWG HTML §9.2.6), as a client does, and names
// the places between its events. Shared by the unit test and the fuzz target.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace limpet::wire::naive {

struct Line {
  std::string_view text;
  std::size_t next;  // where the following line begins
  bool certain;      // false: ended by a CR that is the stream's last byte
};

inline std::size_t bom_size(std::string_view stream) {
  return stream.starts_with("\xef\xbb\xbf") ? 3 : 0;
}

// The lines that have an end.
inline std::vector<Line> lines(std::string_view stream) {
  std::vector<Line> lines;
  std::size_t begin = bom_size(stream);
  for (std::size_t i = begin; i < stream.size(); ++i) {
    if (stream[i] != '\r' && stream[i] != '\n') continue;
    const std::string_view text = stream.substr(begin, i - begin);
    const bool is_last = i + 1 == stream.size();
    const bool certain = stream[i] == '\n' || !is_last;
    if (stream[i] == '\r' && !is_last && stream[i + 1] == '\n') ++i;
    begin = i + 1;
    lines.push_back({text, begin, certain});
  }
  return lines;
}

struct Event {
  std::string type, data, last_id;
  bool operator==(const Event&) const = default;
};

struct Client {
  std::vector<Event> events;  // dispatched
  std::int64_t retry_ms = -1;
  bool operator==(const Client&) const = default;
};

inline Client read(std::string_view stream) {
  Client client;
  std::string data, type, id;
  for (const Line& line : lines(stream)) {
    if (line.text.empty()) {
      if (!data.empty()) client.events.push_back({type, data.substr(0, data.size() - 1), id});
      data.clear();
      type.clear();
      continue;
    }
    const std::size_t colon = line.text.find(':');
    if (colon == 0) continue;
    const std::string_view field = line.text.substr(0, colon);
    std::string value(colon == std::string_view::npos ? std::string_view() : line.text.substr(colon + 1));
    if (value.starts_with(' ')) value.erase(0, 1);
    if (field == "data") data += value + "\n";
    if (field == "event") type = value;
    if (field == "id" && value.find('\0') == std::string::npos) id = value;
    if (field == "retry" && !value.empty() && value.find_first_not_of("0123456789") == std::string::npos) {
      value.erase(0, std::min(value.find_first_not_of('0'), value.size() - 1));
      if (value.size() <= 10 && std::stoll(value) <= 1'000'000'000) client.retry_ms = std::stoll(value);
    }
  }
  return client;
}

struct Places {
  std::vector<std::size_t> between_events;
  std::vector<std::size_t> line_starts;
};

// What is certain of a stream of which just these bytes are known.
inline Places places(std::string_view stream) {
  Places places;
  const std::string_view bom = "\xef\xbb\xbf";
  const bool may_be_bom = !stream.empty() && stream.size() < bom.size() && bom.starts_with(stream);
  if (!may_be_bom) {
    places.between_events.push_back(bom_size(stream));
    places.line_starts.push_back(bom_size(stream));
  }
  bool event_open = false;
  for (const Line& line : lines(stream)) {
    if (line.text.empty()) {
      event_open = false;
    } else if (line.text.front() != ':') {
      event_open = true;
    }
    if (line.certain) places.line_starts.push_back(line.next);
    if (line.certain && !event_open) places.between_events.push_back(line.next);
  }
  return places;
}

inline bool has(const std::vector<std::size_t>& places, std::size_t at) {
  return std::find(places.begin(), places.end(), at) != places.end();
}

inline std::string with(std::string_view stream, std::size_t at, std::string_view inserted) {
  return std::string(stream.substr(0, at)).append(inserted).append(stream.substr(at));
}

}  // namespace limpet::wire::naive
