// SPDX-License-Identifier: Apache-2.0
// What a drain promises, as functions over the log of a run. Each answers one sentence per violation, none where the
// promise was kept; checkers_test.cpp shows every one of them failing.
#pragma once

#include <string>
#include <vector>

#include "tests/e2e/event_log.h"

namespace limpet::e2e {

using Violations = std::vector<std::string>;

// Every WebSocket of the drained backend gets exactly one Close 1012, then a FIN, never a reset.
Violations closes_are_clean(const EventLog& log);

// No frame, event, chunk or body is torn; nothing follows a Close; a Close stands inside a message only where that has
// been unfinished for the second which a drain waits.
Violations nothing_is_torn(const EventLog& log);

// All that a client sent before its own Close reached its backend, once and in order, and then that Close itself (1001
// where the client never said one).
Violations client_messages_arrive(const EventLog& log);

// What a client gets is numbered without gap or repetition; where no farewell came between, it is all that was sent.
Violations backend_messages_arrive(const EventLog& log);

// No second sees more than twice the mean of ends, where the mean is at least kPaceFloor; the last end comes soon after
// `over`.
constexpr double kPaceFloor = 20;
double ends_per_second(const EventLog& log);
Violations ends_are_paced(const EventLog& log);

// Sessions of the other backends are not ended, and their traffic goes on to the end of the run.
Violations others_notice_nothing(const EventLog& log);

// Whoever comes back is served, and not by the drained backend.
Violations returns_avoid_the_drained(const EventLog& log);

// The sessions of a key are on one backend at a time, leave it within kTogether seconds, and meet again on one.
constexpr double kTogether = 1.5;
Violations keys_stay_together(const EventLog& log);

// Every event id reaches every EventSource exactly once, across its reconnects, up to EventLog::last_event.
Violations events_come_once(const EventLog& log);

// Every request is answered whole, with 200.
Violations requests_are_answered(const EventLog& log);

}  // namespace limpet::e2e
