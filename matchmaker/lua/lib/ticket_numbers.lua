-- Numbers that tickets bring.

local MOST_POINTS = 1000000

-- NaN fails every comparison.
local function number_within(value, low)
  return type(value) == "number" and value >= low and value <= MOST_POINTS
end
