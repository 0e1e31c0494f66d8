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
-- @include lib/realm lib/text lib/events lib/line

-- What scripts that decode these rules count on. The library's check is far stricter and says what is wrong.
local function is_rules(text)
  local ok, rules = pcall(cjson.decode, text)
  if not ok or type(rules) ~= "table" then return false end
  local numbers = {
    base = 0, cap = -1, deviation_above = 0, doubling_ms = 0, every_ms = 0, expire_after_ms = 0, heartbeat_ms = 0,
    interval_ms = 0, max_gap = 0, per_deviation = 0, per_second = 0, step = 0,
  }
  for name, least in pairs(numbers) do
    local number = rules[name]
    if type(number) ~= "number" or not (number >= least and number <= 10 ^ 12) then return false end
  end
  local kinds = { linear = 1, stepped = rules.every_ms, exponential = math.min(rules.base, rules.doubling_ms) }
  return (kinds[rules.kind] or 0) > 0 and (rules.accept == "sum" or rules.accept == "either" or rules.accept == "both")
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
    call("HSET", KEYS[1], "schema", SCHEMA, "time", mode, "retain_ms", ARGV[4], "max_backlog", ARGV[5], "ended", "0",
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
      call("HSET", KEYS[3], "q:" .. queue, compiled, "n:" .. queue, version + 1, "v:" .. queue .. ":" .. version + 1,
        compiled, "c:" .. queue, "")
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
        call("HSET", KEYS[3], "c:" .. queue, "closing")
        bring_forward(queue, now)
      end
      tell(queue, "removed", tonumber(call("HGET", KEYS[3], "n:" .. queue)))
    end
  end
end
return reply
