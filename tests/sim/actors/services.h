// SPDX-License-Identifier: Apache-2.0
// What backends answer to each path: one maker per kind of service, the classes are their files' own.
#pragma once

#include <memory>

#include "tests/sim/actors/visit.h"

namespace limpet::sim {

std::unique_ptr<Service> make_echo(Visit& visit);        // HTTP echo, long polls, health: echo_service.cpp
std::unique_ptr<Service> make_events(Visit& visit);      // event streams with a history: stream_service.cpp
std::unique_ptr<Service> make_model(Visit& visit);       // streamed answers to POSTs: stream_service.cpp
std::unique_ptr<Service> make_web_socket(Visit& visit);  // echo over WebSocket: socket_service.cpp
std::unique_ptr<Service> make_engine(Visit& visit);      // Engine.IO: engine_service.cpp

// Fails the run unless `body` is the message of the request. Answers whether it is.
bool check_request_body(Visit& visit, const std::string& body);
// Notes it in the ledger, and fails the run where it has been there before.
void note_arrival(Visit& visit, const Tag& tag);

}  // namespace limpet::sim
