-- Replies that tell how a ticket stands, and the ways to a ticket.

-- The reply for a ticket that ended, as {how, ticket, realm ms, event id, previous event id, body}.
local function ended_reply(ended)
  local id = ended.end_event
  local body = read_event(id) or call("HGET", key_of("bodies"), id) or ""
  return { ended.how, ended.ticket, whole(ended.at), id, ended.event, body }
end

-- The reply for a live ticket: it waits in the line, or for the players of a ready check.
local function waiting_reply(realm, record)
  local check = realm.has_lifecycle and call("HGET", key_of("checking"), record.ticket)
  if check then
    return { "proposed", record.ticket, whole(record.enqueued_ms), check, record.prev_event,
      call("HGET", key_of("bodies"), check) or "" }
  end
  return { "waiting", record.ticket, whole(record.enqueued_ms), record.event, record.prev_event, "{" .. enqueued_text(record) }
end

-- The reply for any ticket the realm knows, nil for one it does not; and the record of a live one.
local function ticket_reply(realm, ticket)
  local packed = call("HGET", KEYS[4], ticket)
  if packed then
    local record = unpack_record(ticket, packed)
    return waiting_reply(realm, record), record
  end
  local ended = find_ended(realm, ticket)
  return ended and ended_reply(ended)
end

-- The ticket of a player: the live one, else the last that ended; nil when none is remembered.
local function ticket_of(realm, player)
  local field = "p:" .. player
  return call("HGET", KEYS[5], player) or realm.has_lifecycle and call("HGET", key_of("playing"), field)
    or call("HGET", realm.ended, field) or call("HGET", realm.ended_before, field)
end
