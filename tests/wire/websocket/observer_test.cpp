// SPDX-License-Identifier: Apache-2.0
// By tables, by every split of each stream in three pieces and byte by byte, against an oracle (naive_websocket.h) that
// is itself held to the tables' expectations.
#include "proxy/wire/websocket/observer.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "tests/wire/websocket/naive_websocket.h"

using limpet::wire::append_close;
using limpet::wire::append_ping;
using limpet::wire::WebSocketObserver;
using From = WebSocketObserver::From;
using What = WebSocketObserver::What;
namespace naive = limpet::wire::naive;

namespace {

constexpr std::uint8_t kMask[4] = {0x11, 0x82, 0xf3, 0x04};

enum class Length { Shortest, TwoBytes, EightBytes };

std::string frame(unsigned first, std::string_view payload, const std::uint8_t* mask = nullptr,
                  Length length = Length::Shortest) {
  std::string out(1, static_cast<char>(first));
  const unsigned mask_bit = mask ? 0x80 : 0;
  if (length == Length::EightBytes || payload.size() > 65535) {
    out += static_cast<char>(mask_bit | 127);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(std::uint64_t{payload.size()} >> shift);
  } else if (length == Length::TwoBytes || payload.size() > 125) {
    out += static_cast<char>(mask_bit | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size());
  } else {
    out += static_cast<char>(mask_bit | payload.size());
  }
  if (mask) out.append(reinterpret_cast<const char*>(mask), 4);
  for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ (mask ? mask[i % 4] : 0));
  return out;
}

std::string operator""_b(const char* text, std::size_t size) {
  return {text, size};
}

void check_split(std::string_view stream, From from, std::size_t first, std::size_t second) {
  naive::Watched watched(from);
  std::size_t begin = 0;
  for (const std::size_t end : {first, second, stream.size()}) {
    watched.feed(stream.substr(begin, end - begin));
    begin = end;
    const auto expected = naive::walk(stream.substr(0, end), from);
    if (watched.agrees_with(expected)) continue;
    BOOST_TEST_CONTEXT("split at " << first << " and " << second << ", after " << end) {
      BOOST_TEST(!watched.impossible);
      BOOST_TEST(watched.frames == expected.frames, boost::test_tools::per_element());
      BOOST_TEST(watched.observer.at_frame_boundary() == expected.at_frame_boundary);
      BOOST_TEST(watched.observer.at_message_boundary() == expected.at_message_boundary);
      BOOST_TEST(watched.observer.inside_control_frame() == expected.inside_control);
      BOOST_TEST(watched.observer.blind() == expected.blind);
    }
  }
}

void check_every_split(std::string_view stream, From from) {
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); ++second) check_split(stream, from, first, second);
  }
  naive::Watched watched(from);
  for (std::size_t i = 0; i < stream.size(); ++i) {
    watched.feed(stream.substr(i, 1));
    BOOST_TEST(watched.agrees_with(naive::walk(stream.substr(0, i + 1), from)), "byte by byte, after " << i + 1);
  }
}

struct Row {
  const char* name;
  From from;
  std::string stream;
  std::vector<What> frames;
  bool blind = false;
};

