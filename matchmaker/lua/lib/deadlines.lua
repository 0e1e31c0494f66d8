-- Moments at which a ready check or an open match is over: zset `deadlines`, c:<check> or m:<match> -> realm ms. The
-- earliest stands among the lines of `due` under a name that no line has; matchers then call `lapse`.

local OPEN = "!open"

local function set_deadline(name, at)
  call("ZADD", key_of("deadlines"), whole(at), name)
  local known = call("ZSCORE", KEYS[9], OPEN)
  -- No hint: whoever calls learns it from the reply, and all others when they reread the agenda.
  if not known or at < tonumber(known) then call("ZADD", KEYS[9], whole(at), OPEN) end
end

-- Something wants to be recorded soon that no pass made: a matcher that hears this name asks recorders for it.
local function ask_recording()
  if call("LINDEX", KEYS[11], 0) ~= OPEN then call("LPUSH", KEYS[11], OPEN) end
end

-- JSON that ends with an object, with one more member in that object.
local function with_member(text, name, value)
  local comma = string.sub(text, -3) == "{}}" and "" or ","
  return string.sub(text, 1, -3) .. comma .. cjson.encode(name) .. ":" .. value .. "}}"
end

local decoded = {}

-- Compiled rules, read once a call.
local function rules_of_text(compiled)
  if not decoded[compiled] then decoded[compiled] = cjson.decode(compiled) end
  return decoded[compiled]
end

-- The rules of then, for as long as the realm has them.
local function rules_of_version(queue, version)
  local compiled = call("HGET", KEYS[3], "v:" .. queue .. ":" .. version) or call("HGET", KEYS[3], "q:" .. queue)
  return rules_of_text(compiled or "{}")
end

-- How a match or a ready check that is over is remembered, until `retain` has passed twice at the latest.
local function remembered_end(realm, field)
  local text = call("HGET", realm.ended, field) or call("HGET", realm.ended_before, field)
  return text and cjson.decode(text) or nil
end
