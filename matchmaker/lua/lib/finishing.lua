-- How open matches (lib/opening) end.

-- The players of an open match are free; what `playing` has of their tickets is remembered as of any that ended.
local function free_players(realm, match)
  local freed, fields = {}, {}
  for player, ticket in pairs(match.tickets) do
    fields[#fields + 1], fields[#fields + 2], fields[#fields + 3] = "t:" .. ticket, "e:" .. ticket, "p:" .. player
  end
  local values = call("HMGET", key_of("playing"), unpack(fields))
  for i, field in ipairs(fields) do
    if values[i] then freed[#freed + 1], freed[#freed + 2] = field, values[i] end
  end
  if #freed > 0 then call("HSET", realm.ended, unpack(freed)) end
  call("HDEL", key_of("playing"), unpack(fields))
end

-- A JSON list of the keys of a set, sorted.
local function names_text(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return #names > 0 and cjson.encode(names) or "[]"
end

-- Who played, as finished events tell it: all that a rating needs.
local function who_text(id)
  local teams = {}
  for i, team in ipairs(cjson.decode(call("HGET", key_of("bodies"), id)).teams) do
    local members = {}
    for j, t in ipairs(team) do
      members[j] = '{"ticket":"' .. t.ticket .. '","player":' .. cjson.encode(t.player) .. ',"rating":'
        .. number_text(t.rating) .. (t.deviation and ',"deviation":' .. number_text(t.deviation) or "")
        .. (t.side and ',"side":"' .. t.side .. '"' or "") .. "}"
    end
    teams[i] = "[" .. table.concat(members, ",") .. "]"
  end
  return "[" .. table.concat(teams, ",") .. "]"
end

-- Ends the match. `result` is { outcome, by, who, reason, ranks }; who left is in the match. Answers the event's id and body.
local function finish_match(realm, id, match, result)
  local text = string.format(',"rules":%d,"matched_ms":%d,"outcome":"%s","by":"%s"', match.rules, match.at,
    result.outcome, result.by)
  if result.who then text = text .. ',"who":' .. cjson.encode(result.who) end
  if result.reason then text = text .. ',"reason":' .. cjson.encode(result.reason) end
  if result.ranks then text = text .. ',"ranks":' .. cjson.encode(result.ranks) end
  if next(match.left) then text = text .. ',"left":' .. names_text(match.left) end
  local event, body = tell_all(realm, id, match, "finished", text .. ',"teams":' .. who_text(id))
  if match.state == "open" then free_players(realm, match) end
  call("HDEL", key_of("matches"), id)
  call("HDEL", key_of("bodies"), id)
  call("ZREM", key_of("deadlines"), "m:" .. id)
  call("HSET", realm.ended, "m:" .. id, cjson.encode({
    outcome = result.outcome, by = result.by, who = result.who, ranks = result.ranks, event = event,
    teams = match.teams, reports = match.reports, told = match.told, left = match.left, queue = match.queue,
    rules = match.rules, results = match.results, reason = result.reason,
  }))
  call("HINCRBY", KEYS[1], result.outcome, 1)
  ask_recording()
  return event, body
end

local function report_text(who, report)
  return '{"player":' .. cjson.encode(who) .. ',"ranks":' .. cjson.encode(report.ranks)
    .. (report.left and ',"left":' .. cjson.encode(report.left) or "") .. "}"
end

-- The reports contradict each other: an operator decides. The players are free meanwhile.
local function dispute_match(realm, id, match)
  local reports, names = {}, {}
  for who in pairs(match.reports) do names[#names + 1] = who end
  table.sort(names)
  for i, who in ipairs(names) do reports[i] = report_text(who, match.reports[who]) end
  local event, body = tell_all(realm, id, match, "disputed", ',"reports":[' .. table.concat(reports, ",") .. "]")
  free_players(realm, match)
  match.state, match.event = "disputed", event
  call("ZREM", key_of("deadlines"), "m:" .. id)
  keep_match(id, match)
  call("HINCRBY", KEYS[1], "disputed", 1)
  return event, body
end

-- Who left, by the reports that count, is in the match; those it is news of get a penalty. Who said itself that it left
-- is known already.
local function note_left(realm, match, reports, load_offend)
  local news = {}
  for _, report in pairs(reports) do
    for _, player in ipairs(report.left or {}) do
      if not match.left[player] then news[player] = true end
    end
  end
  for player in pairs(news) do
    match.left[player] = true
    load_offend()(realm, player, rules_of_version(match.queue, match.rules).penalties)
  end
end

-- Ends the match as its reports say, or as the one report says that is `final`.
local function finish_reported(realm, id, match, result, load_offend, final)
  note_left(realm, match, final and { final } or match.reports, load_offend)
  if final then
    match.left = {}
    for _, player in ipairs(final.left or {}) do match.left[player] = true end
  end
  return finish_match(realm, id, match, result)
end
