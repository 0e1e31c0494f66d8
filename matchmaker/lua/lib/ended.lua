-- How tickets that ended are remembered: in the hash `ended`, field t:<ticket>, packed as realm ms and then, each with
-- its length, how it ended, id of the ending event, and as in the live record queue, player, id of the enqueued event,
-- the player's previous event and ticket before this one; and field p:<player>, its last ended ticket; e: and
-- l: are trails (lib/trails, lib/telling), c: and m: how ready checks and matches ended. Those whose match
-- is open are also in `playing`, which does not rotate.

local ENDED = "<dBc0Bc0Bc0Bc0Bc0Bc0Bc0"

local function unpack_ended(ticket, packed)
  local at, how, end_event, queue, player, event, prev_event, prev_ticket = struct.unpack(ENDED, packed)
  return {
    ticket = ticket, at = at, how = how, queue = queue, player = player, event = event, end_event = end_event,
    prev_event = prev_event, prev_ticket = prev_ticket,
  }
end

local function packed_ended(realm, ticket)
  local field = "t:" .. ticket
  return call("HGET", realm.ended, field) or call("HGET", realm.ended_before, field)
    or realm.has_lifecycle and call("HGET", key_of("playing"), field)
end

local function find_ended(realm, ticket)
  local packed = packed_ended(realm, ticket)
  return packed and unpack_ended(ticket, packed)
end
