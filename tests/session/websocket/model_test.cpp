// SPDX-License-Identifier: Apache-2.0
// Random conversations through a WebSocketSession: what comes out of a pump is a prefix of what went in, and at most
// one goodbye of limpet's, at a frame boundary. A failing run names its seed; LIMPET_TEST_SEED repeats it.
#include <algorithm>
#include <cstdlib>
#include <random>

#include "proxy/session/websocket/session.h"
#include "tests/seed.h"
#include "tests/session/websocket/fixture.h"

namespace limpet::session {

namespace {

using namespace frames;

constexpr std::size_t kOurPayload = 4;  // of limpet's Pings; the peers' own are shorter or longer

class Conversation : public WebSocketFixture {
 public:
  Conversation(std::uint32_t seed, bool pings, bool calm) : random_(seed), pings_(pings), calm_(calm) {
    route.websocket.ping_interval = milliseconds(pings ? 200 : 0);
    route.websocket.close_timeout = milliseconds(300);
    route.http.stall_timeout = milliseconds(2000);
    route.http.high_water = 1 + random_() % 200;
    crash_spread = milliseconds(500);
    in_batches = random_() % 2 == 0;
    for (Speaker* speaker : {&from_client_, &from_backend_}) {
      if (random_() % 3 == 0) speaker->end.script.most_per_read = 1 + random_() % 20;
      if (random_() % 3 == 0) speaker->end.script.most_per_write = 1 + random_() % 20;
    }
  }

  void play() {
    open();
    for (int i = 0; i < 60 && !over(); ++i) step();
    if (calm_) {
      finish_frames();
    } else {
      pass(seconds(5));
    }
    check(from_client_, from_backend_.end.script.written, false);
    check(from_backend_, from_client_.end.script.written, true);
  }

 private:
  struct Speaker {
    End& end;
    std::string sent;       // all that it has said, in whole frames
    std::size_t given = 0;  // of which the proxy could read so much
    std::size_t heard = 0;  // of what it was sent: up to here it has answered Pings
    bool in_message = false;
    bool closed = false;
  };

  std::string some_text() { return std::string(random_() % 8 == 0 ? random_() % 400 : random_() % 10, 'x'); }

  void say_frame(Speaker& speaker) {
    if (speaker.closed) return;
    const unsigned what = random_() % 10;
    if (what == 0) {
      const unsigned opcode = random_() % 2 == 0 ? kPing : kPong;
      speaker.sent += speaker.end.frame(opcode, std::string(random_() % 2 == 0 ? 2 : 7, 'p'));
    } else if (what == 1 && !calm_ && random_() % 4 == 0) {
      speaker.sent += speaker.end.frame(kClose, close_payload(1000));
      speaker.closed = true;
    } else {
      const bool fin = random_() % 3 != 0;
      speaker.sent += speaker.end.frame(speaker.in_message ? kContinuation : kText, some_text(), fin);
      speaker.in_message = !fin;
    }
  }

  void give(Speaker& speaker, std::size_t bytes) {
    bytes = std::min(bytes, speaker.sent.size() - speaker.given);
    if (bytes == 0) return;
    speaker.end.script.brings(std::string_view(speaker.sent).substr(speaker.given, bytes));
    speaker.given += bytes;
  }

  // Answers limpet's Pings, as a peer would: between its own frames.
  void answer_pings(Speaker& speaker) {
    if (!pings_ || speaker.closed) return;
    for (const Frame& frame : walk(std::string_view(speaker.end.script.written).substr(speaker.heard))) {
      if (frame.opcode == kPing && frame.payload.size() == kOurPayload) {
        speaker.sent += speaker.end.frame(kPong, frame.payload);
      }
    }
    const auto all = walk(speaker.end.script.written);
    if (!all.empty()) speaker.heard = all.back().end;
  }

  void step() {
    Speaker& speaker = random_() % 2 == 0 ? from_client_ : from_backend_;
    switch (random_() % 16) {
    case 0:
      if (random_() % 4 == 0 && !calm_) {
        // The goodbye must be at a boundary of what was given, which the check knows.
        random_() % 2 == 0 ? speaker.end.script.brings_eof() : speaker.end.script.brings_reset();
        speaker.closed = true;
        speaker.sent.resize(speaker.given);
      }
      break;
    case 1:
      if (random_() % 5 == 0 && !calm_) farewell();
      break;
    case 2:
      pass(milliseconds(random_() % 150));
      break;
    case 3:
      speaker.end.script.room = random_() % 100;
      break;
    case 4:
      speaker.end.script.room = Script::kAny;
      break;
    case 5:
      speaker.end.script.brings_nothing();
      break;
    case 6:
      if (random_() % 20 == 0 && !calm_) speaker.end.script.refuses_writes = true;
      break;
    case 7:
      answer_pings(speaker);
      break;
    default:
      say_frame(speaker);
      give(speaker, random_() % 3 == 0 ? random_() % 40 : 1000);
      break;
    }
    run();
  }

