-- The packed forms of a ticket.
--
-- Live (hash `tickets`): three little-endian doubles first, because a pass reads nothing else of most tickets:
--   rating, enqueued realm ms, deviation; then queue, player, id of the enqueued event, id and ticket of the player's
--   previous event ("" when none is remembered), each with its length; last the JSON members that events repeat.
-- Ended (hash `ended`, field t:<ticket>): a MessagePack array
--   how, realm ms, queue, player, id of the enqueued event, id of the ending event, the player's previous event and
--   ticket before this one.

local RECORD = "<dddBc0Bc0Bc0Bc0Bc0Hc0"

local function pack_record(r)
  return struct.pack(RECORD, r.rating, r.enqueued_ms, r.deviation, #r.queue, r.queue, #r.player, r.player,
    #r.event, r.event, #r.prev_event, r.prev_event, #r.prev_ticket, r.prev_ticket, #r.members, r.members)
end

local function unpack_record(ticket, packed)
  local rating, enqueued_ms, deviation, queue, player, event, prev_event, prev_ticket, members =
    struct.unpack(RECORD, packed)
  return {
    ticket = ticket, rating = rating, enqueued_ms = enqueued_ms, deviation = deviation, queue = queue,
    player = player, event = event, prev_event = prev_event, prev_ticket = prev_ticket, members = members,
  }
end

local function pack_ended(how, now, record, event)
  return cmsgpack.pack({
    how, now, record.queue, record.player, record.event, event, record.prev_event, record.prev_ticket,
  })
end

local function unpack_ended(ticket, packed)
  local e = cmsgpack.unpack(packed)
  return {
    ticket = ticket, how = e[1], at = e[2], queue = e[3], player = e[4], event = e[5], end_event = e[6],
    prev_event = e[7], prev_ticket = e[8],
  }
end

local function find_ended(realm, ticket)
  local field = "t:" .. ticket
  local packed = call("HGET", realm.ended, field) or call("HGET", realm.ended_before, field)
  return packed and unpack_ended(ticket, packed)
end
