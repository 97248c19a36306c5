// SPDX-License-Identifier: Apache-2.0
// EventStream: what limpet adds to a Server-Sent Events body on its way to the client, and where: the `retry:` at its
// start, comments that keep a silent stream alive, and the farewell (WHATWG HTML §9.2). Pure: bytes in, pieces out; the
// exchange owns it, reads the clock and does the I/O. Used only where the body has no Content-Encoding.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session/settings.h"
#include "proxy/wire/sse_observer.h"

namespace limpet::session {

class EventStream {
 public:
  explicit EventStream(const SseSettings& settings) : settings_(settings) {}

  // Sent right behind the head: the normal reconnection time, since a farewell's `retry:` sticks to the client's
  // EventSource. A byte order mark of the backend's is dropped afterwards: it may only stand at the very start.
  std::string opening() const;

  // Takes a piece of the body; what is to be sent is appended to `out` as views into it (or into this object, until the
  // next call). Returns the number of events that ended. With a farewell wanted it sends up to the first place between
  // events and drops the rest; said_farewell() is true from then on and the caller appends farewell().
  std::uint32_t pass(std::string_view piece, std::vector<std::string_view>& out);

  // Nothing is held back or taken out any more, or not yet: all of a piece would be sent as it is. Then note(), which
  // returns what pass() would, is enough.
  bool passes_all() const { return started_ && !farewell_wanted_; }
  std::uint32_t note(std::string_view piece) { return seen_.observe(piece).events; }

  // The farewell is due at the next place between events; true where that is here and now.
  bool want_farewell();
  bool said_farewell() const { return said_farewell_; }

  // `retry: base + random × jitter`, laid out so that it fits wherever the stream stands and dispatches nothing
  // unfinished.
  std::string farewell(double random_fraction) const;

  // A comment that may stand here, or "" in the middle of a line.
  std::string_view heartbeat() const;

 private:
  std::int64_t base_ms() const;
  bool ends_between_events() const;
  std::uint32_t pass_bytes(std::string_view bytes, std::vector<std::string_view>& out);

  const SseSettings& settings_;  // of the route, which the session keeps
  wire::SseObserver seen_;
  bool started_ = false;
  bool farewell_wanted_ = false;
  bool said_farewell_ = false;
  std::string held_;  // up to 2 bytes that may begin a byte order mark
};

}  // namespace limpet::session
