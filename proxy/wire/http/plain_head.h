// SPDX-License-Identifier: Apache-2.0
// Plain heads: each line is written as nearly all software writes it, and there is nothing to interpret. They are taken
// apart here in one pass, at about half the cost of the guards and Boost.Beast, which get all other heads. Nothing is
// refused here, and what is taken here, guards and Beast would take and read the same (the fuzz targets compare), so
// that they alone decide what is well-formed. For http1.cpp only. Pure functions.
//
//   GET /a?b HTTP/1.1      HTTP/1.1 200 OK      single spaces, version 1.1, a reason (it may be empty)
//   Name: value            a token, colon, one space, a value that is not empty and has no blanks around it
//   Connection: close      also "keep-alive" or "Upgrade"; no list
//   Content-Length: 128    1 to 18 digits, or "Transfer-Encoding: chunked"; one of them, once
#pragma once

#include <cstddef>
#include <string_view>

#include "proxy/wire/http/head_guards.h"
#include "proxy/wire/http/http1.h"

namespace limpet::wire {

// Fills in what is on the lines of the head at the beginning of `input` (method and target, or status and reason;
// version; fields; `summary`, which must be new) and returns its size. 0: it is not plain, not whole, not within the
// limits or larger than 8 KiB; what has been filled in is void then, and there are no fields. Whether the target is one
// is for read_target() to say.
std::size_t take_plain_head(std::string_view input, const HeadLimits& limits, RequestHead& head, FieldSummary& summary);
std::size_t take_plain_head(std::string_view input, const HeadLimits& limits, ResponseHead& head,
                            FieldSummary& summary);

}  // namespace limpet::wire
