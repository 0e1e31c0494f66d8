-- The body of an event by its id; nil when it is no longer kept.

local function read_event(id)
  local found = call("XRANGE", KEYS[10], id, id)[1]
  return found and found[2][4]
end
