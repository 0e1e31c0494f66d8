-- How tickets end: off their lines, into the hash `ended` (see lib/ended).

-- Tickets that end in one call, gathered so that each kind of write happens once. At most a slice of them, so every
-- unpack stays short.
local function new_endings()
  return { n = 0, tickets = {}, players = {}, remembered = {}, termed = {} }
end

-- A ticket that only leaves its lines, for a ready check.
local function add_suspended(endings, ticket, terms)
  endings.n = endings.n + 1
  endings.tickets[endings.n] = ticket
  endings.suspends = true
  if terms then endings.termed[ticket] = terms end
end

-- What the endings of one event have in common: the moment, how, and the event.
local function ending_head(now, how, event)
  return struct.pack("<dBc0Bc0", now, #how, how, #event, event)
end

-- `middle` is what the live record holds from its queue to the player's previous ticket; `terms` those of a ticket that
-- has any.
local function add_ending(endings, ticket, player, head, middle, terms)
  local n = endings.n + 1
  if terms then endings.termed[ticket] = terms end
  endings.n = n
  endings.tickets[n] = ticket
  endings.players[n] = player
  local remembered, at = endings.remembered, 4 * n
  remembered[at - 3] = "t:" .. ticket
  remembered[at - 2] = head .. middle
  remembered[at - 1] = "p:" .. player
  remembered[at] = ticket
end

-- Moves them from the living to the remembered, and counts them.
local function remember_ended(realm, endings, how)
  call("HDEL", KEYS[4], unpack(endings.tickets))
  call("HDEL", KEYS[5], unpack(endings.players))
  call("HSET", realm.ended, unpack(endings.remembered))
  call("HINCRBY", KEYS[1], how, endings.n)
end

-- The same, off their lines included; tickets that are suspended keep their records and terms. `line` is the one this
-- call works on, KEYS[12] and KEYS[13].
local function remember(realm, endings, line, how)
  if endings.n == 0 then return end
  local tickets = endings.tickets
  local kept = endings.suspends and call("HMGET", key_of("terms"), unpack(tickets)) or {}
  if next(endings.termed) then leave_lines(endings.termed, line, realm.now) end
  call("ZREM", KEYS[12], unpack(tickets))
  call("ZREM", KEYS[13], unpack(tickets))
  call("ZREM", KEYS[6], unpack(tickets))
  if not endings.suspends then return remember_ended(realm, endings, how) end
  for i, terms in ipairs(kept) do
    if terms then call("HSET", key_of("terms"), tickets[i], terms) end
  end
end
