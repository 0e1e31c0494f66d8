-- The packed form of a live ticket (hash `tickets`): three little-endian doubles first, because a pass reads nothing
-- else of most tickets: rating, enqueued realm ms, and deviation, or −1 less the deviation of a ticket that has terms
-- (see lib/terms: then its rating on a line is the line's to tell); then, each with its length, queue, player, id of the
-- enqueued event, id and ticket of the player's previous event ("" when none is remembered); last the JSON that events
-- repeat behind "rating":, which is the rating's text and perhaps more members. What is kept once weighs half.

local RECORD = "<dddBc0Bc0Bc0Bc0Bc0Hc0"
-- Where the queue begins, behind the three numbers.
local MIDDLE = 25

-- The JSON members of a ticket that events repeat.
local function members_of(player, rest)
  return '"player":' .. cjson.encode(player) .. ',"rating":' .. rest
end

local function pack_record(r)
  local deviation = r.terms and -1 - r.deviation or r.deviation
  return struct.pack(RECORD, r.rating, r.enqueued_ms, deviation, #r.queue, r.queue, #r.player, r.player,
    #r.event, r.event, #r.prev_event, r.prev_event, #r.prev_ticket, r.prev_ticket, #r.rest, r.rest)
end

local function unpack_record(ticket, packed)
  local rating, enqueued_ms, deviation, queue, player, event, prev_event, prev_ticket, rest =
    struct.unpack(RECORD, packed)
  local has_terms = deviation < 0
  if has_terms then deviation = -1 - deviation end
  return {
    has_terms = has_terms,
    middle = string.sub(packed, MIDDLE, -3 - #rest),
    ticket = ticket, rating = rating, enqueued_ms = enqueued_ms, deviation = deviation, queue = queue,
    player = player, event = event, prev_event = prev_event, prev_ticket = prev_ticket,
    members = members_of(player, rest),
  }
end