  void finish_frames() {
    for (Speaker* speaker : {&from_client_, &from_backend_}) {
      speaker->end.script.room = Script::kAny;
      give(*speaker, speaker->sent.size());
    }
    run();
    BOOST_TEST_REQUIRE(!over());
  }

  // The stream without limpet's Pings and all answers to them, also where its end is missing. (An answer to a Ping that
  // is not the latest is a foreign Pong and passes.)
  std::string without_ours(std::string_view stream) const {
    if (!pings_) return std::string(stream);
    std::string result;
    std::size_t at = 0;
    for (const Frame& frame : walk(stream)) {
      const bool ours = (frame.opcode == kPing || frame.opcode == kPong) && frame.payload.size() == kOurPayload;
      if (!ours) result += stream.substr(frame.begin, frame.end - frame.begin);
      at = frame.end;
    }
    const std::string_view rest = stream.substr(at);
    const bool may_be_ours = !rest.empty() && (rest[0] == '\x89' || rest[0] == '\x8a') &&
                             (rest.size() < 2 || (static_cast<unsigned char>(rest[1]) & 127U) == kOurPayload);
    return may_be_ours ? result : result + std::string(rest);
  }

  void check(const Speaker& from, std::string_view raw, bool to_client) const {
    const std::string in = without_ours(std::string_view(from.sent).substr(0, from.given));
    const std::string out = without_ours(raw);
    if (in.starts_with(out)) {
      if (calm_) BOOST_TEST_REQUIRE(in == out);
      return;
    }
    BOOST_TEST_REQUIRE(!calm_);
    const Script& script = to_client ? client.script : backend.script;
    const bool may_be_cut = script.room == 0 || script.most_per_write != Script::kAny;  // its end was not taken
    const std::size_t whole = to_client ? 4 : 8;
    bool right = false;
    for (std::size_t size = std::min(whole, out.size()); size > (may_be_cut ? 0 : whole - 1) && !right; --size) {
      const std::string_view relayed = std::string_view(out).substr(0, out.size() - size);
      right = in.starts_with(relayed) && ends_at_a_frame(relayed) &&
              is_goodbye(out.substr(relayed.size()), to_client) && !has_close(relayed);
    }
    BOOST_TEST_REQUIRE(right, (to_client ? "to the client: " : "to the backend: ")
                                  << out.size() << " bytes out of " << in.size());
  }

  static bool has_close(std::string_view stream) {
    const auto all = walk(stream);
    return std::any_of(all.begin(), all.end(), [](const Frame& frame) { return frame.opcode == kClose; });
  }

  // True of the beginning of one, too.
  static bool is_goodbye(const std::string& bytes, bool to_client) {
    const auto frame = [&](unsigned code, std::string_view mask) {
      return write(kClose, close_payload(code), !to_client, true, mask).starts_with(bytes);
    };
    if (to_client) return frame(1012, "") || frame(1001, "");
    return frame(1001, bytes.size() > 2 ? (bytes.substr(2) + "    ").substr(0, 4) : "    ");
  }

  std::mt19937 random_;
  const bool pings_;
  const bool calm_;  // nobody leaves: all must come through
  Speaker from_client_{client, {}, 0, 0, false, false};
  Speaker from_backend_{backend, {}, 0, 0, false, false};
};

void play_many(bool pings, bool calm, std::uint32_t times) {
  const std::uint32_t first = chosen_seed();
  for (std::uint32_t seed = first; seed != first + times; ++seed) {
    BOOST_TEST_CONTEXT("LIMPET_TEST_SEED=" << seed) {
      Conversation(seed, pings, calm).play();
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(websocket_model)

BOOST_AUTO_TEST_CASE(where_nobody_leaves_every_byte_comes_through) {
  play_many(false, true, 60);
}

BOOST_AUTO_TEST_CASE(what_comes_out_is_a_prefix_of_what_went_in_and_at_most_one_goodbye) {
  play_many(false, false, 120);
}

BOOST_AUTO_TEST_CASE(pings_stand_between_frames_and_change_nothing_else) {
  play_many(true, false, 120);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
