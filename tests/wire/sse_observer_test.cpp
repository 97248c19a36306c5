// SPDX-License-Identifier: Apache-2.0
// By tables, by every split in three pieces and byte by byte, against a client and a list of boundaries written the
// slow way (naive_sse.h).
#include "proxy/wire/sse_observer.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "tests/wire/naive_sse.h"

using limpet::wire::SseObserver;
namespace naive = limpet::wire::naive;

namespace {

// What an observer must say of stream[begin, end) when it has seen all before.
void check_piece(std::string_view stream, std::size_t begin, std::size_t end, SseObserver& observer) {
  const auto seen = observer.observe(stream.substr(begin, end - begin));
  const std::string_view known = stream.substr(0, end);
  const auto places = naive::places(known);
  std::size_t first = SseObserver::kNone;
  for (const std::size_t place : places.between_events) {
    if (place >= begin) first = std::min(first, place - begin);
  }
  const auto client = naive::read(known);
  const auto before = naive::read(stream.substr(0, begin));
  const bool is_right = seen.first_boundary == first && seen.events == client.events.size() - before.events.size() &&
                        observer.between_events() == naive::has(places.between_events, end) &&
                        observer.at_line_start() == naive::has(places.line_starts, end) &&
                        observer.cr_pending() == known.ends_with('\r') && observer.retry_ms() == client.retry_ms;
  BOOST_TEST(is_right, "piece [" << begin << "," << end << "): boundary " << seen.first_boundary << ", not " << first
                                 << "; events " << seen.events << ", retry " << observer.retry_ms());
}

void check_every_split(std::string_view stream) {
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); ++second) {
      SseObserver observer;
      check_piece(stream, 0, first, observer);
      check_piece(stream, first, second, observer);
      check_piece(stream, second, stream.size(), observer);
    }
  }
  SseObserver observer;
  for (std::size_t i = 0; i < stream.size(); ++i) check_piece(stream, i, i + 1, observer);
}

std::string operator""_b(const char* text, std::size_t size) {
  return {text, size};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sse_observer)

