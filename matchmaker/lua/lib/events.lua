-- Events: what goes into the stream and over the doorbell. Version 1 of each body is fixed:
--   enqueued   v event at queue ticket player rating [deviation] [data]
--   matched    v event at queue rules gap value teams[2][1]{ticket player rating [deviation] [data] waited_ms}
--   cancelled  v event at queue ticket player rating [deviation] [data] waited_ms reason
--   expired    likewise
--   rules      v event at queue version change
-- The id of a matched event is the id of its match. On a player's channel a body is led by its own id and by `prev`,
-- the id of the player's event before it ("" when none is remembered).

local CHANNEL = ARGV[2]

local function enqueued_body(record)
  return '{"v":1,"event":"enqueued","at":' .. whole(record.enqueued_ms) .. ',"queue":"' .. record.queue
    .. '","ticket":"' .. record.ticket .. '",' .. record.members .. "}"
end

local function ended_body(how, now, record, reason)
  return '{"v":1,"event":"' .. how .. '","at":' .. whole(now) .. ',"queue":"' .. record.queue .. '","ticket":"'
    .. record.ticket .. '",' .. record.members .. ',"waited_ms":' .. whole(now - record.enqueued_ms)
    .. ',"reason":"' .. reason .. '"}'
end

local function member(now, record)
  return '{"ticket":"' .. record.ticket .. '",' .. record.members .. ',"waited_ms":'
    .. whole(now - record.enqueued_ms) .. "}"
end

local function matched_body(now, queue, version, gap, value, one, other)
  return '{"v":1,"event":"matched","at":' .. whole(now) .. ',"queue":"' .. queue .. '","rules":' .. version
    .. ',"gap":' .. number_text(gap) .. ',"value":' .. number_text(value)
    .. ',"teams":[[' .. member(now, one) .. "],[" .. member(now, other) .. "]]}"
end

-- Puts the event into the stream under realm time; answers its id.
local function record_event(now, name, body)
  return call("XADD", KEYS[10], whole(now) .. "-*", "event", name, "body", body)
end

local function ring(player, id, prev, body)
  call("PUBLISH", CHANNEL .. player, '{"id":"' .. id .. '","prev":"' .. prev .. '",' .. string.sub(body, 2))
end

local function read_event(id)
  local found = call("XRANGE", KEYS[10], id, id)[1]
  return found and found[2][4]
end
