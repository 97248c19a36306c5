// SPDX-License-Identifier: Apache-2.0
// A drain as the command line sees it from outside: its state read off the pool's status again and again, and shown as
// a bar or as lines. Pure but for the printing; cmd_drain.cpp does the asking and the waiting.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/admin/control.h"
#include "proxy/cli/backend_name.h"
#include "proxy/cli/console.h"

namespace limpet::cli {

using admin::DrainStatus;
using admin::PoolStatus;

struct DrainView {
  BackendName name;
  std::string state;       // draining drained ready; "refused", "gone"
  DrainStatus drain;       // as last seen
  std::uint64_t open = 0;  // sessions still open
  std::string error;       // why it did not come to its end; "" while it may

  bool is_empty() const { return state == "drained" && open == 0; }
  bool is_over() const { return is_empty() || !error.empty(); }
};

// Takes over what `pool` says about the view's backend now.
void update(DrainView& view, const PoolStatus& pool);

// The value of limpet_drain_sessions_cut_total for a backend in Prometheus text; 0 where it is not there. It outlives
// the drain itself, whose last moments polling may miss.
std::uint64_t sessions_cut(std::string_view metrics, const BackendName& name);

// "chat/chat-1  ██████░░░░  310 of 1,234 sessions left, 41/s, ETA 8s", at most `columns` wide, padded names.
std::string progress_bar(const DrainView& view, std::size_t name_width, unsigned columns, bool color);
// The same without a bar.
std::string progress_line(const DrainView& view);
// How it ended.
std::string outcome_line(const DrainView& view);

// Draws the bars over the ones it drew before.
class DrainDisplay {
 public:
  explicit DrainDisplay(Console& console) : console_(console) {}
  void draw(const std::vector<DrainView>& views);

 private:
  Console& console_;
  std::size_t drawn_ = 0;
};

}  // namespace limpet::cli
