// SPDX-License-Identifier: Apache-2.0
// Stream: one byte connection, non-blocking, whatever carries it. The seam between sessions and sockets: TCP and unix
// sockets today (tcp_stream.h, ring_stream.h), scripted ones in tests. One thread. A stream is never destroyed from
// within its own callback: its owner hands it to the worker, which destroys it at the end of the round.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "proxy/base/error.h"

namespace limpet::net {

enum class IoStatus : std::uint8_t {
  Ok,          // `n` bytes, at least one
  WouldBlock,  // none now; the handler is called when that changes, if it is watched
  Eof,         // read only: the peer has sent its FIN
  Reset,       // the connection is gone: reset by the peer, or a network error
};

struct IoResult {
  IoStatus status = IoStatus::WouldBlock;
  std::size_t n = 0;
};

class Stream;

class StreamHandler {
 public:
  virtual void on_ready(Stream& stream, bool readable, bool writable) = 0;
  // The owner of the bytes had put off writing them, and now the stream did not take them all: the rest waits
  // (WouldBlock), or the connection is gone (Reset).
  virtual void on_refused(Stream&, IoStatus) {}
  // on_ready() will be called soon. Must not look into the memory that it asks for.
  virtual void expect_ready() const {}

 protected:
  ~StreamHandler() = default;
};

class Stream {
 public:
  virtual ~Stream() = default;

  // At most one system call each.
  virtual IoResult read(char* to, std::size_t size) = 0;
  virtual IoResult write(const iovec* pieces, int count) = 0;

  // The end, by shut_write() or by the stream's destruction, follows the next write in this round: both may leave in
  // one packet.
  virtual void end_follows() = 0;
  // Sends FIN after what was written. Reading goes on.
  virtual void shut_write() = 0;
  // The next close() sends RST instead of FIN.
  virtual void close_with_reset() = 0;

  // Has the kernel ask after a peer that stays silent, so that one that vanished without a word is found within a
  // minute.
  virtual void probe_when_idle() = 0;

  // Which readiness the handler is called for. Readiness is a level: while something that is watched can be read (the
  // peer's FIN counts) or written, the handler is called in every round of the loop. It may be called once when there
  // is nothing, so WouldBlock is no error. A call that changes nothing costs nothing.
  virtual void watch(bool readable, bool writable) = 0;
  virtual void set_handler(StreamHandler* handler) = 0;
  virtual StreamHandler* handler() const = 0;

  // Why it failed, in words: of a connect (later: a handshake of any layer) that was under way when the stream became
  // writable. nullopt: it has not.
  virtual std::optional<Error> failure() = 0;
  // Bytes that the stream itself keeps: what has come and nobody has read yet, or what is to be sent.
  virtual std::size_t held() const { return 0; }
  // A connect (later: a handshake of any layer) is under way.
  virtual bool connecting() const { return false; }
  // At this moment nothing is known to have come that read() would give: no byte, no end. One system call at most.
  // Never true while read() would give a byte; where the stream encrypts, false may be a record without content.
  virtual bool silent() const = 0;
  // Bytes that were written and that the peer's side has not acknowledged yet. Only whether it falls, and whether it is
  // 0, means something: where the stream encrypts it counts what was made of the bytes.
  virtual std::uint32_t unacknowledged() const = 0;
};

}  // namespace limpet::net
