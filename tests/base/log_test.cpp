// SPDX-License-Identifier: Apache-2.0
// The log as its reader sees it: each test puts something of its own in the place of stderr.
#include "proxy/base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cctype>
#include <chrono>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "proxy/base/fd.h"
#include "proxy/base/log_line.h"

namespace limpet::log {

namespace {

using Lines = std::vector<std::string>;

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// While it lives, stderr is `replacement`. No check is made meanwhile: its failure would be reported on stderr.
class StderrIs {
 public:
  explicit StderrIs(int replacement) : before_(dup(STDERR_FILENO)) { dup2(replacement, STDERR_FILENO); }
  ~StderrIs() { dup2(before_.value(), STDERR_FILENO); }

 private:
  Fd before_;
};

// What `act` writes to stderr, which is a file.
template <typename Act>
std::string written_by(Act act) {
  char path[] = "/tmp/limpet-log-XXXXXX";
  const Fd file(mkstemp(path));
  unlink(path);
  {
    const StderrIs here(file.value());
    act();
    stop();
  }
  std::string text(static_cast<std::size_t>(lseek(file.value(), 0, SEEK_END)), '\0');
  const auto size = pread(file.value(), text.data(), text.size(), 0);
  BOOST_TEST(size == static_cast<ssize_t>(text.size()));
  return text;
}

struct Pipe {
  Pipe() {
    int ends[2];
    BOOST_TEST_REQUIRE(pipe(ends) == 0);
    reader.reset(ends[0]);
    writer.reset(ends[1]);
  }
  // Up to the end of all writers.
  std::string read_all() const {
    std::string all;
    char bytes[65536];
    for (ssize_t n = 0; (n = read(reader.value(), bytes, sizeof bytes)) > 0;) {
      all.append(bytes, static_cast<std::size_t>(n));
    }
    return all;
  }
  Fd reader, writer;
};

const WallTime kThen{std::chrono::milliseconds{1767323045678}};

}  // namespace

BOOST_AUTO_TEST_SUITE(log_lines)

BOOST_AUTO_TEST_CASE(strings_are_escaped_strictly) {
  struct Row {
    std::string text, quoted;
  };
  for (const Row& row : std::vector<Row>{
           {"", R"("")"},
           {"plain", R"("plain")"},
           {"say \"hi\" \\ there", R"("say \"hi\" \\ there")"},
           {"a\nb\rc\td", R"("a\nb\rc\td")"},
           {std::string("\0\x01\x1b[31m\x1f\x7f", 9), R"("\u0000\u0001\u001b[31m\u001f\u007f")"},
           {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x9a", "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x9a\""},
           {"\xc2\x9b\xc2\x80", R"("\u009b\u0080")"},
           {"\xe2\x80\xa8\xe2\x80\xa9", R"("\u2028\u2029")"},
           {"\xff", "\"\xef\xbf\xbd\""},
           {"a\x80z", "\"a\xef\xbf\xbdz\""},
           {"\xc3", "\"\xef\xbf\xbd\""},
           {"\xc3\"", "\"\xef\xbf\xbd\\\"\""},
           {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
           {"\xe0\x80\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
           {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
           {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
           {"\xf0\x9f\x90", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}}) {
    BOOST_TEST(json_quote(row.text) == row.quoted);
  }
}

BOOST_AUTO_TEST_CASE(times_are_told_in_utc_with_milliseconds) {
  BOOST_TEST(time_text(kThen) == "2026-01-02T03:04:05.678Z");
  BOOST_TEST(time_text(WallTime{std::chrono::milliseconds{0}}) == "1970-01-01T00:00:00.000Z");
  BOOST_TEST(time_text(WallTime{std::chrono::microseconds{1999}}) == "1970-01-01T00:00:00.001Z");
}

BOOST_AUTO_TEST_CASE(any_two_bytes_become_a_valid_json_string_without_control_bytes) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string text = {static_cast<char>(a), static_cast<char>(b)};
      const std::string quoted = json_quote(text);
      const bool valid = nlohmann::json::accept(quoted);
      bool clean = true;
      for (const char c : quoted) clean = clean && static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
      BOOST_TEST_REQUIRE((valid && clean), "bytes " << a << " " << b);
      if (a < 0x80 && b < 0x80) BOOST_TEST_REQUIRE(nlohmann::json::parse(quoted).get<std::string>() == text);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_value_is_quoted_only_where_it_must_be) {
  BOOST_TEST(quote_if_needed("127.0.0.1:80/a?b") == "127.0.0.1:80/a?b");
  BOOST_TEST(quote_if_needed("") == R"("")");
  BOOST_TEST(quote_if_needed("a b") == R"("a b")");
  BOOST_TEST(quote_if_needed("a=b") == R"("a=b")");
  BOOST_TEST(quote_if_needed("a\"b") == R"("a\"b")");
  BOOST_TEST(quote_if_needed("a\\b") == R"("a\\b")");
  BOOST_TEST(quote_if_needed("a\nb") == R"("a\nb")");
}

BOOST_AUTO_TEST_CASE(a_text_line_has_time_level_message_and_items) {
  BOOST_TEST(text_line(kThen, Level::Info, "listening", {{"address", "127.0.0.1:80"}, {"name", "a b"}}, false) ==
             "2026-01-02T03:04:05.678Z info  listening address=127.0.0.1:80 name=\"a b\"");
  BOOST_TEST(text_line(kThen, Level::Debug, "x", {}, false) == "2026-01-02T03:04:05.678Z debug x");
  BOOST_TEST(text_line(kThen, Level::Warn, "x", {}, false) == "2026-01-02T03:04:05.678Z warn  x");
  BOOST_TEST(text_line(kThen, Level::Error, "x", {}, false) == "2026-01-02T03:04:05.678Z error x");
  BOOST_TEST(text_line(kThen, Level::Warn, "x", {{"k", 1}}, true) ==
             "2026-01-02T03:04:05.678Z \x1b[33mwarn\x1b[0m  x k=1");
}

BOOST_AUTO_TEST_CASE(values_of_every_type_are_written) {
  const std::string owned = "owned";
  const char* none = nullptr;
  BOOST_TEST(text_line(kThen, Level::Info, "m",
                       {{"i", -3},
                        {"u", std::numeric_limits<std::uint64_t>::max()},
                        {"l", std::numeric_limits<std::int64_t>::min()},
                        {"d", 0.25},
                        {"f", 1.5F},
                        {"t", true},
                        {"n", false},
                        {"s", owned},
                        {"v", std::string_view("view")},
                        {"0", none}},
                       false)
                 .substr(31) ==
             "m i=-3 u=18446744073709551615 l=-9223372036854775808 d=0.25 f=1.5 t=true n=false s=owned v=view 0=\"\"");
}

BOOST_AUTO_TEST_CASE(a_json_line_is_one_object) {
  const auto line = json_line(kThen, Level::Warn, "a \"b\"\n", {{"s", "x\ty"}, {"i", 7}, {"d", 0.5}, {"b", true}});
  BOOST_TEST(line == R"({"time":"2026-01-02T03:04:05.678Z","level":"warn","message":"a \"b\"\n",)"
                     R"("s":"x\ty","i":7,"d":0.5,"b":true})");
  const auto odd = nlohmann::json::parse(
      json_line(kThen, Level::Info, "m",
                {{"nan", std::nan("")}, {"inf", std::numeric_limits<double>::infinity()}, {"a\"", 1e300}}));
  BOOST_TEST(odd["nan"].is_null());
  BOOST_TEST(odd["inf"].is_null());
  BOOST_TEST(odd["a\""].get<double>() == 1e300);
}

BOOST_AUTO_TEST_CASE(nothing_breaks_out_of_its_line) {
  const auto line = text_line(kThen, Level::Info, "a\nb\x1b[2J \"q\"", {{"k\ne", "v\r\n2026 error fake"}}, false);
  BOOST_TEST(line.substr(31) == R"(a\nb\u001b[2J "q" k\ne="v\r\n2026 error fake")");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(log_of_the_process)

BOOST_AUTO_TEST_CASE(before_the_start_lines_are_written_at_once) {
  const Pipe pipe;
  std::string got(200, '\0');
  {
    const StderrIs here(pipe.writer.value());
    info("early", {{"n", 1}});
    debug("too fine");
    got.resize(static_cast<std::size_t>(read(pipe.reader.value(), got.data(), got.size())));
  }
  for (char& c : got) {
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) c = '0';
  }
  BOOST_TEST(got == "0000-00-00T00:00:00.000Z info  early n=0\n");
  BOOST_TEST(!enabled(Level::Debug));
  BOOST_TEST(enabled(Level::Info));
}

BOOST_AUTO_TEST_CASE(lines_below_the_level_are_left_out) {
  const auto text = written_by([] {
    start(Level::Warn, false);
    debug("one");
    info("two");
    warn("three");
    error("four");
  });
  const auto lines = lines_of(text);
  BOOST_TEST_REQUIRE(lines.size() == 2U);
  BOOST_TEST(lines[0].ends_with(" warn  three"));
  BOOST_TEST(lines[1].ends_with(" error four"));
}

BOOST_AUTO_TEST_CASE(settings_can_change_while_it_runs_and_hold_after_the_stop) {
  const auto lines = lines_of(written_by([] {
    start(Level::Error, false);
    info("not this");
    start(Level::Debug, true);
    debug("this", {{"n", 2}});
    stop();
    debug("and this");
    start(Level::Info, false);
  }));
  BOOST_TEST_REQUIRE(lines.size() == 2U);
  BOOST_TEST(nlohmann::json::parse(lines[0])["message"] == "this");
  BOOST_TEST(nlohmann::json::parse(lines[0])["n"] == 2);
  BOOST_TEST(nlohmann::json::parse(lines[1])["message"] == "and this");
}

BOOST_AUTO_TEST_CASE(lines_of_many_threads_stay_whole_and_in_order) {
  constexpr int kThreads = 4;
  constexpr int kLinesEach = 500;
  const auto lines = lines_of(written_by([] {
    start(Level::Info, true);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < kLinesEach; ++i) info("x", {{"t", t}, {"i", i}});
      });
    }
    for (auto& thread : threads) thread.join();
  }));
  BOOST_TEST_REQUIRE(lines.size() == static_cast<std::size_t>(kThreads * kLinesEach));
  int next[kThreads] = {};
  for (const auto& line : lines) {
    const auto object = nlohmann::json::parse(line);
    BOOST_TEST_REQUIRE(object["i"].get<int>() == next[object["t"].get<int>()]++);
  }
}

