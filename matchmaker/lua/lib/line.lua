-- A line's earliest moment, and the hint that wakes a matcher.

-- The queue of a line: `queue`, or `queue=class`.
local function queue_of(line) return string.match(line, "^[^=]*") end

-- More hints than matchers are of no use: each one that wakes looks at everything that is due.
local MOST_HINTS = 64

local function hint(line)
  if call("LLEN", KEYS[11]) < MOST_HINTS then call("LPUSH", KEYS[11], line) end
end

-- Something in the line is now due at `at`: no later than before. Wakes a matcher when that is news.
local function bring_forward(line, at)
  local known = call("ZSCORE", KEYS[9], line)
  if not known or at < tonumber(known) then
    call("ZADD", KEYS[9], at, line)
    hint(line)
  end
end

-- Sets the line's earliest moment from its certificates (`key` if they are not KEYS[13]); answers it, or nil for a line
-- at rest.
local function settle_due(line, key)
  local first = call("ZRANGE", key or KEYS[13], 0, 0, "WITHSCORES")
  if first[1] then
    call("ZADD", KEYS[9], first[2], line)
    return tonumber(first[2])
  end
  call("ZREM", KEYS[9], line)
  return nil
end

-- The same after tickets left by another way than a pass, and wakes a matcher if their neighbours are due for a look.
-- A line with work for `tend` is due already, and stays so until it is done.
local function settle_left(line, now, key)
  if call("HEXISTS", KEYS[3], "c:" .. line) == 1 then return end
  local at = settle_due(line, key)
  if at and at <= now then hint(line) end
end

-- Whether a ticket is in the line's certificates because it came and the queue's interval holds it back: ahead of the
-- time only such ones count, not certificates that lie within the interval by themselves.
local function is_held(ticket, interval)
  local packed = call("HGET", KEYS[4], ticket)
  if not packed then return true end
  local _, since = struct.unpack("<dd", packed)
  return tonumber(call("ZSCORE", KEYS[13], ticket)) == since + interval
end
