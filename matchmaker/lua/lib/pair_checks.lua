-- The single rules of a queue with constraints: each answers the moment from which it lets a pair pass, 0 for always,
-- math.huge for never. lib/compatible asks them in order.

-- Answers the functions below by name, for standings a and b (see lib/compatible):
--   sets_open(a, b, name, relax), accepted_from(a, b, name, relax), latency_open(a, b), rematch_open(a, b)
--   both_waited(a, b, relax)  the moment at which both have waited so long
--   bears_from(t, ping)       the first ms at which the ticket's limit has widened to a ping
--   left_in(pool, a, b)       names that neither vetoed, in the rules' order; is_emptied: whether that is none
--   avoided(a, b), served(a, b)
local function pair_checks(rules)
  local c = rules.constraints
  local max, min, huge = math.max, math.min, math.huge
  local latency, servers, rematch = c.latency, c.servers, c.rematch

  local function both_waited(a, b, relax) return relax < 0 and huge or max(a.since, b.since) + relax end

  -- Sets are few and come again and again: whether two of them meet is worked out once.
  local meeting = {}
  local function meet(one, other)
    if one == other then return true end
    local row = meeting[one]
    if not row then
      row = {}
      meeting[one] = row
    end
    local known = row[other]
    if known == nil then
      known = false
      for value in string.gmatch(one, "%Z+") do
        if string.find("\0" .. other .. "\0", "\0" .. value .. "\0", 1, true) then known = true end
      end
      row[other] = known
    end
    return known
  end

  local function sets_open(a, b, name, relax)
    local one, other = a.sets and a.sets[name], b.sets and b.sets[name]
    if not one or not other or meet(one, other) then return 0 end
    return both_waited(a, b, relax)
  end

  local function accepted_from(a, b, name, relax)
    local span, number = a.accepts and a.accepts[name], b.numbers and b.numbers[name]
    if not span or not number or (number >= span[1] and number <= span[2]) then return 0 end
    return relax < 0 and huge or a.since + relax
  end

  -- The first ms at which a ticket's limit has widened to `ping`.
  local function bears_from(t, ping)
    if ping <= latency.limit_ms then return 0 end
    if ping > latency.most_ms or latency.widen_ms_per_second <= 0 then return huge end
    local at = t.since + math.ceil(1000 * (ping - latency.limit_ms) / latency.widen_ms_per_second)
    return at <= HORIZON_MS and at or huge
  end

  local function latency_open(a, b)
    if not a.pings or not b.pings then return 0 end
    local first = huge
    for region, ping in pairs(a.pings) do
      local other = b.pings[region]
      if other then first = min(first, max(bears_from(a, ping), bears_from(b, other))) end
    end
    return first
  end

  local function left_in(pool, a, b)
    local one = a.vetoes and a.vetoes[pool]
    local other = b.vetoes and b.vetoes[pool]
    if not one and not other then return c.pool[pool] end
    local gone, left = "\0" .. (one or "") .. "\0" .. (other or "") .. "\0", {}
    for _, name in ipairs(c.pool[pool]) do
      if not string.find(gone, "\0" .. name .. "\0", 1, true) then left[#left + 1] = name end
    end
    return left
  end

  local emptied = {}
  local function is_emptied(pool, a, b)
    local one, other = a.vetoes and a.vetoes[pool], b.vetoes and b.vetoes[pool]
    if not one and not other then return false end
    local key = pool .. "\1" .. (one or "") .. "\1" .. (other or "")
    if emptied[key] == nil then emptied[key] = #left_in(pool, a, b) == 0 end
    return emptied[key]
  end

  local function avoids(a, b)
    for _, player in ipairs(a.avoid or {}) do
      if player == b.player then return true end
    end
    return false
  end

  local function met_at(a, b)
    local at
    for i = 1, a.met and #a.met or 0, 2 do
      if a.met[i] == b.player then at = max(at or 0, a.met[i + 1]) end
    end
    return at
  end

  local function rematch_open(a, b)
    local at = a.met and met_at(a, b)
    local other = b.met and met_at(b, a)
    at = at and other and max(at, other) or at or other
    if not at then return 0 end
    return min(at + rematch.after_ms, both_waited(a, b, rematch.relax_after_ms))
  end

  local function served(a, b)
    return not a.region or not b.region or (servers[a.region] or {})[b.region] ~= nil
  end

  local function avoided(a, b) return a.avoid and avoids(a, b) or b.avoid and avoids(b, a) end

  return {
    sets_open = sets_open, accepted_from = accepted_from, latency_open = latency_open, rematch_open = rematch_open,
    both_waited = both_waited, bears_from = bears_from, left_in = left_in, is_emptied = is_emptied, avoided = avoided,
    served = served,
  }
end
