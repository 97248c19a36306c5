// SPDX-License-Identifier: Apache-2.0
// The log of log.h by spdlog, whose headers no other file includes: what a line looks like is for log_line.h, how it
// gets out for log_output.h. Between start() and stop() lines go through a bounded queue to one thread of spdlog's,
// which writes them to stderr; before and after they are written by whoever logs. A lock, held shared while a line is
// written, keeps start() and stop() from changing the way under it.
#include "proxy/base/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "proxy/base/log_line.h"
#include "proxy/base/log_output.h"

namespace limpet::log {

namespace {

using spdlog::details::thread_pool;

constexpr std::size_t kQueuedLines = 8192;

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
  case Level::Debug:
    return spdlog::level::debug;
  case Level::Info:
    return spdlog::level::info;
  case Level::Warn:
    return spdlog::level::warn;
  case Level::Error:
    return spdlog::level::err;
  }
  return spdlog::level::info;
}

struct Look {
  bool json = false;
  bool coloured = false;

  std::string line(Level level, std::string_view message, Items items) const {
    const auto now = std::chrono::system_clock::now();
    return json ? json_line(now, level, message, items) : text_line(now, level, message, items, coloured);
  }
};

// Where the lines end up; knows how many the queue has lost, and says so in their place.
class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // Requires: no line is on its way. `queue` is the one that lines come through, null where they come at once.
  void begin(Look look, thread_pool* queue) {
    look_ = look;
    queue_ = queue;
    reported_ = 0;
  }
  Output& output() { return output_; }

 protected:
  void sink_it_(const spdlog::details::log_msg& line) override {
    const std::size_t lost = queue_ != nullptr ? queue_->overrun_counter() : 0;
    if (lost > reported_) {
      put(look_.line(Level::Warn, "log lines were lost: they came faster than stderr took them",
                     {{"lost", lost - reported_}}));
      reported_ = lost;
    }
    put(std::string(line.payload.data(), line.payload.size()));
  }
  void flush_() override {}

 private:
  void put(std::string line) {
    line += '\n';
    output_.write(line);
  }

  Output output_{STDERR_FILENO};
  Look look_;
  thread_pool* queue_ = nullptr;  // outlives its thread, the only one that comes here then
  std::size_t reported_ = 0;
};

// The process has one log, as it has one stderr.
class Log {
 public:
  Log() : sink_(std::make_shared<StderrSink>()) { write_at_once(); }
  ~Log() { stop(); }

  void start(Level level, bool json) {
    const std::unique_lock lock(mutex_);
    drain();
    level_ = level;
    look_.json = json;
    look_.coloured = isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    sink_->output().set(STDERR_FILENO);
    sink_->output().take_time();
    const SignalsBlocked blocked;
    queue_ = std::make_shared<thread_pool>(kQueuedLines, 1);
    sink_->begin(look_, queue_.get());
    adopt(
        std::make_shared<spdlog::async_logger>("limpet", sink_, queue_, spdlog::async_overflow_policy::overrun_oldest));
  }

  void stop() {
    const std::unique_lock lock(mutex_);
    drain();
  }

  bool enabled(Level level) const { return level >= level_.load(std::memory_order_relaxed); }

  void redirect(Sink* sink, Level level) {
    const std::unique_lock lock(mutex_);
    redirected_to_ = sink;
    level_ = level;
  }

  void write(Level level, std::string_view message, Items items) {
    const std::shared_lock lock(mutex_);
    if (redirected_to_ != nullptr) return redirected_to_->write(level, message, items);
    const std::string line = look_.line(level, message, items);
    logger_->log(spdlog_level(level), spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  // The queue's destructor writes what it holds. Writers wait meanwhile, so that their lines come after it.
  void drain() {
    if (!queue_) return;
    sink_->output().hurry();
    queue_.reset();
    sink_->begin(look_, nullptr);
    write_at_once();
  }

  void write_at_once() { adopt(std::make_shared<spdlog::logger>("limpet", sink_)); }

  void adopt(std::shared_ptr<spdlog::logger> logger) {
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::warn);
    logger_ = std::move(logger);
  }

  std::shared_mutex mutex_;
  std::atomic<Level> level_{Level::Info};
  Sink* redirected_to_ = nullptr;
  Look look_;
  std::shared_ptr<StderrSink> sink_;
  std::shared_ptr<thread_pool> queue_;
  std::shared_ptr<spdlog::logger> logger_;
};

Log& process_log() {
  static Log log;
  return log;
}

}  // namespace

void start(Level level, bool json) {
  process_log().start(level, json);
}

void stop() {
  process_log().stop();
}

void redirect(Sink* sink, Level level) {
  process_log().redirect(sink, level);
}

bool enabled(Level level) {
  return process_log().enabled(level);
}

void write(Level level, std::string_view message, Items items) {
  if (enabled(level)) process_log().write(level, message, items);
}

}  // namespace limpet::log
