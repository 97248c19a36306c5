// SPDX-License-Identifier: Apache-2.0
// A connection reads one head at a time and hands what follows to the Serving of that request until that is done.
#include "tests/e2e/backend.h"

#include <random>

namespace limpet::e2e {
namespace {

std::uint32_t connection_of(const HttpHead& head) {
  const auto text = head.query("conn");
  return text.empty() ? 0 : static_cast<std::uint32_t>(std::stoul(text));
}

class WsServing final : public Serving, public WsPeer::Owner {
 public:
  WsServing(Loop& loop, EventLog& log, const Backend::Options& options, const HttpHead& head, Stream& stream)
      : loop_(loop), log_(log), stream_(stream), connection_(connection_of(head)) {
    const bool deflate = head.field("sec-websocket-extensions").find("permessage-deflate") != std::string::npos;
    std::string answer =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Backend: " + options.name +
        "\r\nSec-WebSocket-Accept: " + accept_for(head.field("sec-websocket-key")) + "\r\n";
    if (deflate) answer += std::string("Sec-WebSocket-Extensions: ") + kDeflateOffer + "\r\n";
    stream_.write(answer + "\r\n");
    peer_ = std::make_unique<WsPeer>(loop_, stream_, *this, connection_, Direction::ToClient, deflate, options.traffic);
    peer_->send_now(40);
    peer_->start();
  }

  void on_bytes(std::string_view bytes) override { peer_->feed(bytes); }
  void on_end() override { peer_->stop(); }
  void stop_sending() override { peer_->quiet(); }
  bool done() const override { return false; }

 private:
  void on_sent(std::int64_t sequence) override { log(Kind::BackendSent, sequence); }
  void on_message(std::int64_t sequence) override { log(Kind::BackendReceived, sequence); }
  void on_close(int code, double) override {
    log(Kind::BackendClose, code);
    peer_->close(code);
    stream_.shutdown_write();
  }
  void on_broken(const std::string& what) override {
    log_.add(loop_.now(), Kind::Broken, connection_, 0, "at the backend: " + what);
    peer_->stop();
    stream_.reset();
  }
  void log(Kind kind, std::int64_t number) { log_.add(loop_.now(), kind, connection_, number); }

  Loop& loop_;
  EventLog& log_;
  Stream& stream_;
  const std::uint32_t connection_;
  std::unique_ptr<WsPeer> peer_;
};

// A response of a known length after a while (a long poll), or in many pieces over a while.
class TimedServing final : public Serving {
 public:
  TimedServing(Loop& loop, const std::string& name, std::uint32_t connection, Stream& stream, double seconds,
               std::size_t size, int pieces)
      : loop_(loop), stream_(stream), body_(sample_body(connection, size)), pause_(seconds / pieces), pieces_(pieces) {
    head_ = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Backend: " + name +
            "\r\nContent-Length: " + std::to_string(body_.size()) + "\r\n\r\n";
    next();
  }
  ~TimedServing() override { loop_.cancel(timer_); }
  void on_bytes(std::string_view) override {}
  void on_end() override { loop_.cancel(timer_); }
  bool done() const override { return sent_ == body_.size() && head_.empty(); }

 private:
  void next() {
    timer_ = loop_.after(pause_, [this] {
      const auto size = std::min(body_.size() - sent_, body_.size() / static_cast<std::size_t>(pieces_) + 1);
      stream_.write(head_ + std::string(body_.substr(sent_, size)));
      head_.clear();
      sent_ += size;
      if (sent_ < body_.size()) next();
    });
  }

  Loop& loop_;
  Stream& stream_;
  const std::string_view body_;
  const double pause_;
  const int pieces_;
  std::string head_;
  std::size_t sent_ = 0;
  Loop::TimerId timer_ = 0;
};

class EventServing final : public Serving {
 public:
  EventServing(EventHub& hub, const std::string& name, const HttpHead& head, Stream& stream)
      : stream_(stream), subscriber_(hub, stream, name, connection_of(head), head.field("last-event-id")) {}
  void on_bytes(std::string_view) override {}
  void on_end() override {
    subscriber_.stop();
    stream_.close();
  }
  bool done() const override { return false; }

 private:
  Stream& stream_;
  EventSubscriber subscriber_;
};

}  // namespace

class Backend::Incoming final : public Stream::Handler {
 public:
  Incoming(Backend& backend, Fd socket)
      : backend_(backend), stream_(std::make_unique<Stream>(backend.loop_, std::move(socket), true, *this)) {}
  void stop_sending() {
    if (serving_) serving_->stop_sending();
  }

 private:
  void on_bytes(std::string_view bytes) override {
    if (serving_ && !serving_->done()) return serving_->on_bytes(bytes);
    buffer_.append(bytes);
    const auto head = parse_head(buffer_);
    if (!head) return;
    buffer_.erase(0, head->size);
    ++backend_.requests_;
    serving_ = backend_.serve(*head, *stream_);
    if (!serving_) {
      stream_->write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return stream_->shutdown_write();
    }
    if (!buffer_.empty()) serving_->on_bytes(buffer_);
    buffer_.clear();
  }

  void on_end(End) override {
    if (serving_) serving_->on_end();
    stream_->shutdown_write();
    stream_->close();
  }

  Backend& backend_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Serving> serving_;
  std::string buffer_;
};

Backend::Backend(Loop& loop, EventLog& log, EventHub& hub, Options options)
    : loop_(loop), log_(log), hub_(hub), options_(std::move(options)), acceptor_(loop, [this](Fd socket) {
        incoming_.push_back(std::make_unique<Incoming>(*this, std::move(socket)));
      }) {}

Backend::~Backend() = default;

void Backend::stop_sending() {
  for (const auto& incoming : incoming_) incoming->stop_sending();
}

std::unique_ptr<Serving> Backend::serve(const HttpHead& head, Stream& stream) {
  const auto path = head.path();
  if (path == "/ws") return std::make_unique<WsServing>(loop_, log_, options_, head, stream);
  if (path == "/events") return std::make_unique<EventServing>(hub_, options_.name, head, stream);
  const auto connection = connection_of(head);
  if (path == "/poll") {
    const double hold = options_.poll_hold * (0.2 + 0.8 * static_cast<double>(connection % 10) / 10);
    return std::make_unique<TimedServing>(loop_, options_.name, connection, stream, hold, 200, 1);
  }
  if (path == "/slow") {
    return std::make_unique<TimedServing>(loop_, options_.name, connection, stream, options_.slow_body, 65536, 30);
  }
  return nullptr;
}

}  // namespace limpet::e2e