BOOST_AUTO_TEST_CASE(starting_and_stopping_beside_writers_loses_nothing) {
  const auto lines = lines_of(written_by([] {
    start(Level::Info, false);
    std::thread writer([] {
      for (int i = 0; i < 2000; ++i) info("x", {{"i", i}});
    });
    for (int i = 0; i < 10; ++i) {
      stop();
      start(Level::Info, false);
    }
    writer.join();
  }));
  BOOST_TEST_REQUIRE(lines.size() == 2000U);
  for (std::size_t i = 0; i < lines.size(); ++i) BOOST_TEST_REQUIRE(lines[i].ends_with(" i=" + std::to_string(i)));
}

BOOST_AUTO_TEST_CASE(a_reader_that_is_too_slow_costs_the_oldest_lines_and_is_told) {
  constexpr int kMany = 40'000;
  Pipe pipe;
  std::string text;
  {
    const StderrIs here(pipe.writer.value());
    pipe.writer.reset();
    start(Level::Info, true);
    for (int i = 0; i < kMany; ++i) info("x", {{"i", i}});  // without a reader: blocks for good if it blocks at all
    std::thread reader([&] { text = pipe.read_all(); });
    stop();
    dup2(STDOUT_FILENO, STDERR_FILENO);  // the last writer of the pipe
    reader.join();
  }
  const auto lines = lines_of(text);
  std::set<int> seen;
  std::uint64_t lost = 0;
  for (const auto& line : lines) {
    const auto object = nlohmann::json::parse(line);
    if (object.contains("lost")) {
      lost += object["lost"].get<std::uint64_t>();
    } else {
      seen.insert(object["i"].get<int>());
    }
  }
  BOOST_TEST(seen.contains(kMany - 1));
  BOOST_TEST(seen.contains(kMany - 8000));
  BOOST_TEST(seen.size() < static_cast<std::size_t>(kMany));
  BOOST_TEST(seen.size() + lost == static_cast<std::size_t>(kMany));
}

