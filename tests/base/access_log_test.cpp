// SPDX-License-Identifier: Apache-2.0
// The access log as the reader of its file or pipe sees it: whole lines, in time, across a rotation, and what a reader
// that is slow, late or gone costs. Files and pipes in a directory of the test's own.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "proxy/base/fd.h"
#include "proxy/base/log.h"

namespace limpet::log {

namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    char name[] = "/tmp/limpet-access-XXXXXX";
    BOOST_TEST_REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }

  std::string file(const char* name) const { return (path / name).string(); }
  static std::string content(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Opens the access log, which must succeed.
  static std::unique_ptr<AccessLog> open(const std::string& where) {
    std::string problem;
    auto log = AccessLog::open(where, problem);
    BOOST_TEST_REQUIRE(log != nullptr, problem);
    BOOST_TEST(problem.empty());
    return log;
  }

  fs::path path;
};

// Looks until it is true; false after a generous while.
template <typename Claim>
bool soon(Claim claim) {
  for (int i = 0; i < 4000; ++i) {
    if (claim()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

// While it lives, a standard descriptor is another one.
class Redirected {
 public:
  Redirected(int standard, int replacement) : standard_(standard), before_(dup(standard)) {
    fflush(stdout);
    dup2(replacement, standard);
  }
  ~Redirected() { dup2(before_.value(), standard_); }

 private:
  int standard_;
  Fd before_;
};

int count_of(const std::string& text, const std::string& what) {
  int count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(access_log, Folder)

BOOST_AUTO_TEST_CASE(lines_are_appended_to_what_the_file_holds) {
  const auto path = file("access.log");
  std::ofstream(path) << "before\n";
  {
    const auto log = open(path);
    log->line("one");
    log->line("two");
  }
  BOOST_TEST(content(path) == "before\none\ntwo\n");
}

BOOST_AUTO_TEST_CASE(a_line_is_in_the_file_soon_without_being_asked_for) {
  const auto path = file("access.log");
  const auto log = open(path);
  log->line("one");
  BOOST_TEST(soon([&] { return content(path) == "one\n"; }));
  log->line("two");
  BOOST_TEST(soon([&] { return content(path) == "one\ntwo\n"; }));
  BOOST_TEST(log->dropped() == 0U);
}

BOOST_AUTO_TEST_CASE(a_new_file_is_not_readable_by_everyone) {
  const auto path = file("access.log");
  open(path);
  struct stat about {};
  BOOST_TEST_REQUIRE(stat(path.c_str(), &about) == 0);
  BOOST_TEST((about.st_mode & 07) == 0U);
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_opened_is_a_problem_with_its_reason) {
  std::string problem;
  BOOST_TEST(AccessLog::open(file("none/access.log"), problem) == nullptr);
  BOOST_TEST(problem == "cannot open the access log '" + file("none/access.log") + "': No such file or directory");
  BOOST_TEST(AccessLog::open(path.string(), problem) == nullptr);
  BOOST_TEST(problem.ends_with(": Is a directory"));
}

BOOST_AUTO_TEST_CASE(a_fifo_without_a_reader_is_a_problem_and_no_wait) {
  const auto path = file("fifo");
  BOOST_TEST_REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  std::string problem;
  BOOST_TEST(AccessLog::open(path, problem) == nullptr);
  BOOST_TEST(!problem.empty());
}

BOOST_AUTO_TEST_CASE(after_a_rotation_lines_go_to_a_new_file) {
  const auto path = file("access.log");
  const auto log = open(path);
  for (int i = 0; i < 1000; ++i) log->line("old");
  fs::rename(path, file("access.log.1"));
  log->reopen();
  for (int i = 0; i < 1000; ++i) log->line("new");
  BOOST_TEST(soon([&] { return count_of(content(path), "new\n") == 1000; }));
  BOOST_TEST(count_of(content(file("access.log.1")), "old\n") == 1000);
  BOOST_TEST(count_of(content(file("access.log.1")), "new\n") == 0);
  BOOST_TEST(count_of(content(path), "old\n") == 0);
}

BOOST_AUTO_TEST_CASE(a_failed_reopening_keeps_the_old_file) {
  fs::create_directory(path / "logs");
  const auto here = file("logs/access.log");
  const Fd log_file(::open(file("stderr").c_str(), O_RDWR | O_CREAT, 0600));
  {
    const Redirected stderr_is(STDERR_FILENO, log_file.value());
    const auto log = open(here);
    log->line("one");
    fs::rename(path / "logs", path / "moved");
    log->reopen();
    log->line("two");
  }
  BOOST_TEST(content(file("moved/access.log")) == "one\ntwo\n");
  BOOST_TEST(count_of(content(file("stderr")), "No such file or directory") == 1);
}

BOOST_AUTO_TEST_CASE(stdout_is_a_place_and_is_never_reopened) {
  const Fd out(::open(file("stdout").c_str(), O_RDWR | O_CREAT, 0600));
  {
    const Redirected stdout_is(STDOUT_FILENO, out.value());
    std::string problem;
    const auto log = AccessLog::open("stdout", problem);
    log->line("one");
    log->reopen();
    log->line("two");
  }
  BOOST_TEST(content(file("stdout")) == "one\ntwo\n");
  BOOST_TEST(fcntl(STDOUT_FILENO, F_GETFD) >= 0);
}

BOOST_AUTO_TEST_CASE(lines_of_many_threads_stay_whole) {
  const auto path = file("access.log");
  {
    const auto log = open(path);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&log, t] {
        for (int i = 0; i < 5000; ++i) log->line(std::string(20, static_cast<char>('a' + t)));
      });
    }
    for (auto& thread : threads) thread.join();
  }
  std::ifstream in(path);
  int counts[4] = {};
  for (std::string line; std::getline(in, line);) {
    BOOST_TEST_REQUIRE(line == std::string(20, line.at(0)));
    ++counts[line[0] - 'a'];
  }
  for (const int count : counts) BOOST_TEST(count == 5000);
}

BOOST_AUTO_TEST_CASE(where_nobody_reads_lines_are_dropped_and_the_log_says_so_once) {
  const auto path = file("fifo");
  BOOST_TEST_REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const Fd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK));
  const Fd log_file(::open(file("stderr").c_str(), O_RDWR | O_CREAT, 0600));
  const std::string line(999, 'x');
  constexpr int kLines = 40'000;
  std::uint64_t dropped = 0;
  {
    const Redirected stderr_is(STDERR_FILENO, log_file.value());
    const auto log = open(path);
    for (int i = 0; i < kLines; ++i) log->line(line);  // 40 MB: blocks for good if it blocks at all
    dropped = log->dropped();
  }
  const auto said = content(file("stderr"));
  BOOST_TEST(dropped > 15'000U);
  BOOST_TEST(dropped < static_cast<std::uint64_t>(kLines));
  BOOST_TEST(count_of(said, "they come faster than they can be written") == 1);
  BOOST_TEST(count_of(said, "in all") == 1);
}

