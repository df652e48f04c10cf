// Blocks, and the order in which diverged lanes run them.
//
// Lanes meet again if the block with the smallest order always runs first, and every path from a
// branch to where its sides join has smaller orders than the join. So blocks are ordered
// topologically, and a loop (a strongly connected part) counts as one node: its blocks are
// contiguous. Inside a loop the edges to its header are left out and the rest is ordered in the
// same way, which finds the loops within. The order after a loop's body stays free: it is where
// lanes wait that came back to the header.
//
// The header is the loop's first block in the text, wherever the loop is entered. So it is reached
// from within by backward branches only, never by falling through, and a loop with several entries
// needs no rule of its own.
#include <algorithm>
#include <functional>
#include <queue>

#include "emulator/decode/lowered.h"

namespace triptych::emulator {
namespace {

using Edges = std::vector<std::vector<std::uint32_t>>;

constexpr std::uint32_t nowhere = 0xFFFFFFFF;
/// Loops within loops that are told apart; deeper ones are ordered as they stand in the text.
constexpr int deepest = 200;

class Order {
 public:
  Order(const Edges& successors, std::vector<Block>& blocks)
      : successors_(successors),
        blocks_(blocks),
        region_(blocks.size(), 0),
        component_(blocks.size()),
        state_(blocks.size()) {}

  /// Orders `nodes`, which are the blocks of a region.
  void arrange(const std::vector<std::uint32_t>& nodes, std::uint32_t region, int depth);

 private:
  struct State {
    std::uint32_t number = nowhere, low = 0, edge = 0;
    bool on_stack = false;
  };
  std::vector<std::vector<std::uint32_t>> components(const std::vector<std::uint32_t>& nodes,
                                                     std::uint32_t region);
  void visit(std::uint32_t root, std::uint32_t region,
             std::vector<std::vector<std::uint32_t>>& found);
  void number(std::vector<std::uint32_t>& nodes, int depth);
  bool cyclic(const std::vector<std::uint32_t>& nodes) const;