BOOST_AUTO_TEST_CASE(every_stream_is_told_alike_on_every_split) {
  const std::string streams[] = {
      "",
      "data: a\n\ndata: b\n\n",
      "data: a\r\n\r\ndata: b\r\n\r\n",
      "data: a\r\rdata: b\r\r",
      "data: a\r\n\rdata: b\n\r\n",
      "\r\n\n\r\r\n\r\n",
      "data\n\ndata:\n\n",
      "datum: x\n\ndataa\n\nDATA: x\n\n data: x\n\n",
      "id: 1\nevent: e\ndata: a\ndata: b\n\nid: 2\n\n",
      ": comment\n\n:\n:x\ndata: a\n:in the event\n\n",
      ":x\rdata: a\r\n:\r\n\r\n:y\r\n",
      "retry: 1500\ndata: a\n\nretry:0\n\n",
      "retry: 12a\nretry:  5\nretry: \nretry:\nretry\nretry: 7\n",
      "retry: 1000000000\nretry: 1000000001\nretry: 99999999999999999999999\n",
      "retry: 000000000000000000000042\r\nretry: 8",
      "retry:1\rretryy: 2\rretr: 3\rretry :4\r",
      "\xef\xbb\xbf"
      "data: a\n\n\xef\xbb\xbf"
      "data: b\n\n",
      "\xef\xbb\xbf\xef\xbb\xbf"
      "data: a\n\n",
      "\xef\xbb"
      "data: a\n\n",
      "\xef\n\n",
      "\xef\xbb\r\r",
      "\xef\xbb\xbf",
      "\xef\xbb\xbf\n\n",
      "data: unfinished\n",
      "data: nul \0 inside\n\n\0\n\n"_b,
      "\n\ndata: late\n\n",
  };
  for (const std::string& stream : streams) {
    BOOST_TEST_CONTEXT("stream of " << stream.size() << ": " << stream) {
      check_every_split(stream);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_short_stream_over_the_special_bytes_is_told_alike_on_every_split) {
  const std::string_view alphabet[] = {"\r", "\n", ":", "data", "x"};
  std::vector<std::string> streams = {""};
  for (std::size_t i = 0; i < streams.size() && streams[i].size() < 24; ++i) {
    const auto pieces =
        std::count_if(streams[i].begin(), streams[i].end(), [](char c) { return c != 'a' && c != 't'; });
    if (pieces >= 5) continue;
    for (const auto piece : alphabet) streams.push_back(streams[i] + std::string(piece));
  }
  BOOST_TEST(streams.size() > 3000u);
  for (const std::string& stream : streams) check_every_split(stream);
}

BOOST_AUTO_TEST_CASE(a_comment_at_a_claimed_boundary_changes_no_event) {
  const std::string_view stream =
      "data: a\r\n\r\n\rid: 3\rdata: b\r\r\ndata: c\n:x\ndata: d\n\n:y\nevent: e\ndata: f\n\n\r\ndata: g\n\n";
  const auto events = naive::read(stream).events;
  std::size_t claims = 0;
  for (std::size_t begin = 0; begin < stream.size(); ++begin) {
    SseObserver observer;
    observer.observe(stream.substr(0, begin));
    const auto seen = observer.observe(stream.substr(begin, 1));
    if (const auto place = seen.first_boundary; place != SseObserver::kNone) {
      ++claims;
      BOOST_TEST((naive::read(naive::with(stream, begin + place, ":\n\n")).events == events), "at " << begin + place);
    }
    if (observer.at_line_start()) {
      BOOST_TEST((naive::read(naive::with(stream, begin + 1, ":\n")).events == events), "line start at " << begin + 1);
    }
  }
  BOOST_TEST(claims > 10u);
}

BOOST_AUTO_TEST_CASE(it_begins_between_events) {
  const SseObserver observer;
  BOOST_TEST(observer.between_events());
  BOOST_TEST(observer.at_line_start());
  BOOST_TEST(observer.retry_ms() == -1);
}

BOOST_AUTO_TEST_CASE(the_boundary_after_a_last_cr_lies_behind_the_lf_that_follows) {
  SseObserver observer;
  const auto first = observer.observe("data: a\r\n\r");
  BOOST_TEST(first.events == 1u);
  BOOST_TEST(first.first_boundary == 0u);
  BOOST_TEST((observer.cr_pending() && !observer.between_events() && !observer.at_line_start()));
  const auto second = observer.observe("\ndata: b");
  BOOST_TEST((second.first_boundary == 1u && second.events == 0u));
}

BOOST_AUTO_TEST_CASE(the_boundary_after_a_last_cr_lies_at_once_before_any_other_byte) {
  SseObserver observer;
  observer.observe("data: a\r\r");
  BOOST_TEST(!observer.between_events());
  const auto second = observer.observe("data: b");
  BOOST_TEST(second.first_boundary == 0u);
}

BOOST_AUTO_TEST_CASE(a_pending_cr_is_a_line_end_once_nothing_follows) {
  SseObserver observer;
  observer.observe("data: a\r\r");
  observer.finish();
  BOOST_TEST((observer.between_events() && !observer.cr_pending()));
  SseObserver inside;
  inside.observe("data: a\r");
  inside.finish();
  BOOST_TEST((!inside.between_events() && inside.at_line_start()));
}

BOOST_AUTO_TEST_CASE(a_retry_line_counts_when_it_is_complete) {
  SseObserver observer;
  observer.observe("retry: 25");
  BOOST_TEST(observer.retry_ms() == -1);
  observer.observe("00");
  BOOST_TEST(observer.retry_ms() == -1);
  observer.observe("\r");
  BOOST_TEST(observer.retry_ms() == 2500);
}

BOOST_AUTO_TEST_CASE(a_long_stream_is_counted_in_pieces_of_any_size) {
  std::string stream;
  for (int i = 0; i < 2000; ++i) {
    stream += "id: " + std::to_string(i) + (i % 3 ? "\n" : "\r\n") + "data: " + std::string(i % 50, 'x') + "\n\n";
    if (i % 7 == 0) stream += ": beat\n\n";
  }
  for (const std::size_t piece : {1u, 13u, 1000u, 65'536u, 1'000'000u}) {
    SseObserver observer;
    std::uint64_t events = 0;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      events += observer.observe(std::string_view(stream).substr(at, piece)).events;
    }
    BOOST_TEST(events == 2000u);
    BOOST_TEST(observer.between_events());
  }
}

BOOST_AUTO_TEST_SUITE_END()
