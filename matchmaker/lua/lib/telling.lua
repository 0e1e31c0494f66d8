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

-- The trail of a player of whom no ticket was remembered when it was told something, or nil: field l:<player> of `ended`.
local function lonely_trail(realm, player)
  local field = "l:" .. player
  return call("HGET", realm.ended, field) or call("HGET", realm.ended_before, field) or nil
end

-- The player's newest event before a ticket that it begins now; `ended` is its last ticket, nil where none is remembered.
local function event_before(realm, player, ended)
  if ended then return last_event(realm, ended) end
  local alone = lonely_trail(realm, player)
  return alone and newest_of(alone) or ""
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
  if not ended then
    -- Nothing else is remembered of the player: a trail of its own, for whoever resumes.
    local alone = lonely_trail(realm, player)
    call("HSET", realm.ended, "l:" .. player, alone and lengthened(alone, id) or id)
    return ring(player, id, alone and newest_of(alone) or "", text)
  end
  local trail, prev = live_trail(realm, ticket) or ended.event, last_event(realm, ended)
  if newest_of(trail) ~= prev then trail = lengthened(trail, prev) end
  call("HSET", realm.ended, "e:" .. ticket, lengthened(trail, id), field, ticket, "t:" .. ticket,
    packed_ended(realm, ticket))
  ring(player, id, prev, text)
end