  const Edges& successors_;
  std::vector<Block>& blocks_;
  std::vector<std::uint32_t> region_;  // a block's edges count only within its region
  std::vector<std::uint32_t> component_;
  std::vector<State> state_;
  std::vector<std::uint32_t> stack_;
  std::uint32_t counted_ = 0, regions_ = 0, next_ = 0;
};

/// Tarjan's algorithm from one block, without recursion.
void Order::visit(std::uint32_t root, std::uint32_t region,
                  std::vector<std::vector<std::uint32_t>>& found) {
  std::vector<std::uint32_t> path{root};
  const auto enter = [&](std::uint32_t b) {
    state_[b] = {counted_, counted_, 0, true};
    ++counted_;
    stack_.push_back(b);
  };
  enter(root);
  while (!path.empty()) {
    const std::uint32_t b = path.back();
    State& s = state_[b];
    if (s.edge < successors_[b].size()) {
      const std::uint32_t to = successors_[b][s.edge++];
      if (region_[to] != region) continue;
      if (state_[to].number == nowhere) {
        path.push_back(to);
        enter(to);
      } else if (state_[to].on_stack) {
        s.low = std::min(s.low, state_[to].number);
      }
      continue;
    }
    path.pop_back();
    if (!path.empty()) state_[path.back()].low = std::min(state_[path.back()].low, s.low);
    if (s.low != s.number) continue;
    auto& component = found.emplace_back();
    std::uint32_t member;
    do {
      member = stack_.back();
      stack_.pop_back();
      state_[member].on_stack = false;
      component_[member] = static_cast<std::uint32_t>(found.size() - 1);
      component.push_back(member);
    } while (member != b);
    std::sort(component.begin(), component.end());
  }
}

std::vector<std::vector<std::uint32_t>> Order::components(const std::vector<std::uint32_t>& nodes,
                                                          std::uint32_t region) {
  for (const std::uint32_t b : nodes) state_[b] = {};
  counted_ = 0;
  std::vector<std::vector<std::uint32_t>> found;
  for (const std::uint32_t b : nodes) {
    if (state_[b].number == nowhere) visit(b, region, found);
  }
  return found;
}

void Order::arrange(const std::vector<std::uint32_t>& nodes, std::uint32_t region, int depth) {
  auto parts = components(nodes, region);
  // Topologically; of several parts that may come next, the first in the text.
  std::vector<std::uint32_t> missing(parts.size());
  const auto each_edge = [&](std::size_t part, const auto& use) {
    for (const std::uint32_t b : parts[part]) {
      for (const std::uint32_t to : successors_[b]) {
        if (region_[to] == region && component_[to] != part) use(component_[to]);
      }
    }
  };
  for (std::size_t p = 0; p < parts.size(); ++p)
    each_edge(p, [&](std::uint32_t to) { ++missing[to]; });
  using Ready = std::pair<std::uint32_t, std::size_t>;
  std::priority_queue<Ready, std::vector<Ready>, std::greater<>> ready;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (missing[p] == 0) ready.emplace(parts[p][0], p);
  }
  std::vector<std::size_t> sequence;
  while (!ready.empty()) {
    const std::size_t p = ready.top().second;
    ready.pop();
    sequence.push_back(p);
    each_edge(p, [&](std::uint32_t to) {
      if (--missing[to] == 0) ready.emplace(parts[to][0], to);
    });
  }
  for (const std::size_t p : sequence) number(parts[p], depth);
}

bool Order::cyclic(const std::vector<std::uint32_t>& nodes) const {
  const auto& out = successors_[nodes[0]];
  return nodes.size() > 1 || std::find(out.begin(), out.end(), nodes[0]) != out.end();
}

/// Numbers one part: a block, or a loop with its header first.
void Order::number(std::vector<std::uint32_t>& nodes, int depth) {
  if (!cyclic(nodes)) {
    blocks_[nodes[0]].order = next_++;
    return;
  }
  const std::uint32_t header = nodes[0];  // parts are sorted
  blocks_[header].order = next_++;
  if (depth == deepest) {
    for (const std::uint32_t b : nodes) {
      if (b != header) blocks_[b].order = next_++;
    }
  } else if (nodes.size() > 1) {
    const std::uint32_t inner = ++regions_;
    std::erase(nodes, header);
    for (const std::uint32_t b : nodes) region_[b] = inner;
    region_[header] = ++regions_;
    arrange(nodes, inner, depth + 1);
  }
  blocks_[header].loop_end = next_++;
}

/// Calls visit(target) for each instruction that a jump at `i` may go to.
template <class F>
void each_target(const Lowered& function, std::size_t i, const F& visit) {
  const Instr& instr = function.code.instrs[i];
  if (function.flow[i] == Flow::branch) visit(static_cast<std::uint32_t>(instr.imm));
  if (function.flow[i] == Flow::table) {
    for (std::uint32_t t = 0; t < instr.list_count; ++t)
      visit(function.code.targets[instr.list + t]);
  }
}

bool guarded(const Lowered& function, std::size_t i) {
  return std::any_of(function.refs.begin() + function.first_ref[i],
                     function.refs.begin() + function.first_ref[i + 1],
                     [](const Ref& r) { return r.place == Ref::Place::guard; });
}

void cut(Lowered& function) {
  const std::size_t count = function.code.instrs.size();
  std::vector<bool> leads(count + 1, false);
  leads[0] = true;
  for (std::size_t i = 0; i < count; ++i) {
    if (function.flow[i] == Flow::next) continue;
    leads[i + 1] = true;
    each_target(function, i, [&](std::uint32_t to) { leads[to] = true; });
  }
  auto& blocks = function.code.blocks;
  function.code.block_of.resize(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (leads[i]) blocks.push_back({.begin = i});
    blocks.back().end = i + 1;
    function.code.block_of[i] = static_cast<std::uint32_t>(blocks.size() - 1);
  }
}

}  // namespace

void find_blocks(Lowered& function) {
  cut(function);
  const auto& code = function.code;
  Edges successors(code.blocks.size());
  for (std::uint32_t b = 0; b < code.blocks.size(); ++b) {
    const std::uint32_t last = code.blocks[b].end - 1;
    each_target(function, last,
                [&](std::uint32_t to) { successors[b].push_back(code.block_of[to]); });
    if ((function.flow[last] == Flow::next || guarded(function, last)) &&
        b + 1 < code.blocks.size()) {
      successors[b].push_back(b + 1);
    }
  }
  std::vector<std::uint32_t> all(code.blocks.size());
  for (std::uint32_t b = 0; b < all.size(); ++b) all[b] = b;
  Order(successors, function.code.blocks).arrange(all, 0, 0);
  function.successors = std::move(successors);
}

}  // namespace triptych::emulator
