-- How tickets leave: their records, their place and their remembrance, all in one step.

-- Moves tickets from the living to the remembered. `endings` is a list of {record, how, event id}; at most a slice of
-- them, so every unpack stays short. The caller has taken them off the line.
local function remember(realm, endings)
  local tickets, players, remembered = {}, {}, {}
  for i, ending in ipairs(endings) do
    local record = ending[1]
    tickets[i] = record.ticket
    players[i] = record.player
    local at = 4 * i - 3
    remembered[at] = "t:" .. record.ticket
    remembered[at + 1] = pack_ended(ending[2], realm.now, record, ending[3])
    remembered[at + 2] = "p:" .. record.player
    remembered[at + 3] = record.ticket
  end
  call("HDEL", KEYS[4], unpack(tickets))
  call("HDEL", KEYS[5], unpack(players))
  call("ZREM", KEYS[6], unpack(tickets))
  call("HSET", realm.ended, unpack(remembered))
end

-- Takes one ticket off the line. The place to its left gets a new neighbour, so it is due for a look.
local function leave_line(realm, ticket)
  local rank = call("ZRANK", KEYS[12], ticket)
  if rank and rank > 0 then
    call("ZADD", KEYS[13], whole(realm.now), call("ZRANGE", KEYS[12], rank - 1, rank - 1)[1])
  end
  call("ZREM", KEYS[12], ticket)
  call("ZREM", KEYS[13], ticket)
end

-- Ends waiting tickets without a match: `how` is cancelled or expired. Events go out one by one, in order.
local function end_unmatched(realm, line, records, how, reason_of)
  local endings = {}
  for i, record in ipairs(records) do
    leave_line(realm, record.ticket)
    local body = ended_body(how, realm.now, record, reason_of(record))
    local id = record_event(realm.now, how, body)
    ring(record.player, id, record.event, body)
    endings[i] = { record, how, id }
  end
  if #endings > 0 then
    remember(realm, endings)
    call("HINCRBY", KEYS[1], how, #endings)
    local earliest = settle_due(line)
    if earliest and earliest <= realm.now then hint(line) end
  end
end

-- The reply for a ticket that ended, as {how, ticket, realm ms, event id, previous event id, body}.
local function ended_reply(ended)
  return { ended.how, ended.ticket, whole(ended.at), ended.end_event, ended.event, read_event(ended.end_event) or "" }
end

local function waiting_reply(record)
  return { "waiting", record.ticket, whole(record.enqueued_ms), record.event, record.prev_event, enqueued_body(record) }
end

-- The reply for any ticket the realm knows; nil for one it does not.
local function ticket_reply(realm, ticket)
  local packed = call("HGET", KEYS[4], ticket)
  if packed then return waiting_reply(unpack_record(ticket, packed)), unpack_record(ticket, packed) end
  local ended = find_ended(realm, ticket)
  return ended and ended_reply(ended)
end

-- The ticket of a player: the live one, else the last that ended; nil when none is remembered.
local function ticket_of(realm, player)
  local field = "p:" .. player
  return call("HGET", KEYS[5], player) or call("HGET", realm.ended, field) or call("HGET", realm.ended_before, field)
end
