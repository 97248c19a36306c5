// SPDX-License-Identifier: Apache-2.0
// ScriptedStream: a net::Stream without a socket. A Script says what its reads bring (pieces, WouldBlock, EOF, a reset)
// and how much its writes take, and keeps what was written; it outlives the stream, which the proxy destroys. One
// thread. Readiness is level-triggered: Script::step() calls the handler once where something that is watched is ready.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/net/stream.h"

namespace limpet::session {

class ScriptedStream;

class Script {
 public:
  static constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();

  // --- what the peer does ---
  void brings(std::string_view bytes) { incoming_.push_back({net::IoStatus::Ok, std::string(bytes)}); }
  void brings_nothing() { incoming_.push_back({net::IoStatus::WouldBlock, {}}); }  // one wake-up for nothing
  void brings_eof() { incoming_.push_back({net::IoStatus::Eof, {}}); }
  void brings_reset() { incoming_.push_back({net::IoStatus::Reset, {}}); }

  std::size_t most_per_read = kAny;
  std::size_t most_per_write = kAny;
  std::size_t room = kAny;  // what the peer still takes before WouldBlock
  bool refuses_writes = false;
  std::uint32_t unacknowledged = 0;
  bool connecting = false;  // until it is set to false; then writable, with
  int connect_error = 0;

  // --- what the proxy did ---
  std::string written;
  bool fin = false;
  bool wrote_end = false;  // the last write was announced as such
  bool closed_with_reset = false;
  bool probed = false;               // the kernel was asked to look after the peer
  bool closed = false;               // the stream is destroyed
  bool wrote_behind_fin = false;     // never right
  bool read_behind_the_end = false;  // after EOF or a reset; never right

  bool reading() const { return reads_; }
  bool all_read() const { return incoming_.empty(); }
  bool is_open() const { return stream_ != nullptr; }

  std::unique_ptr<net::Stream> make_stream();
  // True if it called the handler.
  bool step();

 private:
  friend class ScriptedStream;
  struct Item {
    net::IoStatus status;
    std::string bytes;
  };
  std::deque<Item> incoming_;
  ScriptedStream* stream_ = nullptr;
  net::StreamHandler* handler_ = nullptr;
  bool reads_ = false;
  bool writes_ = false;
  bool ended_ = false;
};

class ScriptedStream final : public net::Stream {
 public:
  explicit ScriptedStream(Script& script) : script_(script) { script_.stream_ = this; }
  ~ScriptedStream() override {
    script_.stream_ = nullptr;
    script_.handler_ = nullptr;
    script_.closed = true;
  }

  net::IoResult read(char* to, std::size_t size) override {
    if (script_.ended_) script_.read_behind_the_end = true;
    if (script_.incoming_.empty()) return {net::IoStatus::WouldBlock, 0};
    auto& item = script_.incoming_.front();
    const net::IoStatus status = item.status;
    std::size_t n = 0;
    if (status == net::IoStatus::Ok) {
      n = std::min({size, item.bytes.size(), script_.most_per_read});
      std::memcpy(to, item.bytes.data(), n);
      item.bytes.erase(0, n);
      if (!item.bytes.empty()) return {status, n};
    }
    if (status == net::IoStatus::Reset) script_.refuses_writes = true;
    if (status == net::IoStatus::Reset || status == net::IoStatus::Eof) script_.ended_ = true;
    script_.incoming_.pop_front();
    return {status, n};
  }

  net::IoResult write(const iovec* pieces, int count) override {
    if (script_.refuses_writes) return {net::IoStatus::Reset, 0};
    if (script_.fin) script_.wrote_behind_fin = true;
    script_.wrote_end = std::exchange(end_follows_, false);
    std::size_t left = std::min(script_.room, script_.most_per_write);
    if (left == 0) return {net::IoStatus::WouldBlock, 0};
    std::size_t n = 0;
    for (int i = 0; i < count && left > 0; ++i) {
      const std::size_t part = std::min(left, pieces[i].iov_len);
      script_.written.append(static_cast<const char*>(pieces[i].iov_base), part);
      n += part;
      left -= part;
    }
    if (script_.room != Script::kAny) script_.room -= n;
    return {net::IoStatus::Ok, n};
  }

  void end_follows() override { end_follows_ = true; }
  void shut_write() override { script_.fin = true; }
  void close_with_reset() override { script_.closed_with_reset = true; }
  void watch(bool readable, bool writable) override {
    script_.reads_ = readable;
    script_.writes_ = writable;
  }
  void probe_when_idle() override { script_.probed = true; }
  void set_handler(net::StreamHandler* handler) override { script_.handler_ = handler; }
  net::StreamHandler* handler() const override { return script_.handler_; }
  bool connecting() const override { return script_.connecting; }
  std::optional<Error> failure() override {
    if (script_.connect_error == 0) return std::nullopt;
    return Error{Fault::Upstream, std::strerror(script_.connect_error), script_.connect_error};
  }
  bool silent() const override { return script_.incoming_.empty(); }
  std::uint32_t unacknowledged() const override { return script_.unacknowledged; }

 private:
  Script& script_;
  bool end_follows_ = false;
};

inline std::unique_ptr<net::Stream> Script::make_stream() {
  return std::make_unique<ScriptedStream>(*this);
}

inline bool Script::step() {
  if (handler_ == nullptr) return false;
  const bool readable = reads_ && !incoming_.empty();
  const bool writable = writes_ && !connecting && (room > 0 || refuses_writes);
  if (!readable && !writable) return false;
  handler_->on_ready(*stream_, readable, writable);
  return true;
}

}  // namespace limpet::session
