// SPDX-License-Identifier: Apache-2.0
// Frames are decoded and encoded again, which keeps messages, compression bits and fragments as they were. The farewell
// follows PROTOCOLS: Close at a message boundary, the client's messages up to its own Close, FIN.
#include "tests/e2e/fault_relay.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <random>

#include "tests/e2e/http_head.h"
#include "tests/e2e/ws_frame.h"

namespace limpet::e2e {
namespace {

constexpr double kCloseTimeout = 2;

}  // namespace

class FaultRelay::Link {
 public:
  Link(FaultRelay& relay, Fd socket) : relay_(relay), down_(*this, true), up_(*this, false) {
    down_.stream = std::make_unique<Stream>(relay.loop_, std::move(socket), true, down_);
  }
  ~Link() { relay_.loop_.cancel(timer_); }

  bool on(std::size_t backend) const { return backend_ == backend && up_.stream && up_.stream->open() && !closing_; }
  const std::string& key() const { return key_; }

  void farewell() {
    if (closing_ || !on(backend_)) return;
    const bool hasty = relay_.fault_ == Fault::CloseInMidMessage;
    if (hasty ? !in_message_ : in_message_) {
      farewell_due_ = true;
      return;
    }
    say_goodbye();
  }

 private:
  struct Side final : Stream::Handler {
    Side(Link& owner, bool client) : link(owner), from_client(client), reader(client) {}
    void on_bytes(std::string_view bytes) override { link.take(*this, bytes); }
    void on_end(End) override { link.take_end(*this); }
    Link& link;
    const bool from_client;
    FrameReader reader;
    std::unique_ptr<Stream> stream;
    std::string head;
    bool head_done = false;
  };

  void take(Side& side, std::string_view bytes) {
    if (!side.head_done) {
      side.head.append(bytes);
      const auto head = parse_head(side.head);
      if (!head) return;
      side.head_done = true;
      if (side.from_client) {
        key_ = head->query("user");
        backend_ = relay_.pick(key_);
        up_.stream = Stream::connect(relay_.loop_, relay_.backends_[backend_], up_);
        up_.stream->write(side.head);
      } else {
        down_.stream->write(side.head.substr(0, head->size));
        side.reader.feed(side.head.substr(head->size));
      }
    } else {
      side.reader.feed(bytes);
    }
    Frame frame;
    while (side.stream->open() && side.reader.next(frame)) side.from_client ? to_backend(frame) : to_client(frame);
  }

  void to_backend(const Frame& frame) {
    if (relay_.fault_ == Fault::LastMessageLost && closing_) {
      if (held_ && !frame.control()) up_.stream->write(encode(*held_, true));
      if (!frame.control()) {
        held_ = frame;
        return;
      }
    }
    up_.stream->write(encode(frame, true));
    if (frame.opcode == kClose && closing_) finish();
  }

  void to_client(const Frame& frame) {
    if (closing_) return;
    down_.stream->write(encode(frame, false));
    if (!frame.control()) {
      in_message_ = !frame.fin;
      last_ = frame;
    }
    if (farewell_due_ && in_message_ == (relay_.fault_ == Fault::CloseInMidMessage)) say_goodbye();
  }

  void say_goodbye() {
    const std::string goodbye = encode({true, false, kClose, close_payload(1012)}, false);
    const std::string half = encode({true, false, kText, std::string(1000, 'x')}, false).substr(0, 500);
    closing_ = true;
    if (relay_.fault_ == Fault::TornFrame) {
      down_.stream->write(half);
      return finish();
    }
    if (relay_.fault_ == Fault::CloseInMidFrame) down_.stream->write(half);
    if (relay_.fault_ == Fault::MessageTwice && last_) down_.stream->write(encode(*last_, false));
    down_.stream->write(goodbye);
    timer_ = relay_.loop_.after(kCloseTimeout, [this] {
      up_.stream->write(encode({true, false, kClose, close_payload(1001)}, true));
      finish();
    });
  }

  void finish() {
    relay_.loop_.cancel(timer_);
    if (relay_.fault_ == Fault::ResetInsteadOfFin) {
      down_.stream->reset();
    } else {
      down_.stream->shutdown_write();
    }
    up_.stream->shutdown_write();
  }

  void take_end(Side& side) {
    Side& other = side.from_client ? up_ : down_;
    if (other.stream) other.stream->shutdown_write();
    side.stream->shutdown_write();
    if (side.from_client || !closing_) side.stream->close();
  }

  FaultRelay& relay_;
  Side down_, up_;
  std::string key_;
  std::size_t backend_ = SIZE_MAX;
  std::optional<Frame> held_, last_;
  bool in_message_ = false;
  bool farewell_due_ = false;
  bool closing_ = false;
  Loop::TimerId timer_ = 0;
};

FaultRelay::FaultRelay(Loop& loop, std::vector<std::uint16_t> backends, Fault fault)
    : loop_(loop),
      backends_(std::move(backends)),
      fault_(fault),
      acceptor_(loop, [this](Fd socket) { links_.push_back(std::make_unique<Link>(*this, std::move(socket))); }) {}

FaultRelay::~FaultRelay() = default;

std::size_t FaultRelay::pick(const std::string& key) {
  const std::size_t home = std::hash<std::string>{}(key) % backends_.size();
  if (home != draining_ || moved_.count(key) == 0) return home;
  ++picks_;
  if (fault_ == Fault::BackToTheDrained && picks_ % 5 == 0) return home;
  return (home + (fault_ == Fault::KeySplit && picks_ % 2 == 0 ? 2 : 1)) % backends_.size();
}

void FaultRelay::drain(std::size_t backend, double over) {
  draining_ = backend;
  std::map<std::string, std::size_t> sessions;
  std::size_t total = 0, untouched = 0;
  for (const auto& link : links_) {
    if (link->on(backend)) {
      ++sessions[link->key()];
      ++total;
    } else if (fault_ == Fault::UntouchedClosed && untouched++ < 3) {
      link->farewell();
    }
  }
  std::vector<std::pair<std::string, std::size_t>> keys(sessions.begin(), sessions.end());
  std::shuffle(keys.begin(), keys.end(), std::mt19937(7));
  std::size_t before = 0;
  for (const auto& [key, count] : keys) {
    const double at = fault_ == Fault::Burst ? 0 : over * static_cast<double>(before) / static_cast<double>(total);
    before += count;
    loop_.after(at, [this, name = key, backend] {
      moved_.insert(name);
      for (const auto& link : links_) {
        if (link->key() == name && link->on(backend)) link->farewell();
      }
    });
  }
}

bool FaultRelay::drained(std::size_t backend) const {
  return std::none_of(links_.begin(), links_.end(), [&](const auto& link) { return link->on(backend); });
}

}  // namespace limpet::e2e
