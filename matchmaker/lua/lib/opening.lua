-- Open matches: hash `matches`, id -> JSON of queue, rules (version), results (of those rules), at, until, state ("open" or
-- "disputed"), teams[][] of players, tickets{player: ticket}, reports{player: {ranks, left}}, told{by:name: the same of
-- servers}, left{player: true}; the matched event in `bodies`. Who plays is in `playing`, with what `ended` holds of the
-- same tickets, and their trails.

-- Opens a match. `match` has queue, rules, teams[][]{ticket, player} and events, the newest one of each ticket before this
-- match's; `endings` after the `first` are its tickets'.
local function open_match(realm, id, match, results, body, endings, first)
  local teams, tickets, remembered = {}, {}, {}
  for i, team in ipairs(match.teams) do
    teams[i] = {}
    for j, t in ipairs(team) do
      teams[i][j] = t.player
      tickets[t.player] = t.ticket
    end
  end
  local deadline = realm.now + results.within_ms
  local text = cjson.encode({ queue = match.queue, rules = match.rules, results = results, at = realm.now,
    ["until"] = deadline, state = "open", teams = teams, tickets = tickets, told = {}, left = {} })
  -- The reports are last, so that one more can be put in without making all of it anew.
  call("HSET", key_of("matches"), id, string.sub(text, 1, -2) .. ',"reports":{}}')
  call("HSET", key_of("bodies"), id, body)
  for i = 4 * first + 1, 4 * endings.n do remembered[#remembered + 1] = endings.remembered[i] end
  for i = first + 1, endings.n do
    local ticket = endings.tickets[i]
    remembered[#remembered + 1] = "e:" .. ticket
    remembered[#remembered + 1] = lengthened(live_trail(realm, ticket) or match.events[i - first], id)
  end
  call("HSET", key_of("playing"), unpack(remembered))
  set_deadline("m:" .. id, deadline)
end
