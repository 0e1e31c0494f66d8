-- The events of a player between and behind those of its ticket's beginning and end: of ready checks, results, ratings.
-- A listener is told each one's forerunner, so each joins the trail of the player's current ticket: the live one, else
-- the one whose match is open, else the last that ended. A trail is text: the ids of the ticket's events so far, joined
-- by " ", behind a "+" if older ones were let go; in field e:<ticket> of `playing` while its match is open (always), else
-- of the rotating hashes `ended`. The record of a live ticket names its newest event; its end need not join the trail.

local LONGEST_TRAIL = 1000

-- The trail of a live ticket, or nil.
local function live_trail(realm, ticket)
  local field = "e:" .. ticket
  return call("HGET", realm.ended, field) or call("HGET", realm.ended_before, field) or nil
end

-- The newest event of a trail.
local function newest_of(trail) return string.match(trail, "[^ +]+$") end

local function lengthened(trail, id)
  if #trail >= LONGEST_TRAIL then trail = "+" .. string.match(trail, " (.*)$") end
  return trail .. " " .. id
end

-- The packed record (lib/record) with another event as its ticket's newest, and the one it had.
local function with_event(packed, id)
  local queue = string.byte(packed, MIDDLE)
  local player = string.byte(packed, MIDDLE + queue + 1)
  local before = MIDDLE + queue + player + 2
  local event = string.byte(packed, before)
  return string.sub(packed, 1, before - 1) .. string.char(#id) .. id .. string.sub(packed, before + event + 1),
    string.sub(packed, before + 1, before + event)
end

-- Rings the players of live tickets, all at once. `text` is the body without its opening brace.
local function tell_live(realm, tickets, players, id, text)
  local fields = {}
  for i, ticket in ipairs(tickets) do fields[i] = "e:" .. ticket end
  local packed, trails = call("HMGET", KEYS[4], unpack(tickets)), call("HMGET", realm.ended, unpack(fields))
  local records, lengthier = {}, {}
  for i, ticket in ipairs(tickets) do
    local before
    records[2 * i - 1] = ticket
    records[2 * i], before = with_event(packed[i], id)
    lengthier[2 * i - 1] = fields[i]
    lengthier[2 * i] = lengthened(trails[i] or live_trail(realm, ticket) or before, id)
    ring(players[i], id, before, text)
  end
  call("HSET", KEYS[4], unpack(records))
  call("HSET", realm.ended, unpack(lengthier))
end

-- Rings the players of an open match, all at once.
local function tell_playing(tickets, players, id, text)
  local fields, lengthier, home = {}, {}, key_of("playing")
  for i, ticket in ipairs(tickets) do fields[i] = "e:" .. ticket end
  for i, trail in ipairs(call("HMGET", home, unpack(fields))) do
    ring(players[i], id, newest_of(trail), text)
    lengthier[2 * i - 1], lengthier[2 * i] = fields[i], lengthened(trail, id)
  end
  call("HSET", home, unpack(lengthier))
end
