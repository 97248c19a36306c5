// SPDX-License-Identifier: Apache-2.0
// Stream: one byte connection, non-blocking, whatever carries it. The seam between sessions and sockets: TCP and unix
// sockets today (tcp_stream.h, ring_stream.h), scripted ones in tests. One thread. A stream is never destroyed from
// within its own callback: its owner hands it to the worker's Reaper.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

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

  // The end, by shut_write() or the stream's own, follows the next write in this turn: they may leave in one packet.
  virtual void end_follows() = 0;
  // Sends FIN after what was written. Reading goes on.
  virtual void shut_write() = 0;
  // The next close() sends RST instead of FIN.
  virtual void close_with_reset() = 0;

  // Has the kernel ask after a peer that stays silent, so that one that vanished without a word is found within a
  // minute.
  virtual void probe_when_idle() = 0;

  // Which readiness the handler is called for: again in each turn until what is ready has been taken (the
  // end, too), and perhaps once more, to find nothing. Costs nothing where it changes nothing.
  virtual void watch(bool readable, bool writable) = 0;
  virtual void set_handler(StreamHandler* handler) = 0;
  virtual StreamHandler* handler() const = 0;

  // Of a connect that was under way when the stream became writable: 0, or the errno that it failed with.
  virtual int connect_error() = 0;
  // A connect (later: a handshake of any layer) is under way.
  virtual bool connecting() const { return false; }
  // At this moment nothing is known to have come that read() would give: no byte, no end. One system call at most.
  virtual bool silent() const = 0;
  // Bytes that were written and that the peer's side has not acknowledged yet.
  virtual std::uint32_t unacknowledged() const = 0;
};

}  // namespace limpet::net
