// SPDX-License-Identifier: Apache-2.0
// A head with one field more, which is not plain: guards and Boost.Beast read all of it. For comparing what they make
// of a head with what is made of it as it is.
#pragma once

#include <string>
#include <string_view>

#include "proxy/wire/http/http1.h"

namespace limpet::wire {

// `head` is whole: it ends in an empty line.
inline std::string not_plain(std::string_view head) {
  return std::string(head.substr(0, head.size() - 2)) + "X:\r\n\r\n";
}

namespace not_plain_detail {

inline bool same_start(const RequestHead& head, const RequestHead& longer) {
  return longer.method == head.method && longer.target == head.target && longer.authority == head.authority &&
         longer.expects_continue == head.expects_continue;
}

inline bool same_start(const ResponseHead& head, const ResponseHead& longer) {
  return longer.status == head.status && longer.reason == head.reason;
}

inline bool same_fields(const Fields& fields, const Fields& longer) {
  if (longer.size() != fields.size() + 1) return false;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const bool same_text = longer[i].name == fields[i].name && longer[i].value == fields[i].value;
    if (!same_text || longer.line(i) != fields.line(i) || longer.known(i) != fields.known(i)) return false;
    if (longer.find(fields[i].name) != fields.find(fields[i].name)) return false;
  }
  for (auto i = static_cast<unsigned>(FieldName::Accept); i < FieldNames::kMost; ++i) {
    if (longer.has(static_cast<FieldName>(i)) != fields.has(static_cast<FieldName>(i))) return false;
  }
  return true;
}

}  // namespace not_plain_detail

// `longer` was read from not_plain() of what `head` was read from, and says the same but for that field.
template <typename Head>
bool says_the_same(const Head& head, const Head& longer) {
  return not_plain_detail::same_start(head, longer) && longer.http11 == head.http11 &&
         longer.keep_alive == head.keep_alive && longer.framing == head.framing && longer.length == head.length &&
         not_plain_detail::same_fields(head.fields, longer.fields);
}

}  // namespace limpet::wire
