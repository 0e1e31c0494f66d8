-- What keeps one ticket waiting in one line: by the very functions that a pass asks.
--
-- Told of a line; moments are realm ms, a missing one is never, what says nothing is absent:
--   line, queue, rules      rules is their version
--   work                    work on the queue that is not done (lib/work): while it closes, nothing further is told
--   own                     true where passes make no matches: a function of the operator's proposes them. No rule
--                           binds it, so nothing is due, nothing is barred and nobody is the soonest
--   max_gap                 of the rules, in points
--   elsewhere               tickets in other classes of the queue
--   looks_ms                the ticket's certificate: a pass looks at it then
--   places                  for each of the ticket's places side, rating, deviation, gives (points it would give now),
--                           and how many it could play by the sides alone: in_reach of max_gap, below, beside, above
--   candidates              the nearest ones, by gap
--   soonest                 ticket of the one of them that falls due first
-- Told of a candidate: ticket, player, rating, gap, price, gives, waited_ms, value (of the pair now), and where the
-- queue has sides its side and the ticket's own_side; due_ms, the first moment, from now on, at which a pass may match
-- the two; and if that is not now, the first rule that keeps them apart, from_ms, the moment from which that rule lets
-- them pass, relax_ms, the wait after which both give it up, and met_ms, when they met last; and where that rule passes
-- but the pair is never due, bar, the first rule that never passes.

-- How many of the nearest below and above are asked who of them falls due first.
local ASKED = 32

-- A table of tables, texts, numbers and true as JSON; a double reads back as it was, which cjson's does not.
local function json_of(value)
  if type(value) == "number" then return number_text(value) end
  if type(value) ~= "table" then return cjson.encode(value) end
  local parts = {}
  if value[1] ~= nil or next(value) == nil then
    for i = 1, #value do parts[i] = json_of(value[i]) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for name, one in pairs(value) do parts[#parts + 1] = cjson.encode(name) .. ":" .. json_of(one) end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- Terms of a ticket that has none: it stands in the line of a queue without constraints.
local function terms_of_record(ticket, line)
  local packed = call("HGET", KEYS[4], ticket)
  return packed and plain_terms(line, ticket, packed) or nil
end

local function by_gap(one, other)
  if one.gap ~= other.gap then return one.gap < other.gap end
  if one.ticket ~= other.ticket then return one.ticket < other.ticket end
  return (one.side or "") < (other.side or "")
end

-- What a candidate is told of the rule that keeps it away.
local function detail(one, c, a, b)
  local kind, name = string.match(one.rule, "^([^.]+)%.?(.*)$")
  local relax = kind == "rematch" and c.rematch.relax_after_ms
  if kind == "any_of" or kind == "range" then relax = c[kind][name] end
  if relax and relax >= 0 then one.relax_ms = relax end
  if kind ~= "rematch" then return end
  for _, two in ipairs({ { a.met or {}, b.player }, { b.met or {}, a.player } }) do
    local met = two[1]
    for i = 1, #met, 2 do
      if met[i] == two[2] then one.met_ms = math.max(one.met_ms or 0, met[i + 1]) end
    end
  end
end

-- The first rule that never lets a pair pass which is never due.
local function never_passes(bars, gap, widest)
  for _, bar in ipairs(bars) do
    if bar[2] == math.huge then return bar[1] end
  end
  return gap > widest and "max_gap" or "value"
end

-- Who can play the ticket at one of its places, nearest first on either side: standings, below and above.
local function neighbours(view, place, ticket)
  local found = {}
  -- A look finds one more than asked: the ticket may be among them.
  local below, above = view.nearest(place, ASKED, math.huge)
  for side, list in ipairs({ below, above }) do
    local tickets, standings = {}, {}
    for i = 1, #list, 2 do tickets[#tickets + 1] = list[i] end
    view.learn(tickets)
    for _, other in ipairs(tickets) do
      if other ~= ticket and view.of(other) and #standings < ASKED then standings[#standings + 1] = view.of(other) end
    end
    found[side] = standings
  end
  return found
