-- What a matcher must know to sleep: the earliest due moment of the realm and its earliest expiry.

local function earliest(key)
  local first = call("ZRANGE", key, 0, 0, "WITHSCORES")
  return first[1] or "", first[2] or ""
end
