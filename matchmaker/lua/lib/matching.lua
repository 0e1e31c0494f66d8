-- Turning a pair into a match: the event, both doorbells, and both tickets among those that ended. The line, the
-- records, the remembrance and the events change in one step, because a script does.

local MATCHED = '"v":1,"event":"matched","at":%d,"queue":"%s","rules":%s,"gap":%.10g,"value":%.10g,"teams":[['
  .. '{"ticket":"%s",%s,"waited_ms":%d}],[{"ticket":"%s",%s,"waited_ms":%d}]]}'

-- Announces the match of tickets a and b (packed records beside them), already chosen; answers its id. The text of a
-- match is most of what a pass costs: it is made in one piece, and nothing is made twice.
local function commit_pair(realm, endings, queue, version, a, packed_a, b, packed_b, gap, value)
  local now = realm.now
  local _, since_a, _, _, player_a, event_a, _, _, rest_a = struct.unpack(RECORD, packed_a)
  local _, since_b, _, _, player_b, event_b, _, _, rest_b = struct.unpack(RECORD, packed_b)
  local text = string.format(MATCHED, now, queue, version, gap, value, a, members_of(player_a, rest_a), now - since_a, b,
    members_of(player_b, rest_b), now - since_b)
  if endings.goes_on then
    local head, teams = string.match(text, '^(.-),"teams":(%[%[.*%]%])}$')
    return endings.goes_on(endings, head, teams, "", { { ticket = a, packed = packed_a }, { ticket = b, packed = packed_b } })
  end
  local id = record_event(now, "matched", "{" .. text)
  ring(player_a, id, event_a, text)
  ring(player_b, id, event_b, text)
  local head = ending_head(now, "matched", id)
  add_ending(endings, a, player_a, head, string.sub(packed_a, MIDDLE, -3 - #rest_a))
  add_ending(endings, b, player_b, head, string.sub(packed_b, MIDDLE, -3 - #rest_b))
  return id
end
