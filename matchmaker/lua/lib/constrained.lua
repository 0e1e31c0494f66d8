-- A pass over a line of a queue with constraints: whoever is due is looked at; if somebody is due with it, the places
-- around are solved together (lib/solving), the pairs are made, and the ticket is looked at again.

-- Most pairs that one slice makes, those nearest its centre first; where nothing forbids pairs they cost less. What
-- remains of a best matching is one of what remains of the line, so the next look goes on where this one ends.
local MOST_PAIRS, MOST_SIMPLE_PAIRS, MOST_PASSED = 20, 40, 300
-- What a place costs of the budget of a call: one that is solved so much, one that is only looked at a half.
local WEIGHT = 3

-- Answers places looked at, matches made, their value, and event ids and bodies of those shown.
local function constrained_pass(realm, line, rules, version, budget, ahead, most_shown, goes_on)
  local now, queue, c = realm.now, queue_of(line), rules.constraints
  local allows = pair_rules(rules)
  local moments = pair_moments(rules, allows)
  local view = line_view(realm, line, rules, allows, moments)
  local solve = slice_solver(realm, line, rules, allows, moments, view)
  -- Who is only asked whether it is ready has not met yet.
  local note_meeting = c.rematch and not rules.ready and meeting_noter(now, c.rematch.after_ms)
  local looked, spent, made, value, shown = 0, 0, 0, 0, {}
  local due_key = key_of("due:" .. line)
  local dense = 4 * call("ZCOUNT", due_key, "-inf", whole(now)) > call("ZCARD", key_of("ages:" .. line))

  -- Two who both offer both sides play the better way round, though a slice may have shown only the other one.
  local function better_way(a, pa, b, pb)
    local qb, qa = b.place[1], a.place[2]
    if pa[2] == 0 or not qa or not qb then return a, pa, b, pb end
    local function worth(one, p, other, q)
      return moments.value_now(one, p, other, q, moments.points(one, p, now), moments.points(other, q, now), now)
        or -math.huge
    end
    if worth(b, qb, a, qa) > worth(a, pa, b, pb) then return b, qb, a, qa end
    return a, pa, b, pb
  end

  -- Makes matches of pairs { standing, place, standing, place }, the first side's first.
  local function commit(found)
    local tickets, endings = {}, new_endings()
    endings.goes_on = goes_on
    for i, pair in ipairs(found) do tickets[2 * i - 1], tickets[2 * i] = pair[1].ticket, pair[3].ticket end
    local packed = call("HMGET", KEYS[4], unpack(tickets))
    for i, pair in ipairs(found) do
      pair[1].packed, pair[3].packed = packed[2 * i - 1], packed[2 * i]
      local a, pa, b, pb = better_way(unpack(pair))
      local gap, price = math.abs(pa[3] - pb[3]), allows.price(a, b, now)
      local worth = moments.points(a, pa, now) + moments.points(b, pb, now) - gap - price
      local told = { gap = gap, value = worth, price = price, text = pair_text(rules, allows, a, b, now) }
      local id = commit_standings(realm, endings, queue, version, a, pa, b, pb, told)
      if note_meeting then note_meeting(a.player, b.player) end
      view.forget(a.ticket)
      view.forget(b.ticket)
      made, value = made + 1, value + worth
      if #shown < 2 * most_shown then
        shown[#shown + 1] = id
        shown[#shown + 1] = read_event(id)
      end
    end
    remember(realm, endings, line, "matched")
  end

  -- Solves the surroundings of t, which is due with somebody. Answers whether any match was made: then no second slice, so
  -- that calls stay short; what is left is due at once.
  local function solve_around(t)
    for side, place in pairs(t.place) do
      local found, n = solve(t, place, dense)
      looked, spent = looked + n, spent + WEIGHT * n
      table.sort(found, function(one, other)
        if one[3] ~= other[3] then return one[3] < other[3] end
        return one[1] < other[1]
      end)
      local chosen, tickets = {}, {}
      for i = 1, math.min(#found, allows.forbids and MOST_PAIRS or MOST_SIMPLE_PAIRS) do
        tickets[#tickets + 1] = found[i][1]
        tickets[#tickets + 1] = found[i][2]
      end
      view.learn(tickets)
      for i = 1, #tickets, 2 do
        local a, b = view.of(tickets[i]), view.of(tickets[i + 1])
        local pa, pb = a.place[side == 0 and 0 or 1], b.place[side == 0 and 0 or 2]
        -- Sums of many round otherwise than the rule does for one pair: the rule has the last word.
        if moments.value_now(a, pa, b, pb, moments.points(a, pa, now), moments.points(b, pb, now), now) then
          chosen[#chosen + 1] = { a, pa, b, pb }
        end
      end
      if #chosen > 0 then
        commit(chosen)
        return true
      end
    end
    return false
  end

  local function look_at(ticket)
    local t = view.standing(ticket)
    if not t then
      call("ZREM", due_key, ticket)
      return
    end
    local at, seen = view.look(t)
    looked = looked + 1 + seen
    if at == now then
      local any = solve_around(t)
      if not view.of(ticket) then return end
      local partner, side
      at, seen, partner, side = view.look(t)
      looked = looked + seen
      if partner and not any then
        -- Whom it is due with lies further away than what is solved together.
        local place, theirs = t.place[side], partner.place[side == 0 and 0 or 3 - side]
        commit({ side == 2 and { partner, theirs, t, place } or { t, place, partner, theirs } })
        return
      end
    end
    if at then call("ZADD", due_key, whole(at), ticket) else call("ZREM", due_key, ticket) end
  end

  local done, progress, passed_over = {}, true, 0
  while progress and looked / 2 + spent < budget and passed_over < MOST_PASSED do
    progress = false
    local batch = call("ZRANGE", due_key, "-inf", whole(now + ahead), "BYSCORE", "LIMIT", 0, 16 + passed_over,
      "WITHSCORES")
    local still = 0
    for i = 1, #batch, 2 do
      local ticket, at = batch[i], tonumber(batch[i + 1])
      if looked / 2 + spent >= budget then break end
      -- Ahead of the time only arrivals that the interval holds back count.
      local t = at > now and not done[ticket] and view.standing(ticket)
      if t and at ~= t.since + rules.interval_ms then done[ticket] = true end
      if done[ticket] then
        still = still + 1
      else
        done[ticket], progress = true, true
        look_at(ticket)
      end
    end
    progress = progress or still > passed_over
    passed_over = still
  end
  return looked, made, value, shown
end
