-- For scripts that write nothing in a realm and need no clock: where those that ended are remembered, newer first.

-- Answers {exists, ended, ended_before, floor_ms, has_lifecycle}, or nil and the reply that refuses the call.
local function read_realm()
  local meta = call("HMGET", KEYS[1], "schema", "ended", "floor_ms")
  if meta[1] and not is_known_schema(meta[1]) then return nil, { "upgrade", meta[1], SCHEMA } end
  local second = meta[2] == "1"
  return {
    exists = meta[1] ~= false,
    ended = second and KEYS[8] or KEYS[7],
    ended_before = second and KEYS[7] or KEYS[8],
    floor_ms = meta[3],
    has_lifecycle = meta[1] == SCHEMA,
  }
end
