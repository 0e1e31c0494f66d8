-- Which pairs of tickets a queue with constraints allows, from when on, and at what price. A rule reads the pair the same
-- way from both ends, and what it allows once it allows for ever: a pair therefore has one moment from which it may be
-- made. `matchmaker/compatibility.py` says the same a second time, and the tests hold one against the other.
--
-- A standing is one ticket in the line: its terms (see lib/terms), with `ticket`, and `place`, by side, its places in
-- the line. What a ticket does not bring (it came under older rules) binds nobody.

-- Answers
--   open_from(a, b)           the first realm ms at which every rule lets the two pass, or nil for never
--   price(a, b, now)          points that the pair costs beyond its gap
--   left_in(pool, a, b)       names of the pool that neither of them vetoed, in the rules' order
--   region_for(a, b, now)     region of the least worst ping, and that ping; nil without pings
--   bears_from(t, ping)       the first realm ms at which the ticket's limit has widened to a ping; math.huge for never
--   bars(a, b)                every rule that does not hold for ever, as { name, the moment from which it lets the two
--                             pass, math.huge for never }, in the order in which they are asked
local function pair_rules(rules)
  local c = rules.constraints
  local max, huge = math.max, math.huge
  local sets, ranges, distances = {}, {}, {}
  for name, relax in pairs(c.any_of or {}) do sets[#sets + 1] = { name, relax } end
  for name, relax in pairs(c.range or {}) do ranges[#ranges + 1] = { name, relax } end
  for name, d in pairs(c.distance or {}) do distances[#distances + 1] = { name, d.points_per_unit, d.relax_after_ms } end
  for _, list in ipairs({ sets, ranges, distances }) do
    table.sort(list, function(one, other) return one[1] < other[1] end)
  end
  local latency, servers, rematch = c.latency, c.servers, c.rematch
  local pools = {}
  for name in pairs(c.pool or {}) do pools[#pools + 1] = name end
  table.sort(pools)

  local checks = pair_checks(rules)
  local sets_open, accepted_from, latency_open = checks.sets_open, checks.accepted_from, checks.latency_open
  local rematch_open, both_waited, bears_from = checks.rematch_open, checks.both_waited, checks.bears_from
  local is_emptied, avoided, served = checks.is_emptied, checks.avoided, checks.served
  local n_sets, n_ranges, n_distances, n_pools, has_avoid = #sets, #ranges, #distances, #pools, c.avoid ~= nil

  local function open_from(a, b)
    local from = 0
    for i = 1, n_sets do
      local at = sets_open(a, b, sets[i][1], sets[i][2])
      if at == huge then return nil end
      if at > from then from = at end
    end
    for i = 1, n_ranges do
      local name, relax = ranges[i][1], ranges[i][2]
      local at = max(accepted_from(a, b, name, relax), accepted_from(b, a, name, relax))
      if at == huge then return nil end
      if at > from then from = at end
    end
    if latency then
      local at = latency_open(a, b)
      if at == huge then return nil end
      if at > from then from = at end
    end
    if servers and not served(a, b) then return nil end
    for i = 1, n_pools do
      if is_emptied(pools[i], a, b) then return nil end
    end
    if has_avoid and avoided(a, b) then return nil end
    if rematch and (a.met or b.met) then
      local at = rematch_open(a, b)
      if at > from then from = at end
    end
    return from
  end

  local function bars(a, b)
    local found = {}
    local function bar(name, at)
      if at > 0 then found[#found + 1] = { name, at } end
    end
    for _, set in ipairs(sets) do bar("any_of." .. set[1], sets_open(a, b, set[1], set[2])) end
    for _, range in ipairs(ranges) do
      local name, relax = range[1], range[2]
      bar("range." .. name, max(accepted_from(a, b, name, relax), accepted_from(b, a, name, relax)))
    end
    if latency then bar("latency", latency_open(a, b)) end
    if servers and not served(a, b) then bar("servers", huge) end
    for _, pool in ipairs(pools) do
      if is_emptied(pool, a, b) then bar("pool." .. pool, huge) end
    end
    if has_avoid and avoided(a, b) then bar("avoid", huge) end
    if rematch then bar("rematch", rematch_open(a, b)) end
    return found
  end

  -- The prices of a pair, each with the moment from which it is gone.
  local function prices(a, b)
    local found = {}
    for i = 1, n_distances do
      local d = distances[i]
      local one, other = a.numbers and a.numbers[d[1]], b.numbers and b.numbers[d[1]]
      if one and other and one ~= other then
        found[#found + 1] = { d[2] * math.abs(one - other), both_waited(a, b, d[3]) }
      end
    end
    return found
  end

  local function price(a, b, now)
    if n_distances == 0 then return 0 end
    local points = 0
    for _, one in ipairs(prices(a, b)) do
      if one[2] > now then points = points + one[1] end
    end
    return points
  end

  local function region_for(a, b, now)
    if not latency or not a.pings or not b.pings then return nil end
    local best, worst
    for region, ping in pairs(a.pings) do
      local other = b.pings[region]
      if other and bears_from(a, ping) <= now and bears_from(b, other) <= now then
        local one = max(ping, other)
        if not worst or one < worst or (one == worst and region < best) then best, worst = region, one end
      end
    end
    return best, worst
  end

  return {
    open_from = open_from, prices = n_distances > 0 and prices or nil, price = price, left_in = checks.left_in,
    pools = pools, bears_from = bears_from,
    region_for = region_for, bars = bars,
    -- Whether anything but the gap and the sides can stand between two tickets.
    forbids = n_sets + n_ranges + n_distances + n_pools > 0 or latency ~= nil or servers ~= nil or has_avoid
      or rematch ~= nil,
  }
end
