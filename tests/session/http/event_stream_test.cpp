// SPDX-License-Identifier: Apache-2.0
// What limpet adds to an event stream, as its reader sees it: retry, heartbeats and the farewell, which come between
// two events wherever the backend's bytes are cut.
#include "proxy/session/http/event_stream.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace limpet::session {

namespace {

struct Fixture {
  SseSettings settings;  // retry 2000 ms, jitter 8000 ms

  // What the client gets of the backend's pieces, and how many events ended.
  struct Told {
    std::string text;
    std::uint32_t events = 0;
  };
  static Told pass(EventStream& stream, const std::vector<std::string>& pieces) {
    Told told;
    for (const auto& piece : pieces) {
      std::vector<std::string_view> out;
      told.events += stream.pass(piece, out);
      for (const auto part : out) told.text += part;
    }
    return told;
  }
};

// Two pieces, split at each place.
std::vector<std::vector<std::string>> splits(const std::string& text) {
  std::vector<std::vector<std::string>> result;
  for (std::size_t at = 0; at <= text.size(); ++at) result.push_back({text.substr(0, at), text.substr(at)});
  std::vector<std::string> bytes;
  for (const char c : text) bytes.emplace_back(1, c);
  result.push_back(bytes);
  return result;
}

const std::string kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

BOOST_FIXTURE_TEST_SUITE(event_stream, Fixture)

BOOST_AUTO_TEST_CASE(a_stream_opens_with_the_normal_reconnection_time) {
  settings.retry = milliseconds(1234);
  BOOST_TEST(EventStream(settings).opening() == "retry: 1234\n\n");
}

BOOST_AUTO_TEST_CASE(bytes_pass_unchanged_and_events_are_counted_on_every_split) {
  const std::string body = "id: 1\ndata: a\n\n: comment\n\ndata: b\r\n\r\ndata: c\r\rdata: unfinished";
  for (const auto& pieces : splits(body)) {
    EventStream stream(settings);
    const auto told = pass(stream, pieces);
    BOOST_TEST(told.text == body);
    BOOST_TEST(told.events == 3U);
  }
}

BOOST_AUTO_TEST_CASE(a_byte_order_mark_at_the_start_is_dropped_on_every_split) {
  for (const auto& pieces : splits(kByteOrderMark + "data: a\n\n")) {
    EventStream stream(settings);
    const auto told = pass(stream, pieces);
    BOOST_TEST(told.text == "data: a\n\n");
    BOOST_TEST(told.events == 1U);
  }
}

BOOST_AUTO_TEST_CASE(what_only_begins_like_a_byte_order_mark_passes) {
  for (const std::string& body : {std::string("\xEF\xBB"
                                              "data: a\n\n"),
                                  std::string("\xEF"
                                              "data"),
                                  std::string("d"), "data: " + kByteOrderMark + "\n\n"}) {
    for (const auto& pieces : splits(body)) {
      EventStream stream(settings);
      BOOST_TEST(pass(stream, pieces).text == body);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_second_byte_order_mark_is_the_backends_business) {
  EventStream stream(settings);
  BOOST_TEST(pass(stream, {kByteOrderMark, kByteOrderMark}).text == kByteOrderMark);
}

BOOST_AUTO_TEST_CASE(between_events_the_farewell_is_due_at_once) {
  for (const char* body :
       {"", "data: a\n\n", "data: a\r\r", "data: a\r\n\r\n", "data: a\n\n: comment\n\n", "data: a\n\n\n"}) {
    EventStream stream(settings);
    pass(stream, {body});
    BOOST_TEST(stream.want_farewell(), body);
    BOOST_TEST(stream.said_farewell());
    BOOST_TEST(stream.farewell(0) == "retry: 2000\n\n");
    BOOST_TEST(pass(stream, {"data: too late\n\n"}).text == "");
  }
}

BOOST_AUTO_TEST_CASE(in_an_event_the_farewell_waits_for_its_end_and_the_rest_is_dropped) {
  const std::string begun = "data: a\n\nid: 2\ndata: b";
  const std::string rest = " and more\n\ndata: dropped\n\n";
  for (const auto& pieces : splits(rest)) {
    EventStream stream(settings);
    pass(stream, {begun});
    BOOST_TEST(!stream.want_farewell());
    const auto told = pass(stream, pieces);
    BOOST_TEST(told.text == " and more\n\n");
    BOOST_TEST(told.events == 1U);
    BOOST_TEST(stream.said_farewell());
    BOOST_TEST(stream.farewell(0) == "retry: 2000\n\n");
  }
}

BOOST_AUTO_TEST_CASE(the_farewell_at_a_line_end_of_crlf_leaves_the_client_between_events_on_every_split) {
  for (const auto& pieces : splits(" b\r\n\r\nid: 9\r\n\r\n")) {
    EventStream stream(settings);
    pass(stream, {"data:"});
    BOOST_TEST(!stream.want_farewell());
    const std::string told = pass(stream, pieces).text;
    // Its last line feed may be left out: an empty line has ended either way.
    BOOST_TEST((told == " b\r\n\r\n" || told == " b\r\n\r"));
    BOOST_TEST(stream.said_farewell());
  }
}

BOOST_AUTO_TEST_CASE(the_farewells_retry_is_base_and_a_part_of_the_jitter) {
  const EventStream stream(settings);
  BOOST_TEST(stream.farewell(0) == "retry: 2000\n\n");
  BOOST_TEST(stream.farewell(0.5) == "retry: 6000\n\n");
  BOOST_TEST(stream.farewell(0.999999) == "retry: 9999\n\n");
}

BOOST_AUTO_TEST_CASE(a_retry_of_the_backends_becomes_the_base) {
  EventStream stream(settings);
  pass(stream, {"retry: 500\n\ndata: a\n\n"});
  BOOST_TEST(stream.farewell(0) == "retry: 500\n\n");
  pass(stream, {"retry: 0\n"});
  pass(stream, {"\n"});
  BOOST_TEST(stream.farewell(0.5) == "retry: 4000\n\n");
  pass(stream, {"retry: soon\n\n"});
  BOOST_TEST(stream.farewell(0) == "retry: 0\n\n");
}

BOOST_AUTO_TEST_CASE(a_forced_farewell_in_an_event_dispatches_nothing_of_it) {
  // No empty line: the client discards the unfinished event at the end of the stream.
  const std::pair<const char*, const char*> rows[] = {
      {"data: half", "\nretry: 2000\n"}, {"data: half\n", "retry: 2000\n"},     {"data: half\r\n", "retry: 2000\n"},
      {"data: half\r", "retry: 2000\n"}, {"id: 1\ndata: x", "\nretry: 2000\n"}, {":", "\nretry: 2000\n"},
  };
  for (const auto& [body, expected] : rows) {
    EventStream stream(settings);
    pass(stream, {body});
    BOOST_TEST(stream.farewell(0) == expected, body);
  }
}

BOOST_AUTO_TEST_CASE(a_heartbeat_is_a_comment_that_disturbs_no_event) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ":\n\n"},
      {"data: a\n\n", ":\n\n"},
      {"data: a\r\n\r\n", ":\n\n"},
      {"data: a\n", ":\n"},
      {"data: a\r\n", ":\n"},
      {"data: a", ""},
      {"d", ""},
      {": comment", ""},
  };
  for (const auto& [body, expected] : rows) {
    EventStream stream(settings);
    pass(stream, {body});
    BOOST_TEST(stream.heartbeat() == expected, body);
  }
}

BOOST_AUTO_TEST_CASE(a_heartbeat_behind_a_lone_cr_never_makes_an_empty_line_inside_an_event) {
  EventStream stream(settings);
  pass(stream, {"data: a\r"});
  const std::string beat(stream.heartbeat());
  BOOST_TEST((beat == "" || beat == ":\n"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
