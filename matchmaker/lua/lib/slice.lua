-- A slice: a stretch of the line, read once, matched, committed, and its certificates renewed.

-- Places looked at around one due ticket: a few when the line is at rest around it, else as many as a dense line needs
-- for its best matching to settle in the middle.
local NARROW, WIDE = 6, 64
-- Next to an end that cuts through due pairs, so many places are left to the next slice.
local MARGIN = 8

-- Reads places from..to of the line: arrays id, x, w, since, dev (1-based), packed records beside them.
local function read_slice(realm, w, from, to)
  local ids = call("ZRANGE", KEYS[12], from, to)
  local s = { from = from, n = #ids, id = ids, x = {}, w = {}, since = {}, dev = {}, packed = {} }
  if #ids == 0 then return s end
  local packed = call("HMGET", KEYS[4], unpack(ids))
  local read, at, now = struct.unpack, w.at, realm.now
  for i = 1, #ids do
    local x, since, dev = read("<ddd", packed[i])
    s.x[i], s.since[i], s.dev[i], s.packed[i] = x, since, dev, packed[i]
    s.w[i] = at(now - since, dev)
  end
  return s
end

-- Whether place `edge` is due with any other place of the slice. When it is not, and its outer neighbours are at rest,
-- no pair across it is due: for a further place a, value(a, b) >= 0 would force value(edge, b) > 0 (add up the
-- neighbours' inequalities between them).
local function edge_at_rest(s, edge, allowed)
  local x, w = s.x, s.w
  for i = 1, s.n do
    if i ~= edge and allowed(math.abs(x[i] - x[edge]), w[i], w[edge]) then return false end
  end
  return true
end

-- Chooses how much to read around `rank` in a line of `size` places. Answers the slice; s.open_left / s.open_right say
-- that due pairs cross that end. An end of the line itself is never open; any other end is a guard that only lends its
-- numbers.
local function read_around(realm, w, allowed, rank, size, narrow)
  local s
  for _, half in ipairs({ narrow, WIDE }) do
    local from, to = math.max(0, rank - half), math.min(size - 1, rank + half)
    s = read_slice(realm, w, from, to)
    s.guard_left, s.guard_right = from > 0, to < size - 1
    s.open_left = s.guard_left and not edge_at_rest(s, 1, allowed)
    s.open_right = s.guard_right and not edge_at_rest(s, s.n, allowed)
    s.place = rank - from + 1
    if not s.open_left and not s.open_right then return s end
  end
  return s
end

-- Pairs the slice. Answers mate without the pairs that lie in a margin altogether.
local function match_slice(s, rules, allowed)
  local first = s.guard_left and 2 or 1
  local last = s.guard_right and s.n - 1 or s.n
  local mate = {}
  if rules.accept == "sum" then
    sweep_sum(s.x, s.w, first, last, rules.max_gap, mate)
  else
    sweep_gated(s.x, s.w, first, last, allowed, mate)
  end
  local inner_first = s.open_left and first + MARGIN or first
  local inner_last = s.open_right and last - MARGIN or last
  for i = first, last do
    local j = mate[i]
    if j and j > i and (j < inner_first or i > inner_last) then mate[i], mate[j] = nil, nil end
  end
  return mate
end

-- Renews the certificates of the places that stay. `touched(i)` says whether place i needs it: its right neighbour
-- changed, or it was due. A right guard keeps its own: what follows it was not read.
local function renew(s, mate, rules, w, due_at, now, touched)
  local renewed, at_rest = {}, {}
  local right, behind = nil, {} -- the nearest staying place to the right; for "both" up to LOOK_BACK of them
  for i = s.n, 1, -1 do
    if not mate[i] then
      local guard = i == s.n and s.guard_right
      if not guard and touched(i) then
        local at
        if rules.accept == "both" then
          -- Any pair of i needs w(i) >= gap, so past the places looked at, the moment i reaches them bounds the rest.
          for k = #behind, math.max(1, #behind - LOOK_BACK + 1), -1 do
            local j = behind[k]
            local due = due_at(s.x[j] - s.x[i], s.since[i], s.dev[i], s.since[j], s.dev[j], now)
            if due and (not at or due < at) then at = due end
          end
          if #behind > 0 and (#behind >= LOOK_BACK or s.guard_right) then
            local gap = s.x[behind[math.max(1, #behind - LOOK_BACK + 1)]] - s.x[i]
            local reached = gap <= rules.max_gap and w.reach(gap, s.since[i], s.dev[i])
            if reached and reached > now and (not at or reached < at) then at = reached end
          end
        elseif right then
          at = due_at(s.x[right] - s.x[i], s.since[i], s.dev[i], s.since[right], s.dev[right], now)
        end
        if at then
          renewed[#renewed + 1] = whole(at)
          renewed[#renewed + 1] = s.id[i]
        else
          at_rest[#at_rest + 1] = s.id[i]
        end
      end
      right = i
      behind[#behind + 1] = i
    end
  end
  if #renewed > 0 then call("ZADD", KEYS[13], unpack(renewed)) end
  if #at_rest > 0 then call("ZREM", KEYS[13], unpack(at_rest)) end
end
