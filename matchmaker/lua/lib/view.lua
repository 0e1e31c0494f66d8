-- What one ticket of a line with constraints sees, and its certificate.
--
-- A certificate here is no later than the first moment at which its ticket is due with anybody who stood in the line when
-- it was made. So of every pair at least one certificate is early enough: that of whoever was looked at last, and a
-- ticket that nobody has looked at since it came is due at once. Tickets that leave only take pairs away.
--
-- Looked at are the nearest places, and if those leave open whether somebody further away is due soon, the tickets that
-- have waited longest and more of the nearest. Who is not seen is at least so far away, and came no sooner than the first
-- of those: that bounds when it can fall due.

-- `of_record` makes terms of a ticket that has none, for lines where that may be (without: it left). Answers
--   standing(ticket)     of this line, or nil when it left
--   forget(ticket)       it left within this call
--   nearest(place, k, reach)
--                        at most k + 1 places below and as many above it among those it may be matched with, as ticket
--                        and rating, alternating, at most `reach` away (max_gap, if not given); and the distance of
--                        the first that is beyond k, or nil
--   look(t)              t's next moment, or nil for never; places looked at; and, where the moment is now, a standing
--                        that it is due with and the side t would play
local function line_view(realm, line, rules, allows, moments, of_record)
  local now, widest = realm.now, moments.widest
  local sides, abs = rules.constraints.sides, math.abs
  local ages = key_of("ages:" .. line)
  local STEPS, OLDEST, ANYWHERE, SOON_MS, PAUSE_MS = { 12, 48, 160 }, 32, 64, 2000, 1000
  local known, old = {}, nil
  local highest = tonumber(call("HGET", KEYS[1], "deviation:" .. line) or 0)

  local function key_for(side) return key_of("line:" .. line .. (sides and ":" .. sides[side] or "")) end

  local function make(ticket, packed)
    local t = packed and cmsgpack.unpack(packed) or of_record and of_record(ticket, line)
    if not t then return false end
    t.ticket, t.place = ticket, {}
    for _, place in ipairs(t.at) do
      if place[1] == line then t.place[place[2]] = place end
    end
    return t
  end

  -- Reads those of the tickets that are not known yet.
  local function learn(tickets)
    local new = {}
    for i = 1, #tickets do
      if known[tickets[i]] == nil then
        new[#new + 1] = tickets[i]
        known[tickets[i]] = false
      end
    end
    if #new == 0 then return end
    local packed = call("HMGET", key_of("terms"), unpack(new))
    for i = 1, #new do known[new[i]] = make(new[i], packed[i]) end
  end

  local function standing(ticket)
    learn({ ticket })
    return known[ticket]
  end

  local function nearest(place, k, reach)
    reach = reach or widest
    local side = place[2]
    local key, x = key_for(side == 0 and 0 or 3 - side), place[3]
    local low, middle, high = number_text(x - reach), number_text(x), number_text(x + reach)
    local below = call("ZRANGE", key, middle, low, "BYSCORE", "REV", "LIMIT", 0, k + 1, "WITHSCORES")
    local above = call("ZRANGE", key, "(" .. middle, high, "BYSCORE", "LIMIT", 0, k + 1, "WITHSCORES")
    local unseen
    if #below > 2 * k then unseen = x - below[2 * k + 2] end
    if #above > 2 * k then unseen = math.min(unseen or math.huge, above[2 * k + 2] - x) end
    return below, above, unseen
  end

  -- The tickets that have waited longest, and since when the first one waits that is not among them.
  local function oldest()
    if not old then
      local found = call("ZRANGE", ages, 0, OLDEST, "WITHSCORES")
      old = { first = tonumber(found[2]), since = nil, tickets = {} }
      for i = 1, math.min(OLDEST, #found / 2) do old.tickets[i] = found[2 * i - 1] end
      if #found > 2 * OLDEST then old.since = tonumber(found[#found]) end
    end
    return old
  end

  -- A run of the line, somewhere, each time elsewhere: beyond a wall of tickets that t cannot be paired with there may be
  -- somebody whom no look ever reaches.
  local function anywhere(t)
    local number = tonumber(string.sub(redis.sha1hex(t.ticket .. ":" .. whole(now)), 1, 8), 16)
    local first = number % call("ZCARD", ages)
    return call("ZRANGE", ages, first, first + ANYWHERE - 1)
  end

  -- The earlier of `best` and the moment of t with one other, and the side of t if it is the other's.
  local function with_other(t, other, best)
    local played
    for side, place in pairs(t.place) do
      local theirs = other.place[side == 0 and 0 or 3 - side]
      local gap = theirs and abs(theirs[3] - place[3])
      if gap and gap <= widest and not (best and not moments.is_due(gap, moments.points(t, place, best),
          moments.points(other, theirs, best))) then
        local at = moments.due_of(t, place, other, theirs, now)
        if at and (not best or at < best) then best, played = at, side end
      end
    end
    return best, played
  end

  local function look(t)
    local best, looked, seen, partner, side_of = nil, 0, { [t.ticket] = true }, nil, nil
    -- A few at a time: in a dense line one of the first is due, and nobody else has to be read.
    local function see(tickets)
      for i = 1, #tickets do
        local ticket = tickets[i]
        if i % 4 == 1 then learn({ ticket, tickets[i + 1], tickets[i + 2], tickets[i + 3] }) end
        if not seen[ticket] then
          seen[ticket] = true
          looked = looked + 1
          if known[ticket] then
            best, side_of = with_other(t, known[ticket], best)
            if best == now then
              partner = known[ticket]
              return
            end
          end
        end
      end
    end

    for step = 1, #STEPS do
      local nearest_gap, bound = {}, nil
      -- Who offers both sides looks half as far on each: a look is as long for everybody.
      local k = next(t.place, next(t.place)) and STEPS[step] / 2 or STEPS[step]
      for side, place in pairs(t.place) do
        local below, above, unseen = nearest(place, k)
        local tickets = {}
        for i = 1, math.min(k, #below / 2) do tickets[#tickets + 1] = below[2 * i - 1] end
        for i = 1, math.min(k, #above / 2) do tickets[#tickets + 1] = above[2 * i - 1] end
        see(tickets)
        if best == now then return now, looked, partner, side_of end
        nearest_gap[side] = unseen
      end
      if next(nearest_gap) == nil then return best, looked end
      local since = oldest().first
      if step > 1 then
        see(old.tickets)
        if best == now then return now, looked, partner, side_of end
        since = old.since
        if not since then return best, looked end
      end
      for side, gap in pairs(nearest_gap) do
        local at = moments.due_beyond(t, t.place[side], gap, since, highest, now)
        if at and (not bound or at < bound) then bound = at end
      end
      if not bound or (best and best <= bound) then return best, looked end
      -- A look that may have to come again soon is no worse than a wider one now, but for those it would come often to.
      if bound > now + SOON_MS then return bound, looked end
      if step == #STEPS then
        see(anywhere(t))
        if best == now then return now, looked, partner, side_of end
        -- Further away than any look reaches: again after a pause that grows with the wait.
        local again = math.max(bound, now + math.max(PAUSE_MS, math.floor((now - t.since) / 8)))
        return best and math.min(best, again) or again, looked
      end
    end
  end

  return {
    standing = standing, learn = learn, nearest = nearest, look = look, key_for = key_for,
    of = function(ticket) return known[ticket] end,
    forget = function(ticket) known[ticket] = false end,
  }
end
