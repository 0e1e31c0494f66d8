-- Which strings may be ids and data.

-- True for well-formed UTF-8 without control characters (RFC 3629; surrogates and overlong forms are refused).
local function is_plain_text(text)
  if string.find(text, "%c") then return false end
  if not string.find(text, "[\128-\255]") then return true end
  local place, length = 1, #text
  while place <= length do
    local a, b, c, d = string.byte(text, place, place + 3)
    local tail = function(byte, low, high) return byte and byte >= (low or 128) and byte <= (high or 191) end
    if a < 128 then
      place = place + 1
    elseif a >= 194 and a <= 223 and tail(b) then
      place = place + 2
    elseif a >= 224 and a <= 239 and tail(b, a == 224 and 160, a == 237 and 159) and tail(c) then
      place = place + 3
    elseif a >= 240 and a <= 244 and tail(b, a == 240 and 144, a == 244 and 143) and tail(c) and tail(d) then
      place = place + 4
    else
      return false
    end
  end
  return true
end