BOOST_AUTO_TEST_CASE(a_reader_that_comes_late_gets_what_was_kept_in_whole_lines) {
  const auto path = file("fifo");
  BOOST_TEST_REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const Fd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK));
  auto log = open(path);
  for (int i = 0; i < 1000; ++i) log->line(std::string(499, 'x'));
  std::string got;
  char bytes[65536];
  const bool all = soon([&] {
    for (ssize_t n = 0; (n = read(reader.value(), bytes, sizeof bytes)) > 0;)
      got.append(bytes, static_cast<std::size_t>(n));
    return got.size() >= 500'000;
  });
  BOOST_TEST(all);
  BOOST_TEST(count_of(got, std::string(499, 'x') + "\n") == 1000);
  BOOST_TEST(log->dropped() == 0U);
}

BOOST_AUTO_TEST_CASE(a_reader_that_goes_away_costs_lines_and_not_the_process) {
  const auto path = file("fifo");
  BOOST_TEST_REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  Fd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK));
  const Fd log_file(::open(file("stderr").c_str(), O_RDWR | O_CREAT, 0600));
  bool counted = false;
  {
    const Redirected stderr_is(STDERR_FILENO, log_file.value());
    const auto log = open(path);
    reader.reset();
    log->line("into the void");
    counted = soon([&] { return log->dropped() == 1; });
  }
  BOOST_TEST(counted);
  BOOST_TEST(count_of(content(file("stderr")), "Broken pipe") == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::log
