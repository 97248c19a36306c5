// SPDX-License-Identifier: Apache-2.0
// See admin_client.h. Non-blocking sockets under poll, so that every step ends by the deadline.
#include "proxy/cli/admin_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

#include "proxy/admin/json.h"
#include "proxy/base/fd.h"
#include "proxy/net/address.h"
#include "proxy/wire/http/http1.h"
#include "proxy/wire/http/http1_writer.h"

namespace limpet::cli {

using admin::parse_error;

namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::chrono::seconds kConnectTimeout{5};
constexpr std::chrono::seconds kExchangeTimeout{30};
constexpr std::size_t kMaxAnswer = 256UL * 1024 * 1024;

AdminReply no_answer(std::string why, int code = 0) {
  AdminReply reply;
  reply.failure = std::move(why);
  if (code != 0) reply.failure += std::string(": ") + std::strerror(code);
  reply.forbidden = code == EACCES || code == EPERM;
  return reply;
}

// True once `fd` is ready for `events`; false where the deadline comes first.
bool wait_for(int fd, short events, SteadyTime deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{fd, events, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

// 0, or the errno.
int connect_to(int fd, const net::Address& address, SteadyTime deadline) {
  if (::connect(fd, address.raw(), address.raw_size()) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (!wait_for(fd, POLLOUT, deadline)) return ETIMEDOUT;
  int failure = 0;
  socklen_t size = sizeof failure;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
  return failure;
}

int send_all(int fd, std::string_view bytes, SteadyTime deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!wait_for(fd, POLLOUT, deadline)) return ETIMEDOUT;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// Everything until the server closes, which it does after its one answer. A reset after some bytes ends it, too: what
// came is judged by its framing.
int receive_all(int fd, std::string& bytes, SteadyTime deadline) {
  char chunk[16 * 1024];
  for (;;) {
    const ssize_t got = ::recv(fd, chunk, sizeof chunk, 0);
    if (got == 0) return 0;
    if (got > 0) {
      bytes.append(chunk, static_cast<std::size_t>(got));
      if (bytes.size() > kMaxAnswer) return EMSGSIZE;
    } else if (errno == EAGAIN) {
      if (!wait_for(fd, POLLIN, deadline)) return ETIMEDOUT;
    } else if (errno != EINTR) {
      return bytes.empty() ? errno : 0;
    }
  }
}

std::string request_text(const AdminTarget& target, std::string_view method, const std::string& path,
                         const std::string& body) {
  std::string text;
  wire::append_request_start(text, method, path, target.authority);
  wire::append_field(text, "Connection", "close");
  if (!target.token.empty()) wire::append_field(text, "Authorization", "Bearer " + target.token);
  if (method == "POST") {
    wire::append_field(text, "Content-Type", "application/json");
    wire::append_field(text, "Content-Length", std::to_string(body.size()));
  }
  wire::append_end(text);
  return text + body;
}

std::optional<AdminReply> read_answer(std::string_view input, std::string_view method) {
  wire::ResponseHead head;
  do {  // past interim responses
    const auto parsed = wire::parse_response_head(input, {}, method, head);
    if (parsed.status != wire::Status::Done) return std::nullopt;
    input.remove_prefix(parsed.consumed);
  } while (head.status < 200);
  AdminReply reply;
  reply.status = head.status;
  wire::BodyDecoder decoder(head.framing, head.length);
  std::size_t consumed = 0;
  std::vector<std::string_view> pieces;
  auto state = decoder.decode(input, consumed, pieces);
  if (state == wire::Status::NeedMore) state = decoder.end_of_input();
  if (state != wire::Status::Done) return std::nullopt;
  for (const auto piece : pieces) reply.body += piece;
  return reply;
}

}  // namespace

Result<AdminTarget> parse_admin_target(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  constexpr std::string_view kHttp = "http://";
  AdminTarget target;
  target.text = text;
  if (text.starts_with(kUnix) && text.size() > kUnix.size()) {
    target.address = text;
    target.authority = "localhost";
    return target;
  }
  if (text.starts_with(kHttp)) {
    auto authority = text.substr(kHttp.size());
    if (authority.ends_with('/')) authority.remove_suffix(1);
    const auto colon = authority.rfind(':');
    const bool has_port = colon != std::string_view::npos && colon > 0 && colon + 1 < authority.size() &&
                          authority.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
    if (has_port && authority.find_first_of("/@?# ") == std::string_view::npos) {
      target.address = authority;
      target.authority = authority;
      return target;
    }
  }
  return Error{Fault::Local, "'" + std::string(text) + "': expected unix:PATH or http://HOST:PORT"};
}

AdminReply AdminClient::exchange(std::string_view method, const std::string& path, const std::string& body) const {
  auto address = net::Address::parse(target_.address);
  if (!address) return no_answer(address.error().what);
  const Fd fd(::socket(address->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.open()) return no_answer("socket", errno);
  const auto now = std::chrono::steady_clock::now();
  if (const int code = connect_to(fd.value(), *address, now + kConnectTimeout))
    return no_answer("cannot connect", code);
  const int code_sent = send_all(fd.value(), request_text(target_, method, path, body), now + kExchangeTimeout);
  std::string bytes;
  // Even where sending failed: an answer that came early says more.
  const int code_received = receive_all(fd.value(), bytes, now + kExchangeTimeout);
  if (auto reply = read_answer(bytes, method)) return *reply;
  if (code_sent != 0) return no_answer("cannot send", code_sent);
  if (code_received != 0) return no_answer("no answer", code_received);
  return no_answer(bytes.empty() ? "the connection was closed without an answer"
                                 : "the answer is no whole HTTP message");
}

ExitCode AdminClient::explain(Console& console, const AdminReply& reply) const {
  if (reply.status == 0) {
    console.err << "limpet: " << target_.text << ": " << printable(reply.failure) << '\n';
    if (reply.forbidden) return kNoPermission;
    console.err << "Is the proxy running? --admin or LIMPET_ADMIN says where.\n";
    return kUnavailable;
  }
  const std::string why = parse_error(reply.body);
  if (reply.ok() || (why.empty() && reply.status != 401)) {
    console.err << "limpet: " << target_.text << " answered " << reply.status << " and what is not understood\n";
    return kUnavailable;
  }
  console.err << "limpet: " << (why.empty() ? "a bearer token is required" : printable(why)) << '\n';
  switch (reply.status) {
  case 400:
  case 404:
    return kUsage;
  case 401:
    console.err << "Give the token by --token-file or LIMPET_TOKEN.\n";
    return kNoPermission;
  case 403:
    return kNoPermission;
  default:
    return kUnavailable;
  }
}

}  // namespace limpet::cli
