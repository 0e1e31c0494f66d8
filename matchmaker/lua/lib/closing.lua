-- Open matches (lib/opening): found, told of, judged by what was reported.

local function find_match(id)
  local text = call("HGET", key_of("matches"), id)
  if text then return cjson.decode(text), text end
end

local function keep_match(id, match)
  local reports = match.reports
  match.reports = nil
  local text = cjson.encode(match)
  match.reports = reports
  call("HSET", key_of("matches"), id, string.sub(text, 1, -2) .. ',"reports":' .. cjson.encode(reports) .. "}")
end

-- The player's team in the match, or nil.
local function team_of(match, player)
  for number, team in ipairs(match.teams) do
    for _, one in ipairs(team) do
      if one == player then return number end
    end
  end
end

-- Puts an event of the match into the stream and rings all who play in it; `text` is the body from the match's id on.
-- Answers its id and body.
local function tell_all(realm, id, match, name, text)
  local body = string.format('"v":1,"event":"%s","at":%d,"queue":"%s","match":"%s"', name, realm.now, match.queue, id)
    .. text .. "}"
  local event = record_event(realm.now, name, "{" .. body)
  local tickets, players = {}, {}
  for player, ticket in pairs(match.tickets) do
    tickets[#tickets + 1], players[#players + 1] = ticket, player
  end
  if match.state == "open" then
    tell_playing(tickets, players, event, body)
  else
    for _, player in ipairs(players) do tell_player(realm, player, event, body) end
  end
  return event, "{" .. body
end

local function same_ranks(one, other)
  for i = 1, math.max(#one, #other) do
    if one[i] ~= other[i] then return false end
  end
  return true
end

-- What the players' reports say together: the ranks they agree on (nil for none), whether they contradict each other,
-- and whether every team was heard.
local function verdict_of(match)
  local ranks, heard, n = nil, {}, 0
  for player, report in pairs(match.reports) do
    if ranks and not same_ranks(ranks, report.ranks) then return nil, true, false end
    ranks = report.ranks
    local team = team_of(match, player)
    if not heard[team] then heard[team], n = true, n + 1 end
  end
  return ranks, false, n == #match.teams
end
