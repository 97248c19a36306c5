// SPDX-License-Identifier: Apache-2.0
// RFC 6455 §5.4 and §5.5 as an application meets them. A message counts as sent when its last frame has been written to
// the socket's queue; pings stand between fragments only, where they are hardest to relay.
#include "tests/e2e/ws_peer.h"

#include <algorithm>

namespace limpet::e2e {
namespace {

constexpr std::size_t kFragments = 3;
constexpr std::size_t kMaxQueued = 4 * kBigMessage;

}  // namespace

WsPeer::WsPeer(Loop& loop, Stream& stream, Owner& owner, std::uint32_t connection, Direction sends, bool deflate,
               Traffic traffic)
    : loop_(loop),
      stream_(stream),
      owner_(owner),
      connection_(connection),
      sends_(sends),
      traffic_(traffic),
      reader_(sends == Direction::ToClient),
      deflater_(deflate ? std::make_unique<Deflater>() : nullptr),
      inflater_(deflate ? std::make_unique<Inflater>() : nullptr),
      random_(connection * 2 + (sends == Direction::ToClient ? 1 : 0)) {}

void WsPeer::start() {
  schedule();
}

void WsPeer::quiet() {
  loop_.cancel(timer_);
  finish_fragments();
}

void WsPeer::stop() {
  loop_.cancel(timer_);
  loop_.cancel(fragment_timer_);
}

void WsPeer::schedule() {
  const double wait = traffic_.interval * std::uniform_real_distribution<>(0.5, 1.5)(random_);
  timer_ = loop_.after(wait, [this] {
    const double die = std::uniform_real_distribution<>(0, 1)(random_);
    if (close_sent_ || !stream_.open()) return;
    if (fragments_.empty() && stream_.queued() < kMaxQueued) {
      if (die < traffic_.big) {
        send_now(kBigMessage);
      } else if (die < traffic_.big + traffic_.fragmented) {
        send_fragmented();
      } else {
        send_now(std::uniform_int_distribution<std::size_t>(0, 400)(random_));
      }
    }
    schedule();
  });
}

Frame WsPeer::next_message(std::size_t size) {
  Frame frame;
  frame.opcode = sequence_ % 2 == 0 ? kText : kBinary;
  frame.payload = make_message(connection_, sends_, sequence_, size);
  if (deflater_) {
    frame.payload = deflater_->compress(frame.payload);
    frame.compressed = true;
  }
  return frame;
}

void WsPeer::send_now(std::size_t size) {
  if (close_sent_ || !stream_.open()) return;
  finish_fragments();
  send(next_message(size));
  owner_.on_sent(sequence_++);
}

void WsPeer::send_fragmented() {
  Frame whole = next_message(std::uniform_int_distribution<std::size_t>(200, 5000)(random_));
  const std::size_t part = whole.payload.size() / kFragments + 1;
  for (std::size_t at = 0; at < whole.payload.size(); at += part) {
    Frame frame;
    frame.fin = at + part >= whole.payload.size();
    frame.opcode = at == 0 ? whole.opcode : std::uint8_t{kContinuation};
    frame.compressed = at == 0 && whole.compressed;
    frame.payload = whole.payload.substr(at, part);
    fragments_.push_back(std::move(frame));
  }
  send_next_fragment();
}

void WsPeer::send_next_fragment() {
  if (fragments_.empty() || !stream_.open()) return;
  send(fragments_.front());
  fragments_.erase(fragments_.begin());
  if (fragments_.empty()) return owner_.on_sent(sequence_++);
  const std::string payload = "ping " + std::to_string(ping_number_++);
  pings_.push_back({payload, loop_.now()});
  send({true, false, kPing, payload});
  fragment_timer_ = loop_.after(traffic_.fragment_pause, [this] { send_next_fragment(); });
}

void WsPeer::finish_fragments() {
  if (fragments_.empty()) return;
  loop_.cancel(fragment_timer_);
  for (const Frame& frame : fragments_) send(frame);
  fragments_.clear();
  owner_.on_sent(sequence_++);
}

void WsPeer::close(int code) {
  if (close_sent_ || !stream_.open()) return;
  finish_fragments();
  stop();
  close_sent_ = true;
  send({true, false, kClose, close_payload(code)});
}

void WsPeer::feed(std::string_view bytes) {
  reader_.feed(bytes);
  Frame frame;
  while (stream_.open() && reader_.next(frame)) take(frame);
  if (!reader_.error().empty()) owner_.on_broken(reader_.error());
}

void WsPeer::take(Frame& frame) {
  switch (frame.opcode) {
  case kPing:
    if (!close_sent_) send({true, false, kPong, frame.payload});
    return;
  case kPong:
    return take_pong(frame.payload);
  case kClose: {
    const int code = close_code(frame.payload);
    if (code == 0) owner_.on_broken("a malformed Close");
    return owner_.on_close(code, unfinished_since_ < 0 ? -1 : loop_.now() - unfinished_since_);
  }
  default:
    return take_data(frame);
  }
}

// A pong may answer the latest ping only (§5.5.3); one that answers none of ours should have been swallowed.
void WsPeer::take_pong(const std::string& payload) {
  const auto found = std::find_if(pings_.begin(), pings_.end(), [&](const Ping& p) { return p.payload == payload; });
  if (found == pings_.end()) return owner_.on_broken("a pong for a ping that was never sent: " + payload);
  pings_.erase(pings_.begin(), found + 1);
}

void WsPeer::take_data(Frame& frame) {
  if (frame.opcode != kContinuation) {
    message_.clear();
    message_compressed_ = frame.compressed;
    unfinished_since_ = loop_.now();
  }
  message_ += frame.payload;
  if (!frame.fin) return;
  unfinished_since_ = -1;
  if (message_compressed_) {
    auto plain = inflater_ ? inflater_->decompress(message_) : std::nullopt;
    if (!plain) return owner_.on_broken("a message that cannot be inflated");
    message_ = std::move(*plain);
  }
  const auto other = sends_ == Direction::ToClient ? Direction::ToBackend : Direction::ToClient;
  const auto sequence = read_message(message_, connection_, other);
  message_.clear();
  if (message_.capacity() > 4096) message_.shrink_to_fit();
  if (!sequence) return owner_.on_broken("a message that nobody sent here");
  owner_.on_message(*sequence);
}

}  // namespace limpet::e2e
