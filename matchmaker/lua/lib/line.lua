-- A line's earliest moment, and the hint that wakes a matcher.

-- More hints than matchers are of no use: each one that wakes looks at everything that is due.
local MOST_HINTS = 64

local function hint(line)
  if call("LLEN", WAKE) < MOST_HINTS then call("LPUSH", WAKE, line) end
end

-- Something in the line is now due at `at`: no later than before. Wakes a matcher when that is news.
local function bring_forward(line, at)
  local known = call("ZSCORE", DUE, line)
  if not known or at < tonumber(known) then
    call("ZADD", DUE, at, line)
    hint(line)
  end
end

-- Sets the line's earliest moment from its certificates; answers it, or nil for a line at rest.
local function settle_due(line)
  local first = call("ZRANGE", LINE_DUE, 0, 0, "WITHSCORES")
  if first[1] then
    call("ZADD", DUE, first[2], line)
    return tonumber(first[2])
  end
  call("ZREM", DUE, line)
  return nil
end
