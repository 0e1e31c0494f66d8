-- Tickets that ended, as lib/remember packs them.

local function unpack_ended(ticket, packed)
  local at, how, end_event, queue, player, event, prev_event, prev_ticket = struct.unpack(ENDED, packed)
  return {
    ticket = ticket, at = at, how = how, queue = queue, player = player, event = event, end_event = end_event,
    prev_event = prev_event, prev_ticket = prev_ticket,
  }
end

local function find_ended(realm, ticket)
  local field = "t:" .. ticket
  local packed = call("HGET", realm.ended, field) or call("HGET", realm.ended_before, field)
  return packed and unpack_ended(ticket, packed)
end
