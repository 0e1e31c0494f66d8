-- Whether a pair's rules all hold at this moment: what lib/compatible's `open_from` says, made cheap for a slice, where it
-- is asked of every pair. Sets that have to meet become masks of bits, worked out once a ticket: values of any_of, regions
-- that are near enough by now, names of a pool that are left. One bit more stands for "waited long enough".

-- Answers open_now(a, b). A ticket that cannot be said in bits (over 30 values at once) is asked about the long way.
local function open_now_of(rules, allows, now)
  local c, band, bor, lshift = rules.constraints, bit.band, bit.bor, bit.lshift
  local WAITED, MOST_BITS = lshift(1, 30), 30
  local attributes, ranges, pools = {}, {}, allows.pools
  for name, relax in pairs(c.any_of or {}) do attributes[#attributes + 1] = { name, relax } end
  for name, relax in pairs(c.range or {}) do ranges[#ranges + 1] = { name, relax } end
  local n_masks = #attributes + #pools + (c.latency and 1 or 0)
  local n_ranges, servers, rematch = #ranges, c.servers, c.rematch

  -- A number for each value of one kind, in the order in which they come; nil when there are too many.
  local function numberer()
    local known, n = {}, 0
    return function(value)
      local number = known[value]
      if not number and n < MOST_BITS then
        number, n = n, n + 1
        known[value] = number
      end
      return number
    end
  end
  local number_of = {}
  for k = 1, n_masks do number_of[k] = numberer() end

  local function waited(t, relax) return relax >= 0 and now >= t.since + relax end

  local function mask_of_texts(k, text)
    local mask = 0
    for value in string.gmatch(text, "%Z+") do
      local number = number_of[k](value)
      if not number then return nil end
      mask = bor(mask, lshift(1, number))
    end
    return mask
  end

  local function mask_of_regions(k, t)
    local mask = 0
    for region, ping in pairs(t.pings) do
      if allows.bears_from(t, ping) <= now then
        local number = number_of[k](region)
        if not number then return nil end
        mask = bor(mask, lshift(1, number))
      end
    end
    return mask
  end

  local function mask_of_pool(k, pool, vetoes)
    local gone, mask = "\0" .. vetoes .. "\0", 0
    for _, name in ipairs(c.pool[pool]) do
      if not string.find(gone, "\0" .. name .. "\0", 1, true) then
        local number = number_of[k](name)
        if not number then return nil end
        mask = bor(mask, lshift(1, number))
      end
    end
    return mask
  end

  local function prepare(t)
    local masks, k, all = {}, 0, -1
    for _, attribute in ipairs(attributes) do
      k = k + 1
      local set = t.sets and t.sets[attribute[1]]
      masks[k] = not set and all or mask_of_texts(k, set)
      if masks[k] and waited(t, attribute[2]) then masks[k] = bor(masks[k], WAITED) end
    end
    for _, pool in ipairs(pools) do
      k = k + 1
      local vetoes = t.vetoes and t.vetoes[pool]
      masks[k] = vetoes and mask_of_pool(k, pool, vetoes) or not vetoes and all or nil
    end
    if c.latency then
      k = k + 1
      masks[k] = t.pings and mask_of_regions(k, t) or not t.pings and all or nil
    end
    local cheap = true
    for i = 1, n_masks do cheap = cheap and masks[i] ~= nil end
    if t.avoid then
      t.avoided = {}
      for _, player in ipairs(t.avoid) do t.avoided[player] = true end
    end
    t.masks = cheap and masks or false
  end

  local function accepted(a, b)
    for i = 1, n_ranges do
      local name = ranges[i][1]
      local span, number = a.accepts and a.accepts[name], b.numbers and b.numbers[name]
      if span and number and (number < span[1] or number > span[2]) and not waited(a, ranges[i][2]) then return false end
    end
    return true
  end

  return function(a, b)
    if a.masks == nil then prepare(a) end
    if b.masks == nil then prepare(b) end
    local one, other = a.masks, b.masks
    if not one or not other or (rematch and (a.met or b.met)) then
      local from = allows.open_from(a, b)
      return from ~= nil and from <= now
    end
    for k = 1, n_masks do
      if band(one[k], other[k]) == 0 then return false end
    end
    if a.avoided and a.avoided[b.player] or b.avoided and b.avoided[a.player] then return false end
    if n_ranges > 0 and not (accepted(a, b) and accepted(b, a)) then return false end
    return not servers or not a.region or not b.region or (servers[a.region] or {})[b.region] ~= nil
  end
end
