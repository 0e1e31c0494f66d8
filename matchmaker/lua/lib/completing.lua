-- Ready checks that everybody accepted.

-- Everybody accepted: the match exists from now on. Answers its id and body.
local function complete_check(realm, id, check, load_meeting_noter)
  local now, rules = realm.now, rules_of_version(check.queue, check.rules)
  local text = string.gsub(call("HGET", key_of("bodies"), id), '^{"v":1,"event":"proposed","at":%d+',
    '"v":1,"event":"matched","at":' .. whole(now), 1)
  text = string.gsub(text, '"waited_ms":(%d+)}', function(waited)
    return '"waited_ms":' .. whole(waited + now - check.at) .. "}"
  end)
  local awaits = rules.results and ',"until":' .. whole(now + rules.results.within_ms) or ""
  text = string.gsub(text, ',"until":%d+}$', "") .. ',"check":"' .. id .. '"' .. awaits .. "}"
  local match = record_event(now, "matched", "{" .. text)
  local endings, head, events = new_endings(), ending_head(now, "matched", match), {}
  each_member(check, function(t, record)
    ring(t.player, match, record.event, text)
    events[#events + 1] = record.event
    add_ending(endings, t.ticket, t.player, head, record.middle)
  end)
  remember_ended(realm, endings, "matched")
  call("HDEL", key_of("terms"), unpack(endings.tickets))
  forget_check(realm, id, check, { outcome = "matched", match = match })
  local rematch = rules.constraints and rules.constraints.rematch
  if rematch then load_meeting_noter()(now, rematch.after_ms)(unpack(endings.players)) end
  if rules.results then
    local opened = { queue = check.queue, rules = check.rules, teams = check.teams, events = events }
    open_match(realm, match, opened, rules.results, "{" .. text, endings, 0)
  end
  ask_recording()
  return match, "{" .. text
end
