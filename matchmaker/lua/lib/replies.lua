-- Replies that tell how a ticket stands, and the ways to a ticket.

-- The reply for a ticket that ended, as {how, ticket, realm ms, event id, previous event id, body}.
local function ended_reply(ended)
  return { ended.how, ended.ticket, whole(ended.at), ended.end_event, ended.event, read_event(ended.end_event) or "" }
end

local function waiting_reply(record)
  return { "waiting", record.ticket, whole(record.enqueued_ms), record.event, record.prev_event, "{" .. enqueued_text(record) }
end

-- The reply for any ticket the realm knows, nil for one it does not; and the record of one that waits.
local function ticket_reply(realm, ticket)
  local packed = call("HGET", KEYS[4], ticket)
  if packed then
    local record = unpack_record(ticket, packed)
    return waiting_reply(record), record
  end
  local ended = find_ended(realm, ticket)
  return ended and ended_reply(ended)
end

-- The ticket of a player: the live one, else the last that ended; nil when none is remembered.
local function ticket_of(realm, player)
  local field = "p:" .. player
  return call("HGET", KEYS[5], player) or call("HGET", realm.ended, field) or call("HGET", realm.ended_before, field)
end
