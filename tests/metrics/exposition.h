// SPDX-License-Identifier: Apache-2.0
// Exposition: Prometheus text (format 0.0.4) read back, strictly: it throws where a scraper or `promtool check metrics`
// would complain, and looks samples up by name and labels.
#pragma once

#include <cctype>
#include <cstddef>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace limpet::metrics {

using LabelMap = std::map<std::string, std::string>;

struct Sample {
  std::string name;
  LabelMap labels;
  double value = 0;
};

struct Family {
  std::string type;
  std::string help;
  std::vector<Sample> samples;
};

class Exposition {
 public:
  explicit Exposition(const std::string& text) {
    if (!text.ends_with('\n')) throw std::runtime_error("no line break at the end");
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("# HELP ")) {
        read_help(line);
      } else if (line.starts_with("# TYPE ")) {
        read_type(line);
      } else {
        read_sample(line);
      }
    }
    for (const auto& [name, family] : families_) check(name, family);
  }

  const std::map<std::string, Family>& families() const { return families_; }
  bool has(const std::string& name, const LabelMap& labels = {}) const { return find(name, labels) != nullptr; }
  double value(const std::string& name, const LabelMap& labels = {}) const {
    const Sample* sample = find(name, labels);
    if (sample == nullptr) throw std::runtime_error("no sample of " + name);
    return sample->value;
  }
  std::size_t count(const std::string& family) const { return families_.at(family).samples.size(); }

 private:
  void read_help(const std::string& line) {
    const auto blank = line.find(' ', 7);
    current_ = line.substr(7, blank - 7);
    if (families_.contains(current_)) throw std::runtime_error("a second HELP of " + current_);
    families_[current_].help = line.substr(blank + 1);
  }

  void read_type(const std::string& line) {
    const auto blank = line.find(' ', 7);
    if (line.substr(7, blank - 7) != current_) throw std::runtime_error("TYPE without its HELP: " + line);
    if (!families_[current_].type.empty()) throw std::runtime_error("a second TYPE: " + line);
    families_[current_].type = line.substr(blank + 1);
  }

  void read_sample(const std::string& line) {
    Sample sample;
    std::size_t at = line.find_first_of("{ ");
    sample.name = line.substr(0, at);
    if (line.at(at) == '{') at = read_labels(line, at + 1, sample.labels);
    std::size_t used = 0;
    const std::string number = line.substr(at + 1);
    sample.value = std::stod(number, &used);
    if (line.at(at) != ' ' || used != number.size()) throw std::runtime_error("not a sample: " + line);
    if (!std::set<std::string>{"", "_bucket", "_sum", "_count"}.contains(suffix(sample.name))) {
      throw std::runtime_error("a sample outside of its family: " + line);
    }
    for (const auto& other : families_[current_].samples) {
      if (other.name == sample.name && other.labels == sample.labels) throw std::runtime_error("twice: " + line);
    }
    families_[current_].samples.push_back(sample);
  }

  // Returns the place after the closing bracket.
  static std::size_t read_labels(const std::string& line, std::size_t at, LabelMap& labels) {
    while (line.at(at) != '}') {
      const auto equals = line.find("=\"", at);
      const std::string name = line.substr(at, equals - at);
      std::string value;
      for (at = equals + 2; line.at(at) != '"'; ++at) {
        if (line.at(at) == '\\') {
          ++at;
          value += line.at(at) == 'n' ? '\n' : line.at(at);
        } else {
          value += line.at(at);
        }
      }
      for (const char c : name) {
        if (std::islower(static_cast<unsigned char>(c)) == 0 && c != '_') throw std::runtime_error("label " + name);
      }
      if (!labels.emplace(name, value).second) throw std::runtime_error("label twice: " + line);
      if (line.at(++at) == ',') ++at;
    }
    return at + 1;
  }

  std::string suffix(const std::string& name) const {
    return name.starts_with(current_) ? name.substr(current_.size()) : "foreign";
  }

  static void check(const std::string& name, const Family& family) {
    if (family.help.empty()) throw std::runtime_error("no HELP: " + name);
    const bool total = name.ends_with("_total");
    if (family.type != "counter" && family.type != "gauge" && family.type != "histogram") {
      throw std::runtime_error("type of " + name + ": " + family.type);
    }
    if ((family.type == "counter") != total) throw std::runtime_error("only counters end in _total: " + name);
    if (family.type == "histogram") return check_histogram(name, family);
    for (const auto& sample : family.samples) {
      if (sample.name != name) throw std::runtime_error("suffix without a histogram: " + sample.name);
    }
  }

  static void check_histogram(const std::string& name, const Family& family) {
    struct Seen {
      double last_bound = -1, last_count = 0, infinite = -1, count = -2;
      bool sum = false;
    };
    std::map<LabelMap, Seen> all;
    for (const auto& sample : family.samples) {
      LabelMap labels = sample.labels;
      labels.erase("le");
      Seen& seen = all[labels];
      if (sample.name == name + "_bucket") {
        const double bound = std::stod(sample.labels.at("le"));
        if (bound <= seen.last_bound) throw std::runtime_error("bounds of " + name);
        if (sample.value < seen.last_count) throw std::runtime_error("not cumulative: " + name);
        seen.last_bound = bound;
        seen.last_count = sample.value;
        if (sample.labels.at("le") == "+Inf") seen.infinite = sample.value;
      } else if (sample.name == name + "_count") {
        seen.count = sample.value;
      } else {
        seen.sum = true;
      }
    }
    for (const auto& [labels, seen] : all) {
      if (seen.infinite != seen.count || !seen.sum) throw std::runtime_error("le=+Inf is not _count: " + name);
    }
  }

  const Sample* find(const std::string& name, const LabelMap& labels) const {
    for (const auto& [family_name, family] : families_) {
      if (!name.starts_with(family_name)) continue;
      for (const auto& sample : family.samples) {
        if (sample.name == name && sample.labels == labels) return &sample;
      }
    }
    return nullptr;
  }

  std::map<std::string, Family> families_;
  std::string current_;
};

}  // namespace limpet::metrics
