-- What follows when a pair is found in a queue with a ready check or with results (`lib/matching` and `lib/announce` ask
-- for it through `endings.goes_on`).

-- Tickets and players by team.
local function who_plays(teams)
  local who = {}
  for i, team in ipairs(cjson.decode(teams)) do
    who[i] = {}
    for j, t in ipairs(team) do who[i][j] = { ticket = t.ticket, player = t.player } end
  end
  return who
end

-- A ready check: hash `checks`, id -> JSON of queue, rules (version), at, until, window (ms), versions (of the rules of
-- every queue its tickets stand in), teams[][]{ticket, player}, accepted{player: true}; its event in `bodies`.
local function check_beginner(realm, queue, version, rules)
  local now, window = realm.now, rules.ready.window_ms

  return function(endings, head, teams, tail, members)
    local text = string.gsub(head, '"matched"', '"proposed"', 1) .. ',"teams":' .. teams .. tail .. ',"until":'
      .. whole(now + window) .. "}"
    local id = record_event(now, "proposed", "{" .. text)
    local versions, checking, who = { [queue] = tonumber(version) }, {}, who_plays(teams)
    local tickets, players = {}, {}
    for i, member in ipairs(members) do
      local record = unpack_record(member.ticket, member.packed)
      local terms = record.has_terms and (member.at and member or read_terms(member.ticket)) or nil
      for _, place in ipairs(terms and terms.at or {}) do
        local other = queue_of(place[1])
        versions[other] = versions[other] or tonumber(call("HGET", KEYS[3], "n:" .. other))
      end
      tickets[i], players[i] = member.ticket, record.player
      checking[2 * i - 1], checking[2 * i] = member.ticket, id
      add_suspended(endings, member.ticket, terms)
    end
    tell_live(realm, tickets, players, id, text)
    call("HSET", key_of("checking"), unpack(checking))
    local check = { queue = queue, rules = tonumber(version), at = now, ["until"] = now + window, window = window,
      versions = versions, teams = who }
    -- Those who accepted are last, so that one more can be put in without making all of it anew.
    call("HSET", key_of("checks"), id, string.sub(cjson.encode(check), 1, -2) .. ',"accepted":{}}')
    call("HSET", key_of("bodies"), id, "{" .. text)
    set_deadline("c:" .. id, now + window)
    call("HINCRBY", KEYS[1], "proposed", 1)
    return id
  end
end

-- A match at once, whose result is awaited.
local function match_beginner(realm, queue, version, rules)
  local now = realm.now

  return function(endings, head, teams, tail, members)
    local text = head .. ',"teams":' .. teams .. tail .. ',"until":' .. whole(now + rules.results.within_ms) .. "}"
    local id = record_event(now, "matched", "{" .. text)
    local end_head, first, events = ending_head(now, "matched", id), endings.n, {}
    for _, member in ipairs(members) do
      local record = unpack_record(member.ticket, member.packed)
      ring(record.player, id, record.event, text)
      events[#events + 1] = record.event
      local terms = record.has_terms and (member.at and member or read_terms(member.ticket)) or nil
      add_ending(endings, member.ticket, record.player, end_head, record.middle, terms)
    end
    local match = { queue = queue, rules = tonumber(version), teams = who_plays(teams), events = events }
    open_match(realm, id, match, rules.results, "{" .. text, endings, first)
    return id
  end
end

-- The function that `endings.goes_on` is to be; nil where a match is the end.
local function going_on(realm, queue, version, rules)
  if rules.ready then return check_beginner(realm, queue, version, rules) end
  if rules.results then return match_beginner(realm, queue, version, rules) end
end
