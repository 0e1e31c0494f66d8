-- Numbers and strings as JSON text.

-- The shortest of two forms that reads back as the same double.
local function number_text(number)
  local text = string.format("%.15g", number)
  if tonumber(text) == number then return text end
  return string.format("%.17g", number)
end

local function whole(number)
  return string.format("%d", number)
end
