-- Terms: what a ticket brings besides one rating, and where it stands. Hash `terms`, ticket -> cmsgpack of
--   since      enqueued realm ms
--   player
--   at         its places, each { line, side (0 where the queue has none, else 1 or 2), x, deviation, choice, side's name }
--   sets       attribute -> values, sorted and joined by "\0"
--   numbers    attribute -> number
--   accepts    attribute -> { low, high }
--   pings      region -> ms
--   region
--   vetoes     pool -> names, sorted and joined by "\0"
--   avoid      players never to meet
--   met        players met lately and realm ms of it, alternating
--   tail       JSON members that a match repeats behind its numbers
-- What is empty is absent. Every ticket of a queue with constraints has terms, and every ticket in several queues.

local function read_terms(ticket)
  local packed = call("HGET", key_of("terms"), ticket)
  return packed and cmsgpack.unpack(packed)
end

-- The terms of a ticket that has none, by its record: one place in `line`, and nothing asked.
local function plain_terms(line, ticket, packed)
  local r = unpack_record(ticket, packed)
  local rest = string.sub(packed, MIDDLE + #r.middle + 2)
  return {
    since = r.enqueued_ms, player = r.player, at = { { line, 0, r.rating, r.deviation, "", "" } },
    tail = string.match(rest, ',"data":.*$'),
  }
end

-- The sorted set in which a place lies.
local function key_of_place(place)
  return key_of("line:" .. place[1] .. (place[6] == "" and "" or ":" .. place[6]))
end

-- A ticket takes its places. It is due in each line after the queue's interval, `due` its moments by queue; `plain`
-- says which lines are of queues without constraints.
local function enter_lines(ticket, terms, due, plain)
  local entered = {}
  for _, place in ipairs(terms.at) do
    local line = place[1]
    call("ZADD", key_of_place(place), number_text(place[3]), ticket)
    if not entered[line] then
      entered[line] = true
      local at = due[queue_of(line)]
      call("ZADD", key_of("due:" .. line), whole(at), ticket)
      if not plain[line] then
        call("ZADD", key_of("ages:" .. line), whole(terms.since), ticket)
        call("HINCRBY", key_of("lines"), line, 1)
      end
      bring_forward(line, at)
    end
  end
  call("HSET", key_of("terms"), ticket, cmsgpack.pack(terms))
end

-- Tickets leave all their places; `termed` has their terms, `current` is the line whose agenda the caller settles. In a
-- line without constraints the place to the left of one that leaves gets a new neighbour: it is due for a look.
local function leave_lines(termed, current, now)
  local tickets, leaving, lines = {}, {}, {}
  for ticket, terms in pairs(termed) do
    tickets[#tickets + 1] = ticket
    for _, place in ipairs(terms.at) do
      local key, line = key_of_place(place), place[1]
      leaving[key] = leaving[key] or {}
      table.insert(leaving[key], ticket)
      lines[line] = lines[line] or {}
      table.insert(lines[line], ticket)
    end
  end
  for line, gone in pairs(lines) do
    local due, kept = key_of("due:" .. line), call("ZREM", key_of("ages:" .. line), unpack(gone))
    if kept > 0 then
      if call("HINCRBY", key_of("lines"), line, -kept) <= 0 then
        call("HDEL", key_of("lines"), line)
        call("HDEL", KEYS[1], "deviation:" .. line)
      end
    else
      local key = key_of("line:" .. line)
      for _, ticket in ipairs(gone) do
        local rank = call("ZRANK", key, ticket)
        if rank and rank > 0 then call("ZADD", due, whole(now), call("ZRANGE", key, rank - 1, rank - 1)[1]) end
      end
    end
    call("ZREM", due, unpack(gone))
  end
  for key, gone in pairs(leaving) do call("ZREM", key, unpack(gone)) end
  for line in pairs(lines) do
    if line ~= current then settle_left(line, now, key_of("due:" .. line)) end
  end
  call("HDEL", key_of("terms"), unpack(tickets))
end
