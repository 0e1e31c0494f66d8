-- Events: what goes into the stream and over the doorbell. Version 1 of each body is fixed:
--   enqueued   v event at queue ticket player rating [deviation] [data]
--   matched    v event at queue rules gap value teams[2][1]{ticket player rating [deviation] [data] waited_ms}
--   cancelled  v event at queue ticket player rating [deviation] [data] waited_ms reason
--   expired    likewise
--   rules      v event at queue version change
--   proposed   as matched, and until: a ready check
--   accepted   v event at queue check player accepted needed
--   declined   v event at queue check player ticket how [penalty_until]
--   returned   as cancelled, and check by[player]: the ticket waits again
--   reported   v event at queue match by who ranks[] [left[player]]
--   left       v event at queue match player
--   disputed   v event at queue match reports[]{player ranks [left]}
--   finished   v event at queue rules match matched_ms outcome by [who] [reason] [ranks] [left] teams[][]{ticket player
--              rating [deviation] [side]}
--   rated      v event at queue match n players[]{player rating before game [side] [deviation]}
-- Of a match that had a ready check, matched has check; of one whose result is awaited, until.
-- The id of a matched event is the id of its match, that of a proposed event the id of its ready check. On a player's channel a body is led by its own id and by `prev`,
-- the id of the player's event before it ("" when none is remembered).

-- Whether one event came after another: ids order as two numbers.
local function is_newer_event(id, than)
  local ms, n = string.match(id, "^(%d+)-(%d+)$")
  local than_ms, than_n = string.match(than, "^(%d+)-(%d+)$")
  ms, than_ms = tonumber(ms), tonumber(than_ms)
  return ms > than_ms or (ms == than_ms and tonumber(n) > tonumber(than_n))
end

-- Puts the event into the stream under realm time; answers its id.
local function record_event(now, name, body)
  return call("XADD", KEYS[10], whole(now) .. "-*", "event", name, "body", body)
end

-- `text` is the body without its opening brace.
local function ring(player, id, prev, text)
  call("PUBLISH", ARGV[2] .. player, '{"id":"' .. id .. '","prev":"' .. prev .. '",' .. text)
end
