-- What scripts that decode compiled rules count on. The library's check is far stricter and says what is wrong.

local WILLINGNESS = { base = 0, cap = -1, deviation_above = 0, doubling_ms = 0, every_ms = 0, per_deviation = 0,
  per_second = 0, step = 0 }
local QUEUE = { expire_after_ms = 0, heartbeat_ms = 0, interval_ms = 0, max_gap = 0 }

local function numbers_hold(table, least)
  for name, low in pairs(least) do
    local number = table[name]
    if type(number) ~= "number" or not (number >= low and number <= 10 ^ 12) then return false end
  end
  return true
end

local function is_willingness(rules)
  if not numbers_hold(rules, WILLINGNESS) then return false end
  local kinds = { linear = 1, stepped = rules.every_ms, exponential = math.min(rules.base, rules.doubling_ms) }
  return (kinds[rules.kind] or 0) > 0
end

-- A list of 1 to `most` texts.
local function is_texts(list, most)
  if type(list) ~= "table" or #list < 1 or #list > most then return false end
  for i = 1, #list do
    local text = list[i]
    if type(text) ~= "string" or text == "" or #text > 64 or not is_plain_text(text) then return false end
  end
  return true
end

-- An object of at most `most` members, each of which `holds`.
local function is_object(object, most, holds)
  if type(object) ~= "table" then return false end
  local n = 0
  for name, value in pairs(object) do
    n = n + 1
    if n > most or type(name) ~= "string" or not string.find(name, "^[a-z0-9][a-z0-9_.-]*$") or not holds(value) then
      return false
    end
  end
  return n > 0
end

local function is_constraints(c)
  local function is_ms(value)
    return type(value) == "number" and value >= -1 and value <= 10 ^ 12 and value == math.floor(value)
  end
  local checks = {
    sides = function(v) return is_texts(v, 2) and #v == 2 and v[1] ~= v[2] and is_object({ [v[1]] = 1, [v[2]] = 1 }, 2,
      function() return true end) end,
    choices = function(v) return is_object(v, 2, function(one) return is_texts(one, 64) end) end,
    same = function(v) return is_texts(v, 4) end,
    any_of = function(v) return is_object(v, 8, is_ms) end,
    range = function(v) return is_object(v, 8, is_ms) end,
    distance = function(v)
      return is_object(v, 8, function(one)
        return type(one) == "table" and numbers_hold(one, { points_per_unit = 0, relax_after_ms = -1 })
      end)
    end,
    latency = function(v)
      return type(v) == "table" and numbers_hold(v, { limit_ms = 0, most_ms = 0, widen_ms_per_second = 0 })
    end,
    servers = function(v)
      return is_object(v, 64, function(row)
        return is_object(row, 64, function(server) return is_texts({ server }, 1) end)
      end)
    end,
    pool = function(v) return is_object(v, 8, function(one) return is_texts(one, 64) end) end,
    vetoes = function(v) return is_object(v, 8, is_ms) end,
    avoid = function(v) return is_ms(v) and v >= 1 and v <= 100 end,
    rematch = function(v) return type(v) == "table" and numbers_hold(v, { after_ms = 0, relax_after_ms = -1 }) end,
    provisional = function(v)
      return type(v) == "table" and is_willingness(v) and numbers_hold(v, { deviation_from = 0 })
    end,
    own = function(v) return v == true end,
  }
  if type(c) ~= "table" then return false end
  for name, value in pairs(c) do
    if not checks[name] or not checks[name](value) then return false end
  end
  for name in pairs(c.pool or {}) do
    if not (c.vetoes and c.vetoes[name]) then return false end
  end
  return true
end

local function is_word(value, ...)
  for _, word in ipairs({ ... }) do
    if value == word then return true end
  end
  return false
end

-- What is to happen after a match is found.
local function is_lifecycle(rules)
  local ready, results, penalties = rules.ready, rules.results, rules.penalties
  if ready ~= nil and not (type(ready) == "table" and numbers_hold(ready, { window_ms = 1 })) then return false end
  if results ~= nil then
    if type(results) ~= "table" or not numbers_hold(results, { abort_ms = 0, within_ms = 1 }) then return false end
    if not is_word(results.by, "players", "server", "either") then return false end
    if not is_word(results.alone, "counts", "dispute", "nothing") then return false end
  end
  if penalties == nil then return true end
  if type(penalties) ~= "table" or not numbers_hold(penalties, { decay_ms = 1 }) then return false end
  local ladder = penalties.ladder_ms
  if type(ladder) ~= "table" or #ladder < 1 or #ladder > 16 then return false end
  for i = 1, #ladder do
    if not numbers_hold(ladder, { [i] = 0 }) then return false end
  end
  return true
end

local function is_rules(text)
  local ok, rules = pcall(cjson.decode, text)
  if not ok or type(rules) ~= "table" or not is_willingness(rules) or not numbers_hold(rules, QUEUE) then return false end
  if rules.accept ~= "sum" and rules.accept ~= "either" and rules.accept ~= "both" then return false end
  return is_lifecycle(rules) and (rules.constraints == nil or is_constraints(rules.constraints))
end
