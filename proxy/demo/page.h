// SPDX-License-Identifier: Apache-2.0
// The page of `limpet demo`: a WebSocket, an event stream and a long poll side by side, each showing the backend that
// it is stuck to and how it was told goodbye. One HTML document without external resources. Pure.
#pragma once

#include <string>
#include <string_view>

namespace limpet::demo {

// `backend` serves the page; `admin` is where the dashboard is ("http://127.0.0.1:9901"); `command` is how this program
// is called in a shell. All are escaped here.
std::string demo_page(std::string_view backend, std::string_view admin, std::string_view command);

}  // namespace limpet::demo
