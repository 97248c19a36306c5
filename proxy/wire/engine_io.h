// SPDX-License-Identifier: Apache-2.0
// Engine.IO's long polling (protocol revisions 3 and 4): finding the session id that a server hands out, and the
// packets with which limpet itself closes such a session. Looks at the first kMaxHandshake bytes of a body only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace limpet::wire {

inline constexpr std::size_t kMaxHandshake = 1024;

// The `sid` of an open packet at the start of a handshake body: `0{"sid":"…"` (revision 4), `97:0{"sid":"…"` (3),
// revision 3's binary form of the latter, or any of the texts as a JSONP call, `___eio[0]("0{\"sid\":\"…\"`. `body` may
// be a beginning. nullopt while there is not (yet) a whole sid, or where it is not 1 to 128 printable ASCII characters.
std::optional<std::string> engine_io_sid(std::string_view body);

// The body that answers a poll with a close packet: "1" in revision 4, "1:1" in 3; wrapped for JSONP (`j=N` in the
// query).
struct EngineIoClose {
  std::string content_type;
  std::string body;
};
EngineIoClose engine_io_close(std::string_view query);

}  // namespace limpet::wire