BOOST_AUTO_TEST_CASE(stopping_gives_up_where_nobody_reads) {
  const Pipe pipe;
  const auto begin = std::chrono::steady_clock::now();
  {
    const StderrIs here(pipe.writer.value());
    start(Level::Info, false);
    for (int i = 0; i < 20'000; ++i) info("a line that nobody reads");
    stop();
    info("nor this one");
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  start(Level::Info, false);
  stop();
  BOOST_TEST((took < std::chrono::seconds(20)));
  char byte = 0;
  BOOST_TEST(read(pipe.reader.value(), &byte, 1) == 1);
}

BOOST_AUTO_TEST_CASE(colour_is_for_terminals_without_no_color) {
  const auto on_a_terminal = [](bool json) {
    const Fd master(posix_openpt(O_RDWR | O_NOCTTY));
    BOOST_TEST_REQUIRE(master.open());
    BOOST_TEST_REQUIRE((grantpt(master.value()) == 0 && unlockpt(master.value()) == 0));
    const Fd slave(::open(ptsname(master.value()), O_RDWR | O_NOCTTY));
    BOOST_TEST_REQUIRE(slave.open());
    {
      const StderrIs here(slave.value());
      start(Level::Info, json);
      warn("seen");
      stop();
    }
    char bytes[500];
    const auto n = read(master.value(), bytes, sizeof bytes);
    return std::string(bytes, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  };
  const char* const before = getenv("NO_COLOR");
  const std::string kept = before != nullptr ? before : "";
  unsetenv("NO_COLOR");
  BOOST_TEST(on_a_terminal(false).find("\x1b[33mwarn\x1b[0m  seen") != std::string::npos);
  BOOST_TEST(on_a_terminal(true).find('\x1b') == std::string::npos);
  BOOST_TEST(written_by([] {
               start(Level::Info, false);
               warn("seen");
             }).find('\x1b') == std::string::npos);
  setenv("NO_COLOR", "1", 1);
  BOOST_TEST(on_a_terminal(false).find('\x1b') == std::string::npos);
  if (before != nullptr) {
    setenv("NO_COLOR", kept.c_str(), 1);
  } else {
    unsetenv("NO_COLOR");
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::log
