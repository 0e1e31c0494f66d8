-- Which places a ticket takes in its queues, and the terms that are kept of it.

-- The values of a set, sorted and joined.
local function joined_set(values)
  if type(values) ~= "table" then return values end
  local copy = { unpack(values) }
  table.sort(copy)
  return table.concat(copy, "\0")
end

local function listed(list)
  return #list > 0 and table.concat(list, ", ") or nil
end

-- Answers a function for tickets that wait in `queues` under `rules` (by queue): fit(t) answers the terms, or nil, the
-- field at fault and its bound, or nil, "rating", queue when the ticket brings no rating for that queue.
local function fitter(queues, rules, now)
  local NOTHING = "nothing: no queue of the ticket has a rule for it"

  -- What at least one of the queues has a rule for, by member of a ticket.
  local known = { ratings = {}, sides = {}, attributes = {}, accepts = {}, vetoes = {} }
  local wants_pings, wants_region, most_avoided = false, false, nil
  for _, queue in ipairs(queues) do
    local c = rules[queue].constraints or {}
    for _, side in ipairs(c.sides or {}) do known.sides[side] = true end
    if not c.sides then known.ratings[queue] = true end
    for _, name in ipairs(c.same or {}) do known.attributes[name] = true end
    for name in pairs(c.any_of or {}) do known.attributes[name] = true end
    for name in pairs(c.range or {}) do known.attributes[name], known.accepts[name] = true, true end
    for name in pairs(c.distance or {}) do known.attributes[name] = true end
    for name in pairs(c.pool or {}) do known.vetoes[name] = true end
    wants_pings, wants_region = wants_pings or c.latency ~= nil, wants_region or c.servers ~= nil
    if c.avoid then most_avoided = math.min(most_avoided or math.huge, c.avoid) end
  end

  local function unknown(t)
    for _, member in ipairs({ "ratings", "sides", "attributes", "accepts", "vetoes" }) do
      local names = {}
      for name in pairs(t[member] or {}) do names[#names + 1] = name end
      table.sort(names)
      for _, name in ipairs(names) do
        if not known[member][name] then
          local all = {}
          for one in pairs(known[member]) do all[#all + 1] = one end
          table.sort(all)
          return member .. "." .. name, listed(all) and "one of: " .. listed(all) or NOTHING
        end
      end
    end
    if t.pings and not wants_pings then return "pings", NOTHING end
    if t.region and not wants_region then return "region", NOTHING end
    if t.avoid and not most_avoided then return "avoid", NOTHING end
    if t.avoid and #t.avoid > most_avoided then return "avoid", "at most " .. most_avoided .. " players" end
  end

  local function contains(list, wanted)
    for _, one in ipairs(list) do
      if one == wanted then return true end
    end
  end

  local function sided(t, queue, line, c, at)
    for k, side in ipairs(c.sides) do
      local offer = t.sides and t.sides[side]
      if offer then
        local choices = c.choices and c.choices[side]
        if choices and offer.choice and not contains(choices, offer.choice) then
          return "sides." .. side .. ".choice", "one of: " .. listed(choices)
        end
        at[#at + 1] = { line, k, offer.rating, offer.deviation or 0, offer.choice or "", side }
      end
    end
    if at[#at] == nil or at[#at][1] ~= line then return "sides", "one or both of: " .. listed(c.sides) end
  end

  local function demands(t, c, terms)
    for name in pairs(c.any_of or {}) do
      local value = t.attributes and t.attributes[name]
      if type(value) ~= "string" and type(value) ~= "table" then
        return "attributes." .. name, "a text or a list of texts"
      end
      terms.sets = terms.sets or {}
      terms.sets[name] = joined_set(value)
    end
    for _, kind in ipairs({ "range", "distance" }) do
      for name in pairs(c[kind] or {}) do
        local value = t.attributes and t.attributes[name]
        if type(value) ~= "number" then return "attributes." .. name, "a number, -1000000000 to 1000000000" end
        terms.numbers = terms.numbers or {}
        terms.numbers[name] = value
      end
    end
    if c.latency and not (t.pings and next(t.pings)) then return "pings", "an object: region -> ms, 1 to 16 of them" end
    if c.servers and not (t.region and c.servers[t.region]) then
      local regions = {}
      for region in pairs(c.servers) do regions[#regions + 1] = region end
      table.sort(regions)
      return "region", "one of: " .. listed(regions)
    end
    for pool, names in pairs(c.pool or {}) do
      local vetoes = t.vetoes and t.vetoes[pool]
      if vetoes and #vetoes > c.vetoes[pool] then return "vetoes." .. pool, "at most " .. c.vetoes[pool] .. " names" end
      for i, name in ipairs(vetoes or {}) do
        if not contains(names, name) then return "vetoes." .. pool .. "[" .. i .. "]", "one of: " .. listed(names) end
      end
      if vetoes and #vetoes > 0 then
        terms.vetoes = terms.vetoes or {}
        terms.vetoes[pool] = joined_set(vetoes)
      end
    end
  end

  return function(t)
    local field, bound = unknown(t)
    if field then return nil, field, bound end
    local terms = { since = now, player = t.player, at = {}, accepts = t.accepts, pings = t.pings, region = t.region }
    if t.avoid and #t.avoid > 0 then terms.avoid = t.avoid end
    if t.data then terms.tail = ',"data":' .. cjson.encode(t.data) end
    for _, queue in ipairs(queues) do
      local c, line = rules[queue].constraints or {}, queue
      for i, name in ipairs(c.same or {}) do
        local value = t.attributes and t.attributes[name]
        if type(value) ~= "string" or #value > 32 or not string.find(value, "^[%w._:+-]+$") then
          return nil, "attributes." .. name, "one text of 1 to 32 of A-Z a-z 0-9 . _ : + -"
        end
        line = line .. (i == 1 and "=" or ",") .. value
      end
      if c.sides then
        field, bound = sided(t, queue, line, c, terms.at)
      else
        local rated = t.ratings and t.ratings[queue] or t
        if not rated.rating then return nil, "rating", queue end
        terms.at[#terms.at + 1] = { line, 0, rated.rating, rated.deviation or 0, "", "" }
      end
      if not field then field, bound = demands(t, c, terms) end
      if field then return nil, field, bound end
    end
    return terms
  end
end

-- Answers the terms of each ticket that has any, by its number; or nil and the reply that refuses the call. `termed`: the
-- queues ask for some of everybody. A ticket without the rating it needs says so in `unrated`, the queue.
local function fit_all(tickets, is_new, termed, queues, rules_of, now)
  local fit, found = nil, {}
  for n, t in ipairs(tickets) do
    if is_new(n) and (termed or has_terms(t)) then
      fit = fit or fitter(queues, rules_of, now)
      local terms, field, bound = fit(t)
      if terms then
        found[n] = termed and terms or nil
        -- In one queue events tell the rating at which the ticket stands there; in several, that for all without their own.
        local place = terms.at[1]
        if #queues == 1 or not t.rating then
          t.rating = place[3]
          if place[4] ~= (t.deviation or 0) then t.deviation = place[4] > 0 and place[4] or nil end
        end
      elseif field == "rating" then
        t.unrated = bound
      else
        return nil, { "invalid", "tickets[" .. n .. "]." .. field, bound }
      end
    end
  end
  return found
end
