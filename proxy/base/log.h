// SPDX-License-Identifier: Apache-2.0
// The log and the access log. Both are asynchronous and bounded: no thread of the proxy ever waits for whoever reads
// them. The log goes to stderr, as text or JSON; where its queue is full the oldest lines go, and their number is
// logged. Before start() and after stop() it is written at once. Any thread may call everything here but start() and
// stop(), which belong to the process's main thread. spdlog is inside; log.cpp alone includes it.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace limpet::log {

using WallTime = std::chrono::system_clock::time_point;

enum class Level : std::uint8_t { Debug, Info, Warn, Error };

// A name and a value beside the message. Views what it was made of: for the duration of the call only.
struct Item {
  Item(std::string_view name, std::string_view text) : key(name), value(text) {}
  Item(std::string_view name, const std::string& text) : Item(name, std::string_view(text)) {}
  Item(std::string_view name, const char* text) : Item(name, text != nullptr ? std::string_view(text) : "") {}
  Item(std::string_view name, std::same_as<bool> auto truth) : key(name), value(truth) {}
  Item(std::string_view name, std::signed_integral auto number) : key(name), value(std::int64_t{number}) {}
  Item(std::string_view name, std::unsigned_integral auto number) requires(!std::same_as<decltype(number), bool>)
      : key(name), value(std::uint64_t{number}) {}
  Item(std::string_view name, std::floating_point auto number) : key(name), value(static_cast<double>(number)) {}

  std::string_view key;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;
};
using Items = std::initializer_list<Item>;

// Whether to use colour is decided here: where stderr is a terminal and NO_COLOR is unset. Called again, it changes the
// settings.
void start(Level level, bool json);
// Writes what is queued; gives up where stderr takes nothing for a second.
void stop();

// Takes the lines of the log in the place of stderr.
class Sink {
 public:
  virtual void write(Level level, std::string_view message, Items items) = 0;

 protected:
  ~Sink() = default;
};
// For tests: from here on every line of `level` and above goes to `sink`, at once and by whoever logs; null: to stderr
// again. Requires: no other thread logs meanwhile.
void redirect(Sink* sink, Level level = Level::Info);

bool enabled(Level level);
void write(Level level, std::string_view message, Items items = {});

inline void debug(std::string_view message, Items items = {}) {
  write(Level::Debug, message, items);
}
inline void info(std::string_view message, Items items = {}) {
  write(Level::Info, message, items);
}
inline void warn(std::string_view message, Items items = {}) {
  write(Level::Warn, message, items);
}
inline void error(std::string_view message, Items items = {}) {
  write(Level::Error, message, items);
}

// UTC with milliseconds, as every line of both logs begins: "2026-01-02T03:04:05.678Z".
std::string time_text(WallTime time);
// A JSON string with its quotes. Whatever goes in, valid UTF-8 without control characters comes out: these are escaped,
// and bytes that are no UTF-8 become U+FFFD.
std::string json_quote(std::string_view text);
// As it is where it is plain ASCII without blanks, quotes, backslashes and "=", else json_quote(): a value of a
// key=value line.
std::string quote_if_needed(std::string_view text);

// Where the lines of an access log go.
class LineSink {
 public:
  // Requires: no line break in it.
  virtual void line(const std::string& text) = 0;

 protected:
  ~LineSink() = default;
};

// Lines appended to a file or stdout by a thread of their own.
class AccessLog final : public LineSink {
 public:
  // `where`: "stdout" or a path. Null with `problem` set where the file cannot be opened.
  static std::unique_ptr<AccessLog> open(const std::string& where, std::string& problem);
  // Writes what is queued; gives up where nobody takes it for a second.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // Queues a line, or drops it where 8 MiB wait already.
  void line(const std::string& text) override;
  // After a rotation: what was queued goes to the old file, what follows to a new one of the same path.
  void reopen();

  // Lines lost, because they came too fast or could not be written.
  std::uint64_t dropped() const;

 private:
  class Writer;
  explicit AccessLog(std::unique_ptr<Writer> writer);

  std::unique_ptr<Writer> writer_;
};

}  // namespace limpet::log
