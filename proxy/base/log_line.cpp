// SPDX-License-Identifier: Apache-2.0
// See log_line.h; also the text forms that both logs share (time_text, json_quote, quote_if_needed of log.h). Escaping
// is by UTF-8 sequence (RFC 3629), as JSON wants it (RFC 8259 §7), and stricter: DEL, C1 controls and the line
// separators U+2028 and U+2029 are escaped, too, since some reader takes each of them for a command or a line end.
#include "proxy/base/log_line.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace limpet::log {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

unsigned char byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

// Length of the UTF-8 sequence that `text` starts with, 0 where there is none (RFC 3629 §4). Requires: not empty.
std::size_t sequence_length(std::string_view text) {
  const unsigned char first = byte_at(text, 0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte_at(text, i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte_at(text, 1);
  if (first == 0xe0 && second < 0xa0) return 0;  // overlong
  if (first == 0xed && second > 0x9f) return 0;  // a surrogate
  if (first == 0xf0 && second < 0x90) return 0;  // overlong
  if (first == 0xf4 && second > 0x8f) return 0;  // beyond U+10FFFF
  return length;
}

void append_unicode_escape(std::string& out, unsigned code_point) {
  char escape[8];
  snprintf(escape, sizeof escape, "\\u%04x", code_point);
  out += escape;
}

// A control character, or a line separator of some reader: its escape. Where `quoted`, quotes and backslashes, too.
bool append_escape(std::string& out, std::string_view sequence, bool quoted) {
  const unsigned char first = byte_at(sequence, 0);
  if (first == '\n') {
    out += "\\n";
  } else if (first == '\r') {
    out += "\\r";
  } else if (first == '\t') {
    out += "\\t";
  } else if (first < 0x20 || first == 0x7f) {
    append_unicode_escape(out, first);
  } else if (quoted && (first == '"' || first == '\\')) {
    out += '\\';
    out += sequence;
  } else if (first == 0xc2 && byte_at(sequence, 1) < 0xa0) {
    append_unicode_escape(out, byte_at(sequence, 1));
  } else if (sequence == "\xe2\x80\xa8" || sequence == "\xe2\x80\xa9") {
    append_unicode_escape(out, sequence.back() == '\xa8' ? 0x2028 : 0x2029);
  } else {
    return false;
  }
  return true;
}

void append_safely(std::string& out, std::string_view text, bool quoted) {
  out.reserve(out.size() + text.size() + 2);
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      out += kReplacement;
      text.remove_prefix(1);
      continue;
    }
    const auto sequence = text.substr(0, length);
    if (!append_escape(out, sequence, quoted)) out += sequence;
    text.remove_prefix(length);
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_safely(out, text, true);
  out += '"';
}

bool is_plain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\' && c != '='; });
}

void append_plain_or_quoted(std::string& out, std::string_view text) {
  if (is_plain(text)) {
    out += text;
  } else {
    append_quoted(out, text);
  }
}

template <typename Number>
void append_number(std::string& out, Number number) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

struct TextValue {
  std::string& out;
  void operator()(std::string_view text) const { append_plain_or_quoted(out, text); }
  void operator()(bool truth) const { out += truth ? "true" : "false"; }
  template <typename Number>
  void operator()(Number number) const {
    append_number(out, number);
  }
};

struct JsonValue {
  std::string& out;
  void operator()(std::string_view text) const { append_quoted(out, text); }
  void operator()(bool truth) const { out += truth ? "true" : "false"; }
  void operator()(double number) const {
    if (std::isfinite(number)) {
      append_number(out, number);
    } else {
      out += "null";
    }
  }
  template <std::integral Number>
  void operator()(Number number) const {
    append_number(out, number);
  }
};

struct LevelLook {
  std::string_view word;
  std::string_view padding;
  std::string_view colour;
};

LevelLook look_of(Level level) {
  switch (level) {
  case Level::Debug:
    return {"debug", "", "\x1b[36m"};
  case Level::Info:
    return {"info", " ", "\x1b[32m"};
  case Level::Warn:
    return {"warn", " ", "\x1b[33m"};
  case Level::Error:
    return {"error", "", "\x1b[31m"};
  }
  return {};
}

}  // namespace

std::string text_line(WallTime time, Level level, std::string_view message, Items items, bool coloured) {
  const auto look = look_of(level);
  std::string out;
  out += time_text(time);
  out += ' ';
  if (coloured) out += look.colour;
  out += look.word;
  if (coloured) out += "\x1b[0m";
  out += look.padding;
  out += ' ';
  append_safely(out, message, false);
  for (const Item& item : items) {
    out += ' ';
    append_safely(out, item.key, false);
    out += '=';
    std::visit(TextValue{out}, item.value);
  }
  return out;
}

std::string json_line(WallTime time, Level level, std::string_view message, Items items) {
  std::string out = "{\"time\":\"";
  out += time_text(time);
  out += "\",\"level\":\"";
  out += look_of(level).word;
  out += "\",\"message\":";
  append_quoted(out, message);
  for (const Item& item : items) {
    out += ',';
    append_quoted(out, item.key);
    out += ':';
    std::visit(JsonValue{out}, item.value);
  }
  out += '}';
  return out;
}

std::string time_text(WallTime time) {
  using namespace std::chrono;
  const auto since_epoch = floor<milliseconds>(time);
  const auto day = floor<days>(since_epoch);
  const year_month_day date(day);
  const hh_mm_ss clock(since_epoch - day);
  char text[64];
  snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
           static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
           static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
           static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

std::string json_quote(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

std::string quote_if_needed(std::string_view text) {
  std::string out;
  append_plain_or_quoted(out, text);
  return out;
}

}  // namespace limpet::log
