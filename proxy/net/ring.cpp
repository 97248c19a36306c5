// SPDX-License-Identifier: Apache-2.0
// See ring.h. All buffers are touched when they are mapped, so that their memory counts from the start and is not taken
// for that of the first sessions.
#include "proxy/net/ring.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "proxy/net/ring_stream.h"

namespace limpet::net {

namespace {

constexpr unsigned kEntries = 1024;
constexpr unsigned kCompletions = 8192;
constexpr unsigned kMostPerRound = 512;  // completions; then timers and the mailbox are served
constexpr int kGroup = 1;
constexpr unsigned kPatienceMs = 30'000;

constexpr std::size_t kOfferedSize = Ring::kReceiveBuffers * sizeof(io_uring_buf);
constexpr std::size_t kMemorySize = Ring::kReceiveBuffers * Ring::kReceiveSize + Ring::kSendBuffers * Ring::kSendSize;

void* mapped(std::size_t size) {
  void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}

char* copy(char* to, const iovec* pieces, int count) {
  for (int i = 0; i < count; ++i) {
    std::memcpy(to, pieces[i].iov_base, pieces[i].iov_len);
    to += pieces[i].iov_len;
  }
  return to;
}

}  // namespace

std::unique_ptr<Ring> Ring::open(std::string& why) {
  std::unique_ptr<Ring> ring(new Ring);
  io_uring_params settings{};
  settings.flags =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE;
  settings.cq_entries = kCompletions;
  if (const int error = io_uring_queue_init_params(kEntries, &ring->ring_, &settings); error != 0) {
    why = std::string("io_uring_setup: ") + std::strerror(-error);
    return nullptr;
  }
  ring->open_ = true;
  if (!ring->map_memory()) {
    why = std::string("its buffers: ") + std::strerror(errno);
    return nullptr;
  }
  ring->watch_poller();
  return ring;
}

bool Ring::map_memory() {
  memory_ = static_cast<char*>(mapped(kMemorySize));
  offered_ = static_cast<io_uring_buf_ring*>(mapped(kOfferedSize));
  if (memory_ == nullptr || offered_ == nullptr) return false;
  io_uring_buf_reg group{};
  group.ring_addr = reinterpret_cast<std::uint64_t>(offered_);
  group.ring_entries = kReceiveBuffers;
  group.bgid = kGroup;
  if (const int error = io_uring_register_buf_ring(&ring_, &group, 0); error != 0) {
    errno = -error;
    return false;
  }
  io_uring_buf_ring_init(offered_);
  for (std::uint16_t buffer = 0; buffer < kReceiveBuffers; ++buffer) give_back(buffer);
  for (std::uint32_t i = kSendBuffers; i > 0; --i) free_sends_.push_back(i - 1);
  return true;
}

Ring::~Ring() {
  if (open_) io_uring_queue_exit(&ring_);
  if (memory_ != nullptr) ::munmap(memory_, kMemorySize);
  if (offered_ != nullptr) ::munmap(offered_, kOfferedSize);
}

void Ring::give_back(std::uint16_t buffer) {
  io_uring_buf_ring_add(offered_, memory_ + buffer * kReceiveSize, kReceiveSize, buffer,
                        io_uring_buf_ring_mask(kReceiveBuffers), given_back_++);
}

std::uint64_t Ring::name_of(Kind kind, std::uint32_t request) {
  return static_cast<std::uint64_t>(kind) << 32 | request;
}

// Null where there is no room and none can be made.
io_uring_sqe* Ring::prepare(Kind kind, std::uint32_t request) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry == nullptr && enabled_) {
    ++handover_;
    io_uring_submit(&ring_);
    entry = io_uring_get_sqe(&ring_);
  }
  if (entry == nullptr) return nullptr;
  std::memset(entry, 0, sizeof *entry);
  entry->user_data = name_of(kind, request);
  return entry;
}

