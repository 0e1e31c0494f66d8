-- The queues of an enqueue.

local MOST_QUEUES = 8

-- Names joined by ","; or nil and the reply that refuses the call.
local function queues_of(text)
  if text ~= "" and not string.find(text, ",", 1, true) then return { text } end
  local queues, seen = {}, {}
  for name in string.gmatch(text, "[^,]+") do
    if seen[name] then return nil, { "invalid", "queues", "names that differ: " .. name .. " stands there twice" } end
    seen[name] = true
    queues[#queues + 1] = name
  end
  if #queues < 1 or #queues > MOST_QUEUES then return nil, { "invalid", "queues", "1 to 8 names, joined by ," } end
  return queues
end

-- The rules by queue; the first queue that has none or is closing; one that is changing its sides or classes.
local function read_rules(queues)
  local rules_of, missing, reshaping = {}, nil, nil
  for _, queue in ipairs(queues) do
    local stored = call("HMGET", KEYS[3], "q:" .. queue, "c:" .. queue)
    rules_of[queue] = stored[1] and stored[2] ~= "closing" and cjson.decode(stored[1])
    if not rules_of[queue] then missing = missing or queue end
    if stored[2] == "reshape" then reshaping = queue end
  end
  return rules_of, missing, reshaping
end

-- The moment at which a ticket that joins now expires, or its lease ends; nil for never.
local function expiry_of(rules, now)
  local ends = rules.expire_after_ms > 0 and now + rules.expire_after_ms or nil
  if rules.heartbeat_ms > 0 then ends = math.min(ends or math.huge, now + rules.heartbeat_ms) end
  return ends and whole(ends)
end
