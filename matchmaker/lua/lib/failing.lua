-- Ready checks that fail: by `how` ("declined" or "no_answer") of those `at_fault` {player: true}. They leave, under a
-- penalty; the others stand in the line again with their original wait.

local RETURNED = '"v":1,"event":"returned","at":%d,"queue":"%s","ticket":"%s",%s,"waited_ms":%d,"check":"%s",'
  .. '"reason":"%s","by":%s}'

local function end_suspended(realm, record, reason)
  local text = string.format(UNMATCHED, "cancelled", realm.now, record.queue, record.ticket, record.members,
    realm.now - record.enqueued_ms, reason)
  local id = record_event(realm.now, "cancelled", "{" .. text)
  ring(record.player, id, record.event, text)
  local endings = new_endings()
  add_ending(endings, record.ticket, record.player, ending_head(realm.now, "cancelled", id), record.middle)
  remember_ended(realm, endings, "cancelled")
  call("HDEL", key_of("terms"), record.ticket)
end

-- Answers the penalties, player -> realm ms until which it is barred.
local function fail_check(realm, id, check, how, at_fault)
  local rules, barred, by = rules_of_version(check.queue, check.rules), {}, {}
  for player in pairs(at_fault) do by[#by + 1] = player end
  table.sort(by)
  for _, player in ipairs(by) do
    local until_ms = offend(realm, player, rules.penalties)
    barred[player] = until_ms and whole(until_ms) or ""
    local text = string.format('"v":1,"event":"declined","at":%d,"queue":"%s","check":"%s","player":%s,"ticket":"%s",'
      .. '"how":"%s"', realm.now, check.queue, id, cjson.encode(player), (ticket_in(check, player)), how)
    if until_ms then text = text .. ',"penalty_until":' .. whole(until_ms) end
    record_event(realm.now, "declined", "{" .. text .. "}")
  end
  each_member(check, function(t, record)
    local why = at_fault[t.player] and how or stand_again(realm, record, check)
    if why then
      end_suspended(realm, record, why)
    else
      local text = string.format(RETURNED, realm.now, record.queue, record.ticket, record.members,
        realm.now - record.enqueued_ms, id, how, cjson.encode(by))
      local event = record_event(realm.now, "returned", "{" .. text)
      tell_live(realm, { t.ticket }, { t.player }, event, text)
    end
  end)
  forget_check(realm, id, check, { outcome = how, barred = barred })
  return barred
end

-- Ends the check for want of answers.
local function time_out(realm, id, check)
  local silent_ones = {}
  each_member(check, function(t)
    if not check.accepted[t.player] then silent_ones[t.player] = true end
  end)
  return fail_check(realm, id, check, "no_answer", silent_ones)
end