void Ring::watch_poller() {
  io_uring_sqe* const entry = prepare(Kind::Poll, 0);
  if (entry == nullptr) {
    polled_ = true;  // again in the next round
    return;
  }
  const auto data = entry->user_data;
  io_uring_prep_poll_add(entry, poller_.descriptor(), POLLIN);
  entry->user_data = data;
}

std::size_t Ring::wait(int ms) {
  submit_and_take(ms);
  if (!std::exchange(polled_, false)) return 0;
  watch_poller();  // level-triggered: it tells at once of what is left
  return poller_.wait(0);
}

void Ring::submit_and_take(int ms) {
  if (!enabled_) {
    enabled_ = true;
    // From here on this thread is the only one. (Debian's liburing 2.3 does not export io_uring_enable_rings.)
    const int error = io_uring_register(static_cast<unsigned>(ring_.ring_fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    if (error != 0) throw std::runtime_error(std::string("io_uring cannot be enabled: ") + std::strerror(-error));
  }
  if (given_back_ > 0) io_uring_buf_ring_advance(offered_, std::exchange(given_back_, 0));
  ++handover_;
  // What is to be closed is closed behind this call, so it must not wait for something to happen.
  if (ms == 0 || polled_ || !ready_.empty() || !closing_.empty()) {
    io_uring_submit_and_get_events(&ring_);
  } else {
    __kernel_timespec patience{ms / 1000, ms % 1000 * 1'000'000LL};
    io_uring_cqe* first = nullptr;
    io_uring_submit_and_wait_timeout(&ring_, &first, 1, ms < 0 ? nullptr : &patience, nullptr);
  }
  if (io_uring_sq_ready(&ring_) == 0) closing_.clear();  // what could not be handed over names them still
  unsigned head;
  unsigned count = 0;
  io_uring_cqe* completion;
  io_uring_for_each_cqe(&ring_, head, completion) {
    if (count == kMostPerRound) break;
    ++count;
    complete(*completion);
  }
  io_uring_cq_advance(&ring_, count);
}

void Ring::send_last_writes(std::chrono::milliseconds patience) {
  using std::chrono::steady_clock;
  const auto until = steady_clock::now() + patience;
  auto left = std::chrono::milliseconds(0);  // first of all it is handed over
  do {
    ready_.clear();  // neither these nor the poller keep it from waiting
    polled_ = false;
    submit_and_take(static_cast<int>(left.count()));
    left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
  } while (free_sends_.size() < kSendBuffers && left.count() > 0);
}

void Ring::complete(const io_uring_cqe& completion) {
  const auto request = static_cast<std::uint32_t>(completion.user_data);
  switch (static_cast<Kind>(completion.user_data >> 32)) {
  case Kind::Receive:
    return receive_completed(request, completion);
  case Kind::Send:
    return send_completed(request, completion.res);
  case Kind::Poll:
    polled_ = true;
    return;
  case Kind::Nothing:
    return;
  }
}

void Ring::receive_completed(std::uint32_t request, const io_uring_cqe& completion) {
  RingStream* const stream = receivers_[request];
  const bool over = (completion.flags & IORING_CQE_F_MORE) == 0;
  if (over) {
    receivers_[request] = nullptr;
    free_receivers_.push_back(request);
  }
  if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
    const auto buffer = static_cast<std::uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
    if (stream == nullptr || completion.res <= 0) {
      give_back(buffer);
    } else {
      received_[buffer] = {static_cast<std::uint16_t>(completion.res), kNone};
      stream->took(buffer);
    }
  }
  if (stream != nullptr && over) stream->receive_over(completion.res);
}

void Ring::send_completed(std::uint32_t request, int result) {
  Send& done = sends_[request];
  RingStream* const stream = std::exchange(done.stream, nullptr);
  free_sends_.push_back(request);
  if (stream != nullptr) stream->sent(static_cast<std::uint32_t>(std::max(result, 0)) == done.size ? 0 : result);
}

void Ring::queue(RingStream& stream) {
  ready_.push_back(&stream);
}

void Ring::dispatch() {
  batch_.swap(ready_);
  for (next_ = 0; next_ < batch_.size();) {
    RingStream* const stream = batch_[next_++];
    if (next_ + 1 < batch_.size()) __builtin_prefetch(batch_[next_ + 1]);
    if (next_ < batch_.size() && batch_[next_] != nullptr) batch_[next_]->expect_delivery();
    if (stream != nullptr) stream->deliver();
  }
  batch_.clear();
  poller_.dispatch();
}

std::uint32_t Ring::receive(RingStream& stream, int descriptor) {
  std::uint32_t request;
  if (free_receivers_.empty()) {
    request = static_cast<std::uint32_t>(receivers_.size());
  } else {
    request = free_receivers_.back();
  }
  io_uring_sqe* const entry = prepare(Kind::Receive, request);
  if (entry == nullptr) return kNobody;
  const auto data = entry->user_data;
  io_uring_prep_recv_multishot(entry, descriptor, nullptr, 0, 0);
  entry->user_data = data;
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = kGroup;
  if (free_receivers_.empty()) {
    receivers_.push_back(&stream);
  } else {
    free_receivers_.pop_back();
    receivers_[request] = &stream;
  }
  return request;
}

bool Ring::cancel(Kind kind, std::uint32_t request) {
  io_uring_sqe* const entry = prepare(Kind::Nothing, 0);
  if (entry == nullptr) return false;
  const auto data = entry->user_data;
  io_uring_prep_cancel64(entry, name_of(kind, request), 0);
  entry->user_data = data;
  return true;
}

std::uint32_t Ring::send(RingStream& stream, int descriptor, const iovec* pieces, int count, std::size_t size) {
  if (free_sends_.empty()) return kNobody;
  const std::uint32_t request = free_sends_.back();
  io_uring_sqe* const entry = prepare(Kind::Send, request);
  if (entry == nullptr) return kNobody;
  free_sends_.pop_back();
  char* const memory = send_memory(request);
  copy(memory, pieces, count);
  const auto data = entry->user_data;
  io_uring_prep_send(entry, descriptor, memory, size, MSG_NOSIGNAL | MSG_WAITALL);
  entry->user_data = data;
  sends_[request] = {&stream, entry, handover_, static_cast<std::uint32_t>(size)};
  return request;
}

bool Ring::add_to_send(std::uint32_t request, const iovec* pieces, int count, std::size_t size) {
  Send& send = sends_[request];
  if (send.handover != handover_ || send.size + size > kSendSize) return false;
  copy(send_memory(request) + send.size, pieces, count);
  send.size += static_cast<std::uint32_t>(size);
  send.entry->len = send.size;
  return true;
}

void Ring::abandon_receive(std::uint32_t request, int descriptor) {
  receivers_[request] = nullptr;
  if (!cancel_receive(request)) ::shutdown(descriptor, SHUT_RDWR);  // which ends it, too: it must not keep the socket
}

void Ring::abandon_send(std::uint32_t request, int descriptor, bool cut) {
  Send& send = sends_[request];
  send.stream = nullptr;
  if (cut) {
    if (!cancel(Kind::Send, request)) ::shutdown(descriptor, SHUT_RDWR);
  } else if (send.handover !=
             handover_) {  // it waits for room: a peer that gives none must not keep the socket for good
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &kPatienceMs, sizeof kPatienceMs);
  }
}

bool Ring::has_unseen(std::uint32_t receive) const {
  unsigned head;
  const io_uring_cqe* completion;
  io_uring_for_each_cqe(&ring_, head, completion) {
    if (completion->user_data == name_of(Kind::Receive, receive)) return true;
  }
  return false;
}

void Ring::unqueue(const RingStream& stream) {
  const auto is_it = [&](const RingStream* queued) { return queued == &stream; };
  std::replace_if(ready_.begin(), ready_.end(), is_it, nullptr);
  std::replace_if(batch_.begin(), batch_.end(), is_it, nullptr);
}

}  // namespace limpet::net