end

local function place_told(view, t, place, widest, gives)
  local side = place[2] == 0 and 0 or 3 - place[2]
  -- Where the ticket itself is among those counted: in a line without sides, and if it offers both.
  local key, x, self = view.key_for(side), place[3], t.place[side] and t.place[side][3]
  local low, high = x - widest, x + widest
  local function count(from, to, holds) return call("ZCOUNT", key, from, to) - (self and holds and 1 or 0) end
  local at = number_text(x)
  return {
    side = place[6] ~= "" and place[6] or nil, rating = x, gives = gives, deviation = place[4] > 0 and place[4] or nil,
    in_reach = count(number_text(low), number_text(high), self and self >= low and self <= high),
    below = count("-inf", "(" .. at, self and self < x), beside = count(at, at, self == x),
    above = count("(" .. at, "+inf", self and self > x),
  }
end

-- Answers what the line looks like to the ticket, as a table for JSON; `most` candidates below and above each place.
local function explain_in(realm, line, rules, work, ticket, most)
  local now = realm.now
  rules.constraints = rules.constraints or {}
  local c = rules.constraints
  local told = {
    line = line, candidates = {}, places = {}, work = work or nil, own = c.own, max_gap = rules.max_gap,
    looks_ms = tonumber(call("ZSCORE", key_of("due:" .. line), ticket) or nil),
  }
  -- Its places may be none of the rules' that hold now.
  if work == "closing" or work == "reshape" then return told end
  local allows = pair_rules(rules)
  local moments = pair_moments(rules, allows)
  local view = line_view(realm, line, rules, allows, moments, terms_of_record)
  local t = view.standing(ticket)

  local function candidate(place, other)
    local theirs = other.place[place[2] == 0 and 0 or 3 - place[2]]
    local gap, price = math.abs(place[3] - theirs[3]), allows.price(t, other, now)
    local gives = moments.points(other, theirs, now)
    local one = {
      ticket = other.ticket, player = other.player, rating = theirs[3], gap = gap, price = price, gives = gives,
      value = moments.points(t, place, now) + gives - gap - price, waited_ms = now - other.since,
    }
    if place[6] ~= "" then one.own_side, one.side = place[6], theirs[6] end
    if c.own then return one end
    one.due_ms = moments.due_of(t, place, other, theirs, now)
    local bars = allows.bars(t, other)
    for _, bar in ipairs(bars) do
      if bar[2] > now then
        one.rule, one.from_ms = bar[1], bar[2] < math.huge and bar[2] or nil
        detail(one, c, t, other)
        break
      end
    end
    if not one.rule and gap > moments.widest then one.rule = "max_gap" end
    if one.from_ms and not one.due_ms then one.bar = never_passes(bars, gap, moments.widest) end
    if not one.rule and one.due_ms ~= now then one.rule, one.from_ms = "value", one.due_ms end
    return one
  end

  local soonest
  local function add(one) told.candidates[#told.candidates + 1] = one end
  for _, place in ipairs(t.at) do
    if place[1] == line then
      told.places[#told.places + 1] = place_told(view, t, place, moments.widest, moments.points(t, place, now))
      for _, standings in ipairs(neighbours(view, place, ticket)) do
        for i, other in ipairs(standings) do
          local one = candidate(place, other)
          one.near = i <= most or nil
          if one.near then add(one) end
          local sooner = one.due_ms and (not soonest or one.due_ms < soonest.due_ms)
          if sooner or (soonest and one.due_ms == soonest.due_ms and by_gap(one, soonest)) then soonest = one end
        end
      end
    end
  end
  if soonest and not soonest.near then add(soonest) end
  for _, one in ipairs(told.candidates) do one.near = nil end
  told.soonest = soonest and soonest.ticket
  table.sort(told.candidates, by_gap)
  return told
end
