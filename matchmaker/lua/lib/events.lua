-- Events: what goes into the stream and over the doorbell. Version 1 of each body is fixed:
--   enqueued   v event at queue ticket player rating [deviation] [data]
--   matched    v event at queue rules gap value teams[2][1]{ticket player rating [deviation] [data] waited_ms}
--   cancelled  v event at queue ticket player rating [deviation] [data] waited_ms reason
--   expired    likewise
--   rules      v event at queue version change
-- The id of a matched event is the id of its match. On a player's channel a body is led by its own id and by `prev`,
-- the id of the player's event before it ("" when none is remembered).

-- Puts the event into the stream under realm time; answers its id.
local function record_event(now, name, body)
  return call("XADD", KEYS[10], whole(now) .. "-*", "event", name, "body", body)
end

-- `text` is the body without its opening brace.
local function ring(player, id, prev, text)
  call("PUBLISH", ARGV[2] .. player, '{"id":"' .. id .. '","prev":"' .. prev .. '",' .. text)
end
