// SPDX-License-Identifier: Apache-2.0
// AccessLog of log.h: lines gather in one string, which its thread takes whole: one lock per line, one write per batch.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "proxy/base/fd.h"
#include "proxy/base/log.h"
#include "proxy/base/log_output.h"

namespace limpet::log {

namespace {

using std::chrono::steady_clock;

constexpr std::size_t kMaxPending = 8 << 20;
constexpr std::size_t kBatch = 64 << 10;          // worth a write of its own
constexpr std::chrono::milliseconds kLinger{10};  // that smaller batches wait for company
constexpr std::chrono::minutes kSayAgainAfter{1};

// Without O_NONBLOCK a FIFO that nobody reads would hold the proxy up right here.
Fd open_for_append(const std::string& path) {
  return Fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
}

}  // namespace

class AccessLog::Writer {
 public:
  // `path` empty: stdout.
  Writer(std::string path, Fd file)
      : path_(std::move(path)), file_(std::move(file)), output_(path_.empty() ? STDOUT_FILENO : file_.value()) {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
  }

  ~Writer() {
    output_.hurry();
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_one();
    thread_.join();
    if (dropped() > 0) warn("access log lines were dropped in all", {{"dropped", dropped()}});
  }

  void line(std::string_view text) {
    std::unique_lock lock(mutex_);
    const std::size_t before = pending_.size();
    if (before + text.size() + 1 <= kMaxPending) {
      pending_ += text;
      pending_ += '\n';
      const bool wake = before == 0 || (before < kBatch && pending_.size() >= kBatch);
      lock.unlock();
      if (wake) wake_.notify_one();
      return;
    }
    ++dropped_;
    const bool say_so = is_time_to_say_so();
    lock.unlock();
    if (say_so) {
      warn("access log lines are dropped: they come faster than they can be written", {{"dropped", dropped()}});
    }
  }

  void reopen() {
    if (path_.empty()) return;
    {
      const std::lock_guard lock(mutex_);
      reopen_at_ = pending_.size();
    }
    wake_.notify_one();
  }

  std::uint64_t dropped() const { return dropped_; }

 private:
  // Requires: the mutex is held.
  bool is_time_to_say_so() {
    const auto now = steady_clock::now();
    if (said_at_ && now - *said_at_ < kSayAgainAfter) return false;
    said_at_ = now;
    return true;
  }

  void run() {
    std::string batch;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return !pending_.empty() || reopen_at_ || closing_; });
      wake_.wait_for(lock, kLinger, [this] { return pending_.size() >= kBatch || reopen_at_ || closing_; });
      batch.swap(pending_);
      const auto reopen_at = std::exchange(reopen_at_, std::nullopt);
      const bool closing = closing_;
      lock.unlock();
      if (reopen_at) {
        put(std::string_view(batch).substr(0, *reopen_at));
        put_a_new_file_in_place();
      }
      put(std::string_view(batch).substr(reopen_at.value_or(0)));
      batch.clear();
      lock.lock();
      if (closing && pending_.empty()) return;
    }
  }

  void put(std::string_view lines) {
    if (lines.empty()) return;
    if (stands_in_mid_line_) stands_in_mid_line_ = output_.write("\n") == 0;
    const std::size_t written = output_.write(lines);
    if (written == lines.size()) return;
    const int why = errno;
    if (written > 0) stands_in_mid_line_ = lines[written - 1] != '\n';
    const auto lost = lines.substr(written);
    dropped_ += static_cast<std::uint64_t>(std::count(lost.begin(), lost.end(), '\n'));
    std::unique_lock lock(mutex_);
    const bool say_so = is_time_to_say_so();
    lock.unlock();
    if (say_so) {
      warn("access log lines are dropped: they cannot be written",
           {{"path", path_.empty() ? std::string("stdout") : path_}, {"why", strerror(why)}, {"dropped", dropped()}});
    }
  }

  void put_a_new_file_in_place() {
    Fd file = open_for_append(path_);
    if (!file.open()) {
      error("the access log cannot be reopened, its old file goes on", {{"path", path_}, {"why", strerror(errno)}});
      return;
    }
    file_ = std::move(file);
    output_.set(file_.value());
    stands_in_mid_line_ = false;
  }

  const std::string path_;

  // The thread's own.
  Fd file_;
  Output output_;
  bool stands_in_mid_line_ = false;

  // Under the mutex.
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string pending_;
  std::optional<std::size_t> reopen_at_;  // bytes of pending_ that belong to the old file
  bool closing_ = false;
  std::optional<steady_clock::time_point> said_at_;

  std::atomic<std::uint64_t> dropped_{0};
  std::thread thread_;
};

std::unique_ptr<AccessLog> AccessLog::open(const std::string& where, std::string& problem) {
  if (where == "stdout") return std::unique_ptr<AccessLog>(new AccessLog(std::make_unique<Writer>("", Fd())));
  Fd file = open_for_append(where);
  if (!file.open()) {
    problem = "cannot open the access log '" + where + "': " + strerror(errno);
    return nullptr;
  }
  return std::unique_ptr<AccessLog>(new AccessLog(std::make_unique<Writer>(where, std::move(file))));
}

AccessLog::AccessLog(std::unique_ptr<Writer> writer) : writer_(std::move(writer)) {}

AccessLog::~AccessLog() = default;

void AccessLog::line(const std::string& text) {
  writer_->line(text);
}

void AccessLog::reopen() {
  writer_->reopen();
}

std::uint64_t AccessLog::dropped() const {
  return writer_->dropped();
}

}  // namespace limpet::log
