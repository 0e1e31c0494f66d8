-- How tickets that ended are remembered: in the hash `ended`, field t:<ticket>, packed as realm ms and then, each with
-- its length, how it ended, id of the ending event, and as in the live record queue, player, id of the enqueued event,
-- the player's previous event and ticket before this one; and field p:<player>, its last ended ticket.

local ENDED = "<dBc0Bc0Bc0Bc0Bc0Bc0Bc0"

-- Tickets that end in one call, gathered so that each kind of write happens once. At most a slice of them, so every
-- unpack stays short.
local function new_endings()
  return { n = 0, tickets = {}, players = {}, remembered = {} }
end

-- What the endings of one event have in common: the moment, how, and the event.
local function ending_head(now, how, event)
  return struct.pack("<dBc0Bc0", now, #how, how, #event, event)
end

-- `middle` is what the live record holds from its queue to the player's previous ticket.
local function add_ending(endings, ticket, player, head, middle)
  local n = endings.n + 1
  endings.n = n
  endings.tickets[n] = ticket
  endings.players[n] = player
  local remembered, at = endings.remembered, 4 * n
  remembered[at - 3] = "t:" .. ticket
  remembered[at - 2] = head .. middle
  remembered[at - 1] = "p:" .. player
  remembered[at] = ticket
end

-- Moves them from the living to the remembered, off their line included, and counts them.
local function remember(realm, endings, how)
  if endings.n == 0 then return end
  local tickets = endings.tickets
  call("ZREM", KEYS[12], unpack(tickets))
  call("ZREM", KEYS[13], unpack(tickets))
  call("ZREM", KEYS[6], unpack(tickets))
  call("HDEL", KEYS[4], unpack(tickets))
  call("HDEL", KEYS[5], unpack(endings.players))
  call("HSET", realm.ended, unpack(endings.remembered))
  call("HINCRBY", KEYS[1], how, endings.n)
end
