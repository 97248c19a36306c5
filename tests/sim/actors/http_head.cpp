// SPDX-License-Identifier: Apache-2.0
// See http_head.h.
#include "tests/sim/actors/http_head.h"

#include <algorithm>

namespace limpet::sim {
namespace {

constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || kTokenMarks.find(c) != std::string_view::npos;
  });
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 127; });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::string_view parse_request_line(std::string_view line, Head& head) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || last == first || line.substr(last) != " HTTP/1.1") return "bad_request_line";
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  if (!is_token(head.method) || head.target.empty() || head.target.find(' ') != std::string::npos)
    return "bad_request_line";
  return {};
}

std::string_view parse_status_line(std::string_view line, Head& head) {
  if (!line.starts_with("HTTP/1.1 ") || line.size() < 12) return "bad_status_line";
  const std::string_view digits = line.substr(9, 3);
  if (!std::all_of(digits.begin(), digits.end(), is_digit) || digits[0] < '1' || digits[0] > '5')
    return "bad_status_line";
  if (line.size() > 12 && line[12] != ' ') return "bad_status_line";
  head.status = std::stoi(std::string(digits));
  return {};
}

}  // namespace

const std::string* Fields::find(std::string_view name) const {
  for (const auto& [key, value] : all) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string Fields::value(std::string_view name) const {
  const auto* found = find(name);
  return found == nullptr ? "" : *found;
}

std::size_t Fields::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [&](const auto& field) { return field.first == name; }));
}

bool Fields::lists(std::string_view name, std::string_view token) const {
  for (const auto& [key, value] : all) {
    if (key != name) continue;
    std::string_view rest = value;
    while (true) {
      const auto comma = std::min(rest.find(','), rest.size());
      if (lowered(trimmed(rest.substr(0, comma))) == token) return true;
      if (comma == rest.size()) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

std::string Head::query(std::string_view name) const {
  std::string_view rest = target;
  const auto mark = rest.find('?');
  if (mark == std::string_view::npos) return {};
  rest.remove_prefix(mark + 1);
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    const auto equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name) return std::string(pair.substr(std::min(equals + 1, pair.size())));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

std::string_view parse_head(std::string_view text, Speaks speaks, Head& head) {
  head = {};
  auto end = std::min(text.find("\r\n"), text.size());
  const std::string_view first = text.substr(0, end);
  if (has_control(first)) return speaks == Speaks::Requests ? "bad_request_line" : "bad_status_line";
  const auto problem = speaks == Speaks::Requests ? parse_request_line(first, head) : parse_status_line(first, head);
  if (!problem.empty()) return problem;
  while (end < text.size()) {
    text.remove_prefix(end + 2);
    end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) || has_control(line)) return "bad_field";
    head.fields.all.emplace_back(lowered(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  }
  if (speaks == Speaks::Requests && head.fields.count("host") != 1) return "bad_host";
  return {};
}

std::string_view plan_body(const Head& head, Speaks speaks, std::string_view method, BodyPlan& plan) {
  plan = {};
  const std::size_t lengths = head.fields.count("content-length");
  const std::size_t codings = head.fields.count("transfer-encoding");
  if (lengths + codings > 1) return "bad_framing";
  const std::string length = head.fields.value("content-length");
  if (lengths == 1 && (length.empty() || length.size() > 18 || !std::all_of(length.begin(), length.end(), is_digit)))
    return "bad_framing";
  if (codings == 1 && head.fields.value("transfer-encoding") != "chunked") return "bad_framing";
  const bool bodyless = head.status == 204 || (head.status >= 100 && head.status < 200);
  if (bodyless && lengths + codings > 0) return "bad_framing";
  if (bodyless || head.status == 304 || (speaks == Speaks::Answers && method == "HEAD")) return {};
  // An answer that ends with its connection cannot be told from a torn one: nobody owes it to a client of HTTP/1.1.
  if (speaks == Speaks::Answers && lengths + codings == 0) return "bad_framing";
  if (codings == 1) {
    plan.framing = Framing::Chunked;
  } else if (lengths == 1 && length.find_first_not_of('0') != std::string::npos) {
    plan = {Framing::Length, std::stoull(length)};
  }
  return {};
}

}  // namespace limpet::sim
