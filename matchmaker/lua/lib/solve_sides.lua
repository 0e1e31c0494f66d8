-- A matching of a line with two sides: the best, or close to it.
--
-- a, b: the sides' entries { n =, node = {}, x = {}, w = {} }, x ascending, w >= 0. Nodes are numbers 1..N; one that
-- offers both sides has an entry in each. value_of(i, j), i an index of a and j one of b, answers the pair's value, or
-- nil while it may not be made. It is asked once a pair of entries at most, never for a node with itself, and never
-- where the gap is beyond the sum of both w, which no `accept` allows.
-- exact: every pair of value >= -EPSILON may be made. Where nobody offers both sides the answer then is the optimum.
-- Fills mate[node] = node for both nodes of a pair and plays[node] = 1 or 2, the side of a or of b; of two nodes that
-- might play either way at one value, the lower plays side 1. No two nodes are left free that may be paired; but with
-- `effort`, which is augment's, fewer pairs are asked about.
local function solve_sides(a, b, value_of, exact, mate, plays, effort)
  local at_a, at_b, n, duals = {}, {}, 0, false
  for i = 1, a.n do
    local v = a.node[i]
    at_a[v], n = i, math.max(n, v)
  end
  for j = 1, b.n do
    local v = b.node[j]
    at_b[v], n = j, math.max(n, v)
    duals = duals or at_a[v] ~= nil
  end

  -- All entries, x ascending: place, willingness, side, index on that side, node.
  local m, x, w, side, index, node = 0, {}, {}, {}, {}, {}
  do
    local i, j = 1, 1
    while i <= a.n or j <= b.n do
      m = m + 1
      if j > b.n or i <= a.n and a.x[i] <= b.x[j] then
        x[m], w[m], side[m], index[m], node[m] = a.x[i], a.w[i], 1, i, a.node[i]
        i = i + 1
      else
        x[m], w[m], side[m], index[m], node[m] = b.x[j], b.w[j], 2, j, b.node[j]
        j = j + 1
      end
    end
  end

  -- What entries i of a and j of b are worth: the pair's value and EPSILON; nil if it may not be made.
  local function worth_at(i, j)
    if math.abs(a.x[i] - b.x[j]) > a.w[i] + b.w[j] + 2 * EPSILON then return nil end
    local value = value_of(i, j)
    return value and math.max(value, 0) + EPSILON
  end

  -- Of two nodes that both offer both sides: whether they were asked about, and whether the lower plays side 2.
  local asked, swapped = {}, {}
  -- What two entries' nodes are worth, by their places p and q, if that is not known yet; nil if it is, or if they may
  -- not be paired.
  local function worth_of(p, q)
    if side[p] == 2 then p, q = q, p end
    local i, j, u, v = index[p], index[q], node[p], node[q]
    if not (at_b[u] and at_a[v]) then return worth_at(i, j) end
    if u == v then return nil end
    if u > v then u, v = v, u end
    local key = u * (n + 1) + v
    if asked[key] then return nil end
    asked[key] = true
    local one, two = worth_at(at_a[u], at_b[v]), worth_at(at_a[v], at_b[u])
    swapped[key] = two and not (one and one >= two)
    return swapped[key] and two or one
  end

  -- Each entry is linked to the nearest it may be paired with: `enough` of them, if so many are within `window` entries
  -- of both sides. Where the heaps know the answer there is nothing to link.
  local window, enough = 64, n > 80 and 6 or 8
  if effort then window, enough = 24, 4 end
  -- sight: how many entries away each looks for others, on either side.
  local sight, refused, linked = {}, {}, not exact or duals
  if linked then
    local edges, held, order, seen, count = {}, {}, {}, {}, {}
    for v = 1, n do edges[v] = {} end
    for p = 1, m do
      count[p], sight[p] = 0, window
      local v = node[p]
      if not seen[v] then
        seen[v] = true
        order[#order + 1] = v
      end
    end
    for d = 1, math.min(window, m - 1) do
      for p = 1, m - d do
        local q = p + d
        if side[p] ~= side[q] and (d <= sight[p] or d <= sight[q]) and x[q] - x[p] <= w[p] + w[q] + 2 * EPSILON then
          local worth = worth_of(p, q)
          if worth then
            local u, v = node[p], node[q]
            local of_u, of_v = edges[u], edges[v]
            of_u[#of_u + 1], of_u[#of_u + 2] = v, worth
            of_v[#of_v + 1], of_v[#of_v + 2] = u, worth
            count[p], count[q] = count[p] + 1, count[q] + 1
            if count[p] == enough then sight[p] = d end
            if count[q] == enough then sight[q] = d end
          end
        end
      end
    end
    first_pairs(order, edges, held, mate)
    augment(n, edges, held, mate, effort)
  else
    local ones, twos = two_heaps(m, x, w, side)
    for k = 1, #ones do
      local p, q = ones[k], twos[k]
      -- Sums of many round otherwise than the rule does for one pair: the rule has the last word.
      if worth_of(p, q) then mate[node[p]], mate[node[q]] = node[q], node[p] else refused[p] = q end
    end
  end

  -- Who is still free may be paired with somebody further away, or with somebody who had enough without it. Of a part of
  -- a longer line that is left to the next one.
  local free, widest = { {}, {} }, 0
  for p = 1, effort and 0 or m do
    if not mate[node[p]] then
      local list = free[side[p]]
      list[#list + 1] = p
      if side[p] == 2 then widest = math.max(widest, w[p]) end
    end
  end
  for _, p in ipairs(free[1]) do
    local u, reach = node[p], w[p] + 2 * EPSILON
    for _, q in ipairs(free[2]) do
      local v, gap = node[q], x[q] - x[p]
      if mate[u] or gap > reach + widest then break end
      local d = math.abs(p - q)
      local is_known = linked and (d <= sight[p] or d <= sight[q]) or refused[p] == q
      if not mate[v] and not is_known and -gap <= reach + w[q] and worth_of(p, q) then mate[u], mate[v] = v, u end
    end
  end

  for u = 1, n do
    local v = mate[u]
    if v and u < v then
      local first = at_a[u] and at_b[v] and not swapped[u * (n + 1) + v]
      plays[u], plays[v] = first and 1 or 2, first and 2 or 1
    end
  end
end
