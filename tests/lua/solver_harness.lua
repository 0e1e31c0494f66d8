-- Solves instances with the solver's libraries, which stand above. ARGV[1]: a JSON list of
--   { line = {place…}, kinds, prices }                          lib/solve_line
--   { a = {entry…}, b = {entry…}, exact, kinds, prices }        lib/solve_sides
-- a place or entry is { node, x, w }, kinds[node] its kind, prices[kind][kind] what a pair costs, below 0 if it is
-- forbidden. Answers a list for each: node, node, side of the first (0 on a line), and so on for every pair.
-- What a library promises of its questions is held against it here.

local function columns(entries)
  local side = { n = #entries, node = {}, x = {}, w = {} }
  for i, entry in ipairs(entries) do side.node[i], side.x[i], side.w[i] = entry[1], entry[2], entry[3] end
  return side
end

local function judge_pairs(a, b, kinds, prices)
  local asked = {}
  return function(i, j)
    local key = i .. "," .. j
    local gap = math.abs(a.x[i] - b.x[j])
    assert(not asked[key], "asked twice")
    assert(a.node[i] ~= b.node[j], "a node with itself")
    assert(gap <= a.w[i] + b.w[j] + 3 * EPSILON, "out of reach")
    asked[key] = true
    local price = prices[kinds[a.node[i]]][kinds[b.node[j]]]
    local value = a.w[i] + b.w[j] - gap - price
    return price >= 0 and value >= -EPSILON and value or nil
  end
end

local function told(mate, plays)
  local pairs_of = {}
  for u, v in pairs(mate) do
    assert(mate[v] == u, "one-sided")
    if u < v then
      local at = #pairs_of
      pairs_of[at + 1], pairs_of[at + 2], pairs_of[at + 3] = u, v, plays[u] or 0
      assert((plays[u] or 0) + (plays[v] or 3) == 3, "both on one side")
    end
  end
  return pairs_of
end

local answers = {}
for number, one in ipairs(cjson.decode(ARGV[1])) do
  local mate, plays = {}, {}
  if one.line then
    local line = columns(one.line)
    local value_of = judge_pairs(line, line, one.kinds, one.prices)
    local function in_order(i, j)
      assert(i < j, "not in order")
      return value_of(i, j)
    end
    solve_line(line.n, line.x, line.w, in_order, mate)
  else
    local a, b = columns(one.a), columns(one.b)
    solve_sides(a, b, judge_pairs(a, b, one.kinds, one.prices), one.exact, mate, plays)
  end
  answers[number] = told(mate, plays)
end
return answers