std::vector<Row> rows() {
  const std::string ping = frame(0x89, "beat");
  return {
      {"text", From::Backend, frame(0x81, "hello"), {What::Message}},
      {"masked binary", From::Client, frame(0x82, "hello", kMask), {What::Message}},
      {"empty frames", From::Backend, frame(0x81, "") + frame(0x8a, ""), {What::Message, What::Pong}},
      {"empty masked frames",
       From::Client,
       frame(0x81, "", kMask) + frame(0x88, "", kMask),
       {What::Message, What::Close}},
      {"fragments",
       From::Backend,
       frame(0x01, "a") + frame(0x00, "b") + frame(0x80, "c"),
       {What::Fragment, What::Fragment, What::Message}},
      {"ping between fragments",
       From::Backend,
       frame(0x02, "a") + ping + frame(0x80, ""),
       {What::Fragment, What::Ping, What::Message}},
      {"masked control frames with long payloads",
       From::Client,
       frame(0x89, "0123456789", kMask) + frame(0x8a, "abcdefgh", kMask) + frame(0x88, "\x03\xe9 away"_b, kMask),
       {What::Ping, What::Pong, What::Close}},
      {"close with one byte", From::Backend, frame(0x88, "\x03"), {What::Close}},
      {"frames after a close",
       From::Backend,
       frame(0x88, "\x03\xf4"_b) + frame(0x81, "x"),
       {What::Close, What::Message}},
      {"16-bit length", From::Backend, frame(0x82, std::string(126, 'x')) + ping, {What::Message, What::Ping}},
      {"length longer than needed",
       From::Client,
       frame(0x81, "abc", kMask, Length::TwoBytes) + frame(0x81, "abc", kMask, Length::EightBytes),
       {What::Message, What::Message}},
      {"empty frame with 64-bit length", From::Backend, frame(0x81, "", nullptr, Length::EightBytes), {What::Message}},
      {"RSV bits", From::Backend, frame(0xf1, "zip") + frame(0xc9, "p"), {What::Message, What::Ping}},
      {"huge frame that has only begun", From::Backend, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"_b + "rest", {}},
      {"unmasked from a client", From::Client, frame(0x81, "hello"), {}, true},
      {"masked from a backend", From::Backend, ping + frame(0x81, "hello", kMask), {What::Ping}, true},
      {"opcode 3", From::Backend, ping + frame(0x83, "hello"), {What::Ping}, true},
      {"opcode 7 in a message", From::Backend, frame(0x01, "") + frame(0x87, "x"), {What::Fragment}, true},
      {"opcode 11", From::Client, frame(0x8b, "", kMask), {}, true},
      {"opcode 15", From::Backend, frame(0x8f, ""), {}, true},
      {"fragmented control frame", From::Backend, frame(0x09, "x"), {}, true},
      {"oversized control frame", From::Backend, frame(0x8a, std::string(126, 'x')), {}, true},
      {"control frame with a needless 16-bit length",
       From::Backend,
       frame(0x89, "x", nullptr, Length::TwoBytes),
       {},
       true},
      {"continuation without a start", From::Backend, frame(0x80, "x"), {}, true},
      {"continuation after the end", From::Backend, frame(0x81, "x") + frame(0x00, "y"), {What::Message}, true},
      {"start inside a message", From::Backend, frame(0x01, "x") + frame(0x81, "y"), {What::Fragment}, true},
      {"64-bit length with its top bit", From::Backend, "\x82\xff\x80\x00\x00\x00"_b, {}, true},
      {"64-bit length with its top bit, unmasked", From::Backend, "\x82\x7f\x80\x00\x00\x00"_b, {}, true},
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(websocket_observer)

BOOST_AUTO_TEST_CASE(every_stream_is_told_alike_on_every_split) {
  for (const Row& row : rows()) {
    BOOST_TEST_CONTEXT(row.name) {
      const auto walk = naive::walk(row.stream, row.from);
      std::vector<What> frames;
      for (const auto& each : walk.frames) frames.push_back(each.what);
      BOOST_TEST((frames == row.frames));
      BOOST_TEST(walk.blind == row.blind);
      check_every_split(row.stream, row.from);
    }
  }
}

BOOST_AUTO_TEST_CASE(it_is_blind_at_the_first_byte_that_shows_it) {
  const struct {
    From from;
    std::string shortest;
  } blinding[] = {
      {From::Backend, "\x83"},     {From::Backend, "\x09"},         {From::Backend, "\x80"},
      {From::Backend, "\x8b"},     {From::Client, "\x81\x05"},      {From::Backend, "\x81\x80"},
      {From::Backend, "\x89\x7e"}, {From::Backend, "\x82\x7f\x80"}, {From::Backend, "\x01\x01x\x81"},
  };
  for (const auto& row : blinding) {
    naive::Watched watched(row.from);
    watched.feed(std::string_view(row.shortest).substr(0, row.shortest.size() - 1));
    BOOST_TEST(!watched.observer.blind());
    watched.feed(std::string_view(row.shortest).substr(row.shortest.size() - 1));
    BOOST_TEST(watched.observer.blind());
  }
}

BOOST_AUTO_TEST_CASE(blindness_takes_every_later_input_whole) {
  WebSocketObserver observer(From::Backend);
  const auto first = observer.step("\x83rest");
  BOOST_TEST((first.what == What::Blind && first.consumed == 5));
  const auto later = observer.step(frame(0x81, "fine"));
  BOOST_TEST((later.what == What::Blind && later.consumed == 6 && !later.began_here));
  BOOST_TEST(!observer.at_frame_boundary());
  BOOST_TEST(!observer.at_message_boundary());
  BOOST_TEST(!observer.inside_control_frame());
}

BOOST_AUTO_TEST_CASE(an_empty_input_changes_nothing) {
  WebSocketObserver observer(From::Backend);
  const auto step = observer.step({});
  BOOST_TEST((step.what == What::More && step.consumed == 0 && !observer.blind()));
  BOOST_TEST(observer.at_message_boundary());
}

BOOST_AUTO_TEST_CASE(a_step_tells_whether_its_frame_began_in_its_input) {
  WebSocketObserver observer(From::Backend);
  const std::string stream = frame(0x8a, "pong") + frame(0x81, "text");
  const std::string_view view = stream;
  BOOST_TEST(observer.step(view).began_here);
  const auto part = observer.step(view.substr(6, 1));
  BOOST_TEST((part.what == What::More && part.began_here && part.consumed == 1));
  const auto rest = observer.step(view.substr(7));
  BOOST_TEST((rest.what == What::Message && !rest.began_here && rest.consumed == 5));
}

BOOST_AUTO_TEST_CASE(the_opcode_and_the_control_frame_under_way_are_known_from_the_first_byte) {
  WebSocketObserver observer(From::Backend);
  BOOST_TEST(!observer.inside_control_frame());
  observer.step("\x8a");
  BOOST_TEST(observer.inside_control_frame());
  BOOST_TEST(int(observer.current_opcode()) == 0xa);
  observer.step("\x02");
  BOOST_TEST(observer.inside_control_frame());
  observer.step("x");
  BOOST_TEST(observer.inside_control_frame());
  BOOST_TEST((observer.step("y").what == What::Pong));
  BOOST_TEST(!observer.inside_control_frame());
  observer.step("\x01");
  BOOST_TEST(!observer.inside_control_frame());
  BOOST_TEST(!observer.at_frame_boundary());
  BOOST_TEST(int(observer.current_opcode()) == 1);
}

BOOST_AUTO_TEST_CASE(a_control_payload_is_kept_unmasked_up_to_eight_bytes) {
  WebSocketObserver observer(From::Client);
  observer.step(frame(0x89, "0123456789", kMask));
  BOOST_TEST(observer.control_prefix() == "01234567");
  BOOST_TEST(int(observer.control_size()) == 10);
  observer.step(frame(0x81, "text", kMask));
  BOOST_TEST(observer.control_prefix() == "01234567");
  observer.step(frame(0x8a, "abc", kMask));
  BOOST_TEST(observer.control_prefix() == "abc");
  BOOST_TEST(int(observer.control_size()) == 3);
}

BOOST_AUTO_TEST_CASE(the_close_code_is_read_and_1005_where_there_is_none) {
  const std::pair<std::string, int> rows[] = {
      {"\x03\xe8"_b, 1000}, {"\x0f\xa0 why"_b, 4000}, {"", 1005}, {"\x03"_b, 1005}};
  for (const auto& [payload, code] : rows) {
    WebSocketObserver observer(From::Client);
    BOOST_TEST((observer.step(frame(0x88, payload, kMask)).what == What::Close));
    BOOST_TEST(observer.close_code() == code);
  }
}

BOOST_AUTO_TEST_CASE(a_large_frame_ends_where_its_length_says) {
  const std::string stream =
      frame(0x02, std::string(70'000, '\x89'), kMask) + frame(0x80, std::string(65'535, 'x'), kMask);
  for (const std::size_t piece : {1u, 7u, 4096u, 65'536u, 200'000u}) {
    naive::Watched watched(From::Client);
    for (std::size_t at = 0; at < stream.size(); at += piece) watched.feed(std::string_view(stream).substr(at, piece));
    BOOST_TEST(watched.agrees_with(naive::walk(stream, From::Client)), "pieces of " << piece);
    BOOST_TEST(watched.frames.size() == 2u);
  }
}

BOOST_AUTO_TEST_CASE(a_close_toward_the_client_is_unmasked) {
  std::string out = "before";
  append_close(out, 1012, "", nullptr);
  BOOST_TEST(out == "before\x88\x02\x03\xf4"_b);
  out.clear();
  append_close(out, 1001, "bye", nullptr);
  BOOST_TEST(out ==
             "\x88\x05\x03\xe9"
             "bye"_b);
}

BOOST_AUTO_TEST_CASE(a_close_toward_the_backend_is_masked) {
  std::string out;
  append_close(out, 1001, "", kMask);
  BOOST_TEST(out == "\x88\x82\x11\x82\xf3\x04\x12\x6b"_b);
}

BOOST_AUTO_TEST_CASE(a_close_without_a_code_is_empty) {
  std::string out;
  append_close(out, 1005, "ignored", nullptr);
  BOOST_TEST(out == "\x88\x00"_b);
}

BOOST_AUTO_TEST_CASE(a_long_reason_is_cut_at_a_character) {
  std::string out;
  append_close(out, 1000, std::string(123, 'r'), nullptr);
  BOOST_TEST(out == "\x88\x7d\x03\xe8"_b + std::string(123, 'r'));
  out.clear();
  append_close(out, 1000, std::string(124, 'r'), nullptr);
  BOOST_TEST(out == "\x88\x7d\x03\xe8"_b + std::string(123, 'r'));
  out.clear();
  append_close(out, 1000, std::string(122, 'r') + "\xc3\xa4", nullptr);
  BOOST_TEST(out == "\x88\x7c\x03\xe8"_b + std::string(122, 'r'));
}

BOOST_AUTO_TEST_CASE(what_limpet_sends_reads_back) {
  for (const std::uint8_t* mask : {static_cast<const std::uint8_t*>(nullptr), kMask}) {
    std::string out;
    append_ping(out, "", mask);
    append_ping(out, "12345678", mask);
    append_ping(out, std::string(125, 'p'), mask);
    append_close(out, 1013, "try again", mask);
    naive::Watched watched(mask ? From::Client : From::Backend);
    watched.feed(out);
    BOOST_REQUIRE(watched.frames.size() == 4u);
    BOOST_TEST((watched.frames[1].what == What::Ping && watched.frames[1].control == "12345678"));
    BOOST_TEST(watched.frames[2].control_size == 125u);
    BOOST_TEST((watched.frames[3].what == What::Close && watched.frames[3].close_code == 1013));
    BOOST_TEST(watched.observer.at_message_boundary());
  }
  std::string ping;
  append_ping(ping, "", nullptr);
  BOOST_TEST(ping == "\x89\x00"_b);
}

BOOST_AUTO_TEST_SUITE_END()
