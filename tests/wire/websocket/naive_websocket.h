// SPDX-License-Identifier: Apache-2.0
// An oracle for WebSocketObserver: walks a whole stream by index (RFC 6455 §5.2), without any thought of speed or of
// pieces, and tells what an observer that has seen exactly this much must know. Shared by the unit test and the fuzz
// target.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/websocket/observer.h"

namespace limpet::wire::naive {

struct Frame {
  WebSocketObserver::What what;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string control;  // the first 8 bytes of a control frame's payload, unmasked
  std::size_t control_size = 0;
  int close_code = 0;  // of a Close

  bool operator==(const Frame&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Frame& frame) {
  return out << "{what " << int(frame.what) << " [" << frame.begin << "," << frame.end << ") control '" << frame.control
             << "' of " << frame.control_size << " code " << frame.close_code << "}";
}

struct Walk {
  std::vector<Frame> frames;  // those that ended
  bool at_frame_boundary = true;
  bool at_message_boundary = true;
  bool inside_control = false;
  bool blind = false;
};

inline Walk walk(std::string_view stream, WebSocketObserver::From from) {
  using What = WebSocketObserver::What;
  Walk walk;
  bool message_open = false;
  std::size_t at = 0;
  const auto byte = [&](std::size_t i) -> std::optional<unsigned> {
    return at + i < stream.size() ? std::optional<unsigned>(static_cast<unsigned char>(stream[at + i])) : std::nullopt;
  };
  while (at < stream.size()) {
    walk.at_frame_boundary = walk.at_message_boundary = false;
    const unsigned opcode = *byte(0) % 16;
    const bool fin = *byte(0) >= 128;
    const bool control = opcode >= 8;
    const auto lose = [&] {
      walk.blind = true;
      walk.inside_control = false;
      return walk;
    };
    walk.inside_control = control;
    if ((opcode >= 3 && opcode <= 7) || opcode >= 11) return lose();
    if (control && !fin) return lose();
    if (opcode == 0 && !message_open) return lose();
    if ((opcode == 1 || opcode == 2) && message_open) return lose();
    if (!byte(1)) return walk;
    const bool masked = *byte(1) >= 128;
    if (masked != (from == WebSocketObserver::From::Client)) return lose();
    std::uint64_t length = *byte(1) % 128;
    if (control && length > 125) return lose();
    std::size_t head = 2;
    if (length >= 126) {
      const std::size_t bytes = length == 126 ? 2 : 8;
      if (bytes == 8 && byte(2) && *byte(2) >= 128) return lose();
      length = 0;
      for (std::size_t i = 0; i < bytes; ++i) {
        if (!byte(2 + i)) return walk;
        length = length * 256 + *byte(2 + i);
      }
      head += bytes;
    }
    const std::size_t mask_at = head;
    if (masked) head += 4;
    if (at + head > stream.size() || stream.size() - at - head < length) return walk;

    Frame frame{What::Message, at, at + head + static_cast<std::size_t>(length), "", 0, 0};
    if (control) {
      frame.what = opcode == 8 ? What::Close : opcode == 9 ? What::Ping : What::Pong;
      frame.control_size = static_cast<std::size_t>(length);
      for (std::size_t i = 0; i < length && i < 8; ++i) {
        frame.control += static_cast<char>(*byte(head + i) ^ (masked ? *byte(mask_at + i % 4) : 0));
      }
      if (opcode == 8) {
        const auto code = [&](std::size_t i) { return static_cast<unsigned char>(frame.control[i]); };
        frame.close_code = length < 2 ? 1005 : code(0) * 256 + code(1);
      }
    } else {
      message_open = !fin;
      if (!fin) frame.what = What::Fragment;
    }
    at = frame.end;
    walk.frames.push_back(frame);
    walk.at_frame_boundary = true;
    walk.at_message_boundary = !message_open;
    walk.inside_control = false;
  }
  return walk;
}

// An observer, fed piece by piece, and the frames that it told of with offsets in the whole stream.
class Watched {
 public:
  explicit Watched(WebSocketObserver::From from) : observer(from) {}

  void feed(std::string_view piece) {
    while (!piece.empty()) {
      const bool was_blind = observer.blind();
      WebSocketObserver shortcut = observer;
      const bool whole = shortcut.take_whole_message(piece);
      const auto step = observer.step(piece);
      if (whole) {
        impossible = impossible || step.what != WebSocketObserver::What::Message || step.consumed != piece.size() ||
                     observer.current_opcode() != shortcut.current_opcode();
        observer = shortcut;  // what comes after must not tell the two apart
      }
      if (step.began_here && !was_blind) began_ = seen_;
      if (step.consumed > piece.size() || step.consumed == 0) {
        impossible = true;
        return;
      }
      seen_ += step.consumed;
      piece.remove_prefix(step.consumed);
      if (step.what == WebSocketObserver::What::More || step.what == WebSocketObserver::What::Blind) {
        impossible = impossible || !piece.empty() || (step.what == WebSocketObserver::What::Blind) != observer.blind();
        continue;
      }
      Frame frame{step.what, began_, seen_, "", 0, 0};
      if ((observer.current_opcode() & 8) != 0) {
        frame.control = observer.control_prefix();
        frame.control_size = observer.control_size();
      }
      if (step.what == WebSocketObserver::What::Close) frame.close_code = observer.close_code();
      frames.push_back(frame);
    }
  }

  // What has been seen so far is what the oracle says of the same bytes.
  bool agrees_with(const Walk& walk) const {
    return !impossible && frames == walk.frames && observer.at_frame_boundary() == walk.at_frame_boundary &&
           observer.at_message_boundary() == walk.at_message_boundary &&
           observer.inside_control_frame() == walk.inside_control && observer.blind() == walk.blind;
  }

  WebSocketObserver observer;
  std::vector<Frame> frames;
  bool impossible = false;  // a step contradicted the interface's promises

 private:
  std::size_t seen_ = 0;
  std::size_t began_ = 0;
};

}  // namespace limpet::wire::naive
