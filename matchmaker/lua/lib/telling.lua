-- Trails (lib/trails) of tickets that may have ended, and how to tell a player of whom nothing is known beforehand.

-- The trail of any ticket, or nil.
local function trail_of(realm, ticket)
  return call("HGET", key_of("playing"), "e:" .. ticket) or live_trail(realm, ticket)
end

-- The newest event of a ticket that ended: its end need not have joined the trail.
local function last_event(realm, ended)
  local trail = trail_of(realm, ended.ticket)
  local last = trail and newest_of(trail)
  return last and is_newer_event(last, ended.end_event) and last or ended.end_event
end

-- Rings one player, whatever it does at the moment.
local function tell_player(realm, player, id, text)
  local ticket = call("HGET", KEYS[5], player)
  if ticket then return tell_live(realm, { ticket }, { player }, id, text) end
  local field = "p:" .. player
  ticket = call("HGET", key_of("playing"), field)
  if ticket then return tell_playing({ ticket }, { player }, id, text) end
  ticket = call("HGET", realm.ended, field) or call("HGET", realm.ended_before, field)
  local ended = ticket and find_ended(realm, ticket)
  -- Of whom nothing is remembered, nothing is to be resumed.
  if not ended then return ring(player, id, "", text) end
  local trail, prev = live_trail(realm, ticket) or ended.event, last_event(realm, ended)
  if newest_of(trail) ~= prev then trail = lengthened(trail, prev) end
  call("HSET", realm.ended, "e:" .. ticket, lengthened(trail, id), field, ticket, "t:" .. ticket,
    packed_ended(realm, ticket))
  ring(player, id, prev, text)
end
