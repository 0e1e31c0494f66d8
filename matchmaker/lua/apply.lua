#!lua
-- apply: stores the rules of a realm, and creates the realm at the first time.
-- Guarantee: all of it or nothing; the same rules again change nothing. Waiting tickets are certified anew by the passes
--   that follow. A queue that is removed takes no tickets from then on, and its waiting ones are cancelled by passes.
--
-- KEYS 1-11  as in lib/realm.lua
-- ARGV[1]  now         realm ms, or "" (decides the time mode of a realm that does not exist yet)
-- ARGV[2]  prune       "1": queues that are not named are removed
-- ARGV[3]  dry         "1": answer what would change, change nothing
-- ARGV[4]  retain      ms for which ended tickets are remembered at least, 1000 to 10^12 (a new realm only)
-- ARGV[5]  backlog     most events kept before no ticket is taken, 1 to 10^12 (a new realm only)
-- ARGV[6…] queue, compiled rules (JSON), alternating
--
-- Reply: an array that begins with a code
--   applied          then queue, change (created, changed, unchanged, removed) and version of each
--   invalid          field, bound
--   time_mode        mode of the realm
--   upgrade          schema found, schema wanted
-- Events: rules
-- @include lib/realm lib/text lib/events lib/line lib/plain_text lib/rules_check lib/shape

-- The work that waiting tickets are after a change from `old` (nil for a new queue) to `new`; see lib/work.
local function work_after(queue, old, new, at_work)
  if not (new.constraints and new.constraints.own) then call("UNLINK", key_of("propose:" .. queue)) end
  local was_pending = call("HDEL", KEYS[3], "r:" .. queue) == 1
  if old and (at_work == "reshape" or was_pending or shape_of(old) ~= shape_of(new)) then return "reshape" end
  -- Those of a queue that was about to go are let go where they might not all stand as these rules have it.
  if at_work == "closing" and (old.constraints or new.constraints) then return "reshape" end
  if new.constraints then
    local has_terms = not old or old.constraints
    return has_terms and string.sub(at_work or "", 1, 1) ~= "=" and "@" or "="
  end
  if old and old.constraints then
    call("UNLINK", key_of("ages:" .. queue))
    call("HDEL", key_of("lines"), queue)
    call("HDEL", KEYS[1], "deviation:" .. queue)
  end
  return ""
end

local retain, refusal = whole_argument(4, "retain", 1000, 10 ^ 12)
if not retain then return refusal end
local backlog
backlog, refusal = whole_argument(5, "backlog", 1, 10 ^ 12)
if not backlog then return refusal end
for i = 6, #ARGV, 2 do
  if #ARGV[i] > 64 or not string.find(ARGV[i], "^[a-z0-9][a-z0-9_-]*$") then
    return { "invalid", "queue", "1 to 64 of a-z 0-9 _ -, beginning with a letter or digit" }
  end
  if not is_rules(ARGV[i + 1] or "") then return { "invalid", ARGV[i], "the compiled form of a queue's rules" } end
end

local dry = ARGV[3] == "1"
local now
if call("EXISTS", KEYS[1]) == 0 then
  if not dry then
    local mode = ARGV[1] == "" and "server" or "virtual"
    local given
    if mode == "virtual" then
      given, refusal = whole_argument(1, "now", 0, MOST_MS)
      if not given then return refusal end
    end
    now = given and virtual_now(given) or server_now()
    call("HSET", KEYS[1], "schema", OLDEST_SCHEMA, "time", mode, "retain_ms", ARGV[4], "max_backlog", ARGV[5], "ended", "0",
      "rotated_ms", whole(now), "floor_ms", "0", "kept_ms", whole(now), "full", "")
  end
else
  local realm
  realm, refusal = open_realm()
  if not realm then return refusal end
  now = realm.now
end

local reply = { "applied" }

local function tell(queue, change, version)
  reply[#reply + 1] = queue
  reply[#reply + 1] = change
  reply[#reply + 1] = version
  if dry or change == "unchanged" then return end
  local body = '{"v":1,"event":"rules","at":' .. whole(now) .. ',"queue":"' .. queue .. '","version":' .. version
    .. ',"change":"' .. change .. '"}'
  record_event(now, "rules", body)
end

local named = {}
for i = 6, #ARGV, 2 do
  local queue, compiled = ARGV[i], ARGV[i + 1]
  named[queue] = true
  local stored = call("HMGET", KEYS[3], "q:" .. queue, "n:" .. queue, "c:" .. queue)
  local version = tonumber(stored[2] or 0)
  if stored[1] == compiled and stored[3] ~= "closing" then
    tell(queue, "unchanged", version)
  else
    if not dry then
      local old, new = stored[1] and cjson.decode(stored[1]) or nil, cjson.decode(compiled)
      local work = work_after(queue, old, new, stored[3])
      if new.constraints then raise_schema(SCHEMA_OF_TERMS) end
      if new.ready or new.results then raise_schema(SCHEMA) end
      -- Meetings are kept for as long as the longest `after` that any queue has had.
      local after = new.constraints and new.constraints.rematch and new.constraints.rematch.after_ms
      if after and after > tonumber(call("HGET", KEYS[1], "met_for_ms") or 0) then
        call("HSET", KEYS[1], "met_for_ms", whole(after))
      end
      call("HSET", KEYS[3], "q:" .. queue, compiled, "n:" .. queue, version + 1, "v:" .. queue .. ":" .. version + 1,
        compiled, "c:" .. queue, work)
      bring_forward(queue, now)
    end
    tell(queue, stored[1] and "changed" or "created", version + 1)
  end
end

if ARGV[2] == "1" then
  local fields = call("HKEYS", KEYS[3])
  table.sort(fields)
  for _, field in ipairs(fields) do
    local queue = string.match(field, "^q:(.*)$")
    if queue and not named[queue] and call("HGET", KEYS[3], "c:" .. queue) ~= "closing" then
      if not dry then
        -- Work that ends here unfinished is remembered, in case the queue comes back before it has gone.
        local pending = call("HGET", KEYS[3], "c:" .. queue)
        if pending == "reshape" or string.sub(pending or "", 1, 1) == "=" then
          call("HSET", KEYS[3], "r:" .. queue, "1")
        end
        call("HSET", KEYS[3], "c:" .. queue, "closing")
        bring_forward(queue, now)
      end
      tell(queue, "removed", tonumber(call("HGET", KEYS[3], "n:" .. queue)))
    end
  end
end
return reply
