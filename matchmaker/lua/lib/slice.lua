-- A slice: a stretch of the line, read once, matched, committed, and its certificates renewed (lib/certificates).

-- Reads places from..to of the line: arrays id, packed, x, w, since, dev, 1-based.
local function read_slice(from, to, size, now, willing)
  local ids = call("ZRANGE", KEYS[12], from, to)
  local n = #ids
  local packed = call("HMGET", KEYS[4], unpack(ids))
  local x, w, since, dev = { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, { 0, 0, 0, 0 }
  local read, termed = struct.unpack, {}
  for i = 1, n do
    local rating, enqueued, deviation = read("<ddd", packed[i])
    if deviation < 0 then
      -- It has terms, and perhaps another rating and deviation in another queue.
      termed[i] = true
      for _, place in ipairs((read_terms(ids[i]) or {}).at or {}) do
        if key_of_place(place) == KEYS[12] then rating, deviation = place[3], place[4] end
      end
      if deviation < 0 then deviation = -1 - deviation end
    end
    x[i], since[i], dev[i] = rating, enqueued, deviation
    w[i] = willing(now - enqueued, deviation)
  end
  return {
    from = from, n = n, id = ids, packed = packed, x = x, w = w, since = since, dev = dev, termed = termed,
    -- An end of the line is an end; any other end of a slice is a guard that only lends its numbers.
    guard_left = from > 0, guard_right = from + n < size, open_left = false, open_right = false,
  }
end

-- Whether two neighbours are due. Under "sum" and "either", when none are, no two places are: add up the neighbours'
-- inequalities between them (w >= 0, and max_gap is the queue's).
local function has_due_neighbours(s, is_due)
  local x, w = s.x, s.w
  for i = 1, s.n - 1 do
    if is_due(x[i + 1] - x[i], w[i], w[i + 1]) then return true end
  end
  return false
end

-- Whether place `edge` is due with any other place of the slice. When it is not, and its outer neighbours are at rest,
-- no pair across it is due: for a further place a, value(a, b) >= 0 would force value(edge, b) > 0, by the same sum.
local function is_open(s, edge, is_due)
  local x, w = s.x, s.w
  for i = 1, s.n do
    if i ~= edge and is_due(math.abs(x[i] - x[edge]), w[i], w[edge]) then return true end
  end
  return false
end

-- Pairs the slice into mate[i] = j. Next to an end that cuts through due pairs, pairs that lie in the margin altogether
-- are left to the next slice.
local function match_slice(s, rules, is_due)
  local margin = 8
  local first = s.guard_left and 2 or 1
  local last = s.guard_right and s.n - 1 or s.n
  local mate = {}
  if rules.accept == "sum" then
    sweep_sum(s.x, s.w, first, last, rules.max_gap, mate)
  else
    sweep_gated(s.x, s.w, first, last, is_due, mate)
  end
  -- Sums of many round otherwise than the rule does for one pair. The rule has the last word: what is paired is due,
  -- and no neighbours are left that are, for they would be looked at for ever.
  local x, w, free = s.x, s.w, nil
  for i = first, last do
    local j = mate[i]
    if j and j > i and not is_due(x[j] - x[i], w[i], w[j]) then mate[i], mate[j] = nil, nil end
    if not mate[i] then
      if free and is_due(x[i] - x[free], w[free], w[i]) then
        mate[free], mate[i], free = i, free, nil
      else
        free = i
      end
    end
  end
  local inner_first = s.open_left and first + margin or first
  local inner_last = s.open_right and last - margin or last
  if inner_first > first or inner_last < last then
    for i = first, last do
      local j = mate[i]
      if j and j > i and (j < inner_first or i > inner_last) then mate[i], mate[j] = nil, nil end
    end
  end
  return mate
end
