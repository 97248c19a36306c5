// SPDX-License-Identifier: Apache-2.0
// A small configuration for tests, with every table in it: Document().set("pool.health", "rise = 3").remove(…).text().
// set() replaces the line of the same key in the (first) table of that name, or adds it below the header.
// And how tests say which problems they expect.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/config/config.h"

namespace limpet::config {

class Document {
 public:
  Document& set(std::string_view table, const std::string& line) {
    const std::string key = line.substr(0, line.find(' '));
    for (std::size_t i = begin(table); i < end(table); ++i) {
      if (!lines_[i].starts_with(key + " ")) continue;
      lines_[i] = line;
      return *this;
    }
    lines_.insert(lines_.begin() + static_cast<std::ptrdiff_t>(begin(table)), line);
    return *this;
  }

  Document& remove(std::string_view table, const std::string& key) {
    const auto from = lines_.begin() + static_cast<std::ptrdiff_t>(begin(table));
    const auto to = lines_.begin() + static_cast<std::ptrdiff_t>(end(table));
    lines_.erase(std::find_if(from, to, [&](const std::string& line) { return line.starts_with(key + " "); }));
    return *this;
  }

  // At the end of the document.
  Document& add(const std::vector<std::string>& lines) {
    lines_.insert(lines_.end(), lines.begin(), lines.end());
    return *this;
  }

  // From 1; 0 where there is no such line.
  unsigned line_of(const std::string& line) const {
    const auto found = std::find(lines_.begin(), lines_.end(), line);
    return found == lines_.end() ? 0 : static_cast<unsigned>(found - lines_.begin() + 1);
  }

  std::string text() const {
    std::string result;
    for (const std::string& line : lines_) result += line + "\n";
    return result;
  }

  ConfigResult parse() const { return parse_config(text(), "limpet.toml"); }

 private:
  // The line after the table's header.
  std::size_t begin(std::string_view table) const {
    const std::string header = "[" + std::string(table) + "]";
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (lines_[i] == header || lines_[i] == "[" + header + "]") return i + 1;
    }
    throw std::invalid_argument("no table " + header);
  }

  std::size_t end(std::string_view table) const {
    std::size_t i = begin(table);
    while (i < lines_.size() && !lines_[i].starts_with('[')) ++i;
    return i;
  }

  std::vector<std::string> lines_ = {"[proxy]",
                                     "[admin]",
                                     "[log]",
                                     "[[listener]]",
                                     "name = \"web\"",
                                     "address = \"127.0.0.1:0\"",
                                     "[listener.limits]",
                                     "[[route]]",
                                     "pool = \"chat\"",
                                     "[route.websocket]",
                                     "[route.sse]",
                                     "[route.long_poll]",
                                     "[route.http]",
                                     "[[pool]]",
                                     "name = \"chat\"",
                                     "[pool.affinity]",
                                     "[pool.affinity.cookie]",
                                     "[pool.health]",
                                     "[[pool.backend]]",
                                     "name = \"chat-1\"",
                                     "address = \"127.0.0.1:9001\""};
};

struct Mistake {
  std::string table;
  std::string line;
  std::string what;     // the problem's beginning
  unsigned column = 0;  // 0: after "key = "
};

// Each is alone in its document, and its only problem.
inline void check_mistakes(const std::vector<Mistake>& mistakes) {
  for (const Mistake& mistake : mistakes) {
    BOOST_TEST_CONTEXT("[" << mistake.table << "] " << mistake.line) {
      const Document document = Document().set(mistake.table, mistake.line);
      const ConfigResult result = document.parse();
      BOOST_TEST(!result.settings);
      BOOST_TEST(!result.unreadable);
      BOOST_REQUIRE_EQUAL(result.problems.size(), 1U);
      const Problem& problem = result.problems[0];
      BOOST_TEST(problem.what.starts_with(mistake.what), problem.what);
      BOOST_TEST(problem.file == "limpet.toml");
      BOOST_TEST(problem.line == document.line_of(mistake.line));
      BOOST_TEST(problem.source == mistake.line);
      const auto value = static_cast<unsigned>(mistake.line.find(" = ") + 4);
      BOOST_TEST(problem.column == (mistake.column > 0 ? mistake.column : value));
    }
  }
}

// "line: what" of each problem.
inline std::vector<std::string> problems(const ConfigResult& result) {
  std::vector<std::string> list;
  for (const Problem& problem : result.problems) list.push_back(std::to_string(problem.line) + ": " + problem.what);
  return list;
}

inline void check_equal(const std::vector<std::string>& found, const std::vector<std::string>& expected) {
  BOOST_TEST(found == expected, boost::test_tools::per_element());
}

}  // namespace limpet::config
